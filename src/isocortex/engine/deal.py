"""Blocks, point neurons and the synapses onto them, dealt out to threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocortex.engine.interface import IntArray, Settings
from isocortex.engine.layout.arrangement import Arrangement, aligned
from isocortex.engine.layout.blocks import ranges_of_parts
from isocortex.engine.layout.rows import targets_of_slots
from isocortex.engine.parts import (
    Drawn,
    Events,
    Found,
    Inbox,
    Part,
    Trains,
    Wiring,
    Work,
    event_of,
)
from isocortex.network.drawn.tables import no_connections
from isocortex.network.network import Network
from isocortex.network.partition import split
from isocortex.network.poisson import PoissonTrains
from isocortex.network.terminals import Terminals, terminals_of


@dataclass
class Share:
    """What one thread owns.

    Attributes
    ----------
    part, drawn : see :func:`isocortex.engine.loop.run_windows`.
    chosen : int64[k], the network's Poisson sources with synapses onto this part.
    poisson : their spikes.
    """

    part: Part
    drawn: Drawn | None
    chosen: IntArray
    poisson: PoissonTrains

    def trains(self, source: IntArray, time: NDArray[np.float64], last: float) -> Trains:
        """Given spikes and those of Poisson sources until ``last`` (ms), by time, then source."""
        if len(self.chosen):
            more_source, more_time = self.poisson.until(last)
            if not len(source):
                return Trains(more_source, more_time)
            source, time = np.concatenate([source, more_source]), np.concatenate([time, more_time])
            order = np.lexsort((source, time))
            source, time = source[order], time[order]
        return Trains(source, time)


def deal_out(
    network: Network, laid: Arrangement, settings: Settings, window: int, on_device: bool = False
) -> tuple[list[Share], Found]:
    """Everything to the threads, equally laden, and room for the spikes they find.

    Parameters
    ----------
    on_device : a GPU advances the cells; threads have their events to make.
    """
    n_points, target = len(network.points), targets_of_slots(network, laid.blocks, laid.rows)
    drawn, ranges = _drawn(network, laid, target.dtype), None
    if drawn is None:
        n_parts = max(min(settings.threads, len(laid.blocks) + n_points), 1)
        part_of_block = balance(network, laid, n_parts)
    else:
        part_of_block = laid.blocks.part
        n_parts = int(part_of_block.max(initial=0)) + 1
        assert network.drawn is not None
        ranges = ranges_of_parts(laid.blocks, n_parts, network.drawn)
    part_of_point = (np.arange(n_points) * n_parts // max(n_points, 1)).astype(np.int16)
    points = (laid.rows.first_point + np.arange(n_points)).astype(target.dtype)
    owner = np.concatenate(
        [part_of_block.astype(np.int16)[target >> laid.rows.shift], part_of_point]
    )
    wirings = split(network.connections, np.concatenate([target, points]), owner, n_parts)
    spikes = window // 2 + 1  # of a cell in a window: a spike takes two steps
    shares = []
    for p, (first, address, weight, delay, release, key) in enumerate(wirings):
        wiring = Wiring(
            first, address, weight, delay, network.connections.delays, laid.rows.shift,
            laid.rows.first_point, _terminals(network, first, delay, (release, key), settings.dt),
        )  # fmt: skip
        part = Part(
            np.flatnonzero(part_of_block == p), wiring, no_connections(0), 0, _no_spikes(), 0,
            _no_events(laid), _room_to_work(laid, spikes),
        )  # fmt: skip
        mine = np.diff(first)[network.poisson.source] > 0
        own = drawn
        if drawn is not None:
            assert network.drawn is not None and ranges is not None
            begin, end = int(ranges[p]), int(ranges[p + 1])
            own = drawn._replace(begin=begin, end=end)
            axons = network.drawn.axons_onto(begin, end)
            mine |= (network.poisson.source >= axons.start) & (network.poisson.source < axons.stop)
        shares.append(Share(part, own, np.flatnonzero(mine), network.poisson.only(mine).begin()))
    of_cells = np.bincount(part_of_block[laid.blocks.cell_block], minlength=n_parts) * spikes
    steps_between = np.maximum(network.points.refractory / settings.dt, 1.0)
    of_points = np.bincount(part_of_point, window / steps_between + 2, minlength=n_parts)
    room = of_points.astype(np.int64)
    if on_device:
        return shares, _room_for_spikes(np.append(room, of_cells.sum()))
    room += of_cells
    if network.here.plan.ranks > 1:  # and for what others find: nothing touches what is not used
        cells = network.circuit_cells - network.n_cells
        others = network.circuit_points - len(network.points)
        room = np.append(room, cells * spikes + others * (window + 2))
    return shares, _room_for_spikes(room)


def _terminals(
    network: Network,
    first: IntArray,
    delay: NDArray[np.unsignedinteger],
    released: tuple[NDArray[np.unsignedinteger] | None, IntArray | None],
    dt: float,
) -> Terminals | None:
    """Those of the synapses of a part; ``released`` are their releases and keys."""
    release, key = released
    if release is None:
        return None
    source = np.repeat(np.arange(len(first) - 1, dtype=np.int32), np.diff(first))
    wiring = network.connections
    return terminals_of(
        source, wiring.delays[delay], release, network.releases, dt, key, wiring.seed
    )


def balance(network: Network, laid: Arrangement, n_parts: int) -> IntArray:
    """Part of every block: the most costly first, each to the least laden."""
    nodes = np.array([m.n_nodes for m in network.models], np.int64)
    cost = nodes[laid.blocks.model] + np.diff(laid.rows.first)
    load = np.zeros(n_parts)
    part = np.empty(len(laid.blocks), np.int64)
    for b in np.argsort(-cost, kind="stable"):
        part[b] = np.argmin(load)
        load[part[b]] += cost[b]
    return part


def _drawn(network: Network, laid: Arrangement, dtype: np.dtype) -> Drawn | None:
    """What draws synapses as :class:`Wiring` holds them, for all neurons."""
    drawn, blocks, rows = network.drawn, laid.blocks, laid.rows
    if drawn is None or drawn.stored:
        return None
    row = np.full((len(drawn.allowed), len(network.kinetics), rows.most_nodes), -1, np.int32)
    for a, m in network.models_of_drawn():
        b = int(np.flatnonzero(blocks.model == m)[0])
        kinds, nodes = rows.kind[rows.of_block(b)], rows.node[rows.of_block(b)]
        row[a, kinds, nodes] = np.arange(len(kinds)) * blocks.lanes
    n, own, axons = len(drawn.cell), np.flatnonzero(drawn.cell >= 0), drawn.axons
    cell = drawn.cell[own]
    block = blocks.cell_block[cell].astype(np.int64)
    fields = np.dtype([("address", dtype), ("model", "i2"), ("patch", "i2")], align=True)
    neurons = np.zeros(n, fields)
    neurons["address"][own] = (block << rows.shift) + blocks.cell_lane[cell]
    neurons["model"] = axons.neurons.model
    neurons["patch"] = axons.places.patch[axons.neurons.column]
    return Drawn(
        axons, drawn.pool, drawn.first_source, drawn.first_axon, 0, n,
        neurons["address"], neurons["model"], neurons["patch"], row, drawn.kind, drawn.weight,
        drawn.delay, drawn.factors, drawn.pool_factors,
    )  # fmt: skip


def _no_spikes() -> Inbox:
    none, never = np.zeros(0, np.int64), np.zeros(0)
    return Inbox(none, none, none, never, never)


def _no_events(laid: Arrangement) -> Events:
    first, last = np.zeros((2, len(laid.blocks)), np.int64)
    none = np.zeros(2, event_of(laid.dtype))  # less would have the type of fields that are arrays
    return Events(first, last, none["step"], none["element"], none["weight"])


def _room_to_work(laid: Arrangement, spikes: int) -> Work:
    n, lanes = laid.rows.most_nodes * laid.blocks.lanes, laid.blocks.lanes
    return Work(
        aligned(n, laid.dtype), aligned(n, laid.dtype), np.empty(lanes * spikes, np.int64),
        np.empty(lanes * spikes, np.int64), np.empty(lanes * spikes),
    )  # fmt: skip


def _room_for_spikes(room: IntArray) -> Found:
    n_parts, total = len(room), int(room.sum())
    return Found(
        np.concatenate([[0], np.cumsum(room)]), np.zeros((2, n_parts), np.int64),
        np.empty((2, total), np.int64), np.empty((2, total)), np.zeros((2, n_parts), bool),
    )  # fmt: skip
