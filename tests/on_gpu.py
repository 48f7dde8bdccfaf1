"""A small network as a GPU's kernel takes it: laid out as for the CPU, and events by window."""

from __future__ import annotations

import numpy as np
from neurons import random_tree, wire

from isocortex.engine.events import step_of
from isocortex.engine.family import family_module
from isocortex.engine.interface import Settings
from isocortex.engine.layout.arrangement import Arrangement, allocate, arrange, numerics_of, rest
from isocortex.engine.layout.kinetics import KineticsTables
from isocortex.engine.layout.models import regions_of
from isocortex.engine.parts import Events
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.clock import Clock
from isocortex.network.network import Network, SpikeTrains

CHANNELS = ("CaDynamics", "Ca_LVA", "Kv3_1", "NaTs")
N_CELLS, N_SOURCES, DELAY, DT = 3, 4, 0.9, 0.1


def small_network(n_steps: int = 18) -> Network:
    """Cells of one model with two kinds of synapse, driven until they spike."""
    rng = np.random.default_rng(3)
    tstop, n_spikes = DT * n_steps, 3 * n_steps
    model = random_tree(1, 9, CHANNELS)
    nodes = np.flatnonzero(model.area > 0)
    synapses = [
        (N_CELLS + source, cell, int(rng.choice(nodes)), kind, rng.uniform(2e-3, 2e-2), DELAY)
        for source in range(N_SOURCES)
        for cell in range(N_CELLS)
        for kind in range(2)
    ]
    trains = SpikeTrains(
        N_CELLS + rng.integers(0, N_SOURCES, n_spikes), np.sort(rng.uniform(0.0, tstop, n_spikes))
    )
    kinetics = [exp2syn(1.0, 3.0, 0.0), exp2syn(2.7, 15.0, -70.0)]
    return wire([model], [0] * N_CELLS, synapses, kinetics, n_virtual=N_SOURCES, trains=trains)


def kernel_of(network: Network):
    """The GPU's kernel of the network's only family, not yet compiled."""
    return family_module(family_of(network), False, "cuda").advance_blocks


def family_of(network: Network) -> tuple[tuple[str, ...], ...]:
    """The regions of the network's only model."""
    return tuple(region.mechanisms for region in regions_of(network.models[0]))


def events_of(network: Network, laid: Arrangement, n_steps: int) -> Events:
    """All events of the network's trains in its only block, by step."""
    clock, connections, blocks = Clock(DT), network.connections, laid.blocks
    clock.extend(n_steps)
    row = {key: r for r, key in enumerate(zip(laid.rows.node, laid.rows.kind, strict=True))}
    found = []
    for source, time in zip(network.trains.source, network.trains.time, strict=True):
        if time + DELAY > clock.middle[n_steps - 1]:
            continue
        step = step_of(time + DELAY, clock.middle, DT, 0, n_steps)
        for k in range(connections.first[source], connections.first[source + 1]):
            slot = connections.target[k]
            at = row[network.slots.node[slot], network.slots.kind[slot]] * blocks.lanes
            lane = blocks.cell_lane[network.slots.cell[slot]]
            found.append((step, at + lane, connections.weight[k]))
    found.sort(key=lambda event: event[0])
    step, element, weight = (np.array(column) for column in zip(*found, strict=True))
    return Events(
        np.array([0]), np.array([len(step)]), step.astype(np.int32), element.astype(np.int32),
        weight.astype(np.float32),
    )  # fmt: skip


def kernel_arguments(network: Network, n_steps: int = 18) -> tuple:
    """What ``advance_blocks`` is called with, in the state of t = 0."""
    settings, dtype, lanes = Settings(dt=DT), np.dtype(np.float32), 32
    laid = arrange(network, settings, lanes, dtype)
    states = allocate(laid)
    rest(laid, states, np.arange(len(laid.blocks)), settings.v_init)
    work = (
        np.zeros_like(states.V), np.zeros_like(states.V), np.full((1, lanes), -1, np.int64),
        np.zeros((1, lanes), np.float32),
    )  # fmt: skip
    return (
        0, n_steps, events_of(network, laid, n_steps), laid.arrays, states,
        KineticsTables(network.kinetics, settings, dtype).over(0, n_steps), work,
        numerics_of(settings, dtype),
    )  # fmt: skip


def advance(path: str) -> None:
    """Run the kernel, on a GPU or in numba-cuda's simulator if that is on; keep what it leaves."""
    from numba import cuda

    network = small_network()
    arguments = kernel_arguments(network)
    cuda.jit(kernel_of(network))[1, N_CELLS](*arguments)  # lanes without a cell need no thread
    states, spike_step = arguments[4], arguments[6][2]
    V = states.V.reshape(-1, spike_step.shape[1])
    np.savez(path, voltage=V[:, :N_CELLS].T, spike_step=spike_step[0, :N_CELLS])
