"""What drives a circuit from outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit.fields import FieldInput
from isocortex.circuit.signals import Course, Signal


@dataclass(frozen=True, slots=True)
class SpikeInput:
    """Spike trains of nodes: rows of the population's table and times (ms), by time."""

    population: str
    rows: IntArray
    times: FloatArray


@dataclass(frozen=True, slots=True)
class PoissonInput:
    """Independent Poisson trains of nodes, to be drawn while the simulation runs.

    Attributes
    ----------
    rows : int64[n], of the population's table.
    rate : float64[n], Hz.
    start, stop : ms.
    key : uint64[n], names the random numbers of each node.
    """

    population: str
    rows: IntArray
    rate: FloatArray
    start: float
    stop: float
    key: NDArray[np.uint64]


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


#: What an entry of ``inputs`` becomes.
Input = SpikeInput | PoissonInput | CurrentInput | FieldInput
