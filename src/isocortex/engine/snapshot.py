"""The state of blocks of cells in an order that is no engine's, and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isocortex.engine.cable import SILENT
from isocortex.engine.deal import Share
from isocortex.engine.identity import require_same
from isocortex.engine.interface import FloatArray, IntArray, Snapshot
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.arrays import States
from isocortex.engine.layout.kinetics import KineticsTables
from isocortex.engine.layout.models import state_rows
from isocortex.engine.loop import hear_again
from isocortex.engine.parts import Shared
from isocortex.network.network import Network
from isocortex.network.points import PointState


class Elements:
    """Where the state arrays hold what a snapshot names.

    Attributes
    ----------
    voltage, channel : int64, elements of V and S, by cell, then node, then mechanism.
    above : int64[n_cells], elements of ``above``, flat.
    """

    def __init__(self, laid: Arrangement, cell_model: IntArray, second_order: bool) -> None:
        lanes, at, blocks = laid.blocks.lanes, laid.arrays, laid.blocks
        self.above = blocks.cell_block.astype(np.int64) * lanes + blocks.cell_lane
        nodes = np.diff(laid.tables.first_node)
        rows = [state_rows(regions, second_order).row for regions in laid.tables.regions]
        self.voltage = _by_cell(
            at.first_v[blocks.cell_block] + blocks.cell_lane, cell_model,
            [np.arange(n) * lanes for n in nodes],
        )  # fmt: skip
        self.channel = _by_cell(
            at.first_s[blocks.cell_block] + blocks.cell_lane, cell_model,
            [row * lanes for row in rows],
        )  # fmt: skip


def _by_cell(first: IntArray, model: IntArray, offsets: list[IntArray]) -> IntArray:
    """The offsets of each cell's model from its ``first``, one cell after the other."""
    sizes = np.array([len(o) for o in offsets], np.int64)[model]
    begin = np.cumsum(sizes) - sizes
    elements = np.empty(int(sizes.sum()), np.int64)
    for m, offset in enumerate(offsets):
        mine = np.flatnonzero(model == m)
        elements[begin[mine, None] + np.arange(len(offset))] = first[mine, None] + offset
    return elements


class Held(NamedTuple):
    """Where an engine holds its state."""

    network: Network
    laid: Arrangement
    shared: Shared
    shares: list[Share]
    kinetics: KineticsTables
    of: dict[str, str]


def take(held: Held, step: int, second_order: bool) -> Snapshot:
    """The state after ``step`` steps."""
    network, laid, shared, shares, kinetics, of = held
    states, points = shared.states, shared.points
    where = Elements(laid, network.cell_model, second_order)
    synapse, terms = _synapses(laid, states, kinetics.powers(step))
    source, time, due = _on_their_way(shares)
    trains = network.poisson.begin()
    for share in shares:
        trains.stream[share.chosen] = share.poisson.stream
        trains.next[share.chosen] = share.poisson.next
    return Snapshot(
        of=of,
        step=step,
        voltage=states.V[where.voltage],
        channel=states.S[where.channel],
        above=states.above.ravel()[where.above],
        synapse=synapse,
        terms=terms,
        points=_points(points),
        source=source,
        time=time,
        due=due,
        stream=trains.stream,
        next=trains.next,
    )


def put_back(held: Held, state: Snapshot, second_order: bool) -> None:
    """Give arrays and threads the state that a snapshot holds."""
    network, laid, shared, shares, kinetics, of = held
    require_same(state.of, of)
    states, points = shared.states, shared.points
    where = Elements(laid, network.cell_model, second_order)
    states.V[where.voltage] = state.voltage
    states.S[where.channel] = state.channel
    states.above.reshape(-1)[where.above] = state.above
    cell, node, kind = state.synapse.T
    row = laid.rows.find(laid.blocks.cell_block[cell], node, kind)
    element = row * laid.blocks.lanes + laid.blocks.cell_lane[cell]
    states.A[:], states.B[:] = 0.0, 0.0
    with np.errstate(over="ignore"):  # more than halves hold ends the run at its next step
        states.A[element], states.B[element] = (state.terms / kinetics.powers(state.step)[kind]).T
    points.m[:], points.last[:], points.ready[:] = state.points
    for share in shares:
        share.poisson.stream[:] = state.stream[share.chosen]
        share.poisson.next[:] = state.next[share.chosen]
        flight, n_flight, inbox, n_inbox = hear_again(
            share.part, share.drawn, state.source, state.time, state.due
        )
        share.part = share.part._replace(
            flight=flight, n_flight=n_flight, inbox=inbox, n_inbox=n_inbox
        )


def _points(points: PointState) -> FloatArray:
    """What point neurons stand at; one that has spiked starts again from 0 when it is ready."""
    spiked = points.last < points.ready
    return np.stack(
        [
            np.where(spiked, 0.0, points.m),
            np.where(spiked, points.ready, points.last),
            points.ready,
        ]
    )


def _synapses(laid: Arrangement, states: States, power: FloatArray) -> tuple[IntArray, np.ndarray]:
    """(cell, node, kinetics) of every synapse that is not silent, in this order, and its terms.

    A half times its power is the same half again after the way back, though both are rounded.
    """
    rows, lanes = laid.rows, laid.blocks.lanes
    element = np.flatnonzero((np.abs(states.A) > SILENT) | (np.abs(states.B) > SILENT))
    row, lane = np.divmod(element, lanes)
    block = np.searchsorted(rows.first, row, side="right") - 1
    cell = laid.blocks.cell_at[block * lanes + lane]
    element, row, cell = element[cell >= 0], row[cell >= 0], cell[cell >= 0]
    at = rows.in_pattern(row)
    order = np.lexsort((rows.kind[at], rows.node[at], cell))
    element, at = element[order], at[order]
    terms = np.column_stack([states.A[element], states.B[element]]) * power[rows.kind[at]]
    return (
        np.column_stack([cell[order], rows.node[at], rows.kind[at]]).astype(np.int64),
        terms.astype(laid.dtype),
    )


def _on_their_way(shares: list[Share]) -> tuple[IntArray, FloatArray, FloatArray]:
    """Sources and times of spikes with events to come, and when the next one is due (ms).

    A part knows of a spike what it has synapses of, in one entry for those that are stored and one
    for those that are drawn: of equal spikes there are as many as in the part that has most.
    """
    entries = []
    for p, share in enumerate(shares):
        inbox, n = share.part.inbox, share.part.n_inbox
        drawn = inbox.cursor[:n] >= len(share.part.wiring.target)
        keys = (inbox.source[:n], inbox.time[:n], 2 * p + drawn)
        which = _nth(keys)
        entries.append(np.column_stack([inbox.time[:n], inbox.source[:n], which, inbox.due[:n]]))
    table = np.concatenate(entries)
    table = table[np.lexsort((table[:, 3], table[:, 2], table[:, 1], table[:, 0]))]
    is_new = np.ones(len(table), bool)
    is_new[1:] = (table[1:, :3] != table[:-1, :3]).any(axis=1)
    time, source, _, due = table[is_new].T
    return source.astype(np.int64), time, due


def _nth(keys: tuple[np.ndarray, ...]) -> IntArray:
    """How many equal entries are before each."""
    order = np.lexsort(keys)
    if not len(order):
        return order
    change = np.zeros(len(order), bool)
    for key in keys:
        change[1:] |= key[order][1:] != key[order][:-1]
    change[0] = True
    at = np.arange(len(order))
    nth = np.empty(len(order), np.int64)
    nth[order] = at - np.maximum.accumulate(np.where(change, at, 0))
    return nth
