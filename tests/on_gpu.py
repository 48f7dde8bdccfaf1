"""Networks that engines are compared with each other on, and the GPU engine's part of that."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from neurons import random_tree, wire

from isocortex.cells.compiled import MechanismTable
from isocortex.circuit.signals import Pulses
from isocortex.engine.interface import CellSums, ProbeTable, Settings, Variable
from isocortex.mechanisms.release import tsodyks_markram
from isocortex.mechanisms.synapses import exp2syn, nmda, receptor
from isocortex.network.fields import Fields
from isocortex.network.gaps import GapJunctions
from isocortex.network.network import CurrentSource, Network, PointNeurons, SpikeTrains

DT, N_CELLS, WINDOW = 0.1, 34, 9
N_STEPS = 3 * WINDOW
CASES = (
    "backward euler", "crank-nicolson", "gap junctions", "straight", "events", "double", "mixed",
    "mixed straight",
)  # fmt: skip
#: Of these the network is :func:`straight_network`, which a model of 24 nodes has.
STATIC = ("straight", "events", "mixed straight")
DELAY = 0.9


def settings_of(case: str, device: str) -> Settings:
    """Small steps of two threads."""
    return Settings(
        dt=DT, v_init=-75.0, threshold=-20.0, device=device, threads=2,
        precision=case.split()[0] if case.startswith(("double", "mixed")) else "single",
        second_order=case == "crank-nicolson",
    )  # fmt: skip


def straight_network(n_nodes: int = 24) -> Network:
    """Blocks of a model with channels at its soma, two kinds of static synapses, and an electrode.

    Some synapses are onto point neurons.
    """
    rng = np.random.default_rng(3)
    model = random_tree(4, n_nodes, ("CaDynamics", "Ca_LVA", "Kv3_1", "NaTs"))
    mechanisms = {
        name: MechanismTable(np.zeros(1, np.int32), {k: v[:1] for k, v in table.parameters.items()})
        for name, table in model.mechanisms.items()
    }
    model = replace(model, mechanisms=mechanisms)
    nodes, n_virtual, n = np.flatnonzero(model.area > 0), 40, 40
    points = PointNeurons(np.array([5.0, 5.0]), np.array([1.0, 1.0]))
    first_virtual = n + len(points)
    synapses = [
        (first_virtual + int(rng.integers(n_virtual)), cell, int(rng.choice(nodes)), k % 2,
         (3e-3, 1e-3)[k % 2] * rng.uniform(0.5, 1.5), DELAY + 0.1 * int(rng.integers(3)))
        for cell in range(n) for k in range(12)
    ]  # fmt: skip
    synapses += [(int(rng.integers(n)), cell, 0, 0, 3e-3, DELAY) for cell in range(n)]
    synapses += [(first_virtual + k, -1 - k % 2, 0, 0, 0.6, DELAY) for k in range(n_virtual)]
    synapses += [(n + k % 2, cell, 0, 0, 3e-3, DELAY) for k, cell in enumerate(range(n))]
    n_spikes = 60 * N_STEPS
    trains = SpikeTrains(
        first_virtual + rng.integers(0, n_virtual, n_spikes),
        np.sort(rng.uniform(0.0, DT * N_STEPS, n_spikes)),
    )
    kinetics = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)]
    network = wire(
        [model], [0] * n, synapses, kinetics, n_virtual=n_virtual, trains=trains, points=points
    )
    return replace(network, currents=[CurrentSource(n - 1, 0, Pulses([0.2], [0.3], [1.0]))])


def network_of(case: str) -> Network:
    """Two blocks of a model and one of another with all mechanisms, and all that acts on cells.

    The cells of the last block are its lanes' first ones, others have nothing in them.
    """
    if case in STATIC:
        return straight_network()
    rng = np.random.default_rng(3)
    models = [random_tree(1, 9, ("CaDynamics", "Ca_LVA", "Kv3_1", "NaTs")), random_tree(2, 9)]
    cell_model = np.arange(N_CELLS) % 33 == 32
    points = PointNeurons(np.array([5.0, 5.0]), np.array([1.0, 1.0]))
    first_virtual, n_virtual = N_CELLS + len(points), 4
    synapses = []
    for cell in range(N_CELLS):
        nodes = np.flatnonzero(models[int(cell_model[cell])].area > 0)
        for kind in range(4):
            source = first_virtual + int(rng.integers(n_virtual))
            node, weight = int(rng.choice(nodes)), rng.uniform(2e-3, 2e-2)
            synapses.append((source, cell, node, kind, weight, DELAY + 0.1 * int(rng.integers(3))))
        synapses.append((int(rng.integers(N_CELLS)), cell, 0, 0, 5e-3, DELAY))
        synapses.append((N_CELLS, cell, 0, 0, 5e-3, DELAY))
    synapses += [(source, -1 - p, 0, 0, 1.2, DELAY) for source in (0, 1) for p in range(2)]
    kinetics = [
        exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0), nmda(2.0, 60.0, 0.0, 0.28, 0.062),
        receptor(exp2syn(0.5, 2.0, 0.0), tsodyks_markram(0.5, 300.0, 0.0), "depressing"),
    ]  # fmt: skip
    trains = SpikeTrains(
        first_virtual + rng.integers(0, n_virtual, 3 * N_STEPS),
        np.sort(rng.uniform(0.0, DT * N_STEPS, 3 * N_STEPS)),
    )
    network = wire(
        models, cell_model.astype(int), synapses, kinetics, n_virtual=n_virtual, trains=trains,
        points=points,
    )  # fmt: skip
    clamp = Pulses([-60.0], [0.5], [1.0])
    network = replace(
        network,
        currents=[
            CurrentSource(1, 0, Pulses([0.2], [0.3], [1.0])),
            CurrentSource(33, 2, clamp, Pulses([1e-3], [0.5], [1.0])),
        ],
        fields=Fields((Swelling(),), np.array([2, 32]), (rng.normal(0, 0.05, (9, 1)),) * 2, "two"),
    )
    if case != "gap junctions":
        return network
    pairs = np.array([[0, 1], [3, 33]])
    return replace(
        network, gaps=GapJunctions(pairs, np.array([[0, 2], [1, 1]]), np.array([2e-3, 1e-3]))
    )


@dataclass(frozen=True)
class Swelling:
    """A potential outside that grows with time."""

    n_terms: int = 1

    def courses(self, step, dt):
        return (0.1 * dt * step)[None, :]


def table(n_nodes: int = 9, third: int = 2) -> ProbeTable:
    """Every kind of probe, and sums over whole cells: by their own weights, and by a model's."""
    cai = Variable("cai", at_start=True)
    g = Variable("g", "synapse", (1, third), first=2, every=3)
    i = Variable("i", "synapse", (1, third), at_start=True)
    probes = [
        (cell, node, x)
        for cell in (0, 31, 33) for node in (0, 2)
        for x in (Variable("v"), cai, Variable("m", "Ca_LVA"), g, i)
    ]  # fmt: skip
    weight = np.linspace(-1, 1, 6 * n_nodes).reshape(-1, 3)  # of two cells, or two models
    own = CellSums(np.array([1, 32]), np.arange(2) * n_nodes, np.full(2, n_nodes), weight)
    cells, first = np.array([0, 31, 32, 33]), np.array([0, 0, n_nodes, 0])
    through = np.linspace(-0.1, 0.1, 24).reshape(4, 3, 2)
    shared = CellSums(cells, first, np.full(4, n_nodes), weight, through, summed=False, every=2)
    return ProbeTable.joined(
        [ProbeTable.of(probes), ProbeTable.of_whole(own), ProbeTable.of_whole(shared)]
    )


def left_by(engine, case: str, n_steps: int = N_STEPS) -> dict[str, np.ndarray]:
    """What an engine makes of its network, recorded from the second window on."""
    pieces = [engine.advance(WINDOW)]
    engine.record(table(24, 0) if case in STATIC else table())
    pieces.append(engine.advance(WINDOW))
    kept = engine.state()
    pieces.append(engine.advance(n_steps - 2 * WINDOW))
    end = engine.soma_voltage()
    engine.restore(kept)
    again = engine.advance(n_steps - 2 * WINDOW)
    return {
        "source": np.concatenate([piece.source for piece in pieces]),
        "time": np.concatenate([piece.time for piece in pieces]),
        "samples": np.concatenate([piece.samples for piece in pieces[1:]]),
        "soma": end,
        "soma again": engine.soma_voltage(),
        "samples again": again.samples,
        "terms": engine.state().terms,
        "voltage": np.concatenate([engine.voltage(cell) for cell in range(engine.network.n_cells)]),
        "events": np.array(engine.n_events),
    }


def simulate(path: str, cases: tuple[str, ...] = CASES) -> None:
    """The GPU engine on all cases, on a GPU or in numba-cuda's simulator if that is on."""
    from isocortex.engine import cuda, spreading
    from isocortex.engine.straight import choice

    left = {}
    for case in cases:
        os.environ[choice.ASKED] = str(int("straight" in case))
        os.environ[spreading.ASKED] = str(int(case == "events"))
        engine = cuda.CudaEngine(network_of(case), settings_of(case, "cuda"))
        found = left_by(engine, case) | {
            "straight": np.array(len(engine._straight)),
            "spread": np.array(engine._spreading is not None),
        }
        if case == "events":
            os.environ[spreading.ASKED] = "0"
            other = cuda.CudaEngine(network_of(case), settings_of(case, "cuda"))
            other.advance(N_STEPS)
            found["soma by threads"] = other.soma_voltage()
        left |= {f"{case} {key}": value for key, value in found.items()}
    np.savez(path, **left)
