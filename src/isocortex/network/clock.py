"""Time steps as NEURON counts them, so that an event lands in the same step."""

from __future__ import annotations

import numpy as np

from isocortex.arrays import FloatArray

#: How long after the end of a step NEURON says that a cell has crossed its threshold, ms.
CROSSING = 1e-10


class Clock:
    """Times of steps, accumulated by half steps as NEURON does.

    ``start[k]`` is the time at which step k begins and ``middle[k] = start[k] + dt/2`` the time up
    to which events still act in step k. Adding half steps one by one reproduces NEURON's rounding,
    which decides where an event falls that is due exactly half-way through a step. A cell's spike
    is ``seen`` a moment after its step: what it causes half-way through a later one acts in the
    step after that, always.
    """

    def __init__(self, dt: float, n_steps: int = 0) -> None:
        self.dt = dt
        self.start: FloatArray = np.zeros(1)
        self.extend(n_steps)

    def extend(self, n_steps: int) -> None:
        """Make sure that the times of steps 0 to ``n_steps`` are known."""
        missing = n_steps + 1 - len(self.start)
        if missing > 0:
            halves = np.full(2 * missing + 1, 0.5 * self.dt)
            halves[0] = self.start[-1]
            self.start = np.concatenate([self.start, np.cumsum(halves)[2::2]])
        self.middle: FloatArray = self.start + 0.5 * self.dt
        self.seen: FloatArray = self.start + CROSSING
