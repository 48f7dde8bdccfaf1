"""Cells to blocks and lanes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.network.drawn.draw import share_of_events
from isocortex.network.network import DrawnSynapses


class Blocks(NamedTuple):
    """Which cell is in which lane of which block.

    Attributes (n cells, b blocks)
    ----------
    lanes : cells in a block.
    cell_block : int32[n].
    cell_lane : int16[n].
    cell_at : int32[b * lanes], the cell in each lane, or -1.
    model : int64[b].
    part : int64[b], the thread that draws synapses onto a block's cells; 0 where none are drawn.
    """

    lanes: int
    cell_block: NDArray[np.int32]
    cell_lane: NDArray[np.int16]
    cell_at: NDArray[np.int32]
    model: IntArray
    part: IntArray

    def __len__(self) -> int:
        return len(self.model)


def deal_cells(
    cell_model: IntArray, n_models: int, lanes: int, part_of_cell: NDArray[np.integer] | None = None
) -> Blocks:
    """Give every cell a block and a lane: cells of a model side by side, in their order.

    Parameters
    ----------
    cell_model : int64[n].
    part_of_cell : int[n]; cells of different parts share no block.
    """
    n = len(cell_model)
    n_parts = 1 if part_of_cell is None else int(part_of_cell.max(initial=0)) + 1
    group = cell_model.astype(np.int32) * n_parts
    if part_of_cell is not None:
        group += part_of_cell
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=n_models * n_parts)
    blocks_of_group = -(-counts // lanes)
    first_block = np.concatenate([[0], np.cumsum(blocks_of_group)])
    group = group[order]
    rank = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    cell_block, cell_lane = np.empty(n, np.int32), np.empty(n, np.int16)
    cell_block[order], cell_lane[order] = first_block[group] + rank // lanes, rank % lanes
    group_of_block = np.repeat(np.arange(len(counts)), blocks_of_group)
    cell_at = np.full(len(group_of_block) * lanes, -1, np.int32)
    cell_at[first_block[group] * lanes + rank] = order
    model, block_part = np.divmod(group_of_block, n_parts)
    return Blocks(lanes, cell_block, cell_lane, cell_at, model, block_part)


def parts_of_cells(n: int, drawn: DrawnSynapses | None, threads: int) -> NDArray[np.int16] | None:
    """Part of every cell, or None where no synapses are drawn at spikes.

    A part draws the synapses onto a range of the neurons of the model. Ranges have equal shares of
    the work, half of which is taken to be the cells' own and half what they receive.
    """
    if drawn is None or drawn.stored:
        return None
    part = np.zeros(n, np.int16)
    own = drawn.cell[drawn.cell >= 0]
    n_parts = max(min(threads, len(own)), 1)
    others = np.ones(n, bool)
    others[own] = False
    if len(own) and n_parts > 1:
        first = int(np.flatnonzero(drawn.cell >= 0)[0])
        work = np.cumsum(1.0 + share_of_events(drawn.axons, first, first + len(own)))
        ends = np.searchsorted(work, np.arange(1, n_parts) * work[-1] / n_parts)
        number = np.arange(1, n_parts)  # nobody has less than one neuron
        ends = np.maximum.accumulate(np.maximum(ends, number) - number) + number
        ends = np.minimum(ends, len(own) - n_parts + number)
        part[own] = np.searchsorted(ends, np.arange(len(own)), side="right")
    rest = np.flatnonzero(others)
    part[rest] = np.arange(len(rest)) * n_parts // max(len(rest), 1)
    return part


def ranges_of_parts(blocks: Blocks, n_parts: int, drawn: DrawnSynapses) -> IntArray:
    """int64[n_parts + 1], the first neuron of each part that :func:`parts_of_cells` has made."""
    own = np.flatnonzero(drawn.cell >= 0)
    part = blocks.part[blocks.cell_block[drawn.cell[own]]]
    return (own[0] if len(own) else 0) + np.searchsorted(part, np.arange(n_parts + 1))
