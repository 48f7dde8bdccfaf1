"""Weighted sums of all voltages of cells: potentials outside and dipoles, many columns at once.

A table of single probes would name every product; here a row of weights belongs to a compartment,
one for each column, and a block's cells are summed while their voltages are in the cache. Dipole
moments have three weights that all cells of a model share.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled
from isocortex.engine.interface import CellSums, FloatArray, IntArray
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.network.network import Network


class Shared(NamedTuple):
    """Sums that go by weights of a model: of a table's cells in a block, which are summed together.

    Attributes (e times a table in a block)
    ----------
    begin : int64[blocks + 1].
    group, first, width : int64[e], as of :class:`Weighted`.
    element, nodes : int64[e], where the block's voltages begin, and how many rows there are.
    sum : int64[e, lanes], the first sum of the cell in each lane, -1 where none is asked for.
    table : int64[e, lanes], where the cell's numbers begin in ``through``.
    weight : float64[all weights].
    through : float64[all tables].
    room : float64[3 * lanes * blocks], for the three sums of a block's cells.
    """

    begin: IntArray
    group: IntArray
    element: IntArray
    nodes: IntArray
    first: IntArray
    width: IntArray
    sum: IntArray
    table: IntArray
    weight: FloatArray
    through: FloatArray
    room: FloatArray


class Weighted(NamedTuple):
    """What is summed, by block (k cells in all tables).

    Attributes
    ----------
    begin : int64[blocks + 1].
    group : int64[k], of those read in the same steps.
    element, nodes : int64[k], where a cell's voltages begin, and how many there are.
    first, width : int64[k], where its weights begin, and how many a compartment has.
    sum : int64[k], the first of its sums among the samples.
    weight : float64[all weights].
    shared : sums whose weights many cells have.
    """

    begin: IntArray
    group: IntArray
    element: IntArray
    nodes: IntArray
    first: IntArray
    width: IntArray
    sum: IntArray
    weight: FloatArray
    shared: Shared


def weighted_of(
    tables: tuple[CellSums, ...],
    laid: Arrangement,
    network: Network,
    times: list[tuple[int, int]],
    n_sums: int,
) -> Weighted:
    """Find the cells of this rank in the arrays of an engine.

    Parameters
    ----------
    times : (first, every) of each group.
    n_sums : sums that come before these.
    """
    blocks, here = laid.blocks, network.here.cells
    own: list[NDArray[np.int64]] = [np.zeros((7, 0), np.int64)]
    shared: list[_InBlocks] = []
    n_weights = 0
    for table in tables:
        mine = np.flatnonzero((table.cell >= here.start) & (table.cell < here.stop))
        cell, width = table.cell[mine] - here.start, table.width
        group = times.index((table.first_step, table.every))
        sums = n_sums + mine * width
        n_sums += len(table.cell) * width
        if table.through is not None:
            shared.append(_InBlocks.of(table, mine, cell, group, sums, laid))
            continue
        block = blocks.cell_block[cell].astype(np.int64)
        element = laid.arrays.first_v[block] + blocks.cell_lane[cell]
        own.append(
            np.stack([
                block, np.full(len(mine), group), element, table.nodes[mine],
                n_weights + table.first[mine] * width, np.full(len(mine), width), sums,
            ])
        )  # fmt: skip
        n_weights += table.weight.size
    whole = np.concatenate(own, axis=1)
    whole = whole[:, np.argsort(whole[0], kind="stable")]
    block, *columns = whole
    group_of, element, nodes, first, widths, sums = (column.copy() for column in columns)
    weights = [table.weight for table in tables if table.through is None]
    return Weighted(
        np.searchsorted(block, np.arange(len(blocks) + 1)),
        *(group_of, element, nodes, first, widths, sums),
        _end_to_end(weights),
        _shared_of(shared, len(blocks), blocks.lanes),
    )


def _end_to_end(arrays: list[FloatArray]) -> FloatArray:
    """All numbers of some arrays; of one array these themselves."""
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    return flat[0] if len(flat) == 1 else np.concatenate([np.zeros(0), *flat])


class _InBlocks(NamedTuple):
    """A table's cells by block: see :class:`Shared`; ``block`` is that of every row."""

    block: IntArray
    columns: IntArray  # int64[5, e]: group, element, nodes, first, width
    sum: IntArray
    table: IntArray
    weight: FloatArray
    through: FloatArray

    @classmethod
    def of(
        cls,
        table: CellSums,
        mine: IntArray,
        cell: IntArray,
        group: int,
        sums: IntArray,
        laid: Arrangement,
    ) -> _InBlocks:
        """Of the table's rows ``mine``, which are these cells of the rank and have these sums."""
        assert table.through is not None
        blocks = laid.blocks
        block, row, at = np.unique(
            blocks.cell_block[cell].astype(np.int64), return_index=True, return_inverse=True
        )
        lane, shape = blocks.cell_lane[cell], (len(block), blocks.lanes)
        sum_, through = np.full(shape, -1), np.zeros(shape, np.int64)
        sum_[at, lane], through[at, lane] = sums, np.arange(len(mine)) * table.through[0].size
        one = mine[row]
        columns = np.stack([
            np.full(len(one), group), laid.arrays.first_v[block], table.nodes[one],
            table.first[one] * 3, np.full(len(one), table.width),
        ])  # fmt: skip
        return cls(block, columns, sum_, through, table.weight, table.through[mine])


def _shared_of(found: list[_InBlocks], n_blocks: int, lanes: int) -> Shared:
    """All tables together, by block."""
    none = np.zeros((0, lanes), np.int64)
    block = np.concatenate([np.zeros(0, np.int64), *(each.block for each in found)])
    order = np.argsort(block, kind="stable")
    columns = np.concatenate(
        [np.zeros((5, 0), np.int64), *(each.columns for each in found)], axis=1
    )
    group, element, nodes, first, width = columns[:, order]
    weights = {id(each.weight): each.weight for each in found}  # tables may have the same
    begins = np.cumsum([0, *(weight.size for weight in weights.values())])
    begin = np.array([begins[list(weights).index(id(each.weight))] for each in found], np.int64)
    numbers = np.cumsum([0, *(each.through.size for each in found)])
    of = np.repeat(np.arange(len(found)), [len(each.block) for each in found])[order]
    sums = np.concatenate([none, *(each.sum for each in found)])[order]
    table = np.concatenate([none, *(each.table for each in found)])[order] + numbers[of, None]
    return Shared(
        np.searchsorted(block[order], np.arange(n_blocks + 1)), group.copy(), element.copy(),
        nodes.copy(), first + begin[of], width.copy(), sums, table,
        _end_to_end(list(weights.values())),
        _end_to_end([each.through for each in found]), np.zeros(3 * lanes * n_blocks),
    )  # fmt: skip


def add_columns(
    values: FloatArray, tables: tuple[CellSums, ...], sums: FloatArray, n_sums: int
) -> None:
    """Bring sums over cells, float64[steps, sums], to their columns of ``values``.

    Cells are added one after the other, in their order: a column does not depend on blocks,
    threads or ranks.
    """
    begin = n_sums
    for table in tables:
        width, n = table.width, len(table.cell)
        part = sums[:, begin : begin + n * width]
        begin += n * width
        if not table.summed:
            values[:, table.column : table.column + n * width] = part
            continue
        _add_up(part, values[:, table.column : table.column + width])


@compiled
def _add_up(part, total):
    """Add every cell's columns to ``total``, one cell after the other."""
    for step in range(len(part)):
        for k in range(part.shape[1] // total.shape[1]):
            for c in range(total.shape[1]):
                total[step, c] += part[step, k * total.shape[1] + c]
