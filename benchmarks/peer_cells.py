"""Unconnected copies of one Allen cell in NEURON, CoreNEURON or Arbor: how long a step takes.

    python benchmarks/peer_cells.py neuron|coreneuron|arbor '{"fit": ..., "swc": ..., ...}'

prints {"compartments": ..., "seconds": ...} of one run; see cells.py for the keys.
"""

from __future__ import annotations

import json
import math
import sys
import time


def in_neuron(case: dict, core: bool) -> dict:
    """BMTK prepares the cells; CoreNEURON needs mechanisms compiled for it."""
    import bmtk.simulator.bionet as bionet
    from bmtk.simulator.bionet.default_setters import cell_models
    from bmtk.simulator.bionet.morphology import Morphology
    from neuron import coreneuron, h

    h.load_file("stdrun.hoc")
    h.load_file("import3d.hoc")
    h.load_file(f"{bionet.__path__[0]}/default_templates/Biophys1.hoc")
    fit = json.load(open(case["fit"]))
    cells, clamps, compartments = [], [], 0
    for _ in range(case["cells"]):
        cell = h.Biophys1(case["swc"])
        getattr(cell_models, case["processing"])(cell, None, fit)
        Morphology.load(hobj=cell).set_segment_dl(20.0)
        clamp = h.IClamp(cell.soma[0](0.5))
        clamp.delay, clamp.dur, clamp.amp = 0.0, 1e9, case["amp"]
        cells.append(cell)
        clamps.append(clamp)
        compartments += sum(section.nseg for section in cell.all)
    context = h.ParallelContext()
    context.nthread(case["threads"])
    h.celsius, h.dt, h.steps_per_ms = 34.0, case["dt"], 1.0 / case["dt"]
    h.cvode.cache_efficient(1)
    context.set_maxstep(10.0)
    coreneuron.enable = core
    coreneuron.verbose = 0
    if core:
        # its own set-up is inside psolve: the difference of two runs leaves the steps
        seconds = -_timed_psolve(h, context, 1.0)
        return {"compartments": compartments,
                "seconds": seconds + _timed_psolve(h, context, 1.0 + case["tstop"])}  # fmt: skip
    h.finitialize(-80.0)
    context.psolve(1.0)
    begun = time.perf_counter()
    context.psolve(1.0 + case["tstop"])
    return {"compartments": compartments, "seconds": time.perf_counter() - begun}


def _timed_psolve(h, context, tstop: float) -> float:
    h.finitialize(-80.0)
    begun = time.perf_counter()
    context.psolve(tstop)
    return time.perf_counter() - begun


def in_arbor(case: dict) -> dict:
    """The same fit on the reconstruction (axon included), in compartments of about 40 um."""
    import arbor

    fit = json.load(open(case["fit"]))
    kelvin = 273.15 + fit["conditions"][0]["celsius"]
    morphology = arbor.load_swc_neuron(case["swc"]).morphology
    labels = arbor.label_dict().add_swc_tags()
    passive = fit["passive"][0]
    unit = arbor.units
    decor = arbor.decor().set_property(
        tempK=kelvin * unit.Kelvin, Vm=-80.0 * unit.mV, rL=float(passive["ra"]) * unit.Ohm * unit.cm
    )
    decor.set_ion("ca", int_con=5e-5 * unit.mM, ext_con=2.0 * unit.mM, method="nernst/x=ca")
    used = {"soma", "dend", "apic", "axon"}
    for entry in passive.get("cm", []):
        decor.paint(f'"{entry["section"]}"', cm=float(entry["cm"]) * 1e-2 * unit.F / unit.m2)
    for entry in fit["conditions"][0]["erev"]:
        for ion in ("na", "k"):
            decor.paint(f'"{entry["section"]}"', ion=ion, rev_pot=float(entry[f"e{ion}"]) * unit.mV)
    values: dict[tuple[str, str], dict[str, float]] = {}
    for entry in fit["genome"]:
        mechanism = entry["mechanism"] or "pas"
        name = entry["name"].removesuffix(f"_{mechanism}")
        name = {"g_pas": "g"}.get(name, name)
        values.setdefault((entry["section"], mechanism), {})[name] = float(entry["value"])
    for (section, mechanism), parameters in values.items():
        if section not in used:
            continue
        name = f"pas/e={passive['e_pas']}" if mechanism == "pas" else mechanism
        decor.paint(f'"{section}"', arbor.density(name, parameters))
    decor.place(
        "(location 0 0.5)",
        arbor.i_clamp(case["amp"] * unit.nA),
    )  # fmt: skip
    cell = arbor.cable_cell(morphology, decor, labels, arbor.cv_policy_max_extent(40.0 * unit.um))
    catalogue = arbor.allen_catalogue()
    catalogue.extend(arbor.default_catalogue(), "")

    class Copies(arbor.recipe):
        def __init__(self):
            arbor.recipe.__init__(self)
            self.properties = arbor.neuron_cable_properties()
            self.properties.catalogue = catalogue

        def num_cells(self):
            return case["cells"]

        def cell_kind(self, gid):
            return arbor.cell_kind.cable

        def cell_description(self, gid):
            return cell

        def global_properties(self, kind):
            return self.properties

    recipe = Copies()
    context = arbor.context(threads=case["threads"])
    hint = arbor.partition_hint()
    hint.cpu_group_size = math.ceil(case["cells"] / case["threads"])
    hints = {arbor.cell_kind.cable: hint}
    simulation = arbor.simulation(recipe, context, arbor.partition_load_balance(
        recipe, context, hints))  # fmt: skip
    simulation.run(1.0 * unit.ms, case["dt"] * unit.ms)
    begun = time.perf_counter()
    simulation.run((1.0 + case["tstop"]) * unit.ms, case["dt"] * unit.ms)
    seconds = time.perf_counter() - begun
    return {"compartments": arbor.cv_data(cell).num_cv * case["cells"], "seconds": seconds}


def main() -> None:
    simulator, case = sys.argv[1], json.loads(sys.argv[2])
    result = in_arbor(case) if simulator == "arbor" else in_neuron(case, simulator == "coreneuron")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
