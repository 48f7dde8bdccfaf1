"""What drives a circuit from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit.columns import coded, take
from isocortex.circuit.fields import FieldInput
from isocortex.circuit.nodes import NodePopulation
from isocortex.circuit.signals import Course, Signal
from isocortex.errors import ConfigError
from isocortex.random import keys, name_of


@dataclass(frozen=True, slots=True)
class SpikeInput:
    """Spike trains of nodes: rows of the population's table and times (ms), by time."""

    population: str
    rows: IntArray
    times: FloatArray


@dataclass(frozen=True, slots=True)
class Fluctuation:
    """How the rates of Poisson trains go up and down: 1 + x times the rate.

    x is an Ornstein-Uhlenbeck process (Uhlenbeck & Ornstein 1930), in steps of 2 ms, cut where the
    rate would be below 0 or above twice its mean. Trains with one key go up and down together.

    Attributes
    ----------
    sigma : standard deviation of x.
    tau : its correlation time, ms.
    key : uint64[n], of every train.
    """

    sigma: float
    tau: float
    key: NDArray[np.uint64]

    @classmethod
    def shared(
        cls, sigma: float, tau: float, shared_by: Sequence[str], population: NodePopulation,
        rows: IntArray, key: str,
    ) -> Fluctuation:  # fmt: skip
        """Of nodes that fluctuate together where these attributes are equal.

        Without any each node has a course of its own. Every node has one value of each attribute.
        """
        if not shared_by:
            own = keys(f"{key}:{population.name}:fluctuation", population.node_ids[rows])
            return cls(sigma, tau, own)
        columns = (coded(take(population.columns[name], rows)) for name in shared_by)
        codes, values = zip(*columns, strict=True)
        distinct, which = np.unique(np.column_stack(codes), axis=0, return_inverse=True)
        told = [
            tuple((name, of[code]) for name, of, code in zip(shared_by, values, row, strict=True))
            for row in distinct.tolist()
        ]
        named = np.array([name_of(f"{key}:fluctuation:{pairs!r}") for pairs in told], np.uint64)
        return cls(sigma, tau, named[which.ravel()])


@dataclass(frozen=True, slots=True)
class PoissonInput:
    """Poisson trains of nodes, to be drawn while the simulation runs; independent, given rates.

    Attributes
    ----------
    rows : int64[n], of the population's table.
    rate : float64[n], Hz.
    start, stop : ms.
    key : uint64[n], names the random numbers of each node.
    fluctuation : of the rates; None where they are constant.
    """

    population: str
    rows: IntArray
    rate: FloatArray
    start: float
    stop: float
    key: NDArray[np.uint64]
    fluctuation: Fluctuation | None = None


@dataclass(frozen=True, slots=True)
class CurrentInput:
    """An electrode in every chosen cell.

    Attributes
    ----------
    signal : the course of its current, nA, or of its conductance, uS.
    voltage : that a conductance pulls to, mV; None for a current.
    name : of the input, for messages.
    section_name, section_index, section_pos : the electrode's place, default soma[0](0.5); or
    section_types, distance_range : it is drawn among compartments of these types within this range
        of path distances (um) from the soma.
    """

    population: str
    rows: IntArray
    signal: Signal
    voltage: Course | None = None
    name: str = ""
    section_name: str = "soma"
    section_index: int = 0
    section_pos: float = 0.5
    section_types: tuple[str, ...] = ()
    distance_range: tuple[float, float] | None = None

    def require_known_voltage(self, inputs: Iterable[Input]) -> None:
        """Refuse what goes by the voltage inside, where one of the inputs, a field, makes another.

        Raises
        ------
        ConfigError : there is such a field.
        """
        for field in inputs:
            if self.voltage is None or not isinstance(field, FieldInput):
                continue
            driven = dict(field.cells).get(self.population, self.rows[:0])
            if np.isin(self.rows, driven).any():
                raise ConfigError(
                    f"inputs.{field.name} imposes a potential outside cells that have this "
                    "voltage clamp or conductance, which is not supported yet",
                    fix=f"Choose other cells here, or with inputs.{field.name}.cells.",
                )  # fmt: skip


#: What an entry of ``inputs`` becomes.
Input = SpikeInput | PoissonInput | CurrentInput | FieldInput
