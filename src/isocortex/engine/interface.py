"""What every engine offers, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

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
    threshold : mV; a spike is the first step at which the soma is at or above it.
    second_order : Crank-Nicolson instead of backward Euler for the voltage.
    precision : "double" or "single".
    threads : number of threads.
    """

    dt: float
    celsius: float = 34.0
    v_init: float = -80.0
    threshold: float = -15.0
    second_order: bool = False
    precision: str = "double"
    threads: int = 1


@dataclass(frozen=True)
class Events:
    """Synaptic events of one window, sorted by step (stable).

    Attributes
    ----------
    slot : int64[k], index into the network's slots.
    step : int64[k], absolute step at whose start the event acts.
    weight : float64[k], uS.
    """

    slot: IntArray
    step: IntArray
    weight: FloatArray


@dataclass(frozen=True)
class Variable:
    """A quantity that can be recorded at a node.

    ``mechanism`` is "" for ``v`` and ``cai``, "synapse" for the conductance of the kinetics
    ``kinds`` (uS), else the mechanism that owns the state ``name``. ``at_start`` samples as the
    step begins instead of when it ends, as NEURON's currents are.
    """

    name: str
    mechanism: str = ""
    kinds: tuple[int, ...] = ()
    at_start: bool = False


class Engine(Protocol):
    """State of all biophysical cells, and how it moves."""

    compile_seconds: float

    def record(self, probes: list[tuple[int, int, Variable]]) -> None:
        """Choose the (cell, node, variable) to sample; call before the first window."""

    def advance(
        self, first_step: int, n_steps: int, events: Events, current: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Advance all cells by ``n_steps``.

        ``current`` is float64[n_currents, n_steps], nA, at the middle of each step. Returns the
        cells that spiked, the steps of those spikes (sorted by step, then cell), and the samples,
        float64[n_steps, n_probes].
        """

    def soma_voltage(self) -> FloatArray:
        """float64[n_cells], mV."""

    def voltage(self, cell: int) -> FloatArray:
        """float64[n_nodes] of one cell, mV."""
