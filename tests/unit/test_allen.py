"""Fit files: defaults, order of entries, and errors that name file and field."""

import copy
import json

import numpy as np
import pytest

from isocortex.cells.allen import compile_allen
from isocortex.cells.fit import read_fit
from isocortex.errors import InputError, IsocortexError, ModelError
from isocortex.mechanisms import DENSITY

SWC = """\
1 1 0 0 0 5 -1
2 3 5 0 0 1 1
3 3 60 0 0 0.5 2
4 2 0 -5 0 0.6 1
5 2 0 -80 0 0.4 4
6 4 0 5 0 2 1
7 4 0 90 0 1 6
"""
KINDS = ("soma", "axon", "dend", "apic")
FIT = {
    "passive": [{
        "ra": 120.0, "e_pas": -85.0,
        "cm": [{"section": kind, "cm": 1.0 + k / 10} for k, kind in enumerate(KINDS)],
    }],
    "conditions": [{
        "celsius": 34.0, "v_init": -85.0,
        "erev": [{"section": "soma", "ena": 53.0, "ek": -107.0}],
    }],
    "genome": [
        {"section": "soma", "name": "gbar_NaTs", "value": 0.5, "mechanism": "NaTs"},
        {"section": "soma", "name": "gbar_Ih", "value": "1e-5", "mechanism": "Ih"},
        {"section": "soma", "name": "g_pas", "value": 1e-4, "mechanism": ""},
        {"section": "axon", "name": "g_pas", "value": 2e-4, "mechanism": ""},
        {"section": "dend", "name": "g_pas", "value": 3e-4, "mechanism": ""},
        {"section": "apic", "name": "g_pas", "value": 4e-4, "mechanism": ""},
    ],
}  # fmt: skip


@pytest.fixture
def compiled(tmp_path):
    """Write the model and compile it; ``change`` edits a copy of the fit."""

    def run(change=None, **options):
        fit = copy.deepcopy(FIT)
        if change is not None:
            change(fit)
        (tmp_path / "fit.json").write_text(json.dumps(fit))
        (tmp_path / "cell.swc").write_text(SWC)
        return compile_allen(tmp_path / "fit.json", tmp_path / "cell.swc", **options)

    return run


def by_kind(cell, values):
    return [np.unique(values[(cell.section_type == k) & (cell.area > 0)]) for k in (1, 2, 3, 4)]


def test_values_go_to_their_sections(compiled):
    cell = compiled()
    assert by_kind(cell, cell.cm) == [[1.0], [1.1], [1.2], [1.3]]
    assert by_kind(cell, cell.g_pas) == [[1e-4], [2e-4], [3e-4], [4e-4]]
    assert by_kind(cell, cell.e_pas) == [[-85.0]] * 4
    assert by_kind(cell, cell.ena) == [[53.0], [50.0], [50.0], [50.0]]
    assert by_kind(cell, cell.ek) == [[-107.0], [-77.0], [-77.0], [-77.0]]
    assert set(cell.mechanisms) == {"NaTs", "Ih"}
    assert cell.mechanisms["Ih"].parameters["gbar"] == pytest.approx(1e-5)  # numbers as text
    np.testing.assert_array_equal(cell.mechanisms["NaTs"].nodes, [cell.soma])
    assert cell.name == "cell"


def test_defaults_are_neurons(compiled):
    """All-active files may leave everything out."""

    def strip(fit):
        fit["passive"], fit["conditions"], fit["genome"] = [{}], [{"erev": []}], []

    cell = compiled(strip, processing="aibs_allactive", name="bare")
    real = cell.area > 0
    for values, default in (
        (cell.cm, 1.0), (cell.g_pas, 1e-3), (cell.e_pas, -70.0), (cell.ena, 50.0), (cell.ek, -77.0),
    ):  # fmt: skip
        assert (values[real] == default).all()
    assert cell.mechanisms == {} and cell.name == "bare"


def test_axial_resistance_scales_the_couplings(compiled):
    def resistive(fit):
        fit["passive"][0]["ra"] = 240.0

    a, b = compiled(), compiled(resistive)
    np.testing.assert_allclose(a.g_axial[1:], 2.0 * b.g_axial[1:])


def test_last_entry_wins_and_a_partial_parameter_takes_its_default(compiled):
    def extend(fit):
        fit["genome"] += [
            {"section": "soma", "name": "gbar_NaTs", "value": 0.7, "mechanism": "NaTs"},
            {"section": "soma", "name": "decay_CaDynamics", "value": 99.0,
             "mechanism": "CaDynamics"},
            {"section": "apic", "name": "gamma_CaDynamics", "value": 0.01,
             "mechanism": "CaDynamics"},
        ]  # fmt: skip

    cell = compiled(extend)
    assert cell.mechanisms["NaTs"].parameters["gbar"] == [0.7]
    table = cell.mechanisms["CaDynamics"]
    apical = cell.section_type[table.nodes] == 4
    default = {name: p.default for name, p in DENSITY["CaDynamics"].parameters.items()}
    decay, gamma = table.parameters["decay"], table.parameters["gamma"]
    assert set(decay[apical]) == {default["decay"]} and set(decay[~apical]) == {99.0}
    assert set(gamma[apical]) == {0.01} and set(gamma[~apical]) == {default["gamma"]}


def test_entries_that_bmtk_skips(compiled):
    def extend(fit):
        fit["genome"].append({"section": "glob", "name": "x", "value": 1.0, "mechanism": ""})

    assert set(compiled(extend).mechanisms) == {"NaTs", "Ih"}


def test_compartments_follow_dL(compiled):
    assert compiled(dL=5.0).n_compartments > compiled().n_compartments
    assert compiled(dL=1e6).n_compartments == 5  # soma, dendrite, apical dendrite, two of axon


@pytest.mark.parametrize(
    ("dL", "message"),
    [
        (1e-6, r"dL: 1e-06 um would cut this cell into 2.1e\+08 compartments. Use 0.01 um or more"),
        (1e-320, "would cut this cell into inf compartments"),
        (0.0, "dL: must be more than 0 um, found 0"),
        (float("nan"), "dL: must be more than 0 um, found nan"),
    ],
)
def test_a_dL_that_takes_all_memory_is_refused_before_it_is_taken(compiled, tmp_path, dL, message):
    with pytest.raises(ModelError, match=message) as caught:
        compiled(dL=dL)
    assert caught.value.file == tmp_path / "cell.swc" and caught.value.fix


def test_the_contents_of_a_fit_may_be_given(tmp_path):
    (tmp_path / "cell.swc").write_text(SWC)
    assert compile_allen(FIT, tmp_path / "cell.swc").n_compartments > 5


@pytest.mark.parametrize("block", ["passive", "genome", "conditions"])
def test_missing_block(compiled, tmp_path, block):
    for change in (lambda fit: fit.pop(block), lambda fit: fit.update({block: {}})):
        with pytest.raises(InputError, match=f"no {block} list") as caught:
            compiled(change)
        assert str(caught.value).startswith(f"{tmp_path / 'fit.json'}: {block}: ")


def entry(**changes):
    new = {"section": "soma", "name": "gbar_Im", "value": 1.0, "mechanism": "Im"} | changes
    return lambda fit: fit["genome"].append({k: v for k, v in new.items() if v is not None})


def passive(**changes):
    return lambda fit: fit["passive"][0].update(changes)


def erev(**changes):
    return lambda fit: fit["conditions"][0]["erev"][0].update(changes)


def capacitance(**changes):
    return lambda fit: fit["passive"][0]["cm"][1].update(changes)


NO_NUMBERS = [float("nan"), float("inf"), True, "much", "nan", [1], 10**400]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (entry(section="spine"), ModelError, "unknown section 'spine'"),
        (entry(mechanism=""), ModelError, "genome: 'gbar_Im' is set on 'soma' before"),
        (entry(name="gbar"), ModelError, "genome: 'gbar' is set on 'soma' before"),
        (entry(section=None), InputError, "genome[6].section: is missing"),
        (entry(section=["soma"]), InputError, "genome[6].section: must be text, found ['soma']"),
        (entry(name=None), InputError, "genome[6].name: is missing"),
        (entry(name=3), InputError, "genome[6].name: must be text, found 3"),
        (entry(mechanism=None), InputError, "genome[6].mechanism: is missing. Name its mechanism"),
        (entry(mechanism=0), InputError, "genome[6].mechanism: must be text, found 0"),
        (entry(value=None), InputError, "genome[6].value: is missing"),
        *((entry(value=v), InputError, "genome[6].value: must be a finite") for v in NO_NUMBERS),
        (entry(value=-1e-3), ModelError, "genome[6].value: gbar_Im must be 0 or more S/cm2"),
        (entry(name="depth_CaDynamics", mechanism="CaDynamics", value=0), ModelError,
         "genome[6].value: depth_CaDynamics must be more than 0 um, found 0"),
        (entry(name="decay_CaDynamics", mechanism="CaDynamics", value=-3), ModelError,
         "genome[6].value: decay_CaDynamics must be 0 or more ms"),
        (entry(name="g_pas", mechanism="", value="-1"), InputError,
         "genome[6].value: g_pas must be 0 or more, found '-1'"),
        (entry(name="Ra", mechanism="", value=0), InputError, "ra must be more than 0, found 0"),
        (entry(name="cm", mechanism="", value=0), InputError, "cm must be more than 0, found 0"),
        (lambda fit: fit["genome"].append("gbar_Im"), InputError,
         "genome[6]: must be a JSON object, found 'gbar_Im'"),
        (lambda fit: fit["passive"][0].pop("ra"), ModelError, "passive: no ra"),
        (lambda fit: fit["passive"][0].pop("e_pas"), ModelError, "passive: no e_pas"),
        (lambda fit: fit["passive"][0]["cm"].pop(), ModelError, "passive: no cm of 'apic'"),
        (passive(cm=3.0), InputError, "passive[0].cm: must be a list, found 3.0"),
        (passive(cm=[3.0]), InputError, "passive[0].cm[0]: must be a JSON object, found 3.0"),
        (passive(ra=0), InputError, "passive[0].ra: ra must be more than 0, found 0"),
        (passive(ra=-5.0), InputError, "passive[0].ra: ra must be more than 0, found -5.0"),
        (passive(ra="7.5"), InputError, "passive[0].ra: must be a finite number, found '7.5'"),
        *((passive(ra=v), InputError, "passive[0].ra: must be a finite") for v in NO_NUMBERS),
        *((passive(e_pas=v), InputError, "passive[0].e_pas: must be a") for v in NO_NUMBERS),
        *((capacitance(cm=v), InputError, "passive[0].cm[1].cm: must be") for v in NO_NUMBERS),
        (capacitance(cm=0.0), InputError, "passive[0].cm[1].cm: cm must be more than 0"),
        (lambda fit: fit.update(passive=[7]), InputError,
         "passive[0]: must be a JSON object, found 7"),
        (lambda fit: fit["conditions"][0]["erev"][0].pop("ek"), InputError,
         "conditions[0].erev[0].ek: is missing"),
        *((erev(ek=v), InputError, "conditions[0].erev[0].ek: must be") for v in NO_NUMBERS),
        (lambda fit: fit["conditions"][0].update(erev={}), InputError, "erev: must be a list"),
    ],
)  # fmt: skip
def test_errors_name_the_file(compiled, tmp_path, change, error, message):
    with pytest.raises(IsocortexError) as caught:
        compiled(change)
    assert type(caught.value) is error
    assert message in str(caught.value) and caught.value.fix
    assert str(caught.value).startswith(f"{tmp_path / 'fit.json'}: ")


def test_mistakes_of_the_code_are_not_blamed_on_the_fit(compiled, monkeypatch):
    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr("isocortex.cells.allen._Biophysics._insert", broken)
    with pytest.raises(KeyError, match="a bug"):
        compiled()


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"3", b"\xff\xfe"])
def test_not_a_fit_file(tmp_path, content):
    path = tmp_path / "fit.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"fit\.json: (not valid JSON|not text|not a JSON object)"):
        read_fit(path)


def test_missing_fit_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: file does not exist"):
        read_fit(tmp_path / "none.json")


def test_unknown_processing(compiled):
    with pytest.raises(ModelError, match=r"unknown model_processing 'aibs'.*aibs_perisomatic"):
        compiled(processing="aibs")
