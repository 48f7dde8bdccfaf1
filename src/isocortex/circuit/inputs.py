"""What drives a circuit from outside."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit.signals import Course, Drawn, Random, Signal


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
class Courses:
    """A course for every chosen cell: the same for all, or random and each cell's own.

    Attributes
    ----------
    delay, duration, dt : of random courses, ms; each sample holds for ``dt``.
    seed : what random numbers are named by, beside the input and the cell.
    """

    signal: Signal
    delay: float = 0.0
    duration: float = np.inf
    dt: float = 0.25
    seed: int = 0

    def at(self, key: np.uint64, least: float = -np.inf) -> Course:
        """The course of the cell that ``key`` names; random ones are never below ``least``."""
        if isinstance(self.signal, Random):
            return Drawn(self.signal, key, self.delay, self.duration, self.dt, least)
        return self.signal


@dataclass(frozen=True, slots=True)
class Clamp:
    """Conductances (uS) that pull to a voltage (mV)."""

    conductance: Courses
    voltage: Course


@dataclass(frozen=True, slots=True)
class CurrentInput:
    """An electrode in every chosen cell.

    Attributes
    ----------
    amp, delay, duration : float64[k], pulses in nA and ms; or
    waveform : (times ms, amps nA), each value held until the next time; or
    clamp : conductances and the voltage that they pull to; or
    signal : any other course, nA.
    name : of the input, for messages.
    section_name, section_index, section_pos : the electrode's place, default soma[0](0.5); or
    section_types, distance_range : it is drawn among compartments of these types within this range
        of path distances (um) from the soma.
    """

    population: str
    rows: IntArray
    amp: FloatArray = field(default_factory=lambda: np.zeros(0))
    delay: FloatArray = field(default_factory=lambda: np.zeros(0))
    duration: FloatArray = field(default_factory=lambda: np.zeros(0))
    waveform: tuple[FloatArray, FloatArray] | None = None
    clamp: Clamp | None = None
    signal: Courses | None = None
    name: str = ""
    section_name: str = "soma"
    section_index: int = 0
    section_pos: float = 0.5
    section_types: tuple[str, ...] = ()
    distance_range: tuple[float, float] | None = None


#: What an entry of ``inputs`` becomes.
Input = SpikeInput | PoissonInput | CurrentInput
