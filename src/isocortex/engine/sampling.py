"""Probes: from what shall be recorded to elements of the state arrays, and how they are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.engine.cable import BLOCK, KINETICS, POWER_A, POWER_B, RATIO, SILENT, SLOPE
from isocortex.engine.exchange import Exchange
from isocortex.engine.interface import CellSums, FloatArray, IntArray, ProbeTable
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.models import state_rows
from isocortex.engine.weighted import Sampled, Weighted, add_columns, weighted_of
from isocortex.mechanisms import DENSITY
from isocortex.network.network import Network
from isocortex.streams import exp
from isocortex.targets.words import apart, broadcast, element, load_wide, own_list, owns, store

#: What a probe reads: a voltage, a channel's state, a conductance or current of synapses.
N_ARRAYS = 4
OF_VOLTAGE, OF_STATE, OF_CONDUCTANCE, OF_CURRENT = range(N_ARRAYS)


class Probes(NamedTuple):
    """Which element of which array, and how much of it goes to which sum of the samples.

    Probes of block b that are read together lie in a row, and neighbours belong to other cells
    where they can: so no addition waits for the one before.

    Attributes (n probes, g groups that are read in the same steps)
    ----------
    watched : int32[blocks], 0 where nothing is read; others are counted from 1.
    begin, end : int64[watched blocks, 2, g, 4, lists], of those read as a step begins, then as it
        ends, by what they read; whoever advances a whole block has one list, a lane on its own has
        its own.
    due : bool[steps, g], which groups are read.
    row : int64[steps], of the samples, -1 where nothing is read.
    element, voltage : int64[n]; of synapses ``voltage`` is the element of that at their place.
    reversal : float64[n], of currents, mV.
    weight, sum : float64[n], int64[n].
    weighted : sums over whole cells, as a step ends.
    samples : float64[rows, samples of a step].
    """

    watched: NDArray[np.int32]
    begin: IntArray
    end: IntArray
    due: NDArray[np.bool_]
    row: IntArray
    element: IntArray
    voltage: IntArray
    reversal: FloatArray
    weight: FloatArray
    sum: IntArray
    weighted: Weighted
    samples: FloatArray


class Sums(NamedTuple):
    """Columns from sums over the compartments of one cell each.

    No cell is summed by two threads, and cells are added in their order: a column is the same
    whatever blocks and threads they are in. ``first`` (int64) begins every column that has any
    sum, ``column`` names it; None where every column is one sum. Of the sums the first ``n_sums``
    are those, the others are of ``whole`` cells.
    """

    first: IntArray | None
    column: IntArray
    n_columns: int
    n_sums: int = 0
    whole: tuple[CellSums, ...] = ()

    def columns(self, sums: FloatArray, due: list[NDArray[np.bool_]]) -> FloatArray:
        """float64[steps, columns]; ``due`` are the steps of each of ``whole``."""
        if self.first is None and not self.whole:
            return sums
        values = np.zeros((len(sums), self.n_columns))
        single = sums[:, : self.n_sums]
        if self.first is None:
            values[:] = single
        elif len(self.first) and len(sums):
            values[:, self.column] = np.add.reduceat(single, self.first, axis=1)
        add_columns(values, self.whole, sums[:, self.n_sums :], due)
        return values


class Recording(NamedTuple):
    """What is recorded.

    Attributes (g groups of probes that are read in the same steps)
    ----------
    probes : without room for samples.
    sampled : what the samples are.
    sums : what becomes of them.
    first, every : int64[g], see :class:`isocortex.engine.interface.Variable`.
    of_rank : for every rank that shares the circuit, int64, the sums over its cells.
    """

    probes: Probes
    sampled: Sampled
    sums: Sums
    first: IntArray
    every: IntArray
    of_rank: list[IntArray]

    def room(self, step: int, n_steps: int) -> Probes:
        """Probes with room for the samples of some steps from ``step`` on."""
        after = np.arange(step, step + n_steps)[:, None] - self.first
        due = (after >= 0) & (after % self.every == 0)
        read = due.any(axis=1)
        samples = self.sampled.room(int(read.sum()))
        row = np.where(read, np.cumsum(read) - 1, -1)
        return self.probes._replace(due=due, row=row, samples=samples)

    def collected(self, probes: Probes, n_steps: int, exchange: Exchange) -> FloatArray:
        """float64[n_steps, columns] of all ranks, on the first of them; on others of their own.

        Steps that are not sampled are neither sent nor added up.
        """
        rows = np.flatnonzero(probes.due[:n_steps].any(axis=1))
        due, sums = probes.due[rows], self.sampled.sums(probes.samples[: len(rows)])
        if exchange.size > 1 and any(len(of) > 0 for of in self.of_rank):
            own = sums.take(self.of_rank[exchange.rank], axis=1)  # in C order, as it is sent
            for of, values in zip(self.of_rank, exchange.gather(own) or [], strict=False):
                sums[:, of] = values.reshape(len(rows), len(of))
        groups = list(zip(self.first.tolist(), self.every.tolist(), strict=True))
        columns = self.sums.columns(
            sums,
            [due[:, groups.index((table.first_step, table.every))] for table in self.sums.whole],
        )
        if len(rows) == n_steps:
            return columns
        all_steps = np.zeros((n_steps, columns.shape[1]))
        all_steps[rows] = columns
        return all_steps


def recording_of(
    table: ProbeTable, laid: Arrangement, network: Network, second_order: bool, lists: int = 1
) -> Recording:
    """Find what a table asks for in the arrays of an engine: of this rank's cells.

    Parameters
    ----------
    lists : of a block, see :class:`Probes`: one, or one for each lane.
    """
    found = _located(table, laid, network, second_order)
    row = found.row
    block = laid.blocks.cell_block[table.cell[row] - network.first_cell]
    times = sorted(
        {(v.first, v.every) for v in table.variables}
        | {(sums.first_step, sums.every) for sums in table.whole}
    )
    of_variable = np.array(
        [(not v.at_start) * len(times) + times.index((v.first, v.every)) for v in table.variables],
        np.int64,
    )
    sums, slot = _sums(table)
    n_sums = sums.n_columns if sums.first is None else int(slot.max(initial=-1)) + 1
    whole = tuple(sorted(table.whole, key=lambda sums: sums.through is not None))
    sums = sums._replace(n_sums=n_sums, whole=whole)
    weighted, sampled = weighted_of(whole, laid, network, times, n_sums)
    is_watched = (np.diff(weighted.begin) > 0) | (np.diff(weighted.shared.begin) > 0)
    is_watched[block] = True
    watched = np.where(is_watched, np.cumsum(is_watched), 0).astype(np.int32)
    of_block = (watched[block].astype(np.int64) - 1) * (2 * len(times))
    key = (of_block + of_variable[table.variable[row]]) * N_ARRAYS + found.array
    key = key * lists + found.element % lists
    order = np.lexsort((found.element, key))
    shape = (int(is_watched.sum()), 2, len(times), N_ARRAYS, lists)
    ends = np.searchsorted(key[order], np.arange(np.prod(shape, dtype=np.int64) + 1))
    probes = Probes(
        watched=watched,
        begin=ends[:-1].reshape(shape).copy(),
        end=ends[1:].reshape(shape).copy(),
        due=np.zeros((0, len(times)), bool),
        row=np.zeros(0, np.int64),
        element=found.element[order],
        voltage=found.voltage[order],
        reversal=found.reversal[order],
        weight=table.weight[row[order]],
        sum=slot[row[order]],
        weighted=weighted,
        samples=np.zeros((0, sampled.n)),
    )
    first, every = np.array(times, np.int64).reshape(-1, 2).T.copy()
    of_rank = _sums_of_ranks(table, slot, network, sums)
    return Recording(probes, sampled, sums, first, every, of_rank)


def _sums_of_ranks(
    table: ProbeTable, slot: IntArray, network: Network, sums: Sums
) -> list[IntArray]:
    """Of every rank the sums over its cells; ``slot`` is that of each row of the table."""
    plan, cells = network.here.plan, [table.cell]
    cells += [np.repeat(whole.cell, whole.width) for whole in sums.whole]
    owner = np.searchsorted(plan.first_cell, np.concatenate(cells), side="right") - 1
    of = np.concatenate([slot, sums.n_sums + np.arange(len(owner) - len(slot))])
    return [np.unique(of[owner == rank]) for rank in range(plan.ranks)]


def _sums(table: ProbeTable) -> tuple[Sums, IntArray]:
    """The sums of a table, the same on all ranks, and the sum that each of its rows goes to."""
    column, cell = table.column, table.cell
    n_cells = int(cell.max(initial=0)) + 1
    pairs, slot = np.unique(column * n_cells + cell, return_inverse=True)
    which = pairs // n_cells
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
    here = network.here.cells
    own = (table.cell >= here.start) & (table.cell < here.stop)
    for k, variable in enumerate(table.variables):
        rows = np.flatnonzero(own & (table.variable == k))
        cell, node = table.cell[rows] - here.start, table.node[rows]
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
            name = (variable.mechanism, variable.name)
            row = _state_row(name, network.cell_model[cell], node, laid, second_order)
            there = row >= 0
            element = at.first_s[block] + row * lanes + lane
            found.append(_Located.of(rows[there], OF_STATE, element[there], voltage[there]))
    return _Located(*map(np.concatenate, zip(*found, strict=True)))


def _state_row(
    name: tuple[str, str], model: IntArray, node: IntArray, laid: Arrangement, second_order: bool
) -> IntArray:
    """Row of a state among those of its block, -1 where there is none.

    Calcium has no name of a mechanism: it is that of the pool that there is.
    """
    row = np.full(len(node), -1)
    for m in np.unique(model):
        states = state_rows(laid.tables.regions[m], second_order)
        owners = {name[0]} if name[0] else set(DENSITY)
        chosen = np.array([n in owners and s == name[1] for n, s in states.name], bool)
        of_node = np.full(int(np.diff(laid.tables.first_node)[m]), -1)
        of_node[states.node[chosen]] = states.row[chosen]
        row[model == m] = of_node[node[model == m]]
    return row


def _conductance(synapses, at, step, v):
    """Of the synapses of one row, uS; 0 where a cell has none and others of its block have."""
    A, B, row_kind, kinds, kinetics, lanes = synapses
    which = row_kind[at // lanes + kinds]
    kind = (step & kinetics.repeat) * kinetics.stride + which * KINETICS
    power_a, power_b = kinetics.number[kind + POWER_A], kinetics.number[kind + POWER_B]
    g = np.float64(element(B, at) * power_b - element(A, at) * power_a)
    return 0.0 if abs(g) <= SILENT else g * _opened(kinetics.block, which, v)


def _opened(block, which, v):
    """Share of the channels of one kinetics that magnesium leaves open at a voltage, mV."""
    if block is None:
        return 1.0
    ratio, slope = block[which * BLOCK + RATIO], block[which * BLOCK + SLOPE]
    return 1.0 / (1.0 + np.float64(ratio) * exp(-np.float64(slope) * v))


def sample(probes, block, late, step, V, S, synapses):
    """Add what the probes of a block read that are due to this step's samples.

    ``late`` is 0 as the step begins, 1 as it ends.
    """
    row, at = probes.row[step], probes.watched[block] - 1
    if row < 0 or at < 0:
        return
    begin, end, samples, own = probes.begin, probes.end, probes.samples, own_list()
    for g in range(probes.due.shape[1]):
        if not probes.due[step, g]:
            continue
        of = OF_VOLTAGE
        for k in range(begin[at, late, g, of, own], end[at, late, g, of, own]):
            samples[row, probes.sum[k]] += probes.weight[k] * np.float64(V[probes.element[k]])
        of = OF_STATE
        for k in range(begin[at, late, g, of, own], end[at, late, g, of, own]):
            samples[row, probes.sum[k]] += probes.weight[k] * np.float64(S[probes.element[k]])
        of = OF_CONDUCTANCE
        for k in range(begin[at, late, g, of, own], end[at, late, g, of, own]):
            v = np.float64(V[probes.voltage[k]])
            held = _conductance(synapses, probes.element[k], step + late, v)
            samples[row, probes.sum[k]] += probes.weight[k] * held
        of = OF_CURRENT
        for k in range(begin[at, late, g, of, own], end[at, late, g, of, own]):
            v = np.float64(V[probes.voltage[k]])
            held = _conductance(synapses, probes.element[k], step + late, v)
            driving = v - probes.reversal[k]
            samples[row, probes.sum[k]] += probes.weight[k] * held * driving
    if late:
        _weigh(probes.weighted, block, probes.due[step], samples[row], V, synapses[-1])


def _weigh(weighted, block, due, out, V, lanes):
    """Add the weighted voltages of a block's cells to ``out``, one step's samples."""
    if weighted.shared.begin[block] < weighted.shared.begin[block + 1]:
        _weigh_shared(weighted.shared, block, due, out, V, lanes)
    for k in range(weighted.begin[block], weighted.begin[block + 1]):
        if not (due[weighted.group[k]] and owns(weighted.element[k], lanes)):
            continue
        width, at, v = weighted.width[k], weighted.first[k], weighted.element[k]
        into, n = weighted.sum[k], weighted.nodes[k]
        for c in range(0, width - 1, 2):  # two sums at a time, in registers: each waits for itself
            one, other = out[into + c], out[into + c + 1]
            for node in range(n):
                voltage, row = np.float64(V[v + node * lanes]), at + node * width + c
                one += weighted.weight[row] * voltage
                other += weighted.weight[row + 1] * voltage
            out[into + c], out[into + c + 1] = one, other
        if width % 2:
            last = out[into + width - 1]
            for node in range(n):
                voltage = np.float64(V[v + node * lanes])
                last += weighted.weight[at + node * width + width - 1] * voltage
            out[into + width - 1] = last


@apart
def _weigh_shared(shared, block, due, out, V, lanes):
    """The same of sums whose weights many cells have: those of a block together, row by row."""
    weight = shared.weight
    for k in range(shared.begin[block], shared.begin[block + 1]):
        if not due[shared.group[k]]:
            continue
        v, n, row, into = shared.element[k], shared.nodes[k], shared.first[k], shared.into[k]
        x = y = z = broadcast(0.0, load_wide(V, v))
        for node in range(n):
            voltage = load_wide(V, v + node * lanes)
            x += voltage * element(weight, row)
            y += voltage * element(weight, row + 1)
            z += voltage * element(weight, row + 2)
            row += 3
        store(out, into, x)
        store(out, into + lanes, y)
        store(out, into + 2 * lanes, z)
