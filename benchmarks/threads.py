"""What a thread does alone and among others: one cortex on more and more threads of one machine.

    python benchmarks/threads.py --threads 1 4 16 --scale 0.01

Beside it as many processes as the most threads, each with a cortex of its own on one thread: what
the machine's cores have for each when all are busy, which no dealing out of cells can better.

    python benchmarks/threads.py --dealt 16 --scale 0.01 [--stored]

How evenly work is dealt out to so many threads, without that many cores: from the cells and the
events of each part in every window, at the costs below.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.cpu import CpuEngine
from isocortex.network.build import build_network
from isocortex.simulate import make_settings
from machine import RESULTS, describe, table, write

#: Steps that are not counted, and those that are, twice; windows are nine.
BEFORE, COUNTED, TIMES = 198, 99, 2

#: ns of a core: a cell and step without events, an event that is drawn and one that is stored
#: (benchmarks/results/2026-11-27-whole.md, 2026-11-23-events.md).
CELL_NS, DRAWN_NS, STORED_NS = 70.0, 60.0, 15.0

#: What a process of its own does; it is told where this file is, and its part of the work.
CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
import threads
threads.wait_and_advance(*json.loads(sys.argv[2]))
"""


def engine_of(
    scale: float, precision: str, n_threads: int, stored: bool = False
) -> tuple[CpuEngine, int]:
    """An engine on a cortex, and how many cells that has.

    It has all its synapses, drawn at spikes; or a tenth of them, stored.
    """
    cortex = CortexModel.make(Recipe(scale=scale, in_degree=None if stored else 1.0))
    simulation = simulation_of(cortex, tstop=1000.0)
    settings = make_settings(
        simulation, threads=n_threads, precision=precision, integrator="backward-euler"
    )
    return CpuEngine(build_network(simulation, stored), settings), len(cortex)


def wait_and_advance(scale: float, precision: str, n_threads: int) -> None:
    """Wait for a line, then print ns of a core per cell and step, ``TIMES`` times."""
    engine, n_cells = engine_of(scale, precision, n_threads)
    engine.advance(BEFORE)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(TIMES):
        begun = time.perf_counter()
        engine.advance(COUNTED)
        seconds = time.perf_counter() - begun
        print(1e9 * seconds * n_threads / COUNTED / n_cells, flush=True)


def begin(scale: float, precision: str, threads: int, many: int = 1) -> list[subprocess.Popen[str]]:
    """Processes that have each built a cortex and wait for a line."""
    arguments = json.dumps([scale, precision, threads])
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    children = [subprocess.Popen(command, text=True, **pipes) for _ in range(many)]
    for child in children:
        assert child.stdout is not None
        if child.stdout.readline().strip() != "ready":
            raise SystemExit("a simulation ended before it began")
    return children


def finish(children: list[subprocess.Popen[str]]) -> list[float]:
    """Let all go on at once; ns of a core per cell and step, of each."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    return [
        statistics.mean(float(line) for line in child.communicate()[0].split())
        for child in children
    ]


def dealt(scale: float, n_parts: int, stored: bool, windows: int = 60) -> list[str]:
    """Parallel efficiency as far as it follows from the dealing alone, for cores that are alike.

    Each part makes its own events; then the blocks of all are there for all who are done.
    """
    engine, n_cells = engine_of(scale, "single", n_parts, stored)
    engine.advance(45 * engine.window)
    nodes = np.array([model.n_nodes for model in engine.network.models])
    cost = nodes[engine.laid.blocks.model] + np.diff(engine.laid.rows.first)
    parts = [share.part for share in engine.shares]
    blocks = np.array([cost[part.blocks].sum() for part in parts]) / cost.sum()
    blocks *= CELL_NS * engine.window * n_cells
    number = []
    for _ in range(windows):
        engine.advance(engine.window)
        ranges = [share.part.events for share in engine.shares]
        number.append(
            [(e.last - e.first)[part.blocks].sum() for e, part in zip(ranges, parts, strict=True)]
        )
    events = np.array(number) * (STORED_NS if stored else DRAWN_NS)
    whole = (events + blocks).mean(1)
    alone = (events + blocks).max(1)
    latest = events.argmax(1)
    shared = np.maximum(whole, events.max(1) + blocks[latest] / n_parts)
    return [f"{n_parts} threads, {scale:g}, synapses {'stored' if stored else 'drawn'}: events are"
            f" {events.sum() / whole.sum() / n_parts:.0%} of the work, the busiest part has"
            f" {(events.max(1) / events.mean(1)).mean():.2f} times the mean's.",
            f"Each its own blocks: {whole.sum() / alone.sum():.2f}; with what others left:"
            f" {whole.sum() / shared.sum():.2f} of as many cores."]  # fmt: skip


def main() -> None:
    """Measure and write."""
    options = _options()
    if options.dealt:
        print(*dealt(options.scale, options.dealt, options.stored), sep="\n")
        return
    cost = {}
    for n in options.threads:
        (cost[n],) = finish(begin(options.scale, options.precision, n))
        print(f"{n} threads: {cost[n]:.0f} ns of a core per cell and step", flush=True)
    most, alone = max(options.threads), cost[min(options.threads)]
    apart = finish(begin(options.scale / most, options.precision, 1, most))
    print(f"{most} processes: {statistics.mean(apart):.0f} ({min(apart):.0f} to {max(apart):.0f})")
    rows = [[f"{n} threads", f"{cost[n]:.0f}", f"{alone / cost[n]:.2f}"] for n in options.threads]
    mean = statistics.mean(apart)
    rows.append([f"{most} processes of 1 thread", f"{mean:.0f}", f"{alone / mean:.2f}"])
    lines = [
        f"Scale {options.scale:g} at in-degree 1, {options.precision} precision, synapses drawn,"
        f" {0.1 * BEFORE:g} to {0.1 * (BEFORE + TIMES * COUNTED):g} ms after the start; the"
        f" processes have {options.scale / most:g} each.",
        "",
        describe(),
        "",
        *table(["", "ns of a core per cell and step", "of one thread's speed"], rows),
        "",
        f"The {most} threads of one simulation have {mean / cost[most]:.2f} of what as many"
        " simulations have that know nothing of each other.",
    ]
    write("threads", "Threads of one machine", lines, options.output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--precision", default="single")
    parser.add_argument("--dealt", type=int, metavar="THREADS")
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
