"""What the kernels are given: cells of one model under synaptic bombardment, from the package.

Everything is laid out by the package, and the CPU's engine says what must come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from neurons import wire

from isocortex.cells.compiled import CompiledCell
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.events import step_of
from isocortex.engine.interface import Settings
from isocortex.engine.layout.arrangement import Arrangement, arrange
from isocortex.engine.parts import Events
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.clock import Clock
from isocortex.network.network import Network, SpikeTrains

DT, WINDOW, LANES, DELAY = 0.1, 9, 32, 0.9
KINETICS = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)]
FAN = 40


@dataclass(frozen=True)
class Drive:
    """Poisson events on every row, each of a cell's compartments having one of either kind.

    Attributes
    ----------
    rate : events a second and row.
    weights : uS, of exciting and of inhibiting events.
    """

    rate: float
    weights: tuple[float, float]


#: As in the cortex model at rest; and so much that all cells spike within a few ms.
USUAL, STRONG = Drive(29.0, (1.7e-4, 1e-4)), Drive(200.0, (3e-4, 5e-5))


def bombarded(model: CompiledCell, drive: Drive, n_steps: int, seed: int = 1) -> Network:
    """A block of cells under such a drive, for so many steps."""
    rng = np.random.default_rng(seed)
    nodes = np.flatnonzero(model.area > 0)
    n_rows = len(nodes) * LANES * 2
    n_spikes = rng.poisson(drive.rate * 1e-3 * n_rows * n_steps * DT / FAN)
    synapses = [(LANES, cell, 0, 0, drive.weights[0], DELAY) for cell in range(LANES)]
    for source in range(1, n_spikes):
        kind = rng.integers(0, 2, FAN)
        for c, i, k in zip(rng.integers(0, LANES, FAN), rng.choice(nodes, FAN), kind, strict=True):
            weight = drive.weights[k] * rng.uniform(0.5, 1.5)
            synapses.append((LANES + source, int(c), int(i), int(k), weight, DELAY))
    times = np.sort(rng.uniform(-DELAY, n_steps * DT - DELAY, n_spikes).clip(0.0))
    trains = SpikeTrains(LANES + np.arange(n_spikes), times)
    everywhere = [
        (LANES + n_spikes, cell, int(i), k, 0.0, DELAY)
        for cell in range(LANES)
        for i in nodes
        for k in range(2)
    ]
    return wire(
        [model], [0] * LANES, synapses + everywhere, KINETICS, n_virtual=n_spikes + 1, trains=trains
    )


@dataclass(frozen=True)
class Happening:
    """Events sorted by step: step, node and kind of the row, lane, weight (uS)."""

    step: np.ndarray
    node: np.ndarray
    kind: np.ndarray
    lane: np.ndarray
    weight: np.ndarray


def events_of(network: Network, laid: Arrangement, n_steps: int) -> Happening:
    """Of all the network's trains."""
    clock, wiring, slots = Clock(DT), network.connections, network.slots
    clock.extend(n_steps)
    found = []
    for source, time in zip(network.trains.source, network.trains.time, strict=True):
        if time + DELAY > clock.middle[n_steps - 1]:
            continue
        step = step_of(time + DELAY, clock.middle, DT, 0, n_steps)
        for k in range(wiring.first[source], wiring.first[source + 1]):
            slot = wiring.target[k]
            lane = laid.blocks.cell_lane[slots.cell[slot]]
            found.append((step, slots.node[slot], slots.kind[slot], lane, wiring.weight[k]))
    found.sort(key=lambda event: event[0])
    return Happening(*(np.array(column) for column in zip(*found, strict=True)))


def for_a(events: Happening, laid: Arrangement) -> Events:
    """As the package's kernel takes them; ``first`` and ``last`` are left empty."""
    rows = {key: r for r, key in enumerate(zip(laid.rows.node, laid.rows.kind, strict=True))}
    row = np.array([rows[key] for key in zip(events.node, events.kind, strict=True)])
    none = np.zeros(0, np.int64)
    element = (row * LANES + events.lane).astype(np.int32)
    return Events(
        none, none, events.step.astype(np.int32), element, events.weight.astype(np.float32)
    )


def run_on_cpu(network: Network, precision: str, n_windows: int):
    """The engine, its voltages at the end of every window, and spikes as (step, cell)."""
    engine = CpuEngine(network, Settings(dt=DT, precision=precision))
    voltages, spikes = [], []
    for _ in range(n_windows):
        cells, times, _ = engine.advance(WINDOW)
        voltages.append([engine.voltage(cell) for cell in range(LANES)])
        spikes += [(int(round(t / DT)), int(c)) for c, t in zip(cells, times, strict=True)]
    return engine, np.array(voltages), sorted(spikes)


def laid_out(network: Network) -> Arrangement:
    """The network in single precision."""
    settings = Settings(dt=DT, precision="single")
    return arrange(network, settings, LANES, np.dtype(np.float32))
