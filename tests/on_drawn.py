"""Events of drawn synapses, made by a GPU and by the CPU's functions, window by window."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from isocortex.circuit.signals import Pulses
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.deal import Share, deal_out
from isocortex.engine.events import hear, sort_events, take_due
from isocortex.engine.interface import Settings
from isocortex.engine.layout.arrangement import Arrangement, arrange
from isocortex.engine.loop import room_to_draw
from isocortex.engine.parts import Events, Times, Trains
from isocortex.engine.spreading import ASKED
from isocortex.network.build import build_network
from isocortex.network.clock import Clock
from isocortex.network.drawn.pool import AXONS
from isocortex.network.factors import Factors
from isocortex.network.network import CurrentSource, DrawnSynapses, Network
from isocortex.targets.gpu import LANES

DT, WINDOW, N_WINDOWS = 0.1, 9, 6
#: Spikes of neurons and of shared axons in a window.
N_NEURONS, N_AXONS = 3, 3


class Case(NamedTuple):
    """A cortex of 90 cells, and spikes: of its neurons by window, and from outside."""

    network: Network
    laid: Arrangement
    shares: list[Share]
    found: list[tuple[np.ndarray, np.ndarray]]
    trains: Trains
    clock: Clock


def case(threads: int = 1, factors: bool = True) -> Case:
    """Some spikes come at the same time, and some neurons spike again while they are under way.

    Weights have ``factors``, and some connections are removed.
    """
    cortex = CortexModel.make(Recipe(scale=0.00001, seed=3, dL=40.0))
    simulation = simulation_of(cortex, tstop=10.0)
    network = build_network(simulation, store_synapses=False)
    if factors:
        network = replace(network, drawn=changed(network))
    settings = Settings(dt=DT, precision="single", threads=threads)
    laid = arrange(network, settings, LANES, np.dtype(np.float32))
    shares, _ = deal_out(network, laid, settings, WINDOW, on_device=True)
    rng, clock, drawn = np.random.default_rng(4), Clock(DT, N_WINDOWS * WINDOW), network.drawn
    neurons = drawn.first_source + rng.choice(network.n_cells, N_NEURONS, replace=False)
    found = []
    for w in range(N_WINDOWS):
        times = np.sort(clock.seen[w * WINDOW + rng.integers(1, WINDOW + 1, N_NEURONS)])
        found.append((neurons, times - DT * rng.choice([0.0, 0.25], N_NEURONS)))
    patches = drawn.axons.places.patch[drawn.axons.neurons.column]
    axons = drawn.first_axon + rng.choice(patches, N_AXONS * N_WINDOWS) * AXONS
    axons += rng.integers(0, AXONS, len(axons))
    time = np.sort(rng.uniform(0.0, DT * WINDOW * N_WINDOWS, len(axons)))
    return Case(network, laid, shares, found, Trains(axons, time), clock)


def changed(network: Network) -> DrawnSynapses:
    """Factors between halves of the neurons, and from axons to these."""
    drawn = network.drawn
    n = len(drawn.cell)
    halves, axons = (
        (np.arange(n) % 2).astype(np.uint8),
        np.zeros(len(drawn.axons_of_pool), np.uint8),
    )
    one = Factors(
        halves, halves, np.array([[1.0, 0.3], [2.0, 0.7]]), np.array([[0.0, 0.5], [0.1, 0.0]]),
        np.uint64(2**63 + 9),
    )  # fmt: skip
    other = Factors(axons, halves, np.array([[0.9, 1.1]]))
    return replace(drawn, factors=one, pool_factors=other)


def windows():
    """First and last steps."""
    return [(k * WINDOW, (k + 1) * WINDOW) for k in range(N_WINDOWS)]


def by_threads(given: Case) -> list[tuple[np.ndarray, ...]]:
    """What one thread makes, which does as :mod:`isocortex.engine.loop` does."""
    (share,) = given.shares
    part, drawn = share.part, share.drawn
    inbox, flight, events, room = (part.inbox, 0), (part.flight, 0), part.events, None
    times = Times(given.clock.seen, given.clock.middle, DT)
    room, made = room_to_draw(drawn), []

    def heard(spikes, inbox, flight, room):
        for spike in zip(*(a.tolist() for a in spikes), strict=True):
            inbox, flight, room = hear(spike, inbox, flight, part.wiring, drawn, room, -np.inf)
        return inbox, flight, room

    for (first, last), found in zip(windows(), given.found, strict=True):
        until = times.middle[[first - 1, last - 1]] if first else [-np.inf, times.middle[last - 1]]
        here = slice(*np.searchsorted(given.trains.time, until, side="right"))
        arrived = (given.trains.source[here], given.trains.time[here])
        inbox, flight, room = heard(arrived, inbox, flight, room)
        n, runs = take_due(*inbox, part.wiring, flight[0], drawn, times, first, last)
        inbox = inbox[0], n
        steps = (first, last, 0)
        events, n = sort_events(part.blocks, part.wiring, flight[0], drawn, runs, steps, events)
        made.append(tuple(np.array(a[:n] if k > 1 else a) for k, a in enumerate(events)))
        order = np.lexsort(found)
        inbox, flight, room = heard([a[order] for a in found], inbox, flight, room)
    return made


def by_gpu(given: Case, again_after: int = 0) -> tuple[Any, list[tuple[np.ndarray, ...]]]:
    """What a GPU makes; the state is taken and put back after some windows."""
    from isocortex.engine import drawing
    from isocortex.targets.gpu import machine

    os.environ[ASKED] = "1"
    assert drawing.drawable(given.shares)
    where = machine()
    own = drawing.Drawing(where, given.shares, given.laid, given.network.poisson, given.clock)
    own._rooms = [40, 20]  # too little at first
    n = len(given.laid.blocks)

    def make_room(n_events: int) -> Events:
        of_blocks, room = where.room(n, np.int64), max(n_events, 2)
        return Events(
            of_blocks, where.room(n, np.int64), where.room(room, np.int32),
            where.room(room, np.int32), where.room(room, np.float32),
        )  # fmt: skip

    own.begin(0, given.trains, make_room(0))
    made = []
    for w, ((first, last), found) in enumerate(zip(windows(), given.found, strict=True)):
        own.make(first, last, make_room)
        events = own._events
        total = int(where.read(events.last)[-1])
        made.append(tuple(where.read(a)[: total if k > 1 else None] for k, a in enumerate(events)))
        own.hear(*found)
        if w + 1 == again_after:
            own.tell()
            inbox, n_inbox = own.share.part.inbox, own.share.part.n_inbox
            assert n_inbox
            own.restore(inbox.source[::-1], inbox.time[::-1], inbox.due[::-1])
    return own, made


def cells() -> tuple[Network, Settings]:
    """Cells that electrodes make spike, so that connections are drawn."""
    network = case(factors=False).network
    chosen = range(0, network.n_cells, 7)
    currents = [
        CurrentSource(
            cell, network.models[network.cell_model[cell]].soma, Pulses([3.0], [0.0], [9.0])
        )
        for cell in chosen
    ]
    settings = Settings(dt=DT, precision="single", threads=2, device="cuda")
    return replace(network, currents=currents), settings


def left_by(engine: Any) -> dict[str, np.ndarray]:
    """What an engine makes of them, and again from a state on the way."""
    first = engine.advance(2 * WINDOW)
    kept, events = engine.state(), engine.n_events
    second = engine.advance(WINDOW)
    left = {
        "source": np.concatenate([first.source, second.source]),
        "events": np.array(engine.n_events),
        "time": np.concatenate([first.time, second.time]), "soma": engine.soma_voltage(),
        "way": np.stack([kept.source, kept.time, kept.due]), "half way": np.array(events),
        "poisson": kept.next,
    }  # fmt: skip
    engine.restore(kept)
    engine.advance(WINDOW)
    return left | {"soma again": engine.soma_voltage()}


def simulate_events(path: str) -> None:
    """What a simulated GPU makes, into a file."""
    sys.setswitchinterval(1e-5)  # simulated threads wait for each other all the time
    left = {}
    for again in (0, 2):
        own, made = by_gpu(case(threads=2 if again else 1), again)
        left[f"{again} n"] = np.array(own.n_more)
        for w, window in enumerate(made):
            left |= {f"{again} {w} {k}": a for k, a in enumerate(window)}
    np.savez(path, **left)


def simulate_engines(path: str) -> None:
    """What engines on a simulated GPU leave, whose threads draw (0) or which draws itself (1)."""
    from isocortex.engine.cuda import CudaEngine

    sys.setswitchinterval(1e-5)
    left = {}
    for asked in "01":
        os.environ[ASKED] = asked
        found = left_by(CudaEngine(*cells()))
        left |= {f"{asked} {key}": value for key, value in found.items()}
    np.savez(path, **left)
