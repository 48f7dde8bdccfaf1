"""Compiled cells against NEURON and BMTK themselves; runs where both can be imported.

Channels are left out of the fits, so that no NMODL files need compiling: here it is geometry,
passive properties and couplings that are compared. Golden results cover the channels.
"""

import csv
import json

import numpy as np
import pytest
from conftest import SHARED
from morphology import assert_same_coupling
from swc_cases import CASES

from isocortex.cells.allen import compile_allen
from isocortex.cells.library import DIVISIONS, library_cells, load_cell

h = pytest.importorskip("neuron").h
pytest.importorskip("bmtk")

CELLS = SHARED / "data" / "cells"
PROCESSINGS = (
    "aibs_perisomatic_directed", "aibs_allactive", "aibs_allactive_directed", None,
)  # fmt: skip


def models():
    """Fit and reconstruction of every Allen model at hand, by id."""
    if not (CELLS / "index.csv").is_file():
        return {}
    with open(CELLS / "index.csv", newline="") as file:
        return {
            row["id"]: (CELLS / "fit" / row["fit"], CELLS / "morphologies" / row["swc"])
            for row in csv.DictReader(file)
        }


MODELS = models()


class PrincipalComponents:
    """What BMTK uses of scikit-learn, for where that is not installed."""

    def __init__(self, n_components):
        self.n_components = n_components

    def fit(self, points):
        centred = points - points.mean(axis=0)
        self.components_ = np.linalg.svd(centred, full_matrices=False)[2][: self.n_components]


@pytest.fixture(scope="module")
def bmtk_cell():
    """(swc, fit, processing, dL) -> BMTK's cell object and its Morphology."""
    import bmtk.simulator.bionet as bionet
    from bmtk.simulator.bionet.default_setters import cell_models
    from bmtk.simulator.bionet.morphology import Morphology

    h.load_file("stdlib.hoc")
    h.load_file("import3d.hoc")
    h.load_file(f"{bionet.__path__[0]}/default_templates/Biophys1.hoc")
    if not hasattr(cell_models, "PCA"):
        cell_models.PCA = PrincipalComponents

    def build(swc, fit, processing, dL):
        cell = h.Biophys1(str(swc))
        if processing is None:
            cell_models.set_params_allactive(cell, fit)
        else:
            getattr(cell_models, processing)(cell, None, fit)
        morphology = Morphology.load(hobj=cell)
        morphology.set_segment_dl(dL)
        return cell, morphology

    return build


def passive_part(fit):
    """A fit without channels and reversal potentials."""
    genome = [entry for entry in fit["genome"] if not entry.get("mechanism")]
    return fit | {"genome": genome, "conditions": [fit["conditions"][0] | {"erev": []}]}


def node_tree(sections):
    """NEURON's nodes, rebuilt from sections: parents, MOhm to them, node of each compartment."""
    parent, resistance, compartments, at = [-1], [0.0], [], {}
    waiting = list(sections)
    while waiting:
        section = waiting.pop(0)
        above = section.parentseg()
        if above is not None and above.sec not in at:
            waiting.append(section)
            continue
        if above is None:
            node = 0
        else:
            start, inner, end = at[above.sec]
            inside = inner[min(int(above.x * len(inner)), len(inner) - 1)]
            node = {0.0: start, 1.0: end}.get(above.x, inside)
        start, inner = node, []
        for segment in [*section, section(1)]:
            parent.append(node)
            resistance.append(segment.ri())
            node = len(parent) - 1
            inner.append(node)
        at[section] = start, inner[:-1], node
    for section in sections:
        compartments += at[section][1]
    return np.array(parent), np.array(resistance), np.array(compartments)


def assert_same(cell, reference):
    hoc_cell, morphology = reference
    sections = list(hoc_cell.all)
    segments = [segment for section in sections for segment in section]
    properties, nodes = morphology.seg_props, cell.compartments
    assert cell.n_compartments == len(segments)
    expected = {
        "section": properties.sec_id, "section_type": properties.type, "x": properties.x,
        "length": properties.length,
        "distance_start": properties.dist0, "distance_end": properties.dist1,
        "area": [segment.area() for segment in segments],
        "diameter": [segment.diam for segment in segments],
        "cm": [segment.cm for segment in segments],
        "g_pas": [segment.pas.g for segment in segments],
        "e_pas": [segment.pas.e for segment in segments],
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(
            getattr(cell, name)[nodes], values, rtol=1e-8, atol=1e-9, err_msg=name
        )
    assert_same_coupling(cell, *node_tree(sections), rtol=1e-8)


def assert_same_place(cell, reference):
    hoc_cell, morphology = reference
    coordinates, nodes = morphology.seg_coords, cell.compartments
    # relative to the mean of the soma's points
    offset = np.mean(
        [[s.x3d(i), s.y3d(i), s.z3d(i)] for s in hoc_cell.soma for i in range(s.n3d())], axis=0
    )
    np.testing.assert_allclose(cell.start[nodes], coordinates.p0.T + offset, atol=1e-3)
    np.testing.assert_allclose(cell.end[nodes], coordinates.p1.T + offset, atol=1e-3)


def compare(build, swc, fit, processing, dL=20.0):
    fit = passive_part(fit)
    cell, reference = compile_allen(fit, swc, processing, dL=dL), build(swc, fit, processing, dL)
    assert_same(cell, reference)
    return cell, reference


@pytest.mark.parametrize("cell_id", MODELS)
def test_every_perisomatic_model(bmtk_cell, cell_id):
    fit, swc = MODELS[cell_id]
    assert_same_place(*compare(bmtk_cell, swc, json.loads(fit.read_text()), "aibs_perisomatic"))


@pytest.mark.parametrize("processing", PROCESSINGS)
@pytest.mark.parametrize("cell_id", list(MODELS)[::12])
def test_processings(bmtk_cell, cell_id, processing):
    fit, swc = MODELS[cell_id]
    assert_same_place(*compare(bmtk_cell, swc, json.loads(fit.read_text()), processing))


@pytest.mark.parametrize("dL", [1.0, 15.0, 40.0, 1000.0])
@pytest.mark.parametrize("cell_id", list(MODELS)[::40])
def test_compartment_lengths(bmtk_cell, cell_id, dL):
    fit, swc = MODELS[cell_id]
    compare(bmtk_cell, swc, json.loads(fit.read_text()), "aibs_perisomatic", dL)


@pytest.mark.parametrize("dL", DIVISIONS)
@pytest.mark.parametrize("cell_id", [name for name in MODELS if name in library_cells().index][::6])
def test_embedded_cells(bmtk_cell, cell_id, dL):
    """As they are in the package, not compiled anew."""
    fit, swc = MODELS[cell_id]
    fit = passive_part(json.loads(fit.read_text()))
    assert_same(load_cell(cell_id, dL), bmtk_cell(swc, fit, "aibs_perisomatic", dL))


FIT = {
    "passive": [
        {
            "ra": 120.0, "e_pas": -80.0,
            "cm": [{"section": kind, "cm": 1.5} for kind in ("soma", "axon", "dend", "apic")],
        }
    ],
    "conditions": [{"celsius": 34.0, "v_init": -80.0, "erev": []}],
    "genome": [
        {"section": kind, "name": "g_pas", "mechanism": "", "value": value}
        for kind, value in (("soma", 1e-4), ("axon", 2e-4), ("dend", 3e-4), ("apic", 4e-4))
    ],
}  # fmt: skip


@pytest.mark.parametrize("processing", ["aibs_perisomatic", None])
@pytest.mark.parametrize("case", CASES)
def test_odd_reconstructions(bmtk_cell, tmp_path, case, processing):
    if processing and "axon[0]" not in CASES[case][1]:
        pytest.skip("BMTK aborts where there is no axon to replace")
    swc = tmp_path / "cell.swc"
    swc.write_text(CASES[case][0])
    compare(bmtk_cell, swc, FIT, processing, dL=2.0)
