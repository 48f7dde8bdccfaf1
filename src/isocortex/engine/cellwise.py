"""Cells one after the other, out of the lanes of blocks and back into them; compiled.

Terms of synapses are moved as bits, whatever numbers they are: ``A`` and ``B`` are views of
unsigned integers. Of these numbers without their sign the larger one has the larger bits too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled
from isocortex.engine.cable import SILENT
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.arrays import Ints, States
from isocortex.engine.layout.models import state_rows


class Where(NamedTuple):
    """Where blocks hold what cells stand at; see :class:`isocortex.engine.layout.arrays.Layout`.

    ``state_row`` of the model m, from ``first_state[m]`` on, is where a block has its channels'
    states, by node, then mechanism, then state; ``node`` and ``kind`` are of rows of patterns.
    """

    lanes: int
    block: NDArray[np.int32]
    lane: NDArray[np.int16]
    model: Ints
    first_v: Ints
    first_s: Ints
    first_row: Ints
    first_kind: Ints
    first_state: Ints
    state_row: Ints
    node: NDArray[np.int32]
    kind: NDArray[np.int32]


class Bits(NamedTuple):
    """The arrays of :class:`States`, terms as bits, and what all but their sign is.

    ``sound`` (of their type, [2]) are the bits that are no sign, and the largest of a silent term.
    """

    V: np.ndarray
    S: np.ndarray
    above: NDArray[np.bool_]
    A: np.ndarray
    B: np.ndarray
    sound: np.ndarray


class Piece(NamedTuple):
    """The arrays of :class:`isocortex.engine.state.CellStates`, terms as bits."""

    above: NDArray[np.bool_]
    nodes: NDArray[np.uint32]
    channels: NDArray[np.uint32]
    synapses: NDArray[np.uint32]
    voltage: np.ndarray
    channel: np.ndarray
    node: np.ndarray
    kind: np.ndarray
    terms: np.ndarray


def where_of(laid: Arrangement, second_order: bool) -> Where:
    """Where an arrangement has what cells stand at."""
    at, blocks, rows = laid.arrays, laid.blocks, laid.rows
    states = [state_rows(regions, second_order).row for regions in laid.tables.regions]
    return Where(
        blocks.lanes, blocks.cell_block, blocks.cell_lane, at.model, at.first_v, at.first_s,
        at.first_row, at.first_kind, np.cumsum([0, *map(len, states)]),
        np.concatenate([np.zeros(0, np.int64), *states]), rows.node, rows.kind,
    )  # fmt: skip


def bits_of(terms: np.ndarray) -> np.ndarray:
    """The same memory as unsigned integers."""
    return terms.view(f"u{terms.itemsize}")


def bits_of_states(states: States) -> Bits:
    """The arrays of an engine, for the functions below."""
    kind = states.A.dtype
    silent = bits_of(np.array([SILENT]).astype(kind))[0]
    sound = np.array([2 ** (8 * kind.itemsize - 1) - 1, silent], bits_of(states.A).dtype)
    return Bits(states.V, states.S, states.above, bits_of(states.A), bits_of(states.B), sound)


@compiled
def count_open(begin, where, bits, count):
    """Of each cell from ``begin`` on, how many synapses are not silent; returns their sum."""
    mask, silent = bits.sound[0], bits.sound[1]
    total = 0
    for k in range(len(count)):
        b, lane, n = where.block[begin + k], np.int64(where.lane[begin + k]), 0
        for row in range(where.first_row[b], where.first_row[b + 1]):
            e = row * where.lanes + lane
            n += (bits.A[e] & mask) > silent or (bits.B[e] & mask) > silent
        count[k] = n
        total += n
    return total


@compiled
def take_out(begin, where, bits, out):
    """Fill a piece with the cells from ``begin`` on, whose synapses have been counted."""
    mask, silent = bits.sound[0], bits.sound[1]
    lanes = where.lanes
    at_v = at_s = at = 0
    for k in range(len(out.above)):
        b, lane = where.block[begin + k], np.int64(where.lane[begin + k])
        out.above[k] = bits.above[b, lane]
        first = where.first_v[b] + lane
        for i in range((where.first_v[b + 1] - where.first_v[b]) // lanes):
            out.voltage[at_v + i] = bits.V[first + i * lanes]
        at_v += out.nodes[k]
        first, state = where.first_s[b] + lane, where.first_state[where.model[b]]
        for i in range((where.first_s[b + 1] - where.first_s[b]) // lanes):
            out.channel[at_s + i] = bits.S[first + where.state_row[state + i] * lanes]
        at_s += out.channels[k]
        first_row, kind = where.first_row[b], where.first_kind[b]
        for i in range(where.first_row[b + 1] - first_row):
            e = (first_row + i) * lanes + lane
            if (bits.A[e] & mask) > silent or (bits.B[e] & mask) > silent:
                out.node[at], out.kind[at] = where.node[kind + i], where.kind[kind + i]
                out.terms[at, 0], out.terms[at, 1] = bits.A[e], bits.B[e]
                at += 1


@compiled
def put_in(first, where, bits, piece):
    """Put those cells of a piece into their lanes that there are; the first of it is ``first``.

    Returns how many were put, and False if one is not of as many numbers or has a synapse without a
    place, which is not counted and ends it.
    """
    lanes, n_cells = where.lanes, 0
    at_v = at_s = at = 0
    for k in range(len(piece.above)):
        cell = first + k
        if 0 <= cell < len(where.block):
            b, lane = where.block[cell], np.int64(where.lane[cell])
            n_nodes = (where.first_v[b + 1] - where.first_v[b]) // lanes
            n_states = (where.first_s[b + 1] - where.first_s[b]) // lanes
            if n_nodes != piece.nodes[k] or n_states != piece.channels[k]:
                return n_cells, False
            bits.above[b, lane] = piece.above[k]
            begin = where.first_v[b] + lane
            for i in range(n_nodes):
                bits.V[begin + i * lanes] = piece.voltage[at_v + i]
            begin, state = where.first_s[b] + lane, where.first_state[where.model[b]]
            for i in range(n_states):
                bits.S[begin + where.state_row[state + i] * lanes] = piece.channel[at_s + i]
            if not _put_synapses(where, bits, piece, b, lane, (at, at + piece.synapses[k])):
                return n_cells, False
            n_cells += 1
        at_v += piece.nodes[k]
        at_s += piece.channels[k]
        at += piece.synapses[k]
    return n_cells, True


@compiled
def _put_synapses(where, bits, piece, block, lane, synapses):
    """Put terms of one cell's synapses (begin, end) into its rows; False if one has none."""
    first_row, first_kind = where.first_row[block], where.first_kind[block]
    n = where.first_row[block + 1] - first_row
    for i in range(n):
        e = (first_row + i) * where.lanes + lane
        bits.A[e] = bits.B[e] = 0
    i = 0
    for at in range(synapses[0], synapses[1]):
        node, kind, tried = piece.node[at], piece.kind[at], 0
        # as a rule they are in the order of rows; a branch may number kinetics anew
        while tried < n and not (
            where.node[first_kind + i] == node and where.kind[first_kind + i] == kind
        ):
            i = i + 1 if i + 1 < n else 0
            tried += 1
        if tried == n:
            return False
        e = (first_row + i) * where.lanes + lane
        bits.A[e], bits.B[e] = piece.terms[at, 0], piece.terms[at, 1]
    return True
