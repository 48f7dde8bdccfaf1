"""Run one example with Isocortex; the last line of the output is what came of it.

    python run_example.py CONFIG MS [--functions SCRIPT] [--output FOLDER [--draws FILE]]

Without a folder the results are thrown away. ``--draws`` is what run_example_bmtk.py leaves: the
places and the units that BMTK drew at random take the place of those that would be drawn here.
"""

from __future__ import annotations

import argparse
import runpy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import isocortex as ic
from isocortex.arrays import IntArray
from isocortex.bmtk.simulator.bionet.processing import processed
from isocortex.bmtk.simulator.bionet.pyfunction_cache import py_modules
from isocortex.circuit import EdgePopulation, Simulation, edges, synapses
from isocortex.errors import IsocortexError
from isocortex.network.build import build_network
from isocortex.report import netcons
from isocortex.session.recorders import recorders_of
from isocortex.sonata import probes


def draw_as_bmtk(file: Path) -> None:
    """Let synapses and units of recordings be where BMTK's random numbers put them."""
    with np.load(file) as drawn:
        places = {name[7:]: drawn[name] for name in drawn if name.startswith("places ")}
        units = {
            name[6:]: dict(drawn[name].tolist()) for name in drawn if name.startswith("units ")
        }
    draw = synapses.place_synapses

    def place_synapses(
        population: EdgePopulation, rule: Any, at: IntArray, *more: Any
    ) -> tuple[IntArray, IntArray]:
        if population.name not in places:
            return draw(population, rule, at, *more)
        drawn_of, section, x = places[population.name]
        number = at if population.number is None else population.number[at]
        first, last = (np.searchsorted(drawn_of, number, side) for side in ("left", "right"))
        given = population.section_id[at] >= 0
        made = np.where(given, 1, last - first)
        edge = np.repeat(at, made)
        row = np.arange(len(edge)) + np.repeat(first - (np.cumsum(made) - made), made)
        mine = np.repeat(~given, made)
        placed = population.some(edge)
        placed.section_id[mine], placed.section_pos[mine] = section[row[mine]], x[row[mine]]
        which, node = draw(placed, rule, np.arange(len(edge)), *more)
        return edge[which], node

    for module in (edges, synapses, netcons):
        module.place_synapses = place_synapses  # type: ignore[attr-defined]

    def sampled(entry: Any, nodes: Any, *_: Any, **__: Any) -> list[IntArray]:
        unit = units[entry.name]
        return [
            np.array([unit.get(node, -1) for node in population.node_ids[rows].tolist()])
            for population, rows in nodes
        ]

    probes._sampled = sampled


def with_functions(simulation: Simulation, script: Path) -> Simulation:
    """The simulation with the functions that its cells name, which are part of an example."""
    runpy.run_path(str(script))
    return processed(simulation, py_modules.cell_processors)


def recordable(simulation: Simulation) -> Simulation:
    """The simulation without reports that cannot be made of its cells."""
    network = build_network(simulation)
    recorded, without = [], list(simulation.skipped)
    for spec in simulation.reports:
        try:
            recorders_of(replace(simulation, reports=[spec]), network)
            recorded.append(spec)
        except IsocortexError:
            without.append(spec.name)
    return replace(simulation, reports=recorded, skipped=without)


def run(simulation: Simulation, folder: Path) -> None:
    """Run it into a folder, whose files are called what run_example_bmtk.py calls them."""
    reports = [replace(spec, file_name=f"{spec.name}.h5") for spec in simulation.reports]
    kept = replace(simulation, reports=reports, spikes_file="spikes.h5", log_file=None)
    ic.run(kept, output_dir=folder, overwrite=True, threads=1, progress=False)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("ms", type=float, help="0 builds only")
    for name in ("functions", "output", "draws"):
        parser.add_argument(f"--{name}", type=Path)
    args = parser.parse_args()
    if args.draws:
        draw_as_bmtk(args.draws)
    try:
        simulation = ic.load_simulation(args.config, skip_unsupported_reports=True)
        if args.functions:
            simulation = with_functions(simulation, args.functions)
        simulation = recordable(simulation)
        if args.ms:
            simulation = replace(simulation, tstop=min(simulation.tstop, args.ms))
            with tempfile.TemporaryDirectory() as folder:
                run(simulation, args.output or Path(folder))
        without = ", ".join(simulation.skipped)
        print("runs", f"; without report {without}" if without else "")
    except IsocortexError as error:
        print("refused", str(error).replace("\n", " "))


if __name__ == "__main__":
    main()
