"""What every engine offers, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.engine.state import Snapshot, State
from isocortex.errors import SimulationError
from isocortex.network.network import Network

GAS_CONSTANT = 8.31446261815324  # J/(mol K)
FARADAY = 96485.33212331001  # C/mol

# Calcium: concentration outside everywhere, and what NEURON assumes where no shell tracks it.
CAO = 2.0  # mM
REST_CAI = 5e-5  # mM
REST_ECA = 132.4579341637009  # mV


def nernst_factor(celsius: float, valence: int = 2) -> float:
    """RT/zF in mV: reversal potential per unit of log(outside / inside)."""
    return 1e3 * GAS_CONSTANT * (celsius + 273.15) / (valence * FARADAY)


@dataclass(frozen=True)
class Settings:
    """How to integrate.

    Attributes
    ----------
    dt : ms.
    celsius : degC, scales the channels' rates.
    v_init : mV, every compartment's voltage at t = 0.
    threshold : mV; a spike is the first step at which the soma is above it.
    second_order : Crank-Nicolson instead of backward Euler for the voltage.
    precision : "double", "single" or "mixed", see :mod:`isocortex.engine.precision`.
    threads : number of threads.
    device : "cpu", or "cuda", a GPU.
    """

    dt: float
    celsius: float = 34.0
    v_init: float = -80.0
    threshold: float = -15.0
    second_order: bool = False
    precision: str = "double"
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Variable:
    """A quantity that can be recorded at a node.

    ``mechanism`` is "" for ``v`` and ``cai``, "synapse" for the conductance ``g`` (uS) and current
    ``i`` (nA, negative inwards) of the kinetics ``kinds``, else the mechanism that owns the state
    ``name``. ``at_start`` samples as the step begins instead of when it ends, as NEURON's currents
    are. It is sampled in the step ``first``, counted from 0, and every ``every``-th after it; in
    others its samples are 0.
    """

    name: str
    mechanism: str = ""
    kinds: tuple[int, ...] = ()
    at_start: bool = False
    first: int = 0
    every: int = 1

    def due(self, step: int) -> bool:
        return step >= self.first and (step - self.first) % self.every == 0


@dataclass(frozen=True)
class CellSums:
    """Weighted sums of all voltages of cells, as a step ends.

    Attributes (n cells, w columns of each)
    ----------
    cell : int64[n], ascending, counted among the cells of the whole circuit.
    first, nodes : int64[n], rows of ``weight`` of each cell: one for each of its nodes, or none
        where it is another rank's.
    weight : float64[rows, w].
    through : float64[n, 3, w]; where it is given, all cells of a model have the same rows of three
        weights, float64[rows, 3], and each cell's three sums go through its own table.
    summed : the cells are added up, in their order; else each has w columns of its own.
    first_step, every : see :class:`Variable`.
    column : the first of its columns in a table.
    """

    cell: IntArray
    first: IntArray
    nodes: IntArray
    weight: FloatArray
    through: FloatArray | None = None
    summed: bool = True
    first_step: int = 0
    every: int = 1
    column: int = 0

    @property
    def width(self) -> int:
        return (self.weight if self.through is None else self.through).shape[-1]

    @property
    def n_columns(self) -> int:
        return self.width * (1 if self.summed else len(self.cell))


@dataclass(frozen=True)
class ProbeTable:
    """What to record: every column of the samples is a weighted sum of its rows.

    What a compartment has not got, the state of a channel that is not there, counts as 0. Beside
    the rows, ``whole`` has columns of its own: sums over all voltages of cells.

    Attributes (n rows)
    ----------
    variables : those that ``variable`` counts.
    cell : int64[n], counted among the cells of the whole circuit.
    node, variable, column : int64[n].
    weight : float64[n].
    n_columns : columns, which may be empty.
    """

    variables: tuple[Variable, ...]
    cell: IntArray
    node: IntArray
    variable: IntArray
    weight: FloatArray
    column: IntArray
    n_columns: int
    whole: tuple[CellSums, ...] = ()

    def __len__(self) -> int:
        return len(self.cell)

    @property
    def n_sums(self) -> int:
        """Numbers that a step is sampled into, about: sums over cells are kept apart."""
        return self.n_columns + sum(table.width * len(table.cell) for table in self.whole)

    @classmethod
    def of(cls, probes: Sequence[tuple[int, int, Variable]]) -> ProbeTable:
        """One column for each (cell, node, variable)."""
        variables = tuple(dict.fromkeys(variable for _, _, variable in probes))
        number = {variable: k for k, variable in enumerate(variables)}
        cell, node = (np.array([probe[k] for probe in probes], np.int64) for k in (0, 1))
        variable = np.array([number[probe[2]] for probe in probes], np.int64)
        n = len(probes)
        return cls(variables, cell, node, variable, np.ones(n), np.arange(n), n)

    @classmethod
    def of_whole(cls, sums: CellSums) -> ProbeTable:
        """Nothing but sums over cells."""
        return replace(cls.of([]), n_columns=sums.n_columns, whole=(sums,))

    @classmethod
    def joined(cls, tables: Sequence[ProbeTable]) -> ProbeTable:
        """Several as one: their columns follow each other."""
        variables = tuple(dict.fromkeys(v for table in tables for v in table.variables))
        number = {variable: k for k, variable in enumerate(variables)}
        first = np.cumsum([0, *(table.n_columns for table in tables)])
        none = np.zeros(0, np.int64)
        renumbered = [
            np.array([number[v] for v in table.variables], np.int64)[table.variable]
            for table in tables
        ]
        moved = [table.column + begin for table, begin in zip(tables, first, strict=False)]
        return cls(
            variables,
            np.concatenate([none, *(table.cell for table in tables)]),
            np.concatenate([none, *(table.node for table in tables)]),
            np.concatenate([none, *renumbered]),
            np.concatenate([np.zeros(0), *(table.weight for table in tables)]),
            np.concatenate([none, *moved]),
            int(first[-1]),
            tuple(
                replace(sums, column=sums.column + int(begin))
                for table, begin in zip(tables, first, strict=False)
                for sums in table.whole
            ),
        )


class Piece(NamedTuple):
    """What some steps yield.

    Attributes
    ----------
    source : int64[n spikes], cells and point neurons of the whole circuit, numbered as sources.
    time : float64[n spikes], ms; spikes are sorted by time, then source.
    samples : float64[steps done, columns], what is recorded; where ranks share the circuit, the
        first has it all, and others have zeros.
    """

    source: IntArray
    time: FloatArray
    samples: FloatArray


class Engine(Protocol):
    """State of a network, and how it moves.

    Attributes
    ----------
    step : steps done.
    window : steps between exchanges; results are the same to the last bit, whatever the numbers of
        steps asked for, as long as they are multiples of it.
    n_events : synaptic events received so far, in the whole circuit.
    compile_seconds : time it took to compile the kernels or load them.
    """

    step: int
    window: int
    n_events: int
    compile_seconds: float

    def record(self, probes: ProbeTable) -> None:
        """Choose what to sample from the next step on."""

    def advance(self, n_steps: int) -> Piece:
        """Advance the whole network by ``n_steps``.

        Stops early where a voltage is no longer a number.
        """

    @property
    def lost(self) -> bool:
        """Whether a voltage is no longer a number, here or on another rank."""

    def standing(self) -> State:
        """All that evolves, until the next step: cells are looked up as they are asked for.

        Where ranks share the circuit, all call this together, and its cells are this rank's.
        """

    def state(self) -> Snapshot:
        """The same in memory."""

    def restore(self, state: State) -> None:
        """Go on from a state of the same network, whatever engine, threads or ranks it is of.

        The same engine goes on to the last bit as if it had not been interrupted, if it was at the
        end of a window.

        Raises
        ------
        ConfigError : it is of another network or time step; nothing has changed then.
        """

    def soma_voltage(self) -> FloatArray:
        """float64[n_cells], mV."""

    def voltage(self, cell: int) -> FloatArray:
        """float64[n_nodes] of one cell, mV."""


def check_finite(network: Network, engine: Engine, dt: float) -> None:
    """Stop if a voltage is no longer a number, naming the cell and compartment."""
    if not engine.lost:  # nine million voltages take as long to look at as a tenth of a window
        return
    bad = np.flatnonzero(~np.isfinite(engine.soma_voltage()))
    if len(bad) == 0:
        return
    cell = int(bad[0])  # of this rank
    model = network.models[network.cell_model[cell]]
    node = int(np.flatnonzero(~np.isfinite(engine.voltage(cell)))[0])
    raise SimulationError(
        f"the voltage of {network.label(network.first_cell + cell)} "
        f"(model {model.name}, section {model.section[node]} at {model.x[node]:.2f}) "
        f"is not finite at t = {engine.step * dt:g} ms",
        fix="Use a smaller dt or check weights (uS; mixed precision holds a few uS of one kind "
        "on a compartment), currents (nA) and channel parameters; "
        "what was recorded until then is kept.",
    )
