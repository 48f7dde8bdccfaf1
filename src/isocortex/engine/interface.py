"""What every engine offers, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isocortex.errors import SimulationError
from isocortex.network.network import Network

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
    threshold : mV; a spike is the first step at which the soma is above it.
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
    """State of a network, and how it moves.

    Attributes
    ----------
    step : steps done.
    window : steps between exchanges; results are the same to the last bit, whatever the numbers of
        steps asked for, as long as they are multiples of it.
    n_events : synaptic events received so far.
    compile_seconds : time it took to compile the kernels or load them.
    """

    step: int
    window: int
    n_events: int
    compile_seconds: float

    def record(self, probes: list[tuple[int, int, Variable]]) -> None:
        """Choose the (cell, node, variable) to sample; call before the first step."""

    def advance(self, n_steps: int) -> tuple[IntArray, FloatArray, FloatArray]:
        """Advance the whole network by ``n_steps``.

        Stops early where a voltage is no longer a number, see :func:`check_finite`. Returns the
        cells and point neurons that spiked (numbered as sources), the times of those
        spikes (ms, sorted by time, then source), and the samples, float64[steps done, n_probes].
        """

    def soma_voltage(self) -> FloatArray:
        """float64[n_cells], mV."""

    def voltage(self, cell: int) -> FloatArray:
        """float64[n_nodes] of one cell, mV."""


def check_finite(network: Network, engine: Engine, dt: float) -> None:
    """Stop if a voltage is no longer a number, naming the cell and compartment."""
    bad = np.flatnonzero(~np.isfinite(engine.soma_voltage()))
    if len(bad) == 0:
        return
    cell = int(bad[0])
    model = network.models[network.cell_model[cell]]
    node = int(np.flatnonzero(~np.isfinite(engine.voltage(cell)))[0])
    raise SimulationError(
        f"the voltage of {network.label(cell)} (model {model.name}, section {model.section[node]}"
        f" at {model.x[node]:.2f}) is not finite at t = {engine.step * dt:g} ms",
        fix="Use a smaller dt or check weights (uS), currents (nA) and channel parameters; "
        "what was recorded until then is kept.",
    )
