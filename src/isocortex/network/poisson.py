"""Poisson sources: what each sends is drawn while the simulation runs, and never stored as a whole.

The n-th spike of a source is a function of its key and n alone, so nothing depends on who asks, in
which pieces, or on which thread. Where rates fluctuate, trains of twice the rate are thinned (Lewis
& Shedler 1979, doi:10.1002/nav.3800260304); the courses that thin them are functions of their keys
and of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit.signals import CHUNK, Drawn, Noise, OrnsteinUhlenbeck
from isocortex.compiling import compiled
from isocortex.streams import log, uniform

#: ms, for which a fluctuating rate holds, and the most that it is over its mean.
SAMPLE, MOST = 2.0, 2.0


@dataclass(frozen=True)
class PoissonSources:
    """Sources that spike at random.

    Attributes
    ----------
    source : int64[n], number of the source; one may be there several times.
    mean : float64[n], ms between spikes, infinite for none.
    start, stop : float64[n], ms.
    key : uint64[n], start of the stream of random numbers.
    sigma, tau, course : float64[n], float64[n] and uint64[n], how rates fluctuate, see
        :class:`isocortex.circuit.Fluctuation`; sigma is 0 where they do not.
    """

    source: IntArray
    mean: FloatArray
    start: FloatArray
    stop: FloatArray
    key: NDArray[np.uint64]
    sigma: FloatArray
    tau: FloatArray
    course: NDArray[np.uint64]

    @classmethod
    def steady(
        cls, source: IntArray, mean: FloatArray, start: FloatArray, stop: FloatArray,
        key: NDArray[np.uint64],
    ) -> PoissonSources:  # fmt: skip
        """Of constant rates."""
        none = np.zeros(len(source))
        return cls(source, mean, start, stop, key, none, none, np.zeros(len(source), np.uint64))

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
    return PoissonSources.steady(np.zeros(0, np.int64), none, none, none, np.zeros(0, np.uint64))


class PoissonTrains:
    """The spikes of Poisson sources in order of time; remembers how far it has come."""

    def __init__(self, sources: PoissonSources) -> None:
        self.sources = sources
        self.stream = sources.key.copy()
        self.next = sources.start.copy()
        courses = np.column_stack(
            [sources.course, *(a.view(np.uint64) for a in (sources.sigma, sources.tau))]
        )
        fluctuating = sources.sigma > 0
        distinct, of = np.unique(courses[fluctuating], axis=0, return_inverse=True)
        self.of = np.full(len(sources), -1)
        self.of[fluctuating] = of.ravel()
        self.courses = [
            Drawn(Noise(OrnsteinUhlenbeck(0.0, sigma, tau), 0.0, np.inf, SAMPLE, 0), key)
            for key, (sigma, tau) in zip(
                distinct[:, 0], distinct[:, 1:].view(np.float64), strict=True
            )
        ]
        self.chunk, self.accept = -1, np.ones((0, CHUNK))
        self.mean = np.where(fluctuating, sources.mean / MOST, sources.mean)
        _leap(self.next, self.stream, self.mean)

    def until(self, end: float) -> tuple[IntArray, FloatArray]:
        """Sources and times (ms) of the spikes up to and with ``end``, by time, then source."""
        trains = (self.sources.source, self.mean, self.sources.stop, self.stream, self.next)
        found = [
            _draw(trains, last, self.of, self.accept, self.chunk * CHUNK)
            for last in self._ends(end)
        ]
        source, time = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((source, time))
        return source[order], time[order]

    def _ends(self, end: float) -> Iterator[float]:
        """Of the chunks of the courses up to ``end``, in which rates are at hand then."""
        waiting = self.next[(self.of >= 0) & (self.next < self.sources.stop)]
        span, first = CHUNK * SAMPLE, waiting.min(initial=np.inf)
        if first <= end:
            for number in range(int(first // span), int(end // span)):
                self._have(number)
                yield float(np.nextafter((number + 1) * span, 0.0))
            self._have(int(end // span))
        yield end

    def _have(self, chunk: int) -> None:
        """Make the chances with which a spike of the trains is one."""
        if chunk != self.chunk:
            rates = np.array([1.0 + course.chunk(chunk) for course in self.courses])
            self.chunk, self.accept = chunk, np.clip(rates, 0.0, MOST) / MOST


@compiled
def _leap(next_, stream, mean):
    """Move every source to its next spike."""
    for i in range(len(next_)):
        stream[i], u = uniform(stream[i])
        next_[i] -= log(1.0 - u) * mean[i]


@compiled
def _draw(trains, end, of, accept, first):
    """All spikes up to ``end``, source by source; samples of ``accept`` are from ``first`` on."""
    source, mean, stop, stream, next_ = trains
    n = 0
    out_source, out_time = np.empty(1024, np.int64), np.empty(1024)
    for i in range(len(source)):
        while next_[i] <= end and next_[i] < stop[i]:
            chance, place = 1.0, 0.0
            if of[i] >= 0:
                stream[i], place = uniform(stream[i])
                chance = accept[of[i], int(next_[i] / SAMPLE) - first]
            if place < chance:
                if n == len(out_time):
                    more_source, more_time = np.empty(2 * n, np.int64), np.empty(2 * n)
                    more_source[:n], more_time[:n] = out_source, out_time
                    out_source, out_time = more_source, more_time
                out_source[n], out_time[n] = source[i], next_[i]
                n += 1
            stream[i], u = uniform(stream[i])
            next_[i] -= log(1.0 - u) * mean[i]
    return out_source[:n], out_time[:n]
