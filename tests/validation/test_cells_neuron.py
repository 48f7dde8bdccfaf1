"""Compiled cells equal NEURON's own import, BMTK's axon replacement and discretisation, live."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from morphology import assert_same_coupling

from isocortex.cells.allen import compile_allen

neuron = pytest.importorskip("neuron")
pytest.importorskip("bmtk")

FIX_AXON = {
    "aibs_perisomatic": "fix_axon_peri",
    "aibs_perisomatic_directed": "fix_axon_perisomatic_directed",
    "aibs_allactive": "fix_axon_allactive",
    "aibs_allactive_directed": "fix_axon_allactive_directed",
    None: None,
}
CELLS = ["313862167", "471129934", "474267418", "478793814", "487661754", "485836906"]
TYPES = {"soma": 1, "axon": 2, "dend": 3, "apic": 4}
DL = 20.0  # um


@pytest.fixture(scope="module")
def hoc():
    from bmtk.simulator.bionet import nrn

    h = neuron.h
    h.load_file("stdrun.hoc")
    h.load_file("import3d.hoc")
    h.load_file(str(Path(nrn.__file__).parent / "default_templates" / "Biophys1.hoc"))
    return h


@pytest.fixture(scope="module")
def cells(shared):
    folder = shared / "data" / "cells"
    if not (folder / "index.csv").is_file():
        pytest.skip(f"no cells in {folder}")
    with open(folder / "index.csv", newline="") as file:
        return {
            row["id"]: (folder / "fit" / row["fit"], folder / "morphologies" / row["swc"])
            for row in csv.DictReader(file)
        }


def neuron_cell(h, swc, processing, ra):
    """Sections of the cell in BMTK's order; the first result keeps them alive."""
    from bmtk.simulator.bionet.default_setters import cell_models

    cell = h.Biophys1(str(swc))
    if processing is not None:
        getattr(cell_models, FIX_AXON[processing])(cell)
    sections = list(cell.all)
    for section in sections:
        section.Ra = ra
        section.nseg = 1 + 2 * int(section.L / (2.0 * DL))
    h.distance(sec=cell.soma[0])
    return cell, sections


def nodes_of(sections):
    """NEURON's nodes: parent, resistance to it (MOhm), and the node of each compartment."""
    first = dict(zip(sections, np.cumsum([0] + [s.nseg + 1 for s in sections])[:-1], strict=True))
    n = sum(s.nseg + 1 for s in sections) + 1
    parent, resistance = np.full(n, -1), np.full(n, np.inf)

    def attachment(segment):
        if segment is None:
            return n - 1  # the root section's start
        section, x = segment.sec, segment.x
        if x == 0.0:
            return attachment(section.parentseg())
        return first[section] + (section.nseg if x == 1.0 else int(x * section.nseg))

    for section, begin in first.items():
        end = begin + section.nseg
        parent[begin : end + 1] = np.arange(begin - 1, end)
        parent[begin] = attachment(section.parentseg())
        resistance[begin:end] = [segment.ri() for segment in section]
        resistance[end] = section(1.0).ri()
    compartments = np.setdiff1d(
        np.arange(n - 1), [first[section] + section.nseg for section in sections]
    )
    return parent, resistance, compartments


@pytest.mark.parametrize("processing", FIX_AXON)
@pytest.mark.parametrize("cell_id", CELLS)
def test_geometry_equals_neurons(hoc, cells, cell_id, processing):
    if processing is not None and processing.endswith("directed"):
        pytest.importorskip("sklearn")  # BMTK's own need
    fit, swc = cells[cell_id]
    ra = json.loads(fit.read_text())["passive"][0]["ra"]
    _alive, sections = neuron_cell(hoc, swc, processing, ra)
    cell = compile_allen(fit, swc, processing, dL=DL)
    nodes = cell.compartments

    segments = [segment for section in sections for segment in section]
    counts = np.bincount(cell.section[nodes])
    np.testing.assert_array_equal(counts, [section.nseg for section in sections])
    kinds = [TYPES[segment.sec.name().split(".")[1][:4]] for segment in segments]
    np.testing.assert_array_equal(cell.section_type[nodes], kinds)
    np.testing.assert_allclose(cell.area[nodes], [s.area() for s in segments], rtol=1e-9)
    np.testing.assert_allclose(cell.diameter[nodes], [s.diam for s in segments], rtol=1e-9)
    middle = 0.5 * (cell.distance_start + cell.distance_end)[nodes]
    np.testing.assert_allclose(middle, [hoc.distance(s) for s in segments], rtol=1e-9)
    assert_same_coupling(cell, *nodes_of(sections), rtol=1e-9)
