"""Synapses of the Blue Brain Project beside BioNet, run now: spikes, voltages, conductances.

The mechanisms are written here anew, with the equations of `DetAMPANMDA`, `DetGABAAB`,
`ProbAMPANMDA_EMS` and `ProbGABAAB_EMS` (BlueBrain/neurodamus-models; Fuhrmann et al. 2002, Jahr &
Stevens 1990), and of the Nair lab's `AMPA_NMDA_STP` and `GABA_A_STP`. Those that release at random
take their numbers from Isocortex's streams, so that both release the same vesicles. Needs NEURON
and BMTK in the same environment (`make test-oracle`).
"""

import json
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from bursts_case import (
    both,
    compile_mods,
    require_same_spikes,
    run_bionet,
    write_bursts,
    write_cells,
    write_configuration,
    write_edge_types,
)

import isocortex as ic
from isocortex.circuit.synapses import keys_of
from isocortex.random import name_of
from isocortex.sonata.write import write_edges
from isocortex.streams import stream

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

CELLS, DRIVE = 4, 4
#: mod file: its two conductances, and whether it releases at random
FORMS = {
    "DetAMPANMDA": (("AMPA", "NMDA"), False), "DetGABAAB": (("GABAA", "GABAB"), False),
    "ProbAMPANMDA_EMS": (("AMPA", "NMDA"), True), "ProbGABAAB_EMS": (("GABAA", "GABAB"), True),
    "AMPA_NMDA_STP": (("AMPA", "NMDA"), False), "GABA_A_STP": (("GABAA",), False),
}  # fmt: skip
DEFAULTS = {
    "AMPA": (0.2, 1.7), "NMDA": (0.29, 43.0), "GABAA": (0.2, 8.0), "GABAB": (3.5, 260.9)
}  # fmt: skip
#: What is recorded of each; those of the Nair lab keep a g without a factor of its current.
RECORDED = [
    (name, variable) for name, (parts, _) in FORMS.items()
    for variable in (["i"] if name.endswith("_STP") else ["g", "i", f"g_{parts[-1]}"])
]  # fmt: skip
#: edge types: template, parameters, weight (nS)
TYPES = {
    "default": ("DetAMPANMDA", {}, 6.0),
    "facilitating": ("DetAMPANMDA", {"Use": 0.1, "Dep": 60.0, "Fac": 250.0, "NMDA_ratio": 1.2,
                                     "tau_d_NMDA": 60.0, "mg": 1.8}, 8.0),
    "other_block": ("DetAMPANMDA", {"Use": 0.6, "Dep": 200.0, "Fac": 0.0, "e": -5.0,
                                    "slope_mg": 0.07, "scale_mg": 2.5, "NMDA_ratio": 2.0}, 5.0),
    "inhibiting": ("DetGABAAB", {"Use": 0.3, "Dep": 300.0, "Fac": 20.0, "GABAB_ratio": 0.4}, 4.0),
    "one_site": ("ProbAMPANMDA_EMS", {"Use": 0.5, "Dep": 100.0, "Fac": 30.0}, 12.0),
    "sites": ("ProbAMPANMDA_EMS", {"Use": 0.4, "Dep": 60.0, "Fac": 0.0, "Nrrp": 5, "u0": 0.2,
                                   "tau_r_AMPA": 0.3}, 9.0),
    "inhibiting_sites": ("ProbGABAAB_EMS", {"Use": 0.3, "Dep": 90.0, "Fac": 100.0, "Nrrp": 3,
                                            "GABAB_ratio": 0.5, "e_GABAA": -75.0}, 5.0),
    "scaled": ("AMPA_NMDA_STP", {"initW": 3.0, "Use": 0.5, "gmax_NMDA": 0.002}, 2.0),
    "scaled_inhibition": ("GABA_A_STP", {"initW": 0.5, "Use": 0.5}, 9.0),
}  # fmt: skip
#: Attributes of edges, and what each is in a mod file.
OWN = {"u_syn": "Use", "depression_time": "Dep", "facilitation_time": "Fac",
       "n_rrp_vesicles": "Nrrp", "decay_time": "tau_d_{0}",
       "conductance_scale_factor": "{1}_ratio"}  # fmt: skip
#: BMTK has a function for none of them: users register theirs. Every synapse has a place of its
#: own, by which the numbers and the stream of random numbers of its edge are found.
MAKER = """
edges = json.load(open("edges.json"))

def maker(name):
    def synapse(params, x, section):
        made = getattr(h, name)(x, sec=section)
        own, stream = edges[f"{x:.6f}"]
        for what, value in {**params, **own}.items():
            setattr(made, what, value)
        if name.startswith("Prob"):
            made.start(*stream)
        return made
    return synapse
"""
MEAN = """
    u = u*exp(-(t - last)/Fac0)
    if (Fac > 0) { u = u + Use*(1 - u) } else { u = Use }
    R = 1 - (1 - R)*exp(-(t - last)/Dep)
    share = u*R
    R = R - share
"""
AT_RANDOM = """
    u = u*exp(-(t - last)/Fac0)
    if (Fac > 0) { u = u + Use*(1 - u) } else { u = Use }
    asked = Nrrp - full
    left = full
    FROM k = 1 TO asked { if (draw() > exp(-(t - last)/Dep)) { left = left + 1 } }
    asked = left
    full = left
    FROM k = 1 TO asked { if (draw() < u) { full = full - 1 } }
    share = (left - full)/Nrrp
"""
DRAW = """
    PROCEDURE start(a, b) { high = a low = b drawn = 0 }
    FUNCTION draw() {
        drawn = drawn + 1
        VERBATIM
        unsigned long long x = ((unsigned long long)high << 32) + (unsigned long long)low;
        x += 0x9E3779B97F4A7C15ULL * (unsigned long long)drawn;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
        x = x ^ (x >> 31);
        _ldraw = (double)(x >> 11) / 9007199254740992.0;
        ENDVERBATIM
    }
"""


def _mod(name):
    """A mod file of one of the forms."""
    parts, random = FORMS[name]
    blocked = "NMDA" in parts
    times = {f"tau_{end}_{part}": DEFAULTS[part][k] for part in parts for k, end in enumerate("rd")}
    scaled = name.endswith("_STP")
    numbers = {**times, "Use": 1.0, "Dep": 100.0, "Fac": 10.0, "u0": 0.0}
    gmax = {part: f"gmax_{part}" if scaled and blocked else "gmax" for part in parts}
    numbers |= dict.fromkeys(gmax.values(), 0.001) | ({"initW": 1.0} if scaled else {})
    if blocked:
        numbers |= {"e": 0.0, "mg": 1.0, "slope_mg": 0.062, "scale_mg": 3.57, "NMDA_ratio": 0.71}
    else:
        numbers |= {"e_GABAA": -75.0 if scaled else -80.0, "e_GABAB": -97.0, "GABAB_ratio": 0.0}
    if random:
        numbers |= {"Nrrp": 1.0}
    ratio = dict(zip(parts, ["1", f"{parts[-1]}_ratio"], strict=False))
    gate = {part: "*opened" if part == "NMDA" else "" for part in parts}
    reversal = {part: "e" if blocked else f"e_{part}" for part in parts}
    each = [f"{what}_{part}" for what in ("g", "i", "scale") for part in parts]
    lines = {
        "scales": "\n".join(
            f"peak = tau_r_{p}*tau_d_{p}/(tau_d_{p} - tau_r_{p})*log(tau_d_{p}/tau_r_{p})\n"
            f"scale_{p} = 1/(exp(-peak/tau_d_{p}) - exp(-peak/tau_r_{p}))\nA_{p} = 0\nB_{p} = 0"
            for p in parts),
        "currents": "\n".join(
            f"g_{p} = {gmax[p]}*(B_{p} - A_{p}){gate[p]}\ni_{p} = g_{p}*(v - {reversal[p]})"
            for p in parts),
        "slopes": "\n".join(f"A_{p}' = -A_{p}/tau_r_{p}\nB_{p}' = -B_{p}/tau_d_{p}"
                            for p in parts),
        "jumps": "\n".join(f"{x}_{p} = {x}_{p} + share*weight*{ratio[p]}*scale_{p}"
                           for p in parts for x in "AB"),
    }  # fmt: skip
    opened = "opened = 1/(1 + exp(-slope_mg*v)*mg/scale_mg)" if blocked else ""
    states = " ".join(f"{x}_{part}" for part in parts for x in "AB")
    return f"""
NEURON {{ POINT_PROCESS {name}
RANGE {", ".join([*numbers, *each, "g", "high", "low", "drawn"])}
NONSPECIFIC_CURRENT i }}
PARAMETER {{ {" ".join(f"{k} = {v}" for k, v in numbers.items())} }}
ASSIGNED {{ v i g opened u R full last share Fac0 asked left high low drawn {" ".join(each)} }}
STATE {{ {states} }}
INITIAL {{
LOCAL peak
{lines["scales"]}
u = u0 R = 1 last = 0
full = {"Nrrp" if random else "0"}
Fac0 = 1
if (Fac > 0) {{ Fac0 = Fac }}
}}
BREAKPOINT {{
SOLVE fade METHOD cnexp
{opened}
{lines["currents"]}
g = {"initW*" if scaled else ""}({" + ".join(f"g_{part}" for part in parts)})
i = {"initW*" if scaled else ""}({" + ".join(f"i_{part}" for part in parts)})
}}
DERIVATIVE fade {{
{lines["slopes"]}
}}
NET_RECEIVE (weight) {{
{dedent(AT_RANDOM if random else MEAN)}
last = t
{lines["jumps"]}
}}
{dedent(DRAW) if random else ""}
"""


def _write(folder):
    """Cells that act on each other and virtual ones that burst; returns the configuration."""
    random = np.random.default_rng(11)
    write_cells(folder, CELLS, DRIVE)
    n_types, n = write_edge_types(folder, TYPES), 0
    columns = ["source_node_id", "target_node_id", "edge_type_id", "afferent_section_id",
               "afferent_section_pos"]  # fmt: skip
    for source, senders, several in (("cortex", CELLS, 2), ("drive", DRIVE, 2)):
        rows = []
        # numbers of edges' own are read of all but the last two, which have two delays each
        for kind in range(n_types if source == "cortex" else n_types - 4):
            for _ in range(several):
                n += 1
                place = int(random.integers(6)), 0.2 + 0.005 * n
                ends = int(random.integers(senders)), int(random.integers(CELLS))
                rows.append((*ends, kind, *place))
        table = pd.DataFrame(rows, columns=columns).sort_values("target_node_id", kind="stable")
        if source == "drive":
            several = random.uniform(size=(6, len(table)))
            table = table.assign(
                u_syn=0.1 + 0.8 * several[0], depression_time=20.0 + 300.0 * several[1],
                facilitation_time=np.where(several[2] < 0.3, 0.0, 400.0 * several[2]),
                n_rrp_vesicles=1 + (4 * several[3]).astype(int), decay_time=1.0 + 9.0 * several[4],
                conductance_scale_factor=2.0 * several[5],
            )  # fmt: skip
        write_edges(folder / f"{source}_cortex.h5", source, "cortex", (senders, CELLS), table)
    write_bursts(folder, DRIVE, random)
    compile_mods(folder / "mechanisms", {name: _mod(name) for name in FORMS})
    single = {f"{variable}_of_{name}": (name, variable) for name, variable in RECORDED}
    return write_configuration(folder, 0.2, single)


def _of_edges(simulation):
    """By the place of every edge its own numbers, and its stream as high and low half."""
    found = {}
    for edges in simulation.circuit.projections:
        keys = keys_of(edges, np.arange(len(edges.delay)))
        for k, (x, key) in enumerate(zip(edges.section_pos, keys.tolist(), strict=True)):
            begin = int(stream(name_of(f"release {simulation.seed}"), key, 0))
            name = edges.rules[edges.rule[k]].model_template
            own = {OWN[a].format(*FORMS[name][0]): float(v[k]) for a, v in edges.own.items()
                   if a != "n_rrp_vesicles" or FORMS[name][1]}  # fmt: skip
            found[f"{x:.6f}"] = own, (begin >> 32, begin & 0xFFFFFFFF)
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """BioNet's folder, and our result."""
    folder = tmp_path_factory.mktemp("bbp")
    config = _write(folder)
    (folder / "edges.json").write_text(json.dumps(_of_edges(ic.load_simulation(config))))
    run_bionet(folder, config, FORMS, MAKER)
    return folder / "bionet", ic.run(config, output_dir=folder / "ours", threads=1)


def test_every_spike_is_at_its_step(results):
    require_same_spikes(*results, more_than=10)


def test_voltages_are_neurons(results):
    expected, found = both(*results, "v")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [f"{what}_of_{name}" for name, what in RECORDED])
def test_single_synapses_are_neurons(results, name):
    expected, found = both(*results, name)
    assert found.shape == expected.shape and np.abs(expected).max() > 0.0
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
