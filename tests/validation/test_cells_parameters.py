"""Fit files are applied as BMTK's set_params_peri and set_params_allactive apply them."""

import copy

import numpy as np
import pytest

from isocortex.cells.allen import compile_allen
from isocortex.errors import InputError, IsocortexError, ModelError
from isocortex.mechanisms import DENSITY

SWC = """\
1 1 0 0 0 5 -1
2 3 8 0 0 1 1
3 3 98 0 0 1 2
4 4 0 8 0 2 1
5 4 0 98 0 1 4
6 2 0 -8 0 1 1
7 2 0 -28 0 0.5 6
8 2 9 -48 0 0.25 7
9 2 -9 -48 0 0.25 7
"""
SOMA, AXON, DEND, APIC = 1, 2, 3, 4
FIT = {
    "passive": [
        {
            "ra": 120.0, "e_pas": -80.0,
            "cm": [{"section": kind, "cm": 1.5} for kind in ("soma", "axon", "dend", "apic")],
        }
    ],
    "conditions": [{"celsius": 34.0, "erev": [{"section": "soma", "ena": 53.0, "ek": -107.0}]}],
    "genome": [
        {"section": "soma", "name": "g_pas", "mechanism": "", "value": 1e-4},
        {"section": "dend", "name": "g_pas", "mechanism": "", "value": "3e-4"},
        {"section": "soma", "name": "gbar_Im_v2", "mechanism": "Im_v2", "value": 0.25},
        {"section": "soma", "name": "gbar_NaV", "mechanism": "NaV", "value": 0.5},
    ],
}  # fmt: skip


@pytest.fixture
def build(tmp_path):
    def run(processing="aibs_allactive", swc=SWC, **blocks):
        path = tmp_path / "cell.swc"
        path.write_text(swc)
        return compile_allen(copy.deepcopy(FIT) | blocks, path, processing)

    return run


def at(cell, kind, name):
    values = getattr(cell, name)[(cell.section_type == kind) & (cell.area > 0)]
    assert np.ptp(values) == 0
    return values[0]


def entry(section, name, value, mechanism=""):
    return {"section": section, "name": name, "mechanism": mechanism, "value": value}


def test_values_go_to_their_sections_and_others_keep_neurons_defaults(build):
    cell = build()
    assert [at(cell, kind, "g_pas") for kind in (SOMA, AXON, DEND, APIC)] == [
        1e-4, 1e-3, 3e-4, 1e-3,
    ]  # fmt: skip
    assert (at(cell, SOMA, "ena"), at(cell, SOMA, "ek")) == (53.0, -107.0)
    assert (at(cell, DEND, "ena"), at(cell, DEND, "ek")) == (50.0, -77.0)
    assert set(cell.mechanisms) == {"Im_v2", "NaV"}
    for name, value in (("Im_v2", 0.25), ("NaV", 0.5)):
        table = cell.mechanisms[name]
        np.testing.assert_array_equal(cell.section_type[table.nodes], SOMA)
        np.testing.assert_array_equal(table.parameters["gbar"], value)


def test_nothing_passive_given(build):
    cell = build(passive=[{}], genome=[])
    assert (at(cell, DEND, "cm"), at(cell, DEND, "e_pas")) == (1.0, -70.0)
    twice = build(passive=[{"ra": 2 * 35.4}], genome=[])
    np.testing.assert_allclose(cell.g_axial[1:], 2 * twice.g_axial[1:])


def test_section_properties_in_the_genome(build):
    """As all-active fits have them."""
    genome = [entry("dend", "cm", 2.0), entry("dend", "e_pas", -60.0), entry("axon", "Ra", 240.0)]
    cell, plain = build(genome=genome), build(genome=[])
    assert (at(cell, DEND, "cm"), at(cell, DEND, "e_pas"), at(cell, APIC, "cm")) == (2, -60, 1.5)
    tip = np.flatnonzero(cell.section_type == AXON)[-1]
    assert cell.g_axial[tip] == pytest.approx(plain.g_axial[tip] / 2)


def test_glob_is_skipped(build):
    genome = [*FIT["genome"], entry("glob", "celsius", 34.0), entry("glob", "gbar_Ih", 1, "Ih")]
    assert set(build(genome=genome).mechanisms) == {"Im_v2", "NaV"}


def test_unknown_mechanisms_are_passed_on(build):
    cell = build(genome=[entry("soma", "gbar_New", 2.0, "New")])
    np.testing.assert_array_equal(cell.mechanisms["New"].parameters["gbar"], 2.0)


def test_parameter_set_on_some_sections_only_has_its_default_on_others(build):
    genome = [
        entry("soma", "gamma_CaDynamics", 0.02, "CaDynamics"),
        entry("axon", "decay_CaDynamics", 300.0, "CaDynamics"),
    ]
    cell = build(genome=genome)
    table = cell.mechanisms["CaDynamics"]
    default = DENSITY["CaDynamics"].parameters["gamma"].default
    gamma = dict(zip(cell.section_type[table.nodes], table.parameters["gamma"], strict=True))
    assert gamma == {SOMA: 0.02, AXON: default}


def test_stub_axons(build):
    assert build("aibs_perisomatic").n_compartments == build().n_compartments
    for processing, diameters in (
        ("aibs_perisomatic", (1.0, 1.0)), ("aibs_perisomatic_directed", (1.0, 1.0)),
        ("aibs_allactive", (1.5, 0.75)), ("aibs_allactive_directed", (1.5, 0.75)),
    ):  # fmt: skip
        cell = build(processing)
        nodes = np.flatnonzero(cell.section_type == AXON)
        np.testing.assert_allclose(cell.diameter[nodes], diameters)
        np.testing.assert_array_equal(cell.length[nodes], 30.0)
        assert list(cell.section[nodes]) == [3, 4]
        if processing.endswith("directed"):
            way = cell.end[nodes[1]] - cell.start[nodes[0]]
            assert np.linalg.norm(way) == pytest.approx(60.0, abs=1e-4)
            assert way[0] < 0 and way[1] < -58, "towards the end of the last axon section"
    whole = build(None)
    assert list(np.unique(whole.section[whole.section_type == AXON])) == [1, 2, 3]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"genome": [entry("dend", "gbar_NaV", 1.0)]}, "gbar_NaV"),
        ({"genome": [entry("soma", "gbar_NaV", 1.0, "NaV"), entry("dend", "gbar_NaV", 1.0)]},
         "gbar_NaV"),
        ({"genome": [entry("soma", "g_pas", "much")]}, "must be a finite number"),
        ({"genome": [{"section": "soma"}]}, r"genome\[0\].name: is missing"),
        ({"genome": [entry("spine", "g_pas", 1.0)]}, "unknown section 'spine'"),
        ({"passive": []}, "no passive"),
    ],
)  # fmt: skip
def test_errors(build, blocks, message):
    with pytest.raises(IsocortexError, match=message):
        build(**blocks)


def test_perisomatic_needs_the_whole_passive_block(build):
    passive = {"ra": 120.0, "e_pas": -80.0, "cm": [{"section": "soma", "cm": 1.0}]}
    with pytest.raises(ModelError, match=r"no cm of 'apic', cm of 'axon', cm of 'dend'"):
        build("aibs_perisomatic", passive=[passive])


def test_no_axon_to_take_diameters_from(build):
    swc = "\n".join(SWC.splitlines()[:5])
    assert build("aibs_perisomatic", swc=swc).n_compartments > 0
    for processing in ("aibs_allactive", "aibs_perisomatic_directed"):
        with pytest.raises(ModelError, match=f"{processing} needs an axon"):
            build(processing, swc=swc)


def test_dendrite_on_a_replaced_axon(build):
    """NEURON leaves it without a parent: simulated, and out of reach of the rest."""
    loose = "10 3 0 -58 0 1 8\n11 3 0 -68 0 1 10\n"
    without, cell = build("aibs_perisomatic"), build("aibs_perisomatic", swc=SWC + loose)
    assert cell.n_compartments == without.n_compartments + 1
    (node,) = np.flatnonzero(cell.distance_start > 1e19)
    assert (cell.g_axial[node], cell.parent[node]) == (0.0, 0)


def test_unknown_processing(build):
    with pytest.raises(ModelError, match="unknown model_processing 'fix_axon'"):
        build("fix_axon")


def test_missing_and_broken_fit_files(tmp_path):
    with pytest.raises(InputError, match="none.json: file does not exist"):
        compile_allen(tmp_path / "none.json", tmp_path / "cell.swc")
    (tmp_path / "fit.json").write_text('{"passive": [')
    with pytest.raises(InputError, match=r"fit\.json"):
        compile_allen(tmp_path / "fit.json", tmp_path / "cell.swc")
