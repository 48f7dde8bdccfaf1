"""The state of blocks of cells as it stands, piece by piece, and back into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from isocortex.engine.cellwise import (
    Piece,
    bits_of,
    bits_of_states,
    count_open,
    put_in,
    take_out,
    where_of,
)
from isocortex.engine.deal import Share
from isocortex.engine.exchange import Exchange
from isocortex.engine.identity import require_same
from isocortex.engine.interface import FloatArray, IntArray
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.kinetics import KineticsTables
from isocortex.engine.loop import hear_again
from isocortex.engine.parts import Shared
from isocortex.engine.state import CellStates, Extent, Snapshot, State
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.network.points import PointState
from isocortex.network.terminals import distinct, no_terminals, put_to, table_of, used

#: Numbers of a piece at most, where a cell does not have more: with their places 25 MB.
PIECE = 1 << 21


class Held(NamedTuple):
    """Where an engine holds its state; the last say what it is of, and who else has a part."""

    network: Network
    laid: Arrangement
    shared: Shared
    shares: list[Share]
    kinetics: KineticsTables
    second_order: bool
    of: dict[str, str]
    exchange: Exchange


@dataclass(frozen=True, kw_only=True)
class Standing(State):
    """The state of an engine until it moves on: cells are looked up when they are asked for.

    Its pieces are of the cells of this rank.
    """

    held: Held

    def pieces(self, cells: range) -> Iterator[CellStates]:
        n_cells, step = self.held.network.n_cells, _cells_at_once(self.held.laid)
        for begin in range(0, max(n_cells, 1), step):  # one at least, of whatever types
            yield _piece(self.held, begin, min(begin + step, n_cells))

    def snapshot(self) -> Snapshot:
        """The same in memory, which does not move on."""
        whole = vars(_piece(self.held, 0, self.held.network.n_cells))
        return Snapshot(**whole, **{item.name: getattr(self, item.name) for item in fields(State)})


def take(held: Held, step: int) -> Standing:
    """The state after ``step`` steps; all ranks take theirs together."""
    shares = held.shares
    streams = [(share.chosen, share.poisson.stream, share.poisson.next) for share in shares]
    here = (_points(held.shared.points), _on_their_way(shares), streams)
    points, entries, streams_of = zip(*held.exchange.all(here), strict=True)
    source, time, due = _spikes(np.concatenate(entries))
    trains = held.network.poisson.begin()
    for some in streams_of:
        for chosen, stream, following in some:
            trains.stream[chosen], trains.next[chosen] = stream, following
    return Standing(
        of=held.of, step=step, extent=_extent(held), unit=held.kinetics.powers(step),
        points=np.concatenate(points, axis=1), source=source, time=time, due=due,
        stream=trains.stream, next=trains.next, terminals=_terminals(held), held=held,
    )  # fmt: skip


def put_back(held: Held, state: State) -> None:
    """Give arrays and threads the state, as far as it is of this rank.

    Raises
    ------
    ConfigError : it is of another network or time step; nothing has changed then. Or not all of
        this rank's cells are in it.
    """
    require_same(state.of, held.of)
    network, shared = held.network, held.shared
    cells = range(network.first_cell, network.first_cell + network.n_cells)
    where, bits = where_of(held.laid, held.second_order), bits_of_states(shared.states)
    missing = len(cells)
    for piece in state.pieces(cells):
        arrays = _as_here(held, state, piece)
        n, fits = put_in(piece.first - cells.start, where, bits, arrays)
        missing -= n
        if not fits:
            break
    if missing:
        raise ConfigError(
            "the state does not hold all cells of this simulation with all that they have here",
            fix="Take another one: this was damaged.",
        )
    points = shared.points
    here = slice(held.network.here.points.start, held.network.here.points.stop)
    points.m[:], points.last[:], points.ready[:] = state.points[:, here]
    for share in held.shares:
        share.poisson.stream[:] = state.stream[share.chosen]
        share.poisson.next[:] = state.next[share.chosen]
        if share.part.wiring.terminals is not None:
            put_to(share.part.wiring.terminals, state.terminals)
        flight, n_flight, inbox, n_inbox = hear_again(
            share.part, share.drawn, state.source, state.time, state.due
        )
        share.part = share.part._replace(
            flight=flight, n_flight=n_flight, inbox=inbox, n_inbox=n_inbox
        )


def _cells_at_once(laid: Arrangement) -> int:
    """Cells of a piece."""
    at = laid.arrays
    numbers = (np.diff(at.first_v) + np.diff(at.first_s)) // laid.blocks.lanes
    return max(PIECE // int((numbers + 2 * np.diff(at.first_row)).max(initial=1)), 1)


def _piece(held: Held, begin: int, end: int) -> CellStates:
    """What the cells ``begin:end`` of this rank stand at."""
    laid, network = held.laid, held.network
    where, bits = where_of(laid, held.second_order), bits_of_states(held.shared.states)
    synapses = np.empty(end - begin, np.uint32)
    n_open = count_open(begin, where, bits, synapses)
    nodes, channels = (
        of_model[network.cell_model[begin:end]].astype(np.uint32) for of_model in _sizes(laid)
    )
    term = laid.term
    piece = CellStates(
        first=network.first_cell + begin,
        above=np.empty(end - begin, bool),
        nodes=nodes,
        channels=channels,
        synapses=synapses,
        voltage=np.empty(int(nodes.sum()), laid.dtype),
        channel=np.empty(int(channels.sum()), laid.dtype),
        node=np.empty(n_open, np.min_scalar_type(max(laid.rows.most_nodes - 1, 0))),
        kind=np.empty(n_open, np.min_scalar_type(max(laid.rows.kinds - 1, 0))),
        terms=np.empty((n_open, 2), term),
    )
    take_out(begin, where, bits, _arrays(piece))
    return piece


def _sizes(laid: Arrangement) -> tuple[IntArray, IntArray]:
    """Compartments and states of channels of each model."""
    return np.diff(laid.tables.first_node), np.array([len(s) for s in laid.tables.rest], np.int64)


def _extent(held: Held) -> Extent:
    """How much there is on all ranks; synapses are counted."""
    laid, network = held.laid, held.network
    where, bits = where_of(laid, held.second_order), bits_of_states(held.shared.states)
    counts = np.bincount(network.cell_model, minlength=len(network.models))
    synapses, step = 0, _cells_at_once(laid)
    for begin in range(0, network.n_cells, step):
        count = np.empty(min(step, network.n_cells - begin), np.uint32)
        synapses += count_open(begin, where, bits, count)
    nodes, channels = (int((counts * of_model).sum()) for of_model in _sizes(laid))
    here = (network.n_cells, nodes, channels, synapses)
    return Extent(*map(sum, zip(*held.exchange.all(here), strict=True)))


def _arrays(piece: CellStates) -> Piece:
    """The arrays of a piece, as compiled functions have them."""
    named = {name: getattr(piece, name) for name in Piece._fields if name != "terms"}
    return Piece(**named, terms=bits_of(piece.terms))


def _as_here(held: Held, state: State, piece: CellStates) -> Piece:
    """The arrays of a piece in the types and units of an engine.

    A half times its unit is the same half again after the way back.
    """
    laid, unit = held.laid, held.kinetics.powers(state.step)
    terms = piece.terms
    if terms.dtype != laid.term or not np.array_equal(state.unit, unit):
        with np.errstate(over="ignore"):  # more than halves hold ends the run at its next step
            ratio = np.where(state.unit == unit, 1.0, state.unit / unit)
            terms = (terms * ratio[piece.kind]).astype(laid.term)
    return Piece(
        piece.above, piece.nodes, piece.channels, piece.synapses,
        piece.voltage.astype(laid.dtype, copy=False), piece.channel.astype(laid.dtype, copy=False),
        piece.node, piece.kind, bits_of(np.ascontiguousarray(terms)),
    )  # fmt: skip


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


def _on_their_way(shares: list[Share]) -> FloatArray:
    """float64[k, 4], of spikes with events to come: time, source, which of equal ones, due (ms).

    A part knows of a spike what it has synapses of, in one entry for those that are stored and one
    for those that are drawn.
    """
    entries = [np.zeros((0, 4))]
    for p, share in enumerate(shares):
        inbox, n = share.part.inbox, share.part.n_inbox
        drawn = inbox.cursor[:n] >= len(share.part.wiring.target)
        keys = (inbox.source[:n], inbox.time[:n], 2 * p + drawn)
        which = _nth(keys)
        entries.append(np.column_stack([inbox.time[:n], inbox.source[:n], which, inbox.due[:n]]))
    return np.concatenate(entries)


def _terminals(held: Held) -> FloatArray:
    """float64[t, COLUMNS], of all ranks the terminals of sources that have used one."""
    if not held.network.releases:
        return no_terminals()
    wirings = (share.part.wiring.terminals for share in held.shares)
    mine = [terminals for terminals in wirings if terminals is not None]
    none = np.zeros(0, np.int64)
    heard = np.concatenate([none, *(used(each) for each in mine)])
    sources = np.unique(np.concatenate(held.exchange.all(heard)))
    here = np.concatenate([no_terminals(), *(table_of(each, sources) for each in mine)])
    return distinct(np.concatenate(held.exchange.all(here)))


def _spikes(table: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Sources and times of the spikes in the entries of all parts, and when they are due first.

    Of equal spikes there are as many as in the part that has most.
    """
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
