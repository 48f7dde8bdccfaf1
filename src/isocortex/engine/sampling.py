"""Probes: from what shall be recorded to elements of the state arrays, and how they are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from isocortex.engine.interface import FloatArray, IntArray, ProbeTable
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.models import state_rows
from isocortex.network.network import Network

#: The array that a probe reads: voltages, channel states, conductances of synapses.
OF_VOLTAGE, OF_STATE, OF_SYNAPSE = range(3)


class Probes(NamedTuple):
    """Sorted by block: which array, which element, how much of it to which sum of the samples.

    Those of block b that are read as a step begins are ``first[b]:middle[b]``, those read when it
    ends ``middle[b]:first[b + 1]``.
    """

    first: IntArray
    middle: IntArray
    array: IntArray
    element: IntArray
    weight: FloatArray
    sum: IntArray
    samples: FloatArray


class Sums(NamedTuple):
    """Columns from sums over the compartments of one cell each.

    No cell is summed by two threads, and cells are added in their order: a column is the same
    whatever blocks and threads they are in. ``first`` (int64) begins every column that has any
    sum, ``column`` names it; None where every column is one sum.
    """

    first: IntArray | None
    column: IntArray
    n_columns: int

    def columns(self, sums: FloatArray) -> FloatArray:
        """float64[steps, columns]."""
        if self.first is None:
            return sums
        values = np.zeros((len(sums), self.n_columns))
        if len(self.first) and len(sums):
            values[:, self.column] = np.add.reduceat(sums, self.first, axis=1)
        return values


def probes_of(table: ProbeTable, laid: Arrangement, network: Network, second_order: bool):
    """:class:`Probes`, without room for samples, and the :class:`Sums` they go to."""
    row, array, element = _located(table, laid, network, second_order)
    blocks = laid.blocks.cell_block[table.cell[row]]
    starts = np.array([v.at_start for v in table.variables], bool)
    late = ~starts[table.variable[row]] if len(row) else np.zeros(0, bool)
    sums, slot = _sums(table, row)
    order = np.lexsort((row, late, blocks))
    key = 2 * blocks[order] + late[order]
    ends = np.searchsorted(key, np.arange(2 * len(laid.blocks) + 1))
    n_sums = sums.n_columns if sums.first is None else int(slot.max(initial=-1)) + 1
    probes = Probes(
        first=ends[::2].copy(),
        middle=ends[1::2].copy(),
        array=array[order],
        element=element[order],
        weight=table.weight[row[order]],
        sum=slot[order],
        samples=np.zeros((0, n_sums)),
    )
    return probes, sums


def _sums(table: ProbeTable, row: IntArray) -> tuple[Sums, IntArray]:
    """The sums of a table's located rows, and the sum that each goes to."""
    column, cell = table.column[row], table.cell[row]
    pairs, slot = np.unique(np.stack([column, cell], 1), axis=0, return_inverse=True)
    which = pairs[:, 0]
    if len(np.unique(which)) == len(which):  # each column of one cell at most
        return Sums(None, which, table.n_columns), column
    first = np.flatnonzero(np.diff(which, prepend=-1))
    return Sums(first, which[first], table.n_columns), slot.reshape(-1).astype(np.int64)


def _located(
    table: ProbeTable, laid: Arrangement, network: Network, second_order: bool
) -> tuple[IntArray, IntArray, IntArray]:
    """(row of the table, array, element) of everything that adds up to its rows."""
    lanes, blocks, at = laid.blocks.lanes, laid.blocks, laid.arrays
    found: list[tuple[IntArray, int, IntArray]] = []
    for k, variable in enumerate(table.variables):
        rows = np.flatnonzero(table.variable == k)
        cell, node = table.cell[rows], table.node[rows]
        block, lane = blocks.cell_block[cell], blocks.cell_lane[cell]
        if variable.mechanism == "" and variable.name == "v":
            found.append((rows, OF_VOLTAGE, at.first_v[block] + node * lanes + lane))
        elif variable.mechanism == "synapse":
            for kind in variable.kinds:
                row = laid.rows.find(block, node, np.full(len(node), kind))
                there = row >= 0
                found.append((rows[there], OF_SYNAPSE, row[there] * lanes + lane[there]))
        else:
            name = (variable.mechanism or "CaDynamics", variable.name)
            row = _state_row(name, network.cell_model[cell], node, laid, second_order)
            there = row >= 0
            element = at.first_s[block] + row * lanes + lane
            found.append((rows[there], OF_STATE, element[there]))
    none = np.zeros(0, np.int64)
    return (
        np.concatenate([none, *(rows for rows, _, _ in found)]),
        np.concatenate([none, *(np.full(len(rows), array) for rows, array, _ in found)]),
        np.concatenate([none, *(element for _, _, element in found)]),
    )


def _state_row(
    name: tuple[str, str], model: IntArray, node: IntArray, laid: Arrangement, second_order: bool
) -> IntArray:
    """Row of a state among those of its block, -1 where there is none."""
    row = np.full(len(node), -1)
    for m in np.unique(model):
        states = state_rows(laid.tables.regions[m], second_order)
        chosen = np.array([other == name for other in states.name], bool)
        of_node = np.full(int(np.diff(laid.tables.first_node)[m]), -1)
        of_node[states.node[chosen]] = states.row[chosen]
        row[model == m] = of_node[node[model == m]]
    return row


@njit(error_model="numpy", forceinline=True)
def sample(probes, first, last, step, V, S, A, B):
    """Add what some probes read to this step's samples."""
    for k in range(first, last):
        at = probes.element[k]
        if probes.array[k] == OF_VOLTAGE:
            value = np.float64(V[at])
        elif probes.array[k] == OF_STATE:
            value = np.float64(S[at])
        else:
            value = np.float64(B[at] - A[at])
        probes.samples[step, probes.sum[k]] += probes.weight[k] * value
