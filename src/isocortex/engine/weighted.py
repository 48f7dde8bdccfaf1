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
    group, first : int64[e], as of :class:`Weighted`.
    element, nodes : int64[e], where the block's voltages begin, and how many rows there are.
    into : int64[e], where the three rows of sums begin among the samples.
    weight : float64[all weights].
    """

    begin: IntArray
    group: IntArray
    element: IntArray
    nodes: IntArray
    first: IntArray
    into: IntArray
    weight: FloatArray


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


class Moments(NamedTuple):
    """A table whose cells' sums go through a table of each, on their way to its columns.

    Attributes (n cells of this rank)
    ----------
    sum : int64[n], the first of a cell's sums.
    at : int64[n, 3], where what they are made of is among the samples.
    through : float64[n, 3, w].
    """

    sum: IntArray
    at: IntArray
    through: FloatArray


class Sampled(NamedTuple):
    """What the samples of a step are.

    Attributes
    ----------
    n : how many there are.
    plain : the first of them are sums; the others are what the sums of ``moments`` are made of.
    n_sums : of both kinds.
    """

    n: int
    plain: int
    n_sums: int
    moments: list[Moments]

    def room(self, n_steps: int) -> FloatArray:
        """For the samples of some steps: sums are added to, others written."""
        samples = np.empty((n_steps, self.n))
        samples[:, : self.plain] = 0.0
        return samples

    def sums(self, samples: FloatArray) -> FloatArray:
        """float64[steps, n_sums], from float64[steps, n]; those of other ranks' cells are any."""
        if not self.moments:
            return samples
        sums = np.empty((len(samples), self.n_sums))
        sums[:, : self.plain] = samples[:, : self.plain]
        for each in self.moments:
            _send_through(samples, each.at, each.through, sums, each.sum)
        return sums


def weighted_of(
    tables: tuple[CellSums, ...],
    laid: Arrangement,
    network: Network,
    times: list[tuple[int, int]],
    n_sums: int,
) -> tuple[Weighted, Sampled]:
    """Find the cells of this rank in the arrays of an engine.

    Parameters
    ----------
    tables : those without tables of their cells first.
    times : (first, every) of each group.
    n_sums : sums that come before these.
    """
    blocks, here = laid.blocks, network.here.cells
    own: list[NDArray[np.int64]] = [np.zeros((7, 0), np.int64)]
    shared: list[_InBlocks] = []
    moments: list[Moments] = []
    plain = n_sums + sum(len(t.cell) * t.width for t in tables if t.through is None)
    n, n_weights = plain, 0
    for table in tables:
        mine = np.flatnonzero((table.cell >= here.start) & (table.cell < here.stop))
        cell, width = table.cell[mine] - here.start, table.width
        group = times.index((table.first_step, table.every))
        sums = n_sums + mine * width
        n_sums += len(table.cell) * width
        if table.through is not None:
            rows = _InBlocks.of(table, mine, cell, group, n, laid)
            shared.append(rows)
            at = rows.of_cell[:, None] + np.arange(3) * blocks.lanes
            moments.append(Moments(sums, at, table.through[mine]))
            n += len(rows.block) * 3 * blocks.lanes
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
    weighted = Weighted(
        np.searchsorted(block, np.arange(len(blocks) + 1)),
        *(group_of, element, nodes, first, widths, sums),
        _end_to_end(weights),
        _shared_of(shared, len(blocks)),
    )
    return weighted, Sampled(n, plain, n_sums, moments)


def _end_to_end(arrays: list[FloatArray]) -> FloatArray:
    """All numbers of some arrays; of one array these themselves."""
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    return flat[0] if len(flat) == 1 else np.concatenate([np.zeros(0), *flat])


class _InBlocks(NamedTuple):
    """A table's cells by block: see :class:`Shared`; ``block`` is that of every row."""

    block: IntArray
    columns: IntArray  # int64[5, e]: group, element, nodes, first, into
    of_cell: IntArray  # where the first sum of each cell is among the samples
    weight: FloatArray

    @classmethod
    def of(
        cls,
        table: CellSums,
        mine: IntArray,
        cell: IntArray,
        group: int,
        n_sums: int,
        laid: Arrangement,
    ) -> _InBlocks:
        """Of the table's rows ``mine``, these cells of the rank; ``n_sums`` come before theirs."""
        blocks = laid.blocks
        block, row, at = np.unique(
            blocks.cell_block[cell].astype(np.int64), return_index=True, return_inverse=True
        )
        into = n_sums + np.arange(len(block)) * (3 * blocks.lanes)
        one = mine[row]
        columns = np.stack([
            np.full(len(one), group), laid.arrays.first_v[block], table.nodes[one],
            table.first[one] * 3, into,
        ])  # fmt: skip
        return cls(block, columns, into[at] + blocks.cell_lane[cell], table.weight)


def _shared_of(found: list[_InBlocks], n_blocks: int) -> Shared:
    """All tables together, by block."""
    block = np.concatenate([np.zeros(0, np.int64), *(each.block for each in found)])
    order = np.argsort(block, kind="stable")
    columns = np.concatenate(
        [np.zeros((5, 0), np.int64), *(each.columns for each in found)], axis=1
    )
    group, element, nodes, first, into = columns[:, order]
    weights = {id(each.weight): each.weight for each in found}  # tables may have the same
    begins = np.cumsum([0, *(weight.size for weight in weights.values())])
    begin = np.array([begins[list(weights).index(id(each.weight))] for each in found], np.int64)
    of = np.repeat(np.arange(len(found)), [len(each.block) for each in found])[order]
    return Shared(
        np.searchsorted(block[order], np.arange(n_blocks + 1)), group.copy(), element.copy(),
        nodes.copy(), first + begin[of], into.copy(), _end_to_end(list(weights.values())),
    )  # fmt: skip


def add_columns(
    values: FloatArray,
    tables: tuple[CellSums, ...],
    sums: FloatArray,
    due: list[NDArray[np.bool_]],
) -> None:
    """Bring sums over cells, float64[steps, sums], to their columns of ``values``.

    Cells are added one after the other, in their order: a column does not depend on blocks,
    threads or ranks. ``due`` are the steps of each table.
    """
    begin = 0
    for table, rows in zip(tables, due, strict=True):
        end = begin + len(table.cell) * table.width
        part, begin = sums[rows, begin:end], end
        columns = slice(table.column, table.column + table.n_columns)
        values[rows, columns] = _added_up(part, table.width) if table.summed else part


@compiled
def _send_through(samples, at, through, sums, first):
    """Three samples of every cell go through its table to its sums."""
    n, _, width = through.shape
    for step in range(len(samples)):
        for k in range(n):
            x, y, z = samples[step, at[k, 0]], samples[step, at[k, 1]], samples[step, at[k, 2]]
            for c in range(width):
                sums[step, first[k] + c] = (
                    through[k, 0, c] * x + through[k, 1, c] * y + through[k, 2, c] * z
                )


@compiled
def _added_up(part, width):
    """The columns of all cells, float64[steps, w], one cell after the other."""
    total = np.empty((len(part), width))
    for step in range(len(part)):
        for c in range(width):
            column = 0.0
            for k in range(c, part.shape[1], width):
                column += part[step, k]
            total[step, c] = column
    return total
