"""Poisson sources: what each sends is drawn while the simulation runs, and never stored as a whole.

The n-th spike of a source is a function of its key and n alone, so nothing depends on who asks, in
which pieces, or on which thread.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.compiling import compiled
from isocortex.streams import log, uniform


@dataclass(frozen=True)
class PoissonSources:
    """Sources that spike at random.

    Attributes
    ----------
    source : int64[n], number of the source; one may be there several times.
    mean : float64[n], ms between spikes, infinite for none.
    start, stop : float64[n], ms.
    key : uint64[n], start of the stream of random numbers.
    """

    source: IntArray
    mean: FloatArray
    start: FloatArray
    stop: FloatArray
    key: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.source)

    def expected(self, tstop: float) -> float:
        """Spikes until ``tstop`` (ms), on average."""
        length = np.clip(np.minimum(self.stop, tstop) - self.start, 0.0, None)
        return float((length / self.mean).sum())

    def only(self, chosen: NDArray[np.bool_]) -> PoissonSources:
        """Some of them."""
        return PoissonSources(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def begin(self) -> PoissonTrains:
        """Their spikes, from the first on."""
        return PoissonTrains(self)


def no_sources() -> PoissonSources:
    """None at all."""
    none = np.zeros(0)
    return PoissonSources(np.zeros(0, np.int64), none, none, none, np.zeros(0, np.uint64))


class PoissonTrains:
    """The spikes of Poisson sources in order of time; remembers how far it has come."""

    def __init__(self, sources: PoissonSources) -> None:
        self.sources = sources
        self.stream = sources.key.copy()
        self.next = sources.start.copy()
        _leap(self.next, self.stream, sources.mean)

    def until(self, end: float) -> tuple[IntArray, FloatArray]:
        """Sources and times (ms) of the spikes up to and with ``end``, by time, then source."""
        s = self.sources
        source, time = _draw(s.source, s.mean, s.stop, self.stream, self.next, end)
        order = np.lexsort((source, time))
        return source[order], time[order]


@compiled
def _leap(next_, stream, mean):
    """Move every source to its next spike."""
    for i in range(len(next_)):
        stream[i], u = uniform(stream[i])
        next_[i] -= log(1.0 - u) * mean[i]


@compiled
def _draw(source, mean, stop, stream, next_, end):
    """All spikes up to ``end``, source by source."""
    n = 0
    out_source, out_time = np.empty(1024, np.int64), np.empty(1024)
    for i in range(len(source)):
        while next_[i] <= end and next_[i] < stop[i]:
            if n == len(out_time):
                more_source, more_time = np.empty(2 * n, np.int64), np.empty(2 * n)
                more_source[:n], more_time[:n] = out_source, out_time
                out_source, out_time = more_source, more_time
            out_source[n], out_time[n] = source[i], next_[i]
            n += 1
            stream[i], u = uniform(stream[i])
            next_[i] -= log(1.0 - u) * mean[i]
    return out_source[:n], out_time[:n]
