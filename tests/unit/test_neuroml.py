"""NeuroML files of Allen models."""

import json
import re
import shutil

import numpy as np
import pytest
from allen_neuroml import as_neuroml

from isocortex.cells.allen import compile_allen
from isocortex.cells.neuroml import read_neuroml
from isocortex.errors import InputError, IsocortexError
from isocortex.network.build import build_network
from isocortex.sonata.config import load_simulation


@pytest.fixture
def base(shared):
    return shared / "cases/field/base"


@pytest.mark.parametrize(("unit", "factor"), [("S_per_cm2", 1.0), ("mS_per_cm2", 1e3)])
def test_a_neuroml_cell_is_that_of_its_fit(base, tmp_path, unit, factor):
    fit = base / "fits/472363762_fit.json"
    path = tmp_path / "Cell_472363762.cell.nml"
    path.write_text(as_neuroml(json.loads(fit.read_text()), unit, factor))
    swc = base / "morphologies/Scnn1a_473845048_m.swc"
    expected, found = compile_allen(fit, swc), compile_allen(read_neuroml(path), swc)
    for name in ("cm", "g_pas", "e_pas", "g_axial"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-15)
    soma = found.section_type == 1
    for name in ("ena", "ek"):
        np.testing.assert_array_equal(getattr(found, name)[soma], getattr(expected, name)[soma])
    assert sorted(found.mechanisms) == sorted(expected.mechanisms)
    for name, table in expected.mechanisms.items():
        np.testing.assert_array_equal(found.mechanisms[name].nodes, table.nodes)
        for parameter, values in table.parameters.items():
            np.testing.assert_allclose(found.mechanisms[name].parameters[parameter], values, 1e-15)


GOOD = ('<channelDensity id="gbar_Im" segmentGroup="soma" ion="k" ionChannel="Im" '
        'erev="-107 mV" condDensity="0.1 S_per_cm2"/>')  # fmt: skip


def test_units_are_neurons_and_the_later_of_two_counts(tmp_path):
    path = tmp_path / "c.nml"
    path.write_text(
        f"<cell>{GOOD}{GOOD.replace('0.1 S_per_cm2', '20 S_per_m2')}"
        '<resistivity segmentGroup="all" value="1.5 ohm_m"/>'
        '<specificCapacitance segmentGroup="basal" value="0.02 F_per_m2"/></cell>'
    )
    found = read_neuroml(path)
    assert found.cm == (("dend", 2.0),) and found.erev == (("soma", 50, -107),)
    assert [e.value for e in found.genome if e.name == "gbar_Im"] == [0.002]
    assert [e.value for e in found.genome if e.name == "Ra"] == [150.0] * 4


def test_a_section_has_what_is_said_of_it_and_no_more(base, tmp_path):
    """As BMTK has it: a leak where one is inserted, and NEURON's own resistance elsewhere."""
    path = tmp_path / "c.nml"
    path.write_text(
        '<cell><resistivity segmentGroup="basal" value="100 ohm_cm"/>'
        '<channelDensity id="leak" segmentGroup="soma" ion="non_specific" ionChannel="pas" '
        'erev="-90 mV" condDensity="2e-5 S_per_cm2"/></cell>'
    )
    swc = base / "morphologies/Scnn1a_473845048_m.swc"
    found = compile_allen(read_neuroml(path), swc)
    soma, real = found.section_type == 1, found.area > 0
    assert (found.g_pas[soma & real] == 2e-5).all() and (found.e_pas[soma] == -90.0).all()
    assert (found.g_pas[~soma] == 0.0).all() and (found.cm[real] == 1.0).all()
    # the axon has NEURON's 35.4 ohm cm, not the dendrites' resistance
    path.write_text(path.read_text().replace('"basal" value="100', '"all" value="35.4'))
    other = compile_allen(read_neuroml(path), swc)
    axon, dendrite = found.section_type == 2, found.section_type == 3
    np.testing.assert_array_equal(found.g_axial[axon], other.g_axial[axon])
    assert (found.g_axial[dendrite] < other.g_axial[dendrite]).any()


@pytest.mark.parametrize("tag", ["channelDensity", "channelDensityNernst"])
def test_both_kinds_of_density_have_reversal_potentials(tmp_path, tag):
    path = tmp_path / "c.nml"
    path.write_text(f"<c>{GOOD.replace('channelDensity', tag)}</c>")
    assert read_neuroml(path).erev == (("soma", 50.0, -107.0),)


@pytest.mark.parametrize("gamma", ["0.0147", "0.0147 ms", "1.47e-2 none"])
def test_a_unit_where_there_is_none_is_not_read(tmp_path, gamma):
    path = tmp_path / "c.nml"
    path.write_text(
        '<c><concentrationModel id="CaDynamics" type="CaDynamics" segmentGroup="soma" '
        f'decay="0.7 s" gamma="{gamma}"/></c>'
    )
    found = {entry.name: entry.value for entry in read_neuroml(path).genome}
    assert found == {"gamma_CaDynamics": 0.0147, "decay_CaDynamics": 700.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<cell>", "cannot be read as XML"),
        (
            f"<c>{GOOD.replace('soma', 'spine')}</c>",
            r"channelDensity\[gbar_Im\].segmentGroup: unk",
        ),
        (f"<c>{GOOD.replace('segmentGroup', 'segment')}</c>", "segmentGroup: is missing"),
        (
            f"<c>{GOOD.replace('0.1 S', 'much S')}</c>",
            "condDensity: must be a number and S_",
        ),
        (f"<c>{GOOD.replace('S_per_cm2', 'S')}</c>", "condDensity: must be a number and S_"),
        (f"<c>{GOOD.replace('channelDensity', 'channelPopulation')}</c>", "is not supported"),
        (f"<c>{GOOD.replace('ionChannel=', 'channel=')}</c>", "ionChannel: is missing"),
        (f"<c>{GOOD.replace('0.1 S_per_cm2', '')}</c>", "condDensity: must be a number"),
    ],
)
def test_mistakes(tmp_path, text, message):
    (tmp_path / "c.nml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_neuroml(tmp_path / "c.nml")


@pytest.mark.parametrize("place", ["fits", "ctdb", "fits/json", "json"])
def test_where_a_template_is_missing_its_fit_is_sought(base, tmp_path, place):
    """BMTK's examples name a folder of NeuroML files beside that of the fits."""
    folder = tmp_path / "w"
    shutil.copytree(base, folder)
    types = (folder / "node_types.csv").read_text()
    types = re.sub(r"ctdb:Biophys1.hoc (.*) (\d+)_fit.json", r"nml:Cell_\2.cell.nml \1 NULL", types)
    (folder / "node_types.csv").write_text(types)
    fits = list((folder / "fits").glob("*_fit.json"))
    (folder / place).mkdir(exist_ok=True)
    for fit in fits:
        shutil.move(fit, folder / place / fit.name)
    network = build_network(load_simulation(folder / "config.json"))
    assert {model.name for model in network.models} <= {
        fit.name.removesuffix("_fit.json") for fit in fits
    }
    for fit in fits:
        (folder / place / fit.name).unlink()
    with pytest.raises(IsocortexError, match="cell.nml.*file does not exist"):
        build_network(load_simulation(folder / "config.json"))
