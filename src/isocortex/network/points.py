"""Point neurons: NEURON's IntFire1, advanced from event to event.

m decays with ``tau``; an event adds its weight; above 1 the cell spikes, ignores events for the
refractory period and starts again from 0. Times are not rounded to steps.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from isocortex.network.network import PointNeurons

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@njit(error_model="numpy", cache=True, nogil=True)
def _advance(cell, time, weight, tau, refractory, m, last, ready, spike_cell, spike_time):
    n = 0
    for k in range(len(cell)):
        i, t = cell[k], time[k]
        if t < ready[i]:
            continue
        if last[i] < ready[i]:  # first event after the refractory period
            last[i], m[i] = ready[i], 0.0
        m[i] = m[i] * np.exp(-(t - last[i]) / tau[i]) + weight[k]
        last[i] = t
        if m[i] > 1.0:
            ready[i] = t + refractory[i]
            spike_cell[n], spike_time[n] = i, t
            n += 1
    return n


class IntFire1:
    """State of all point neurons."""

    def __init__(self, neurons: PointNeurons) -> None:
        n = len(neurons)
        self.neurons = neurons
        self.m = np.zeros(n)
        self.last = np.zeros(n)
        self.ready = np.full(n, -np.inf)

    def receive(
        self, cell: IntArray, time: FloatArray, weight: FloatArray
    ) -> tuple[IntArray, FloatArray]:
        """Process events; returns (cell, time in ms) of the spikes, in order of time."""
        order = np.argsort(time, kind="stable")
        spike_cell, spike_time = np.empty(len(cell), np.int64), np.empty(len(cell))
        n = _advance(
            cell[order], time[order], weight[order], self.neurons.tau, self.neurons.refractory,
            self.m, self.last, self.ready, spike_cell, spike_time,
        )  # fmt: skip
        return spike_cell[:n], spike_time[:n]
