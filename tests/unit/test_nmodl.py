"""Mod files: the Python that they become, what is refused, and how circuits come to them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from launch import environment, require_same_in_parts
from library_circuit import clamp, poisson, report, write_library_circuit
from mod_files import CALCIUM, DENSITIES, MODS, PLASTIC, SENDING, SYNAPSE, write_mods
from mod_neuron import conductances, in_isocortex
from test_allen import FIT, SWC
from test_plastic_circuits import write as write_plastic
from written import require_equal

import isocortex as ic
from isocortex.cells.channels import load_mechanisms
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.synapses import exp1syn
from isocortex.nmodl.importing import import_mod, translated
from isocortex.nmodl.writing import python_file
from isocortex.sonata.write import write_types

pytest.importorskip("nmodl")

WRITTEN = '''\
"""Kx: translated from Kx.mod (NMODL)."""

from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.maths import exp, where


class Kx(Density):
    """A persistent K current."""

    ion = "k"
    gKxbar = parameter(1e-05, "S/cm2")
    m, h = gate(), gate()

    def m_rates(v):
        v_2 = v + 10.0
        mInf = 1.0 / (1.0 + exp(-(v_2 + 1.0) / 12.0))
        mTau = where(
            v_2 < -50.0,
            (1.25 + 175.03 * exp(v_2 * 0.026)) / 2.952882641412121,
            (1.25 + 13.0 * exp(-v_2 * 0.026)) / 2.952882641412121,
        )
        return mInf, mTau

    def h_rates(v):
        v_2 = v + 10.0
        hInf = 1.0 / (1.0 + exp(-(v_2 + 54.0) / -11.0))
        x = (v_2 + 75.0) / 48.0
        hTau = (360.0 + (1010.0 + 24.0 * (v_2 + 55.0)) * exp(-(x * x))) / 2.952882641412121
        return hInf, hTau

    def conductance(m, h, gKxbar):  # S/cm2
        return gKxbar * m * m * h
'''
#: A channel to spoil, line by line.
PLAIN = """\
NEURON { SUFFIX Fx USEION k READ ek WRITE ik RANGE gbar }
PARAMETER { gbar = 1e-3 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) minf g }
STATE { m }
BREAKPOINT { SOLVE states METHOD cnexp
  ik = gbar*m*(v - ek) }
INITIAL { minf = 1/(1 + exp(-v/9))
  m = minf }
DERIVATIVE states {
  minf = 1/(1 + exp(-v/9))
  m' = (minf - m)/3 }
"""


@pytest.fixture
def load(tmp_path):
    """Load some of the files, or a text under a name."""

    def run(*names, **texts):
        paths = write_mods(tmp_path, names)
        for name, text in texts.items():
            paths.append(tmp_path / f"{name}.mod")
            paths[-1].write_text(text)
        return [DENSITY[load_mechanisms(path)[0]] for path in paths]

    return run


def test_what_is_written_can_be_read(tmp_path):
    (mod,) = write_mods(tmp_path, ["Kx"])
    assert python_file(translated(mod)) == WRITTEN


def test_the_documented_file_becomes_what_is_shown(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "mod_files.md").read_text()
    (tmp_path / "Kx.mod").write_text(re.search(r"```\n(NEURON.*?)```", text, re.S)[1])
    shown = re.search(r"```python\n(class Kx.*?)```", text, re.S)[1]
    assert python_file(translated(tmp_path / "Kx.mod")).endswith(f"\n\n{shown}")


def test_a_file_becomes_the_same_text_in_every_process(tmp_path):
    """Or ranks, and a run that goes on elsewhere, would take its synapses for others."""
    mods = write_mods(tmp_path, [*MODS, *CALCIUM, *PLASTIC, *SENDING])
    script = """
        import sys
        from pathlib import Path
        from isocortex.nmodl.importing import translated
        from isocortex.nmodl.writing import python_file
        for mod in sys.argv[1:]:
            print(python_file(translated(Path(mod))))
        """
    command = [sys.executable, "-c", dedent(script), *map(str, mods)]
    first, second = (
        subprocess.run(
            command, env=environment() | {"PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("0", "2")
    )  # fmt: skip
    assert first == second and "class Pulse" in first


def test_concentrations_of_an_ion_that_nothing_writes_are_numbers(tmp_path):
    """A branch of theirs is decided at once, as of sodium channels that would know a toxin."""
    plain, toxic = tmp_path / "plain" / "Fx.mod", tmp_path / "toxic" / "Fx.mod"
    rate = "minf = 1/(1 + exp(-v/9))"
    text = PLAIN.replace("USEION k", "USEION ttx READ ttxi, ttxo VALENCE 1 USEION k")
    text = text.replace("minf g }", "minf g ttxi (mM) ttxo (mM) }")
    branch = f"if (ttxi == 0.015625 && ttxo > 1e-12) {{ minf = 0 }} else {{ {rate} }}"
    for path, content in ((plain, PLAIN), (toxic, text.replace(rate, branch))):
        path.parent.mkdir()
        path.write_text(content)
    assert python_file(translated(toxic)) == python_file(translated(plain))


def test_gates_follow_the_formulas_of_the_file(load):
    (hx,) = load("Hx")
    v = np.array([-90.0, -55.0, -40.0, -40.0 + 1e-6, 20.0])  # at -55 and -40 with 0 / 0
    with np.errstate(all="ignore"):
        inf, tau = hx.m_rates(v, 2.0)
    x = np.where(np.abs(v + 40.0) < 1e-5, 1.0, v + 40.0)
    alpha = np.where(np.abs(v + 40.0) < 1e-5, 1.0, 0.1 * x / (1.0 - np.exp(-x / 10.0)))
    beta = 4.0 * np.exp(-(v + 65.0) / 18.0)
    np.testing.assert_allclose(inf, alpha / (alpha + beta), rtol=1e-6)
    np.testing.assert_allclose(tau, 0.5 / (alpha + beta), rtol=1e-6)
    assert hx.temperature.factor == 3.0 and hx.temperature.reference == 6.3
    assert [(c.name, c.ion, c.reversal) for c in hx.currents] == [
        ("ina", "na", "ena"), ("ik", "k", "ek"), ("il", None, "el"),
    ]  # fmt: skip


def test_a_kinetic_scheme_takes_a_step_of_implicit_euler(load):
    (nx,) = load("Nx")
    v, q10, dt = -45.0, 1.3, 0.1
    a, b = q10 * 3.0 * np.exp((v + 30.0) / 24.0), q10 * 4.0 * np.exp(-(v + 30.0) / 24.0)
    generator = np.zeros((4, 4))
    for source, target, rate in ((0, 1, 2 * a), (1, 0, b), (1, 2, a), (2, 1, 2 * b), (2, 3, 0.4),
                                 (3, 2, 0.02), (3, 0, 0.01 * b), (0, 3, 0.002)):  # fmt: skip
        generator[target, source] += rate
        generator[source, source] -= rate
    x = np.array([0.4, 0.3, 0.2, 0.1])
    known = {"v": v, "q10": q10, "dt": dt, **dict(zip(nx.states, x, strict=True))}
    advanced = nx.advance(*(known[name] for name in nx.arguments("advance")))
    np.testing.assert_allclose(advanced, np.linalg.solve(np.eye(4) - dt * generator, x), rtol=1e-13)
    start = np.array(nx.steady_state(v, q10))
    np.testing.assert_allclose(generator @ start, 0.0, atol=1e-8)
    assert start.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_state_of_a_scheme_may_have_any_name(load):
    """That of ``w`` was once taken for a number of the elimination."""
    nx, nw = load("Nx", Nw=dedent(MODS["Nx"]).replace("Nx", "Nw").replace("C2", "w"))
    assert nw.arguments("advance") == ["v", "C1", "w", "O", "dt", "q10"]
    for function, known in (("advance", (-45.0, 0.4, 0.3, 0.2, 0.1, 1.3)),
                            ("steady_state", (-45.0, 1.3))):  # fmt: skip
        assert getattr(nw, function)(*known) == getattr(nx, function)(*known)


def test_engines_agree_on_all_that_people_write(load):
    load(*MODS)
    given = {"mechanisms": DENSITIES, "amp": 0.6, "tstop": 10.0,
             "record": ["v", "cai", "ica", "ica_Gx", "ik_Ox", "i_Ix", "il_Hx", "O_Nx"]}  # fmt: skip
    fast, reference = in_isocortex(**given), in_isocortex(ReferenceEngine, **given)
    assert np.ptp(fast["v"]) > 60.0
    for name, values in fast.items():
        scale = np.ptp(reference[name])
        np.testing.assert_allclose(values, reference[name], rtol=0.0, atol=1e-8 * scale)
    single = in_isocortex(precision="single", **given)["v"]
    assert np.abs(single - fast["v"])[:200].max() < 0.1


def _refused(path, text, old, new, message):
    """A text in which something is replaced is refused, with a message behind the file's name."""
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=rf"{path.stem}\.mod: {message}"):
        translated(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(minf - m)/3", "(minf - m*m)/3", r"line 11: m' is not linear in m"),
        ("cnexp", "runge", r"line 5: METHOD runge cannot be translated"),
        (" METHOD cnexp", "", r"line 5: SOLVE without METHOD"),
        ("READ ek", "READ ek, ki", r"line 1: NEURON computes ek from ki"),
        ("RANGE gbar }\nPARAMETER {", "RANGE gbar, ion }\nPARAMETER { ion = 2",
         r"line 2: ion has a meaning of its own"),
        ("  minf = 1/(1 + exp(-v/9))\n  m'", "  VERBATIM x(); ENDVERBATIM\n  m'",
         r"line 10: VERBATIM cannot be translated"),
        ("  minf = 1/(1 + exp(-v/9))\n  m'", "  while (v < 3) { v = v + 1 }\n  m'",
         r"line 10: WHILE cannot be translated"),
        ("  minf = 1/(1 + exp(-v/9))\n  m'", "  m'", r".*minf is read here as INITIAL left it"),
        ("ik = gbar*m*(v - ek)", "g = minf + g\n  ik = g*(v - ek)",
         r"line 6: g is read here as it was left a step before"),
        ("m' = (minf - m)/3 }", "m' = f(m) }\nFUNCTION f(x) { f = f(x) }", r".*f\(\) calls itself"),
        ("ik = gbar*m*(v - ek)", "ik = gbar*tan(m)*(v - ek)", r"line 6: the function tan\(\)"),
        ("USEION k READ ek WRITE ik", "USEION cl READ ecl WRITE icl", r"line 1: .*no ion 'cl'"),
        ("USEION k", "USEION ttx WRITE ttxi VALENCE 1 USEION k", r"line 1: .*no ion 'ttx'"),
        ("USEION k", "USEION h READ eh VALENCE 1 USEION k", r"line 1: .*no ion 'h'"),
        ("SUFFIX Fx", "POINT_PROCESS Fx", r"line 1: a point process without NET_RECEIVE"),
        ("SUFFIX Fx", "ARTIFICIAL_CELL Fx", r"line 1: ARTIFICIAL_CELL cannot be translated"),
        (PLAIN, "", "a mechanism without a SUFFIX cannot be translated"),
        ("SUFFIX Fx", "SUFFIX Fx POINTER p", r"line 1: POINTER cannot be translated"),
        ("ik = gbar*m*(v - ek)", "ik = gbar*m*diam*(v - ek)", r"line 6: .*are not told diam"),
        ("ik = gbar*m*(v - ek)", "if (t > 3) { ik = gbar*m*(v - ek) }", r"line 6: .*not told t"),
        ("READ ek WRITE ik RANGE gbar }\nPARAMETER {",
         "WRITE ik RANGE gbar, ek }\nPARAMETER { ek = -90", r"line 2: ek is a parameter here"),
        ("STATE { m }", "STATE { m[3] }", r"line 4: m\[3\] is an array"),
        ("ik = gbar*m*(v - ek)", "ik = gbar*nothing*(v - ek)", r"line 6: nothing is not known"),
        ("ik = gbar*m*(v - ek)", "if (v > 0) { m = 1 }\n  ik = gbar*m*(v - ek)",
         r".*the state m is assigned in BREAKPOINT"),
        ("SOLVE states METHOD cnexp", "if (v < 0) { SOLVE states METHOD cnexp }",
         r"line 5: SOLVE in a branch"),
        ("m' = (minf - m)/3", "if (v < 0) { m' = (minf - m)/3 }", r".*equations in a branch"),
        ("ik = gbar*m*(v - ek)", "ik = gbar*m*(v - ek", r"line \d+: syntax error"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_refused_with_its_line(tmp_path, old, new, message):
    _refused(tmp_path / "Fx.mod", PLAIN, old, new, message)


def test_a_synapse_is_exponentials_behind_a_block(load, tmp_path):
    (tmp_path / "NmSyn.mod").write_text(dedent(SYNAPSE))
    assert load_mechanisms(tmp_path / "NmSyn.mod") == ("NmSyn",)
    numbers = {"tau1": 3.0, "tau2": 50.0, "ta": 1.5, "e": -5.0, "mg": 2.0, "ratio": 0.5}
    (blocked, ratio), (plain, whole) = conductances("NmSyn", numbers)
    assert plain == exp1syn(1.5, -5.0) and whole == 1.0
    assert ratio == pytest.approx(0.5, rel=1e-12)  # of a peak of 1, as Exp2Syn has it
    assert (blocked.tau_rise, blocked.tau_decay, blocked.reversal) == (3.0, 50.0, -5.0)
    assert blocked.block.ratio == pytest.approx(2.0 / 3.57, rel=1e-12)
    assert blocked.block.slope == pytest.approx(0.062, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("C = C + weight", "mg = 3\n C = C + weight", r".*i is not linear in its states"),
        ("C = C + weight", "C = C + weight*v", r"line \d+: what connections hold .* depend on v"),
        ("C = C + weight", "C = C + weight\n net_send(1, 1)", r"line \d+: an event of an event"),
        ("C = C + weight", "C = C + weight\n net_event(t)", r"line \d+: events that a synapse"),
        ("C = C + weight", "VERBATIM\n ENDVERBATIM\n C = C + weight", r"line \d+: VERBATIM cannot"),
        ("C = C + weight", "C = C + weight*(1 - C)", r".*an event does more to C than add to it"),
        ("B = 0 C = 0", "B = 0 C = 0.1", r"line \d+: C does not begin at 0"),
        ("C' = -C/ta", "C' = -C/(ta*exp(v/30))", r".*the time constant of C follows the voltage"),
        ("C' = -C/ta", "C' = (0.1 - C)/ta", r"line \d+: C does not decay to 0"),
        ("i = g*(v - e) + ia", "i = B*(v - e) - A*(v - mg)", r".*of what e and mg drive"),
        ("cnexp", "sparse", r"line \d+: only METHOD cnexp"),
        ("NONSPECIFIC_CURRENT i", "NONSPECIFIC_CURRENT i USEION ca WRITE ica", r".*CURRENTs alone"),
    ],
)  # fmt: skip
def test_other_synapses_are_refused(tmp_path, old, new, message):
    _refused(tmp_path / "NmSyn.mod", dedent(SYNAPSE), old, new, message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("y = y + x*u", "y = y + x*u*weight", r"line 10: what connections hold .* on its weight"),
        ("x = 1 - y - z", "x = 1 - y - z - g", "line 10: an event does more to g than add to it"),
        ("u0 tsyn = t", "u0 net_send(2, 1)", r"line \d+: events that a synapse sends"),
        ("(umho), y", "(umho), a, b, y", None),
        ("x = 1 - y - z", "x = 1 - y - z - p - q - r\n p = p/2 q = q/2 r = r/2",
         "line 10: connections hold 7 numbers, more than 6"),
        ("y = y + x*u", "y = y + x*u weight = weight/2", "line 10: an event changes weight, its w"),
        ("(g, g + weight*x*u)", "(g, g + weight*t)", "line 10: .* follows from the time alone"),
        ("x = 1 - y - z", "p = p + 1 x = (1 - y - z)*p",
         "line 10: an event changes p, which all synapses share"),
        ("x = 1 - y - z", "x = (1 - y - z)*q q = 1",
         "line 10: both an event and BREAKPOINT change q"),
        ("x = 1 - y - z", "x = (1 - y - z)*s", r"line \d+: s is read here as it was left"),
        (" y, z, u, tsyn (ms)) {", " y, z, u, tsyn (ms), at) { at = at + 1 y = y*at",
         "line 10: at has a meaning of its own"),
    ],
)  # fmt: skip
def test_what_a_connection_can_hold(tmp_path, old, new, message):
    text = dedent(PLASTIC["TmArgs"]).lstrip()
    text = text.replace("i (nA) x", "i (nA) x p q r s").replace("RANGE", "GLOBAL p RANGE")
    text = text.replace("SOLVE", "q = 2 SOLVE").replace("g' =", "s = 2 g' =")
    if message is None:
        (tmp_path / "TmArgs.mod").write_text(text.replace(old, new))
        assert translated(tmp_path / "TmArgs.mod").held == ["tsyn", "u", "y", "z"]
    else:
        _refused(tmp_path / "TmArgs.mod", text, old, new, message)


def test_state_discontinuity_changes_what_is_held(tmp_path):
    text = dedent(PLASTIC["TmArgs"]).replace("u = u*exp(-(t - tsyn)/tau_facil)", "")
    (tmp_path / "TmArgs.mod").write_text(text.replace("else { u = U }", ""))
    made = translated(tmp_path / "TmArgs.mod")
    assert made.held == ["tsyn", "u", "y", "z"]


def test_numbers_of_0_do_not_stop_what_does_not_count(tmp_path):
    """Both sides of an IF are computed, of which one may divide by 0."""
    text = dedent(PLASTIC["TmArgs"]).replace("TmArgs", "TmZero")
    text = text.replace("u = u0", "if (u0 > 0) { u = U/u0 } else { u = 1 }")
    (tmp_path / "TmZero.mod").write_text(text)
    load_mechanisms(tmp_path / "TmZero.mod")
    ((kinetics, _),) = conductances("TmZero", {"u0": 0.0})
    assert kinetics.release.begin == (0.0, 1.0, 0.0, 0.0)  # tsyn, u, y, z


def test_what_is_held_begins_as_cells_say(tmp_path):
    """Where it is RANGE and INITIAL says nothing of it, as of F; D1 and D2 begin at 1."""
    (mod,) = write_mods(tmp_path, ["Varela"])
    load_mechanisms(mod)
    (kinetics, _), _ = conductances("Varela", {"F": 1.5})
    assert kinetics.release.made_by.held == ("D1", "D2", "F_now", "tsyn")
    assert kinetics.release.begin == (1.0, 1.0, 1.5, -1e30)
    text = dedent(PLASTIC["Varela"])
    _refused(mod, text, "{ v i", "{ F_now v i", r"line \d+: F_now has a meaning of its own here")


def test_an_argument_is_what_a_connection_begins_with_where_no_event_changes_it(tmp_path):
    (mod,) = write_mods(tmp_path, ["BbpDet"])
    load_mechanisms(mod)
    (_, ampa), (_, nmda) = conductances("BbpDet", {"NMDA_ratio": 0.3})
    assert nmda == pytest.approx(0.3 * ampa) and ampa > 0.0


@pytest.mark.parametrize(("name", "is_state"), [("TmArgs", True), ("Late", False)])
def test_a_conductance_that_is_a_state_is_known_as_one(tmp_path, name, is_state):
    (mod,) = write_mods(tmp_path, [name])
    assert ("g_is_state = True" in python_file(translated(mod))) == is_state


def test_what_does_not_jump_as_far_is_an_exponential_of_its_own(tmp_path):
    text = dedent(SYNAPSE).replace("NmSyn", "NmApart")
    text = text.replace("B = B + weight*factor*ratio", "B = B + weight*factor")
    (tmp_path / "NmApart.mod").write_text(text)
    load_mechanisms(tmp_path / "NmApart.mod")
    ratio = {"ratio": 0.7}
    found = [(k.tau_rise, k.tau_decay, jump) for k, jump in conductances("NmApart", ratio)]
    up, down, once = found
    assert [each[:2] for each in found] == [(0.0, 30.0), (0.0, 2.0), (0.0, 2.0)]
    assert down[2] == pytest.approx(-0.7 * up[2]) and once[2] == 1.0


def test_a_flag_that_counts_spikes_is_how_many_wait(tmp_path):
    (mod,) = write_mods(tmp_path, ["Pulse"])
    made = translated(mod)
    assert made.held == ["on", "r0", "t0", "spikes_waiting"] and "spikes act again" in made.summary
    text = python_file(made)
    assert "flag" not in text and "nspike" not in text
    assert "on_new = where(spikes_waiting <= 1.0, 0.0, on)" in text
    assert "Exponentials(0.0, FOREVER, Erev, Rinf, 2.0)" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("net_send(Cdur, nspike)", "if (on) { net_send(Cdur, nspike) }",
         r"line \d+: an event that not every spike sends"),
        ("net_send(Cdur, nspike)", "net_send(Cdur, nspike) net_send(2, 1)",
         r"line \d+: a second event of a spike"),
        ("net_send(Cdur, nspike)", "net_send(Cdur, nspike + 1)", r"line \d+: its flag must be"),
        ("net_send(Cdur, nspike)", "net_send(Cdur, 0)", r"line \d+: its flag must be a number"),
        ("net_send(Cdur, nspike)", "net_send(Cdur*on, nspike)",
         r"line \d+: when an event is sent cannot depend on on"),
        ("net_send(Cdur, nspike)", "net_move(t + Cdur)", r"line \d+: events that a synapse sends"),
        ("GLOBAL", "GLOBAL nspike,", r"line \d+: nspike must count the spikes of a synapse"),
        ("t0 (ms)) {", "t0 (ms)) { INITIAL { nspike = -1 }",
         r"line \d+: nspike must count the spikes of a synapse"),
        ("if (flag == nspike) {", "if (flag == 0) { } else { nspike = nspike - 1",
         r"line \d+: nspike must count spikes alone"),
        ("if (flag == nspike)", "if (flag == nspike - 1)", r".*is compared with something else"),
        ("if (flag == nspike)", "if (flag > 0)", r".*can only be compared with their number"),
        ("r0 = weight*Rinf +", "r0 = Rinf +", r".*events do to Roff is not proportional"),
        ("r0 = weight*Rinf +", "r0 = weight*weight*Rinf +", r".*Roff is not proportional"),
        ("synon = synon + weight", "synon = weight", r".*an event does more to synon than add"),
        ("synon = synon + weight", "if (synon < 1) { synon = synon + weight }",
         r".*events do to synon is not proportional"),
        ("r0 = weight*Rinf +", "r0 = weight*Rinf*exp(-weight) +", r".*Roff is not proportional"),
        ("GLOBAL", "GLOBAL synon,", r"line \d+: an event changes synon, which all synapses share"),
        ("synon = 0", "synon = 0.1", r"line \d+: synon does not begin at 0"),
        ("if (!on) {", "if (!on && weight > 0) {", r".*events do to Roff is not proportional"),
        ("t0 (ms)) {", "t0 (ms)) { INITIAL { Ron = 0.3 }", r"line \d+: Ron does not begin at 0"),
        ("t0 (ms)) {", "t0 (ms)) { INITIAL { Rtau = 2 }",
         r"line \d+: Rtau is assigned as a connection begins, and by no event"),
        ("(synon*Rinf - Ron)", "(synon*synon*Rinf - Ron)", r"line \d+: Ron does not decay to 0"),
        ("ASSIGNED {", "ASSIGNED { spikes_waiting", r".*spikes_waiting has a meaning of its own"),
    ],
)  # fmt: skip
def test_other_events_of_synapses_are_refused(tmp_path, old, new, message):
    _refused(tmp_path / "Pulse.mod", dedent(SENDING["Pulse"]), old, new, message)


def test_spikes_are_not_counted_from_below_0(tmp_path):
    text = dedent(SENDING["Pulse"]).replace("Erev = 0", "below = -1 Erev = 0")
    _refused(tmp_path / "Pulse.mod", text, "t0 (ms)) {", "t0 (ms)) { INITIAL { nspike = below }",
             r"line \d+: nspike must count the spikes of a synapse")  # fmt: skip


def test_what_follows_from_the_transmitter_is_proportional_to_the_weight_too(tmp_path):
    text = dedent(SENDING["Pulse"]).replace("Ron Roff }", "Ron Roff x }")
    text = text.replace("Roff' = ", "x' = (synon - x)/5 Roff' = ")
    mod = tmp_path / "Pulse.mod"
    for product in ("weight*x", "weight*g"):
        _refused(mod, text, "weight*Rinf", product, r".*Roff is not proportional to their weight")
    mod.write_text(text.replace("weight*Rinf", "weight*x/synon"))
    assert "x" in translated(mod).held


def test_the_time_after_which_an_event_is_sent_may_be_worked_out(tmp_path):
    text = dedent(SENDING["Pulse"]).replace("t0 (ms)) {", "t0 (ms)) { LOCAL d")
    text = text.replace("net_send(Cdur, nspike)", "d = 2*Cdur net_send(d, nspike)")
    (tmp_path / "Pulse.mod").write_text(text)
    assert "return 2.0 * Cdur" in python_file(translated(tmp_path / "Pulse.mod"))


def test_mixed_precision_cannot_hold_what_does_not_decay(tmp_path):
    (mod,) = write_mods(tmp_path, ["Ramp"])
    load_mechanisms(mod)
    with pytest.raises(ConfigError, match="precision: mixed precision cannot hold .* would last"):
        in_isocortex(precision="mixed", events=[("Ramp", 0.01, 1.0, [3.0])], record=["v"])


def _agreed(*events):
    """The voltage that events of synapses make, of which both engines are to make the same."""
    given = {"events": events, "record": ["v"], "amp": 0.0, "v_init": -70.0}
    ours, plain = in_isocortex(**given)["v"], in_isocortex(ReferenceEngine, **given)["v"]
    np.testing.assert_allclose(ours, plain, rtol=0.0, atol=1e-9)
    return ours


@pytest.mark.parametrize("name", [*PLASTIC, *SENDING])
def test_engines_agree_on_plastic_synapses(load, tmp_path, name):
    (mod,) = write_mods(tmp_path, [name])
    load_mechanisms(mod)
    weight = 12.0 if name == "BbpDet" else 0.012
    times = [3.0, 3.5, 9.0, 9.0101, 20.0137, 31.0]
    assert np.ptp(_agreed((name, weight, 1.0, times), (name, weight, 2.5, times))) > 0.05


def _late_tie(folder):
    """A file whose spikes act again just as those that come 2 ms after them first act."""
    text = dedent(SENDING["Late"]).replace("Late", "LateTie").replace("lag = 2.3", "lag = 2")
    (folder / "LateTie.mod").write_text(text)
    return folder / "LateTie.mod"


def test_a_spike_comes_before_what_an_earlier_one_sends_later_than_it(tmp_path):
    """At equal times NEURON goes by when both were sent, which follows from the delay."""
    load_mechanisms(_late_tie(tmp_path))
    found = [_agreed(("LateTie", 0.003, delay, [3.0, 5.0, 7.0])) for delay in (1.0, 3.0)]
    early, late = found[0][:-80], found[1][80:]  # 2 ms
    np.testing.assert_allclose(late[:300], early[:300], rtol=0.0, atol=1e-9)
    assert (early - late)[300:].max() > 1e-3  # after a release more comes back


#: Templates of two types of edges, and what is recorded of single synapses of the first.
TOGETHER = {"held": ("Stp5", "TmArgs"), "sent": ("Pulse", "Late"), "ramp": ("Ramp", "BbpDet")}


@pytest.fixture(scope="module", params=TOGETHER)
def plastic(request, tmp_path_factory):
    """A circuit whose synapses are from mod files, and what one thread makes of it."""
    folder = tmp_path_factory.mktemp(request.param)
    write_mods(folder / "mods", [*PLASTIC, *SENDING])
    first, second = TOGETHER[request.param]
    single = {"module": "netcon_report", "variable_name": "i", "syn_type": first}
    config = write_plastic(
        folder, first, {"tau_facil": 0.0}, reports={"soma": report("v"), "one": single},
        components={"mechanisms_dir": "mods"},
    )  # fmt: skip
    types = pd.read_csv(folder / "edge_types.csv", sep=" ")
    types.loc[types["edge_type_id"] == 2, "model_template"] = second
    weight = types["model_template"].map({"BbpDet": 1.0}).fillna(2e-3)
    write_types(folder / "edge_types.csv", types.assign(syn_weight=weight))
    whole = ic.run(config, output_dir=folder / "alone", save_at=20, threads=1)
    assert len(whole.spikes) > 3 and float(abs(whole.report("one")).max()) > 0.0
    return config


def test_threads_change_nothing_of_plastic_synapses_of_mod_files(plastic, tmp_path):
    ic.run(plastic, output_dir=tmp_path, threads=2)
    require_equal(tmp_path, plastic.parent / "alone")


def test_nor_do_ranks(plastic, tmp_path):
    require_same_in_parts(plastic, tmp_path)


def test_plastic_synapses_of_mod_files_go_on(plastic, tmp_path):
    """A branch from a state goes on as the run itself, and the reference engine does the same."""
    alone = plastic.parent / "alone"
    branch = ic.run(plastic, output_dir=tmp_path / "branch", start_from=alone / "state_20ms.h5")
    plain = ic.run(plastic, output_dir=tmp_path / "plain", engine="reference")
    for name in ("soma", "one"):
        whole, late, other = (
            each.report(name).to_numpy() for each in (ic.Result(alone), branch, plain)
        )
        np.testing.assert_array_equal(late[-300:], whole[-300:])
        np.testing.assert_allclose(other, whole, rtol=0.0, atol=1e-6)


def test_sums_of_single_synapses_that_act_again_are_those_of_compartments(tmp_path):
    """Also where spikes act and act again at one time."""
    write_mods(tmp_path / "mods", ["Pulse"])
    _late_tie(tmp_path / "mods")
    times = [(t, node) for t in range(3, 40, 2) for node in (0, 1)]
    table = pd.DataFrame(times, columns=["timestamps", "node_ids"]).assign(population="drive")
    table.to_csv(tmp_path / "s.csv", sep=" ", index=False)
    drive = {"input_type": "spikes", "module": "csv", "node_set": "drive", "input_file": "s.csv"}
    single = {"module": "netcon_report", "variable_name": "g"}
    names = ("Pulse", "LateTie", "Exp2Syn")
    reports = {"places": report("g_exc", "all")} | {n: single | {"syn_type": n} for n in names}
    config = write_plastic(
        tmp_path, "Pulse", reports=reports, components={"mechanisms_dir": "mods"},
        inputs={"drive": drive, "step": clamp(0.3, (0, 1, 2))},
    )  # fmt: skip
    types = pd.read_csv(tmp_path / "edge_types.csv", sep=" ")
    types.loc[types["edge_type_id"] == 2, "model_template"] = "LateTie"
    write_types(tmp_path / "edge_types.csv", types)
    result = ic.run(config, threads=1)
    places, *each = (result.report(name).to_numpy().sum(axis=1) for name in reports)
    assert min(of_one.max() for of_one in each) > 1e-4
    np.testing.assert_allclose(places, sum(each), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("plastic", ["sent", "ramp"], indirect=True)
@pytest.mark.parametrize("change", [{"weight": 0.5}, {"delay": 2.0}, {"weight": 2.0, "start": 9.0}])
def test_weights_stay_while_spikes_are_to_act_again(plastic, tmp_path, change):
    """What a spike opened would stay open if it was to close it by another weight."""
    config = plastic.parent / "changed.json"
    section = {"isocortex": {"changes": [{"type": "synapses", **change}]}}
    config.write_text(json.dumps(json.loads(plastic.read_text()) | section))
    state = None if "start" in change else plastic.parent / "alone" / "state_20ms.h5"
    with pytest.raises(ConfigError, match="with other weights or delays of synapses whose spikes"):
        ic.run(config, output_dir=tmp_path, start_from=state)


def test_a_variable_that_is_not_all_of_a_synapse_is_not_recorded(tmp_path):
    """``g`` of one file is NMDA's without AMPA's, of one without the block, of one a maximum."""
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "NmSyn.mod").write_text(dedent(SYNAPSE))
    text = dedent(SYNAPSE).replace("NmSyn", "NmOne").replace("(B - A)*mgblock(v)", "B - A")
    text = text.replace("i = g*(v - e) + ia", "i = g*mgblock(v)*(v - e)")
    (tmp_path / "mods" / "NmOne.mod").write_text(text)
    text = dedent(SENDING["Late"]).replace("Late", "NmMost").replace("e = 0 (", "g = 2 e = 0 (")
    (tmp_path / "mods" / "NmMost.mod").write_text(text.replace("(B - A)*", "g*(B - A)*"))
    for name in ("NmSyn", "NmOne", "NmMost"):
        config = write_plastic(tmp_path, name, components={"mechanisms_dir": "mods"})
        with pytest.raises(ConfigError, match=f"'g' of the mod file of {name} is not all of what"):
            ic.run(config)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("STEADYSTATE sparse", "STEADYSTATE sparse\n O = 0",
         r"line \d+: O is assigned after it was solved"),
        ("~ C2 <-> O", "~ C2 + I <-> O", "line 11: reactions of two states are not linear"),
        ("~ O <-> I", "~ O <-> X", "line 12: X is not known"),
    ],
)  # fmt: skip
def test_other_schemes_are_refused(tmp_path, old, new, message):
    _refused(tmp_path / "Nx.mod", dedent(MODS["Nx"]), old, new, message)


def test_edges_name_a_mod_file_s_synapse(tmp_path):
    """One that is Exp2Syn under another name does what Exp2Syn does."""
    text = dedent(SYNAPSE).replace("NmSyn", "TwoSyn").replace("*mgblock(v)", "").replace(
        "C*(v - e)", "0*C*(v - e)").replace("*ratio", "")  # fmt: skip
    text = text.replace("ia = 0*C*(v - e)\n", "").replace(" + ia", "").replace("C' = -C/ta", "")
    text = text.replace("C = C + weight\n", "")
    found = []
    for name, template in (("ours", "exp2syn"), ("theirs", "TwoSyn")):
        folder = tmp_path / name
        path = write_library_circuit(
            folder, edges=[(0, 0, 20), (1, 1, 5)], inputs={"drive": poisson()},
            synapse={"model_template": template}, components={"mechanisms_dir": "mods"},
            reports={"v": report("v")},
        )  # fmt: skip
        numbers = {"tau1": 0.4, "tau2": 3.0}
        key = "erev" if template == "exp2syn" else "e"
        (folder / "exc.json").write_text(json.dumps({**numbers, key: 0.0}))
        (folder / "mods").mkdir()
        (folder / "mods" / "two.mod").write_text(text)
        found.append(ic.run(path).report("v").values)
    assert np.ptp(found[0]) > 1.0
    np.testing.assert_allclose(found[1], found[0], rtol=0.0, atol=1e-4)  # in single precision


def test_a_function_reads_the_voltage_of_the_membrane(load):
    """Where a procedure that calls it has an argument of the same name, which it does not see."""
    text = PLAIN.replace("minf = 1/(1 + exp(-v/9))", "rates(v + 20)")
    text += "PROCEDURE rates(v) { minf = f(2)*v }\nFUNCTION f(x) { f = x*v }"
    (fx,) = load(Fv=text.replace("Fx", "Fv"))
    assert fx.m_rates(-60.0)[0] == 2.0 * -60.0 * -40.0


def test_an_argument_hides_a_number_of_its_name(load):
    text = PLAIN.replace("minf = 1/(1 + exp(-v/9))", "minf = f(2)").replace(
        "gbar = 1e-3", "q = 3 gbar = 1e-3").replace("Fx", "Fa")  # fmt: skip
    (fx,) = load(Fa=text + "FUNCTION f(q) { if (q > 2) { f = 1 } else { f = 2^q + q^2 } }")
    assert fx.m_rates()[0] == pytest.approx(8.0, rel=1e-13)


def test_high_powers_are_of_negative_numbers_too(load):
    text = PLAIN.replace("minf = 1/(1 + exp(-v/9))", "minf = (v/100)^9 + (v/100)^(-10)")
    (fx,) = load(Fp=text.replace("Fx", "Fp"))
    assert fx.m_rates(-60.0)[0] == pytest.approx((-0.6) ** 9 + (-0.6) ** -10, rel=1e-13)


def test_words_of_python_are_names(load):
    text = PLAIN.replace("RANGE gbar", "RANGE gbar, lambda").replace("Fx", "Fl")
    (fx,) = load(Fl=text.replace("{ gbar = 1e-3", "{ lambda = 2 gbar = 1e-3").replace(
        "gbar*m*", "gbar*lambda*m*"))  # fmt: skip
    assert fx.conductance(0.5, 2.0, 3.0) == 3.0


def test_words_of_a_mod_file_are_no_python(tmp_path):
    path = tmp_path / "Fx.mod"
    path.write_bytes(PLAIN.replace("(S/cm2)", "(S/cm2) a = 3 (mV\rimport os#)").replace(
        "gbar*m", "gbar*a*m").encode())  # fmt: skip
    assert "a = 3.0  # mV import os#\n" in python_file(translated(path))
    path.write_text('TITLE """ + open("x") + """\\\n' + PLAIN.replace("(S/cm2)", '("S/cm2)'))
    assert "open('x')" in python_file(translated(path))
    assert load_mechanisms(path) == ("Fx",)


def test_without_the_parser_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nmodl", None)
    monkeypatch.setitem(sys.modules, "neuron.nmodl", None)
    (mod,) = write_mods(tmp_path, ["Kx"])
    with pytest.raises(ModelError, match=r"Kx\.mod: .*parser.*pip install 'isocortex\[nmodl\]'"):
        translated(mod)


def test_a_file_is_kept_and_not_written_over(tmp_path):
    (mod,) = write_mods(tmp_path, ["Kx"])
    path, made = import_mod(mod, tmp_path / "out")
    assert path == tmp_path / "out" / "Kx.py" and path.read_text() == WRITTEN
    assert made.summary == "Kx: ik (k); gates m, h; parameters gKxbar"
    import_mod(mod, tmp_path / "out")  # the same once more
    path.write_text(WRITTEN + "# mine\n")
    with pytest.raises(ConfigError, match=r"Kx\.py: is there with other content"):
        import_mod(mod, tmp_path / "out")
    with pytest.raises(InputError, match=r"no\.mod: cannot read the mod file"):
        import_mod(tmp_path / "no.mod", tmp_path)


def _circuit(folder, genome, reports):
    """A cell with a fit of these mechanisms, and a folder of mod files as BMTK has it."""
    fit = FIT | {"genome": [*FIT["genome"][2:], *(
        {"section": "soma", "name": name, "value": value, "mechanism": name.split("_", 1)[1]}
        for name, value in genome.items()
    )]}  # fmt: skip
    path = write_library_circuit(
        folder, cells=1, inputs={"step": clamp()}, components={"mechanisms_dir": "mechanisms"},
        reports={name: report(name) for name in reports},
    )  # fmt: skip
    (folder / "cell.swc").write_text(SWC)
    (folder / "fit.json").write_text(json.dumps(fit))
    node = {"node_type_id": [1], "model_type": "biophysical", "dynamics_params": "fit.json"}
    node |= {"model_template": "ctdb:Biophys1.hoc", "morphology": "cell.swc"}
    write_types(folder / "cells_types.csv", pd.DataFrame(node))
    return path


def test_a_circuit_s_mod_files_are_translated_where_cells_need_them(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOCORTEX_CACHE", str(tmp_path / "cache"))
    path = _circuit(tmp_path, {"gKxbar_Km": 5e-3, "gbar_NaTs": 0.3}, ["m_Km", "ik_Km"])
    folder = tmp_path / "mechanisms" / "modfiles"
    folder.mkdir(parents=True)
    (folder / "Km.mod").write_text(dedent(MODS["Kx"]).replace("SUFFIX Kx", "SUFFIX Km"))
    (folder / "other.mod").write_text("NEURON { SUFFIX other } {{{")
    result = ic.run(path)
    assert np.ptp(result.report("m_Km").values) > 1e-3
    assert np.ptp(result.report("ik_Km").values) > 1e-4
    (kept,) = (tmp_path / "cache" / "mechanisms").glob("*.py")
    assert kept.read_text() == WRITTEN.replace("Kx:", "Km:").replace("Kx.mod", "Km.mod").replace(
        "class Kx", "class Km"
    )
    told = result.provenance["run"]["mechanisms"]
    assert [path.rpartition("/")[2] for path in told] == [kept.name]
    monkeypatch.setitem(sys.modules, "nmodl", None)  # nothing is translated twice
    monkeypatch.setitem(sys.modules, "neuron.nmodl", None)
    assert load_mechanisms(folder / "Km.mod") == ("Km",)


def test_a_file_of_the_package_s_name_wins(tmp_path):
    """In a process of its own: in one session a name is one mechanism."""
    path = _circuit(tmp_path, {"gIhbar_Ih": 1e-3, "gbar_NaTs": 0.3}, ["m_Ih"])
    text = PLAIN.replace("Fx", "Ih").replace("gbar", "gIhbar").replace("minf - m", "0.25 - m")
    (tmp_path / "mechanisms").mkdir()
    (tmp_path / "mechanisms" / "Ih.mod").write_text(text)
    script = f"""
        import isocortex as ic
        print(ic.run({str(path)!r}).report("m_Ih").values[-1, 0])
        try:
            ic.cell("485836906")
        except ic.errors.ModelError as error:
            print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)], capture_output=True, text=True, check=True
    )
    value, error = done.stdout.splitlines()[-2:]
    assert float(value) == pytest.approx(0.25, abs=0.05)
    assert "'Ih' is in this session that of" in error and "Start Python anew" in error


def test_a_mechanism_that_cells_have_cannot_be_replaced(load):
    ic.cell("485836906")
    with pytest.raises(ModelError, match="cells of this session have the package's 'Ih'"):
        load(Ih=PLAIN.replace("Fx", "Ih"))
