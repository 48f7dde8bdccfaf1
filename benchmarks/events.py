"""What delivering a synaptic event costs, for sources of different out-degree.

    python benchmarks/events.py

Virtual sources drive 512 cells through two kinds of synapses whose weight is 0. The time of a run
without spikes is taken off, so what remains is delivery alone: one thread, medians.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np

import isocortex as ic
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import Connections, Network, Slots, SpikeTrains, bare_network
from machine import describe, table, write

CELL, CELLS, KINDS, SYNAPSES = "485836906", 512, 2, 2_000_000
DT, STEPS, EVENTS, REPEATS = 0.1, 1000, 10_000_000, 5


def main() -> None:
    rows = []
    for out_degree in (10, 100, 1000, 10_000):
        network = _network(out_degree)
        for precision in ("double", "single"):
            with_events, n = _seconds(network, precision)
            silent = replace(network, trains=SpikeTrains(np.zeros(0, np.int64), np.zeros(0)))
            without, _ = _seconds(silent, precision)
            spent = with_events - without
            rows.append(
                [f"{out_degree:,}", precision, f"{n:,}", f"{spent / n * 1e9:.1f}",
                 f"{n / spent / 1e6:.0f}", f"{100 * spent / with_events:.0f} %"]
            )  # fmt: skip
    head = ["out-degree", "precision", "events", "ns per event", "million events per s",
            "share of the run"]  # fmt: skip
    lines = [
        f"{SYNAPSES:,} synapses with delays of 1 to 3 ms onto {CELLS} passive cells"
        f" (block state {KINDS} kinds on every compartment), {STEPS * DT:g} ms, one thread.",
        "",
        describe(),
        "",
        *table(head, rows),
    ]
    write("events", "Delivery of synaptic events", lines)


def _network(out_degree: int) -> Network:
    random = np.random.Generator(np.random.Philox(key=1))
    cell = replace(ic.cell(CELL), mechanisms={})
    plain = bare_network([cell], np.zeros(CELLS, np.int64))
    nodes = cell.compartments.astype(np.int64)
    slots = Slots(
        np.repeat(np.arange(CELLS), len(nodes) * KINDS),
        np.tile(np.repeat(nodes, KINDS), CELLS),
        np.tile(np.arange(KINDS), len(nodes) * CELLS),
    )
    sources = SYNAPSES // out_degree
    spikes = EVENTS // out_degree
    delay = np.sort(random.integers(0, 3, (sources, out_degree)), axis=1).astype(np.uint8)
    connections = Connections(
        first=np.concatenate([np.zeros(CELLS, np.int64), np.arange(sources + 1) * out_degree]),
        target=random.integers(0, len(slots), sources * out_degree).astype(np.int32),
        weight=np.zeros(sources * out_degree, np.float32),
        delay=delay.ravel(),
        delays=np.array([1.0, 2.0, 3.0]),
    )
    trains = SpikeTrains(
        CELLS + random.integers(0, sources, spikes),
        np.sort(random.uniform(0.0, STEPS * DT - 4.0, spikes)),
    )
    n = CELLS + sources
    return replace(
        plain, slots=slots, connections=connections, trains=trains, n_virtual=sources,
        kinetics=[exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)],
        source_population=np.zeros(n, np.int64), source_node_id=np.arange(n),
    )  # fmt: skip


def _seconds(network: Network, precision: str) -> tuple[float, int]:
    """Median time of the run and the number of events in it."""
    taken = []
    for _ in range(REPEATS):
        engine = CpuEngine(network, Settings(dt=DT, v_init=-80.0, precision=precision))
        begun = time.perf_counter()
        engine.advance(STEPS)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken), engine.n_events


if __name__ == "__main__":
    main()
