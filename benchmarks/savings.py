"""Rows by powers and voltages in place: what they save in the C kernel and in the engine.

    git worktree add BEFORE b524827    # or another version without them
    python benchmarks/savings.py --before BEFORE/src

All variants of a case take turns, each in a process of its own, in windows of nine steps as the
cortex has; ratios are of two that follow each other, times those of the processor.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import isocortex as ic
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import Slots, bare_network
from limit import NODE, ROW, compiled, compiler, in_c, tree
from machine import describe, table, write

#: The embedded cell that is nearest to the cortex's mean, how many, and steps: of ms, of a window,
#: of a turn.
CELL, CELLS, DT, WINDOW, STEPS = "476455864", 512, 0.1, 9, 180
KINETICS = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)]
VARIANTS = {
    "as it was": [], "rows by powers": ["-DPOWERS"], "in place": ["-DIN_PLACE"],
    "both": ["-DPOWERS", "-DIN_PLACE"],
}  # fmt: skip
#: The same counts before: of a node and of a row.
NODE_BEFORE, ROW_BEFORE = (18, 7), (7, 4)
LANES = {"double": (16, 32), "single": (16, 32, 64)}
#: Of the engine: channels, kinds of synapses, order of the integrator.
CASES = {
    "passive, two kinds of synapses": ("passive", 2, 1),
    "passive, no synapses (steady)": ("passive", 0, 1),
    "with its channels, two kinds": ("whole", 2, 1),
    "the same, Crank-Nicolson": ("whole", 2, 2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="src of a version without them")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(*options.serve)
        return
    cell = ic.cell(CELL)
    lines = [
        f"{CELLS} copies of cell {CELL} ({cell.n_compartments} compartments, {cell.n_nodes} nodes),"
        f" two kinds of two-exponential synapses on every compartment, dt {DT:g} ms, windows of"
        f" {WINDOW} steps, one thread. ns of the processor per node, cell and step: medians of"
        f" {options.rounds} turns, and quartiles of the ratio, by turn, to the first of a row.",
        "", f"{describe()} {compiler()}.", "", "Counted beforehand, of a cell and step:", "",
        *_counted(cell), "",
        "The C kernel, which solves for the voltage itself and goes over the nodes three times, not"
        " twice. In place its right-hand side lies where voltages do.", "",
        *_of_c(cell, options.rounds),
    ]  # fmt: skip
    if options.before:
        lines += ["", "The engine, before and now:", ""]
        lines += _of_engine(options.before, options.rounds)
    write("savings", "Rows by powers, voltages in place", lines)


def _counted(cell: ic.CompiledCell) -> list[str]:
    """Operations and values moved through the cache, from cable.py."""
    n, rows = cell.n_nodes, len(KINETICS) * cell.n_compartments
    counts = {
        "as it was": (NODE_BEFORE, ROW_BEFORE), "rows by powers": (NODE_BEFORE, ROW),
        "in place": (NODE, ROW_BEFORE), "both": (NODE, ROW),
    }  # fmt: skip
    cells = []
    first = None
    for name, (node, row) in counts.items():
        operations, moved = (n * node[k] + rows * row[k] for k in range(2))
        first = first or moved
        cells.append([name, str(operations), str(moved), f"{moved / first:.2f}"])
    return table(["", "operations", "values moved", "of those before"], cells)


def _of_c(cell: ic.CompiledCell, rounds: int) -> list[str]:
    nodes, cells = tree(cell, cell.area > 0), []
    with tempfile.TemporaryDirectory(prefix="isocortex-savings-") as name:
        for precision, lanes in ((p, n) for p in LANES for n in LANES[p]):
            turns: dict[str, Callable[[], float]] = {}
            for variant, options in VARIANTS.items():
                options = [*options, f"-DWINDOW={WINDOW}"]
                program = compiled(Path(name), precision, lanes, options)
                turns[variant] = partial(in_c, nodes, program, len(KINETICS))
            cells.append([precision, str(lanes), *_taken(turns, rounds)])
    return table(["precision", "lanes", *VARIANTS], cells)


def _of_engine(before: Path, rounds: int) -> list[str]:
    trees = {"before": before, "now": Path(ic.__file__).parents[1]}
    cells = []
    for (case, of), precision in ((c, p) for c in CASES.items() for p in LANES):
        servers = {name: _server(src, precision, *map(str, of)) for name, src in trees.items()}
        turns = {name: partial(_asked, server) for name, server in servers.items()}
        cells.append([case, precision, *_taken(turns, rounds)])
        for server in servers.values():
            server.communicate()
    return table(["", "precision", *trees], cells)


def _taken(turns: Mapping[str, Callable[[], float]], rounds: int) -> list[str]:
    """Median of each, and quartiles of its ratio to the first."""
    times = np.array([[turn() for turn in turns.values()] for _ in range(rounds)])
    medians = np.median(times, axis=0)
    low, high = np.percentile(times / times[:, :1], [25, 75], axis=0)
    cells = [
        f"{median:.3f} ({a:.2f} to {b:.2f})"
        for median, a, b in zip(medians, low, high, strict=True)
    ]
    return [f"{medians[0]:.3f}", *cells[1:]]


def _server(src: Path, *case: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--serve", *case], text=True,
        env=os.environ | {"PYTHONPATH": str(src)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def _asked(server: subprocess.Popen[str]) -> float:
    assert server.stdin and server.stdout
    server.stdin.write("\n")
    server.stdin.flush()
    return float(server.stdout.readline())


def _serve(precision: str, cell: str, kinds: str, order: str) -> None:
    """Print how long some steps took, as often as a line is read."""
    engine, n_nodes = _engine(precision, cell, int(kinds), int(order))
    for _ in sys.stdin:
        begun = time.process_time()
        engine.advance(STEPS)
        each = (time.process_time() - begun) / (n_nodes * CELLS * STEPS) * 1e9
        print(each, flush=True)


def _engine(precision: str, cell: str, kinds: int, order: int) -> tuple[CpuEngine, int]:
    model = ic.cell(CELL)
    if cell == "passive":
        model = replace(model, mechanisms={})
    nodes = np.flatnonzero(model.area > 0)
    network = bare_network([model], np.zeros(CELLS, np.int64))
    if kinds:
        slots = Slots(
            np.repeat(np.arange(CELLS), len(nodes) * kinds),
            np.tile(np.repeat(nodes, kinds), CELLS),
            np.tile(np.arange(kinds), len(nodes) * CELLS),
        )
        network = replace(network, slots=slots, kinetics=KINETICS[:kinds])
    settings = Settings(dt=DT, precision=precision, second_order=order == 2)
    engine = CpuEngine(network, settings)
    engine.window, engine.shared = WINDOW, engine.shared._replace(window=WINDOW)
    engine.states.B[:] = 1e-4  # what decays is not subnormal for long
    engine.advance(WINDOW)
    return engine, model.n_nodes


if __name__ == "__main__":
    main()
