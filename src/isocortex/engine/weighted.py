"""Weighted sums of all voltages of cells: potentials outside and dipoles, many columns at once.

A table of single probes would name every product; here a row of weights belongs to a compartment,
one for each column, and a block's cells are summed while their voltages are in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled
from isocortex.engine.interface import CellSums, FloatArray, IntArray
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.network.network import Network


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
    """

    begin: IntArray
    group: IntArray
    element: IntArray
    nodes: IntArray
    first: IntArray
    width: IntArray
    sum: IntArray
    weight: FloatArray


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
    parts: list[NDArray[np.int64]] = [np.zeros((7, 0), np.int64)]
    n_weights, first_sum = 0, n_sums
    for table in tables:
        own = np.flatnonzero((table.cell >= here.start) & (table.cell < here.stop))
        cell, width = table.cell[own] - here.start, table.width
        block = blocks.cell_block[cell].astype(np.int64)
        element = laid.arrays.first_v[block] + blocks.cell_lane[cell]
        group = np.full(len(own), times.index((table.first_step, table.every)))
        parts.append(
            np.stack([
                block, group, element, np.diff(table.first)[own],
                n_weights + table.first[own] * width, np.full(len(own), width),
                first_sum + own * width,
            ])
        )  # fmt: skip
        n_weights += table.weight.size
        first_sum += len(table.cell) * width
    whole = np.concatenate(parts, axis=1)
    whole = whole[:, np.argsort(whole[0], kind="stable")]
    block, *columns = whole
    group, element, nodes, begin, widths, sums = (column.copy() for column in columns)
    weights = [np.ascontiguousarray(table.weight).reshape(-1) for table in tables]
    return Weighted(
        np.searchsorted(block, np.arange(len(blocks) + 1)),
        *(group, element, nodes, begin, widths, sums),
        weights[0] if len(weights) == 1 else np.concatenate([np.zeros(0), *weights]),
    )


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
