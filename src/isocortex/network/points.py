"""Point neurons: NEURON's IntFire1, advanced from event to event.

m decays with ``tau``; an event adds its weight; above 1 the cell spikes, ignores events for the
refractory period and starts again from 0. Times are not rounded to steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.compiling import compiled
from isocortex.network.network import PointNeurons
from isocortex.streams import exp


class PointState(NamedTuple):
    """All float64[n_points]: the parameters, m at time ``last``, the end of refractoriness, ms."""

    tau: FloatArray
    refractory: FloatArray
    m: FloatArray
    last: FloatArray
    ready: FloatArray


def at_rest(neurons: PointNeurons) -> PointState:
    """State before the first event."""
    n = len(neurons)
    return PointState(
        neurons.tau, neurons.refractory, np.zeros(n), np.zeros(n), np.full(n, -np.inf)
    )


@compiled
def receive(state: PointState, i: int, time: float, weight: float) -> bool:
    """Point neuron ``i`` receives an event at ``time`` (ms); True if it spikes then."""
    if time < state.ready[i]:
        return False
    if state.last[i] < state.ready[i]:  # first event after the refractory period
        state.last[i], state.m[i] = state.ready[i], 0.0
    time = max(time, state.last[i])  # a delay below dt is served late: time does not run backwards
    state.m[i] = state.m[i] * exp(-(time - state.last[i]) / state.tau[i]) + weight
    state.last[i] = time
    if state.m[i] > 1.0:
        state.ready[i] = time + state.refractory[i]
        return True
    return False
