"""Unconnected copies of one Allen cell under a constant current, in any of four simulators.

    python benchmarks/cell_runner.py neuron|coreneuron|arbor|isocortex '{"fit": ..., ...}'

A child of cells.py: it sets up and prints ``= compartments``; then, for every line it is sent, it
simulates ``ms`` more and prints ``= seconds``. Keys: fit, swc, processing, cells,
amp (nA), dt, ms, threads, and precision for isocortex.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

Advance = Callable[[], None]


def neuron(case: dict, core: bool = False) -> tuple[int, Advance]:
    """BMTK prepares the cells; mechanisms are loaded from the working folder."""
    import bmtk.simulator.bionet as bionet
    from bmtk.simulator.bionet.default_setters import cell_models
    from bmtk.simulator.bionet.morphology import Morphology
    from neuron import coreneuron, h

    h.load_file("stdrun.hoc")
    h.load_file("import3d.hoc")
    h.load_file(f"{bionet.__path__[0]}/default_templates/Biophys1.hoc")
    with open(case["fit"]) as file:
        fit = json.load(file)
    keep, compartments = [], 0
    for _ in range(case["cells"]):
        cell = h.Biophys1(case["swc"])
        getattr(cell_models, case["processing"])(cell, None, fit)
        Morphology.load(hobj=cell).set_segment_dl(20.0)
        clamp = h.IClamp(cell.soma[0](0.5))
        clamp.delay, clamp.dur, clamp.amp = 0.0, 1e9, case["amp"]
        keep += [cell, clamp]
        compartments += sum(section.nseg for section in cell.all)
    context = h.ParallelContext()
    context.nthread(case["threads"])
    h.celsius, h.dt, h.steps_per_ms = 34.0, case["dt"], 1.0 / case["dt"]
    h.cvode.cache_efficient(1)
    context.set_maxstep(10.0)
    coreneuron.enable, coreneuron.verbose = core, 0
    h.finitialize(-80.0)

    def advance() -> None:
        assert keep
        if core:  # it copies the model in and out of every call
            h.finitialize(-80.0)
        context.psolve((0.0 if core else h.t) + case["ms"])

    return compartments, advance


def coreneuron(case: dict) -> tuple[int, Advance]:
    """NEURON's compute engine for large networks, from the same model."""
    return neuron(case, core=True)


def arbor(case: dict) -> tuple[int, Advance]:
    """The same fit on the same reconstruction, its axon kept, compartments of at most 40 um."""
    import arbor as A

    with open(case["fit"]) as file:
        fit = json.load(file)
    conditions, passive, unit = fit["conditions"][0], fit["passive"][0], A.units
    decor = A.decor().set_property(
        tempK=(273.15 + conditions["celsius"]) * unit.Kelvin,
        Vm=-80.0 * unit.mV,
        rL=float(passive["ra"]) * unit.Ohm * unit.cm,
    )
    decor.set_ion("ca", int_con=5e-5 * unit.mM, ext_con=2.0 * unit.mM, method="nernst/x=ca")
    cm = {entry["section"]: float(entry["cm"]) for entry in passive.get("cm", [])}
    ra, e_pas = {}, {}
    for entry in fit["genome"]:
        for name, values in (("cm", cm), ("Ra", ra), ("e_pas", e_pas)):
            if entry["name"] == name:
                values[entry["section"]] = float(entry["value"])
    for section, value in cm.items():
        decor.paint(f'"{section}"', cm=value * 1e-2 * unit.F / unit.m2)
    for section, value in ra.items():
        decor.paint(f'"{section}"', rL=value * unit.Ohm * unit.cm)
    for entry in conditions["erev"]:
        for ion in ("na", "k"):
            decor.paint(f'"{entry["section"]}"', ion=ion, rev_pot=float(entry[f"e{ion}"]) * unit.mV)
    densities: dict[tuple[str, str], dict[str, float]] = {}
    for entry in fit["genome"]:
        section, mechanism = entry["section"], entry["mechanism"]
        if entry["name"] == "g_pas":
            mechanism = f"pas/e={e_pas.get(section, passive.get('e_pas'))}"
        elif not mechanism:
            continue
        parameter = entry["name"].removesuffix(f"_{mechanism.split('/')[0]}")
        densities.setdefault((section, mechanism), {})[parameter] = float(entry["value"])
    for (section, mechanism), parameters in densities.items():
        decor.paint(f'"{section}"', A.density(mechanism, parameters))
    decor.place("(location 0 0.5)", A.i_clamp(case["amp"] * unit.nA))
    morphology = A.load_swc_neuron(case["swc"]).morphology
    labels = A.label_dict().add_swc_tags()
    cell = A.cable_cell(morphology, decor, labels, A.cv_policy_max_extent(40.0 * unit.um))
    catalogue = A.allen_catalogue()
    catalogue.extend(A.default_catalogue(), "")

    class Copies(A.recipe):
        def num_cells(self):
            return case["cells"]

        def cell_kind(self, gid):
            return A.cell_kind.cable

        def cell_description(self, gid):
            return cell

        def global_properties(self, kind):
            properties = A.neuron_cable_properties()
            properties.catalogue = catalogue
            return properties

    recipe, context = Copies(), A.context(threads=case["threads"])
    hint = A.partition_hint()
    hint.cpu_group_size = -(-case["cells"] // case["threads"])  # large groups vectorise best
    domains = A.partition_load_balance(recipe, context, {A.cell_kind.cable: hint})
    simulation, now = A.simulation(recipe, context, domains), [0.0]

    def advance() -> None:
        now[0] += case["ms"]
        simulation.run(now[0] * unit.ms, case["dt"] * unit.ms)

    return A.cv_data(cell).num_cv * case["cells"], advance


def isocortex(case: dict) -> tuple[int, Advance]:
    """The same model, compiled by Isocortex."""
    import numpy as np

    import isocortex as ic
    from isocortex.circuit.signals import Pulses
    from isocortex.engine.cpu import CpuEngine
    from isocortex.engine.interface import Settings
    from isocortex.network.network import CurrentSource, bare_network

    cell = ic.compile_allen(case["fit"], case["swc"], case["processing"])
    n = case["cells"]
    pulse = Pulses(np.array([case["amp"]]), np.array([0.0]), np.array([1e9]))
    network = bare_network(
        [cell], np.zeros(n, np.int64), [CurrentSource(i, cell.soma, pulse) for i in range(n)]
    )
    settings = Settings(dt=case["dt"], precision=case["precision"], threads=case["threads"])
    engine = CpuEngine(network, settings)

    def advance() -> None:
        engine.advance(round(case["ms"] / case["dt"]))

    return n * cell.n_compartments, advance


def main() -> None:
    compartments, advance = globals()[sys.argv[1]](json.loads(sys.argv[2]))
    print("=", compartments, flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        advance()
        print("=", time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
