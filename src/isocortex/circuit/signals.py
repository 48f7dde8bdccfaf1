"""Courses in time of what electrodes inject: given ones, and random ones that are drawn.

A course is called with times (ms, the middles of steps) and returns its value then: nA, or uS for
a conductance, or mV for the voltage that one pulls to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.elementary import circle, exp, log
from isocortex.random import keys_after, poisson, unit

#: Samples of a random course that are drawn together.
CHUNK = 1024
#: ms that each sample of a random course holds for, where nothing is said.
SAMPLE = 0.25
#: Hz times ms: events of a sample of shot noise, a thousand times.
MOST_EVENTS = 1e5
#: What random numbers of a sample are for.
NORMAL, COUNT, SIZE = range(3)

Course = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Pulses:
    """Rectangles: ``amp[i]`` for ``delay[i] <= t < delay[i] + duration[i]`` (ms)."""

    amp: FloatArray
    delay: FloatArray
    duration: FloatArray

    def __call__(self, t: FloatArray) -> FloatArray:
        total = np.zeros_like(t)
        for amp, delay, duration in zip(self.amp, self.delay, self.duration, strict=True):
            total += np.where(_inside(t, delay, duration), amp, 0.0)
        return total


def held(value: float, delay: float, duration: float) -> Pulses:
    """A value from a time on and for so long."""
    return Pulses(np.array([value]), np.array([delay]), np.array([duration]))


@dataclass(frozen=True)
class Waveform:
    """Samples: ``amps[i]`` from ``times[i]`` ms until the next one; 0 before.

    A sample acts in the steps whose middle is not before it, to the last bit, as in NEURON, and as
    pulses do.
    """

    times: FloatArray
    amps: FloatArray

    def __call__(self, t: FloatArray) -> FloatArray:
        i = np.searchsorted(self.times, t, side="right") - 1
        return np.where(i >= 0, self.amps[np.maximum(i, 0)], 0.0)


@dataclass(frozen=True)
class Ramp:
    """A straight line from ``first`` at ``delay`` to ``last`` at its end; 0 outside."""

    first: float
    last: float
    delay: float
    duration: float

    def __call__(self, t: FloatArray) -> FloatArray:
        inside = _inside(t, self.delay, self.duration)
        part = (t - self.delay) / self.duration if self.duration else np.zeros_like(t)
        return np.where(inside, self.first + (self.last - self.first) * part, 0.0)


@dataclass(frozen=True)
class Train:
    """Pulses of ``width`` ms that begin every ``interval`` ms from ``delay`` on; 0 outside."""

    amp: float
    width: float
    interval: float
    delay: float
    duration: float

    def __call__(self, t: FloatArray) -> FloatArray:
        since = t - self.delay
        phase = since - self.interval * np.floor(since / self.interval)
        inside = _inside(t, self.delay, self.duration)
        return np.where(inside & (phase < self.width), self.amp, 0.0)


@dataclass(frozen=True)
class Sine:
    """``amp`` times the sine of ``frequency`` (Hz) that begins at ``delay``; 0 outside."""

    amp: float
    frequency: float
    delay: float
    duration: float

    def __call__(self, t: FloatArray) -> FloatArray:
        inside = _inside(t, self.delay, self.duration)
        sine = circle(1e-3 * self.frequency * (t - self.delay))[1]
        return np.where(inside, self.amp * sine, 0.0)


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """Gaussian noise that forgets with a time constant (Uhlenbeck & Ornstein 1930).

    It begins in its stationary distribution; from sample to sample it is exact (Gillespie 1996).

    Attributes
    ----------
    mean, sigma : of its stationary distribution.
    tau : correlation time, ms; 0 for independent samples.
    """

    mean: float
    sigma: float
    tau: float

    def chunk(self, key: np.uint64, number: int, state: State, dt: float) -> Chunk:
        keep = float(exp(-dt / self.tau)) if self.tau > 0 else 0.0
        pair = number * (CHUNK // 2) + np.arange(CHUNK // 2)
        noise = self.sigma * np.stack(_normal(_keys(key, pair, NORMAL)), axis=1).ravel()
        changes = noise[1:] if number == 0 else noise  # the first of all is where it begins
        changes *= math.sqrt(1.0 - keep * keep)
        away = _decaying(noise, keep, state.one)
        return Chunk(self.mean + away, State(float(away[-1])))


@dataclass(frozen=True)
class ShotNoise:
    """Poisson events of random size that rise and decay, each peaking at its size.

    Attributes
    ----------
    rise, decay : time constants, ms.
    rate : of events, Hz.
    mean, variance : of the sizes, which have a gamma distribution.
    """

    rise: float
    decay: float
    rate: float
    mean: float
    variance: float

    def chunk(self, key: np.uint64, number: int, state: State, dt: float) -> Chunk:
        sizes = self._sizes(key, _samples(number), dt)
        slow = _decaying(sizes, float(exp(-dt / self.decay)), state.one)
        fast = _decaying(sizes, float(exp(-dt / self.rise)), state.other)
        return Chunk(self._scale() * (slow - fast), State(float(slow[-1]), float(fast[-1])))

    def _scale(self) -> float:
        """What an event of size 1 is to be multiplied by to peak at 1."""
        rise, decay = self.rise, self.decay
        peak = rise * decay / (decay - rise) * float(log(decay / rise))
        return 1.0 / float(exp(-peak / decay) - exp(-peak / rise))

    def _sizes(self, key: np.uint64, sample: IntArray, dt: float) -> FloatArray:
        """The sum of the sizes of the events of every sample."""
        count = poisson(1e-3 * self.rate * dt, unit(_keys(key, sample, COUNT)))
        if self.variance == 0:
            return self.mean * count.astype(np.float64)
        sizes = np.zeros(len(sample))
        there = np.flatnonzero(count)
        each = self.mean * self.mean / self.variance  # sums of gamma distributed numbers are, too
        sizes[there] = _gamma(each * count[there].astype(float), _keys(key, sample[there], SIZE))
        return self.variance / self.mean * sizes


@dataclass(frozen=True)
class Noise:
    """A random course, each cell's own; each of its samples holds for ``dt``.

    Attributes
    ----------
    delay, duration : when it begins and how long it lasts, ms; it is 0 outside.
    seed : what random numbers are named by, beside the input and the cell.
    """

    process: OrnsteinUhlenbeck | ShotNoise
    delay: float
    duration: float
    dt: float
    seed: int


Signal = Pulses | Waveform | Ramp | Train | Sine | Noise


class State(NamedTuple):
    """What a random course stands at between two chunks."""

    one: float = 0.0
    other: float = 0.0


class Chunk(NamedTuple):
    """Samples that follow each other, and what comes of them."""

    values: FloatArray
    after: State


@dataclass(frozen=True)
class Drawn:
    """A random course at one place, drawn chunk by chunk: the same whatever times are asked for.

    Attributes
    ----------
    key : names its random numbers.
    least : what is below counts as this: there are no conductances below 0.
    """

    noise: Noise
    key: np.uint64
    least: float = -np.inf

    def __post_init__(self) -> None:
        # no fields: they follow from the others
        object.__setattr__(self, "_before", [State()])
        object.__setattr__(self, "_last", (-1, np.zeros(0)))

    def __call__(self, t: FloatArray) -> FloatArray:
        values = np.zeros(len(t))
        noise = self.noise
        for number, at, sample in _timing(noise.delay, noise.duration, noise.dt).of(t):
            values[at] = self.chunk(number)[sample]
        return values

    def chunk(self, number: int) -> FloatArray:
        """float64[``CHUNK``], samples of the course from its beginning on."""
        before: list[State] = self._before  # type: ignore[attr-defined]
        last: tuple[int, FloatArray] = self._last  # type: ignore[attr-defined]
        if last[0] == number:
            return last[1]
        for k in range(min(number, len(before) - 1), number + 1):
            values, after = self.noise.process.chunk(self.key, k, before[k], self.noise.dt)
            if k + 1 == len(before):
                before.append(after)
        values = np.maximum(values, self.least)
        object.__setattr__(self, "_last", (number, values))
        return values


class _Timing:
    """Which samples of a course some times are: courses of many cells are asked for the same."""

    def __init__(self, delay: float, duration: float, dt: float) -> None:
        self.delay, self.duration, self.dt = delay, duration, dt
        self.last: tuple[FloatArray, list[tuple[int, IntArray, IntArray]]] = (np.zeros(0), [])

    def of(self, t: FloatArray) -> list[tuple[int, IntArray, IntArray]]:
        """By chunk its number, which of the times are in it, and which of its samples."""
        asked, told = self.last  # at once: other threads may ask, too
        if not np.array_equal(t, asked):
            inside = np.flatnonzero(_inside(t, self.delay, self.duration))
            sample = np.floor((t[inside] - self.delay) / self.dt + 1e-9).astype(np.int64)
            chunk = sample // CHUNK
            told = [
                (number, inside[chunk == number], sample[chunk == number] % CHUNK)
                for number in np.unique(chunk).tolist()
            ]
            self.last = (t.copy(), told)
        return told


_timing = lru_cache(maxsize=256)(_Timing)


def _inside(t: FloatArray, delay: float, duration: float) -> NDArray[np.bool_]:
    """Whether times are of a stretch that ``delay`` begins."""
    return (t >= delay) & (t < delay + duration)


def _samples(chunk: int) -> IntArray:
    """The numbers of its samples."""
    return chunk * CHUNK + np.arange(CHUNK)


def _decaying(added: FloatArray, keep: float, before: float) -> FloatArray:
    """float64[n], x of every sample: ``keep`` times the x before it, and what is added."""
    following = accumulate(added.tolist(), lambda x, new: keep * x + new, initial=before)
    return np.array(list(following)[1:])


def _keys(key: np.uint64, sample: IntArray, use: int) -> NDArray[np.uint64]:
    return keys_after(np.full(len(sample), key, np.uint64), sample, np.full(len(sample), use))


def _normal(keys: NDArray[np.uint64]) -> tuple[FloatArray, FloatArray]:
    """Two numbers of the standard normal distribution for each key (Box & Muller 1958)."""
    first, second = (unit(keys_after(keys, np.full(len(keys), k))) for k in range(2))
    size, (across, up) = np.sqrt(-2.0 * log(1.0 - first)), circle(second)
    return size * across, size * up


def _gamma(shape: FloatArray, keys: NDArray[np.uint64]) -> FloatArray:
    """Of gamma distributions of scale 1, one for each shape (Marsaglia & Tsang 2000)."""
    d = np.where(shape < 1, shape + 1, shape) - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    found = np.zeros(len(shape))
    open_ones, trial = np.arange(len(shape)), 1
    while len(open_ones):
        of = keys_after(keys[open_ones], np.full(len(open_ones), trial))
        x = _normal(of)[0]
        root = 1.0 + c[open_ones] * x
        v = root * root * root
        u = 1.0 - unit(keys_after(of, np.full(len(of), 2)))
        size = d[open_ones]
        bound = 0.5 * x * x + size - size * v + size * log(np.where(v > 0, v, 1.0))
        taken = (v > 0) & (log(u) < bound)
        found[open_ones[taken]] = (size * v)[taken]
        open_ones, trial = open_ones[~taken], trial + 1
    small = shape < 1
    u = 1.0 - unit(keys_after(keys[small], np.zeros(int(small.sum()), np.int64)))
    found[small] *= exp(log(u) / shape[small])
    return found
