"""Probes: from what shall be recorded to elements of the state arrays, and how they are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from isocortex.engine.interface import FloatArray, IntArray, ProbeTable
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.models import state_rows
from isocortex.network.network import Network

#: What a probe reads: a voltage, a channel's state, a conductance or current of synapses.
OF_VOLTAGE, OF_STATE, OF_CONDUCTANCE, OF_CURRENT = range(4)


class Probes(NamedTuple):
    """Sorted by block: which array, which element, how much of it to which sum of the samples.

    Those of block b that are read as a step begins are ``first[b]:middle[b]``, those read when it
    ends ``middle[b]:first[b + 1]``. Of a current ``voltage`` is the element of the voltage that
    drives it, and ``reversal`` where it reverses, mV.
    """

    first: IntArray
    middle: IntArray
    array: IntArray
    element: IntArray
    voltage: IntArray
    reversal: FloatArray
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
    found = _located(table, laid, network, second_order)
    row = found.row
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
        array=found.array[order],
        element=found.element[order],
        voltage=found.voltage[order],
        reversal=found.reversal[order],
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


class _Located(NamedTuple):
    """Everything that adds up to rows of a table; see :class:`Probes`."""

    row: IntArray
    array: IntArray
    element: IntArray
    voltage: IntArray
    reversal: FloatArray

    @classmethod
    def of(
        cls, row: IntArray, array: int, element: IntArray, voltage: IntArray, reversal: float = 0.0
    ) -> _Located:
        """Of one kind each."""
        n = len(row)
        return cls(row, np.full(n, array), element, voltage, np.full(n, reversal))


def _located(
    table: ProbeTable, laid: Arrangement, network: Network, second_order: bool
) -> _Located:
    lanes, blocks, at = laid.blocks.lanes, laid.blocks, laid.arrays
    none = np.zeros(0, np.int64)
    found = [_Located.of(none, OF_VOLTAGE, none, none)]
    for k, variable in enumerate(table.variables):
        rows = np.flatnonzero(table.variable == k)
        cell, node = table.cell[rows], table.node[rows]
        block, lane = blocks.cell_block[cell], blocks.cell_lane[cell]
        voltage = at.first_v[block] + node * lanes + lane
        if variable.mechanism == "" and variable.name == "v":
            found.append(_Located.of(rows, OF_VOLTAGE, voltage, voltage))
        elif variable.mechanism == "synapse":
            of = OF_CONDUCTANCE if variable.name == "g" else OF_CURRENT
            for kind in variable.kinds:
                row = laid.rows.find(block, node, np.full(len(node), kind))
                there = row >= 0
                element = row[there] * lanes + lane[there]
                reversal = network.kinetics[kind].reversal
                found.append(_Located.of(rows[there], of, element, voltage[there], reversal))
        else:
            name = (variable.mechanism or "CaDynamics", variable.name)
            row = _state_row(name, network.cell_model[cell], node, laid, second_order)
            there = row >= 0
            element = at.first_s[block] + row * lanes + lane
            found.append(_Located.of(rows[there], OF_STATE, element[there], voltage[there]))
    return _Located(*map(np.concatenate, zip(*found, strict=True)))


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
            if probes.array[k] == OF_CURRENT:
                value *= np.float64(V[probes.voltage[k]]) - probes.reversal[k]
        probes.samples[step, probes.sum[k]] += probes.weight[k] * value
