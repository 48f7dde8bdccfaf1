"""Mod files in NEURON, which compiles them, and here, where they are translated: every step.

The Allen Institute's channels are BMTK's files, the Hodgkin-Huxley channels NEURON's own; the
constructs of others, as of the Blue Brain Project's, are in files written for these tests.
"""

from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from mod_files import DENSITIES, PLASTIC, SENDING, SYNAPSE, write_mods
from mod_neuron import compile_files, in_isocortex, in_neuron

from isocortex.cells.channels import load_mechanisms
from isocortex.engine.reference import ReferenceEngine
from isocortex.mechanisms import DENSITY
from isocortex.nmodl.importing import mods_of

pytest.importorskip("neuron.nmodl")
pytest.importorskip("bmtk")

#: Densities with which a compartment fires, S/cm2; parameters of calcium.
ALLEN = {
    "NaTs": 0.3, "NaTa": 0.02, "NaV": 0.05, "Nap": 1e-4, "Kv2like": 0.01, "Kv3_1": 0.05,
    "K_P": 1e-3, "K_T": 1e-3, "Kd": 1e-3, "Im": 1e-3, "Im_v2": 1e-3, "Ih": 1e-4, "SK": 1e-3,
    "Ca_HVA": 1e-4, "Ca_LVA": 1e-3,
}  # fmt: skip


def _compiled(folder, names):
    """NEURON with some of the tests' files, which are loaded here too."""
    mods = write_mods(folder / "mods", names)
    for mod in mods:
        load_mechanisms(mod)
    return compile_files(folder / "neuron", mods)


def _same(folder, mods, **given):
    """Voltages to 1e-7 mV over the run, all else to 1e-8 of its range."""
    expected = in_neuron(compile_files(folder, mods), **given)
    ours = in_isocortex(**given)
    for name, theirs in expected.items():
        scale = np.ptp(theirs)
        atol = 1e-7 if name == "v" else 1e-8 * scale
        np.testing.assert_allclose(ours[name], theirs, rtol=0.0, atol=atol, err_msg=name)
    assert np.ptp(expected["v"]) > 60.0  # it fires


def _renamed(mods, folder):
    """Under names that the package does not have: in one session a name is one mechanism."""
    folder.mkdir()
    for mod in mods:
        text = mod.read_text().replace(f"SUFFIX {mod.stem}", f"SUFFIX {mod.stem}_mod")
        (folder / f"{mod.stem}_mod.mod").write_text(text)
    return sorted(folder.glob("*.mod"))


def test_channels_of_the_allen_institute(tmp_path):
    package = Path(find_spec("bmtk").origin).parent / "utils" / "scripts" / "bionet"
    mods = [package / "mechanisms" / "modfiles" / f"{name}.mod" for name in ALLEN]
    mods = _renamed(mods, tmp_path / "mods")
    loaded = [load_mechanisms(mod)[0] for mod in mods]
    assert len(loaded) == 15 and all(DENSITY.is_own(name) for name in loaded)
    calcium = package / "mechanisms" / "modfiles" / "CaDynamics.mod"  # it is the package's too
    mechanisms = {f"{name}_mod": {"gbar": g} for name, g in ALLEN.items()}
    mechanisms["CaDynamics"] = {"gamma": 0.01, "decay": 200.0}
    _same(tmp_path / "neuron", [*mods, calcium], mechanisms=mechanisms, record=[
        "v", "cai", "ina", "ik", "ica", "O_NaV_mod", "C1_NaV_mod", "m_NaTs_mod", "h_K_T_mod",
        "z_SK_mod", "h1_Kv2like_mod", "ihcn_Ih_mod", "ik_Kv3_1_mod", "ica_Ca_HVA_mod",
    ])  # fmt: skip


def test_the_hodgkin_huxley_channels(tmp_path):
    text = "".join(
        (Path(find_spec("neuron").origin).parent / "nmodl" / "ext" / "example" / "hh.mod").open()
    )
    (tmp_path / "hh_mod.mod").write_text(text.replace("SUFFIX hh", "SUFFIX hh_mod"))
    load_mechanisms(tmp_path / "hh_mod.mod")
    names = ["v", "ina", "ik", "il_hh_mod", "m_hh_mod", "h_hh_mod", "n_hh_mod"]
    _same(tmp_path / "neuron", [tmp_path / "hh_mod.mod"], mechanisms={"hh_mod": {}}, record=names,
          celsius=6.3, v_init=-65.0)  # fmt: skip


def test_a_synapse_with_magnesium(tmp_path):
    mod = tmp_path / "NmSyn.mod"
    mod.write_text(dedent(SYNAPSE))
    (mods,) = [write_mods(tmp_path / "mods", ["Hx"])]
    for each in (mod, *mods):
        load_mechanisms(each)
    events = [("NmSyn", 0.004, 1.0, [3.0, 3.5, 9.0, 9.025, 20.0])]
    _same(tmp_path / "neuron", [mod, *mods], mechanisms={"Hx": {"gnabar": 0.5}}, amp=0.05,
          v_init=-65.0, events=events, record=["v", "ina", "m_Hx"])  # fmt: skip


def test_the_institute_s_files_are_known():
    package = Path(find_spec("bmtk").origin).parent / "utils" / "scripts" / "bionet"
    assert mods_of(package / "mechanisms", [*ALLEN, "CaDynamics"]) == []
    assert len({*ALLEN, "CaDynamics"} & set(DENSITY)) == 16


@pytest.mark.parametrize("dt", [0.025, 0.1])
def test_what_people_write(tmp_path, dt):
    mods = write_mods(tmp_path / "mods")
    for mod in mods:
        load_mechanisms(mod)
    _same(tmp_path / "neuron", mods, mechanisms=DENSITIES, amp=0.6, dt=dt, record=[
        "v", "cai", "ina", "ik", "ica", "il_Hx", "m_Hx", "n_Hx", "m_Kx", "h_Kx", "ik_Kx", "m_Cx",
        "m_Gx", "h_Gx", "z_Sx", "C1_Nx", "O_Nx", "I_Nx", "n_Ox", "f_Ix", "s_Ix",
    ])  # fmt: skip


#: Channels of one compartment; NEURON has another reversal potential of calcium in each.
TOGETHER = (
    ("Cx",), ("Cx", "Wx"), ("Cx", "Sx"), ("Cx", "Gx"), ("Cx", "Ux"), ("Cx", "Qx"), ("Cx", "Px"),
    ("Cx", "Sx", "Px"), ("Sx",), ("Ex",), ("Ex", "Qx"), ("Ex", "Cx", "Px"),
)  # fmt: skip


@pytest.fixture(scope="module")
def calcium(tmp_path_factory):
    """NEURON with channels that read and write calcium, and what each has."""
    folder = tmp_path_factory.mktemp("calcium")
    given = DENSITIES | {"Cx": {"gCxbar": 1e-3}, "Sx": {"gbar": 1e-3}}
    return _compiled(folder, [*{name for some in TOGETHER for name in some}, "Hx"]), given


@pytest.mark.parametrize("celsius", [6.3, 34.0])
@pytest.mark.parametrize("names", TOGETHER, ids="_".join)
def test_the_reversal_potential_of_calcium(calcium, names, celsius):
    folder, all_given = calcium
    mechanisms = {name: all_given.get(name, {}) for name in ("Hx", *names)}
    given = {"mechanisms": mechanisms, "celsius": celsius, "v_init": -65.0, "amp": 0.2}
    writes = [name for name in names if name in ("Cx", "Gx", "Wx", "Ex")]
    given["record"] = ["v", *["ica"] * bool(writes), *["cai"] * ("Px" in names)]
    expected, ours = in_neuron(folder, **given), in_isocortex(**given)
    reference = in_isocortex(ReferenceEngine, **given, tstop=5.0)
    for name, theirs in expected.items():
        atol = 1e-7 if name == "v" else 1e-8 * np.ptp(theirs)
        np.testing.assert_allclose(ours[name], theirs, rtol=0.0, atol=atol, err_msg=name)
        n = len(reference[name])
        np.testing.assert_allclose(reference[name], theirs[:n], rtol=0.0, atol=atol, err_msg=name)


#: Of the package's synapses, those with the formulas of a mod file's, and its defaults.
SAME = {
    "TmArgs": ("tmgsyn", {"tau": 3.0, "U": 0.2, "u0": 0.1, "tau_rec": 100.0, "tau_facil": 200.0,
                          "e": -10.0}),
    "BbpDet": ("DetAMPANMDA", {"Use": 0.5, "Dep": 100.0, "Fac": 30.0, "NMDA_ratio": 0.8}),
    "Stp5": ("stp5syn", {"tau_1": 4.0, "erev": 0.0, "tau_r0": 500.0, "tau_FDR": 200.0,
                         "a_FDR": 0.5, "a_D": 0.3, "a_i": 0.2, "a_f": 0.4, "pbtilde": 0.3}),
}  # fmt: skip
#: ms; not on steps, two in one step, and two synapses between the same cells that differ in delay.
TIMES = [3.0, 3.5, 9.0, 9.0101, 20.0137, 31.0]


@pytest.fixture(scope="module")
def plastic(tmp_path_factory):
    """NEURON with plastic synapses."""
    return _compiled(tmp_path_factory.mktemp("plastic"), [*PLASTIC, "Hx"])


@pytest.mark.parametrize("name", PLASTIC)
def test_plastic_synapses(plastic, name):
    weight = {"BbpDet": 12.0, "TmArgs": 0.08}.get(name, 0.012)
    events = [(name, weight, 1.0, TIMES), (name, 0.5 * weight, 2.5, TIMES)]
    given = {"mechanisms": {"Hx": {"gnabar": 0.3}}, "amp": 0.0, "v_init": -65.0, "tstop": 60.0}
    given |= {"record": ["v", "ina"], "events": events}
    expected, ours = in_neuron(plastic, **given), in_isocortex(**given)
    reference = in_isocortex(ReferenceEngine, **given)
    assert np.ptp(expected["v"]) > 60.0  # it fires
    both = [ours, reference]
    if name in SAME:
        template, numbers = SAME[name]
        given["events"] = [(template, *event[1:]) for event in events]
        both.append(in_isocortex(**given, numbers=numbers))
    for found in both:
        np.testing.assert_allclose(found["v"], expected["v"], rtol=0.0, atol=1e-7)


@pytest.fixture(scope="module")
def sending(tmp_path_factory):
    """NEURON with synapses that send themselves events."""
    return _compiled(tmp_path_factory.mktemp("sending"), [*SENDING, "Hx"])


#: ms; bursts whose spikes come before what the one before has sent itself, and pauses.
BURSTS = [3.0, 3.5, 9.0, 9.0101, 9.7, 20.0137, 31.0, 31.9, 32.8, 33.7, 34.1]


@pytest.mark.parametrize("dt", [0.025, 0.1])
@pytest.mark.parametrize("name", SENDING)
def test_synapses_that_send_themselves_events(sending, name, dt):
    weight = {"Ramp": 0.05}.get(name, 0.03)
    events = [(name, weight, 1.0, BURSTS), (name, 0.5 * weight, 2.5, BURSTS)]
    given = {"mechanisms": {"Hx": {"gnabar": 0.3}}, "amp": 0.0, "v_init": -65.0, "tstop": 60.0}
    given |= {"record": ["v", "ina"], "events": events, "dt": dt}
    expected = in_neuron(sending, **given)
    assert np.ptp(expected["v"]) > 40.0  # it fires
    for found in (in_isocortex(**given), in_isocortex(ReferenceEngine, **given)):
        np.testing.assert_allclose(found["v"], expected["v"], rtol=0.0, atol=1e-7)
