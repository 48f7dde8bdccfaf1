"""From spikes to synaptic events: each spike reaches its targets after their delays.

Events wait in a ring of buckets, one per window of steps, so that sending and collecting cost the
same however many are in flight.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from isocortex.network.clock import Clock
from isocortex.network.network import Connections

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@njit(error_model="numpy", cache=True, nogil=True)
def _step_of(time, middle, dt):
    """``Clock.step_of`` for one time: a guess from the division, mended by the table."""
    last = len(middle) - 1
    step = min(max(int(time / dt), 0), last)
    while step < last and middle[step] < time:
        step += 1
    while step > 0 and middle[step - 1] >= time:
        step -= 1
    return step


@njit(error_model="numpy", cache=True, nogil=True)
def _count(sources, times, first, delay, delays, middle, dt, window, n_steps, counts):
    """Number of events every bucket will receive."""
    for k in range(len(sources)):
        for c in range(first[sources[k]], first[sources[k] + 1]):
            step = _step_of(times[k] + delays[delay[c]], middle, dt)
            if step < n_steps:
                counts[step // window % len(counts)] += 1


@njit(error_model="numpy", cache=True, nogil=True)
def _fill(
    sources, times, first, target, weight, delay, delays, middle, dt, window, n_steps,
    begin, ends, out_target, out_step, out_weight, out_time,
):  # fmt: skip
    """Write the events; bucket b's next free place is ``begin[b] + ends[b]``."""
    for k in range(len(sources)):
        for c in range(first[sources[k]], first[sources[k] + 1]):
            time = times[k] + delays[delay[c]]
            step = _step_of(time, middle, dt)
            if step < n_steps:
                bucket = step // window % len(ends)
                at = begin[bucket] + ends[bucket]
                out_target[at], out_step[at] = target[c], step
                out_weight[at], out_time[at] = weight[c], time
                ends[bucket] += 1


class Router:
    """Delivers spikes through ``connections``.

    Parameters
    ----------
    window : steps between two collections; at most the shortest delay of any source whose
        spikes depend on earlier events.
    """

    def __init__(self, connections: Connections, clock: Clock, window: int) -> None:
        self.connections, self.clock, self.window = connections, clock, window
        longest = float(connections.delays.max(initial=0.0))
        self.n_buckets = int(longest / clock.dt) // window + 3
        self.buckets: list[list[tuple[IntArray, IntArray, FloatArray, FloatArray]]] = [
            [] for _ in range(self.n_buckets)
        ]
        self.n_events = 0

    def send(self, sources: IntArray, times: FloatArray) -> None:
        """Spikes of ``sources`` at ``times`` (ms), in an order that does not depend on threads."""
        if len(sources) == 0:
            return
        c, clock = self.connections, self.clock
        timing = (c.delay, c.delays, clock.middle, clock.dt, self.window, clock.n_steps)
        counts = np.zeros(self.n_buckets, np.int64)
        _count(sources, times, c.first, *timing, counts)
        total = int(counts.sum())
        begin = np.cumsum(counts) - counts
        target, step = np.empty(total, np.int64), np.empty(total, np.int64)
        weight, time = np.empty(total), np.empty(total)
        _fill(
            sources, times, c.first, c.target, c.weight, *timing,
            begin, np.zeros(self.n_buckets, np.int64), target, step, weight, time,
        )  # fmt: skip
        for bucket in np.flatnonzero(counts):
            part = slice(begin[bucket], begin[bucket] + counts[bucket])
            self.buckets[bucket].append((target[part], step[part], weight[part], time[part]))
        self.n_events += total

    def collect(self, first_step: int) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """(target, step, weight, time) of all events of the window that starts at this step."""
        bucket = first_step // self.window % self.n_buckets
        parts, self.buckets[bucket] = self.buckets[bucket], []
        if not parts:
            none = np.zeros(0, np.int64)
            return none, none, np.zeros(0), np.zeros(0)
        target, step, weight, time = (np.concatenate(x) for x in zip(*parts, strict=True))
        return target, step, weight, time
