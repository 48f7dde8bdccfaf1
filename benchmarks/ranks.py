"""Ranks of an MPI launch: weak scaling on this machine, what an exchange costs, and a model.

    python benchmarks/ranks.py --ranks 1 2 --scale 0.001

Needs isocortex[mpi]. Every rank has one thread and the same number of neurons. The last table is
computed, from costs that were measured: what a simulated second takes on many nodes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from machine import RESULTS, describe, table, write

MPIRUN = Path(sys.executable).with_name("mpirun")

CHILD = """
import json, resource, sys
from dataclasses import asdict
from isocortex.session.launcher import launched
from isocortex.simulate import run
result = run(sys.argv[1], precision="single", threads=1, store_synapses=True, overwrite=True)
if launched()[0] == 0:
    print(json.dumps(asdict(result.run_summary)))
"""

#: Spikes that every rank passes on in a window, as at 3 Hz: 24 of 9,000 neurons in 0.9 ms.
EXCHANGE = """
import sys, time
import numpy as np
from isocortex.engine.exchange import SPIKE
from isocortex.session.ranks import ranks_of_launch
ranks, times = ranks_of_launch(), {}
for n in map(int, sys.argv[1:]):
    spikes = np.zeros(n, SPIKE)
    ranks.spikes(spikes, 0)
    ranks.share(None)
    begun = time.perf_counter()
    for _ in range(2000):
        ranks.spikes(spikes, 0)
    times[n] = 1e6 * (time.perf_counter() - begun) / 2000
if ranks.rank == 0:
    print(*times.values())
"""
SPIKES = (0, 24, 250, 2_500, 25_000)

# The model: the whole cortex at 3 Hz (9 million neurons, 27 million spikes and 78 G events a
# second), on nodes of 192 cores at the speed per core that was measured.
NEURONS, RATE, WINDOWS = 9.0e6, 3.0, 1111
CORES = 192
CELL = 0.9e-3 + 0.3e-3  # core-s a neuron and simulated second: cells, background
EVENT = 20e-9  # core-s: find, sort and apply
EVENTS_PER_NEURON = 8_700  # and simulated second
BLOCK = 26e-6  # s a window that one block of 32 cells takes, however few of them there are
LATENCY, BANDWIDTH, PYTHON = 2e-6, 12.5e9, 30e-6  # s a message; bytes a second; s a window
HEARD = 110e-9  # s: every thread sorts all spikes that it hears of, 24,300 a window
SPIKE_BYTES = 12
RANKS_PER_NODE = 2


def predicted(nodes: int) -> tuple[float, float, float]:
    """Seconds a simulated second for cells and events, for hearing, for the exchange."""
    each = CELL + EVENT * EVENTS_PER_NEURON
    cores = nodes * CORES
    cells = max(NEURONS * each / cores, WINDOWS * BLOCK)
    spikes = NEURONS * RATE
    heard = spikes * HEARD
    ranks = nodes * RANKS_PER_NODE
    steps = math.ceil(math.log2(ranks)) if ranks > 1 else 0
    exchange = 0.0
    if steps:
        exchange = WINDOWS * (PYTHON + steps * LATENCY) + spikes * SPIKE_BYTES / BANDWIDTH
    return cells, heard, exchange


def main() -> None:
    options = _options()
    rows = []
    for ranks in options.ranks:
        with tempfile.TemporaryDirectory(prefix="isocortex-ranks-") as name:
            recipe = Recipe(scale=options.scale * ranks)
            config = build_cortex(name, CortexModel.make(recipe), tstop=options.tstop)
            if not rows:
                _start(1, CHILD, config)  # fills the cache of compiled code
            found = json.loads(_start(ranks, CHILD, config))
        seconds = found["run_seconds"] / (1e-3 * found["tstop"])
        rows.append((ranks, found["n_cells"], seconds))
    alone = rows[0][2]
    weak = [
        [f"{ranks}", f"{cells:,}", f"{seconds:.2f}", f"{alone / seconds:.2f}"]
        for ranks, cells, seconds in rows
    ]
    exchanges = [
        [f"{ranks}", *(f"{float(us):.0f}" for us in _start(ranks, EXCHANGE, *SPIKES).split())]
        for ranks in options.ranks if ranks > 1
    ]  # fmt: skip
    whole = []
    for nodes in (1, 10, 100, 1000, 158_976):
        parts = predicted(nodes)
        whole.append([f"{nodes:,}", *(f"{x:.2g}" for x in (*parts, sum(parts)))])
    head = ["nodes", "cells and events, s", "hearing of spikes, s", "exchange, s",
            "s per simulated s"]  # fmt: skip
    lines = [
        describe(), "",
        f"One thread a rank, single precision, stored synapses, {options.tstop:g} ms at rest:", "",
        *table(["ranks", "neurons", "s per simulated s", "efficiency"], weak), "",
        "One exchange, us, by spikes of each rank:", "",
        *table(["ranks", *(f"{n:,}" for n in SPIKES)], exchanges), "",
        "Computed (`predicted` in benchmarks/ranks.py), the whole cortex:", "", *table(head, whole),
    ]  # fmt: skip
    write("ranks", "Ranks of an MPI launch", lines, options.output)


def _start(ranks: int, code: str, *arguments: object) -> str:
    command = [MPIRUN, "-n", ranks, sys.executable, "-c", code, *arguments]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return done.stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    cores = range(1, (os.cpu_count() or 1) + 1)
    parser.add_argument("--ranks", type=int, nargs="+", default=list(cores))
    parser.add_argument("--scale", type=float, default=0.001, help="of each rank")
    parser.add_argument("--tstop", type=float, default=200.0, help="ms")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
