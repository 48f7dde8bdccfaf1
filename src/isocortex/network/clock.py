"""Time steps as NEURON counts them, so that an event lands in the same step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Clock:
    """Times of steps, accumulated by half steps as NEURON does.

    ``start[k]`` is the time at which step k begins and ``middle[k] = start[k] + dt/2`` the time up
    to which events still act in step k. Adding half steps one by one reproduces NEURON's rounding,
    which decides where an event falls that is due exactly half-way through a step.
    """

    def __init__(self, dt: float, n_steps: int) -> None:
        self.dt, self.n_steps = dt, n_steps
        halves = np.full(2 * n_steps + 4, 0.5 * dt)
        halves[0] = 0.0
        times = np.cumsum(halves)
        self.start: FloatArray = times[0::2].copy()
        self.middle: FloatArray = self.start + 0.5 * dt

    def step_of(self, time: FloatArray) -> NDArray[np.int64]:
        """First step whose middle is not before ``time`` (ms): where an event acts."""
        return np.searchsorted(self.middle, time, side="left")
