"""Short-term plasticity beside BioNet, run now: spikes, voltages, and each synapse's conductance.

The mechanisms are written here anew, with the equations of BMTK's `stp1syn` to `stp5syn`, and of
the deterministic synapses of the Blue Brain Project for `exp2syn_tm`. NEURON compiles them.
Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

from textwrap import dedent

import numpy as np
import pytest
from bursts_case import (
    both,
    compile_mods,
    require_same_spikes,
    run_bionet,
    write_all_edges,
    write_bursts,
    write_cells,
    write_configuration,
    write_edge_types,
)

import isocortex as ic

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

CELLS, DRIVE = 5, 4
FASTER = {"tau_r0": 600.0, "p0": 0.4, "tau_FDR": 300.0}
#: template: parameters, more of the mod file, its derivatives, what a spike does to its states, and
#: by what it counts; those of `late` take that from the step before.
FORMS = {
    "stp1syn": ({"tau_1": 3.0, "erev": 0.0, "tau_r": 120.0, "p0": 0.4}, {}, {"n": "(1-n)/tau_r"},
                "n = n - n*p0", "n*p0"),
    "stp2syn": ({"tau_1": 4.0, "erev": 0.0, **FASTER, "a_FDR": 0.1}, {"a_FDR": 0.5},
                {"n": "(1-n)/tau_r", "tau_r": "(tau_r0-tau_r)/tau_FDR"},
                "n = n - n*p0\ntau_r = tau_r - a_FDR*tau_r", "n*p0"),
    "stp3syn": ({"tau_1": 5.0, "erev": -75.0, **FASTER, "a_FDR": 0.6, "tau_D": 90.0, "a_D": 0.4},
                {},
                {"n": "(1-n)/tau_r", "tau_r": "(tau_r0-tau_r)/tau_FDR", "D": "(1-D)/tau_D"},
                "n = n - n*p0\ntau_r = tau_r - a_FDR*tau_r\nD = D - a_D*p0*n*D", "n*p0*D"),
    "stp4syn": ({"tau_1": 3.0, "erev": 0.0, "tau_r": 60.0, "p0": 0.3}, {},
                {"n": "(1-n)/tau_r", "p": "0"}, "n = n - n*p0\np = p + p0*(1-p)", "n*p0"),
    "stp5syn": ({"tau_1": 4.0, "erev": 0.0, "tau_r0": 500.0, "tau_FDR": 200.0, "a_FDR": 0.5,
                 "a_D": 0.3, "a_i": 0.2, "a_f": 0.4, "pbtilde": 0.3},
                {"tau_D": 100.0, "tau_i": 100.0, "tau_f": 10.0},
                {"n": "(1-n)/tau_r", "p": "(pb-p)/tau_f", "tau_r": "(tau_r0-tau_r)/tau_FDR",
                 "D": "(1-D)/tau_D", "pb": "(pbtilde-pb)/tau_i"},
                "n = n - n*p\np = p + a_f*(1-p)\ntau_r = tau_r - a_FDR*tau_r\n"
                "D = D - a_D*p*n*D\npb = pb - a_i*pb", "n*p*D"),
}  # fmt: skip
LATE = ("stp2syn", "stp5syn")
FIRST = {"tau_r": "tau_r0", "pb": "pbtilde"}  # all else begins at 1
TM = {"tau1": 0.6, "tau2": 4.0, "erev": 0.0}
RELEASES = {"depressing": {"Use": 0.5, "Dep": 150.0, "Fac": 0.0},
            "facilitating": {"Use": 0.1, "Dep": 60.0, "Fac": 250.0}}  # fmt: skip
TWO_TERMS = """
    NEURON { POINT_PROCESS exp2syn_tm RANGE tau1, tau2, e, g, Use, Dep, Fac NONSPECIFIC_CURRENT i }
    PARAMETER { tau1 = 0.1 tau2 = 10 e = 0 Use = 1 Dep = 100 Fac = 10 }
    ASSIGNED { v i g factor }
    STATE { A B }
    INITIAL {
        LOCAL peak
        peak = tau1*tau2/(tau2 - tau1)*log(tau2/tau1)
        factor = 1/(exp(-peak/tau2) - exp(-peak/tau1))
        A = 0 B = 0
    }
    BREAKPOINT { SOLVE fade METHOD cnexp g = B - A i = g*(v - e) }
    DERIVATIVE fade { A' = -A/tau1 B' = -B/tau2 }
    NET_RECEIVE (weight, u, R, last) {
        INITIAL { u = 0 R = 1 last = t }
        if (Fac > 0) { u = u*exp(-(t - last)/Fac) u = u + Use*(1 - u) } else { u = Use }
        R = 1 - (1 - R)*exp(-(t - last)/Dep)
        A = A + weight*factor*u*R
        B = B + weight*factor*u*R
        R = R - u*R
        last = t
    }
"""
#: NEURON's tmgsyn: y is active, z inactive.
THREE = {"tau": 4.0, "tau_rec": 120.0, "tau_facil": 200.0, "U": 0.15, "u0": 0.1, "erev": 0.0}
THREE_STATES = """
    NEURON { POINT_PROCESS tmgsyn RANGE tau, e, g, tau_rec, tau_facil, U, u0 NONSPECIFIC_CURRENT i }
    PARAMETER { tau = 3 e = -90 tau_rec = 100 tau_facil = 1000 U = 0.04 u0 = 0 }
    ASSIGNED { v i x }
    STATE { g }
    INITIAL { g = 0 }
    BREAKPOINT { SOLVE fade METHOD cnexp i = g*(v - e) }
    DERIVATIVE fade { g' = -g/tau }
    NET_RECEIVE (weight, y, z, u, last) {
        INITIAL { y = 0 z = 0 u = u0 last = t }
        z = z*exp(-(t - last)/tau_rec)
        z = z + y*(exp(-(t - last)/tau) - exp(-(t - last)/tau_rec))/(tau/tau_rec - 1)
        y = y*exp(-(t - last)/tau)
        x = 1 - y - z
        u = u*exp(-(t - last)/tau_facil)
        u = u + U*(1 - u)
        g = g + weight*x*u
        y = y + x*u
        last = t
    }
"""
#: BMTK's functions for stp2syn and stp5syn are its own; those of the others it cannot call.
REGISTERED = ("stp1syn", "stp3syn", "stp4syn", "exp2syn_tm", "tmgsyn")


def _mod(name):
    """A mod file of one of the forms."""
    given, more, derivatives, spike, counts = FORMS[name]
    numbers = {k: v for k, v in {**given, **more}.items() if k != "erev"}
    late = name in LATE
    first = "\n".join(
        f"{s} = {FIRST[s] if FIRST.get(s) in numbers else 1}"
        for s in derivatives if s not in numbers
    )  # fmt: skip
    states = " ".join(s for s in derivatives if s not in numbers)
    slopes = "\n".join(f"{s}' = {d}" for s, d in derivatives.items() if s not in numbers)
    return dedent(f"""
        NEURON {{ POINT_PROCESS {name} RANGE e, {", ".join(numbers)} NONSPECIFIC_CURRENT i }}
        PARAMETER {{ e = 0 {" ".join(f"{k} = {v}" for k, v in numbers.items())} }}
        ASSIGNED {{ v i share }}
        STATE {{ g {states} }}
        INITIAL {{
        g = 0
        {first}
        }}
        BREAKPOINT {{
        SOLVE pass_time METHOD cnexp
        i = g*(v - e)
        {f"share = {counts}" if late else ""}
        }}
        DERIVATIVE pass_time {{
        {slopes}
        g' = -g/tau_1
        }}
        NET_RECEIVE (weight) {{
        g = g + weight*{"share" if late else counts}
        {spike}
        }}
    """)


def _types():
    """Template, parameters and weight of every type of edges."""
    values = {name: (name, form[0]) for name, form in FORMS.items()}
    values |= {name: ("exp2syn_tm", {**TM, **release}) for name, release in RELEASES.items()}
    values["tmgsyn"] = ("tmgsyn", THREE)
    return {name: (*both_of, 0.006) for name, both_of in values.items()}


def _write(folder):
    """Cells that excite each other and virtual ones that burst; returns the configuration."""
    random = np.random.default_rng(11)
    write_cells(folder, CELLS, DRIVE)
    n_types = write_edge_types(folder, _types())
    write_all_edges(folder, CELLS, DRIVE, n_types, {"cortex": 2, "drive": 3}, random)
    write_bursts(folder, DRIVE, random)
    mods = {name: _mod(name) for name in FORMS}
    mods |= {"exp2syn_tm": dedent(TWO_TERMS), "tmgsyn": dedent(THREE_STATES)}
    compile_mods(folder / "mechanisms", mods)
    single = {f"g_{name}": (name, "g") for name in (*FORMS, "exp2syn_tm", "tmgsyn")}
    return write_configuration(folder, 0.25, {"tau_FDR": ("stp2syn", "tau_FDR"), **single})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """BioNet's folder, and our result."""
    folder = tmp_path_factory.mktemp("plastic")
    config = _write(folder)
    run_bionet(folder, config, REGISTERED)
    return folder / "bionet", ic.run(config, output_dir=folder / "ours", threads=1)


def test_every_spike_is_at_its_step(results):
    require_same_spikes(*results, more_than=30)


def test_voltages_are_neurons(results):
    expected, found = both(*results, "v")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["tau_FDR", *(f"g_{n}" for n in (*FORMS, "exp2syn_tm", "tmgsyn"))])
def test_single_synapses_are_neurons(results, name):
    expected, found = both(*results, name)
    assert found.shape == expected.shape and (expected.max(axis=0) > 0).all()
    np.testing.assert_allclose(found, expected, rtol=2.0**-22, atol=1e-9 * expected.max())
