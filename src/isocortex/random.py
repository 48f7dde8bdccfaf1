"""Counter-based random numbers: a pure function of (seed, what), whoever asks and in any order."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from isocortex.elementary import exp

UInt64 = NDArray[np.uint64]


def _mix(x: UInt64) -> UInt64:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection that scatters bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def name_of(what: str) -> np.uint64:
    """The number that a text stands for."""
    digest = hashlib.blake2b(what.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def keys_after(x: UInt64, *counters: NDArray[np.integer]) -> UInt64:
    """A number for each row of ``x`` and ``counters`` (arrays of equal shape)."""
    for counter in counters:
        x = _mix(x + np.uint64(0x9E3779B97F4A7C15) * (counter.astype(np.uint64) + np.uint64(1)))
    return x


def keys(what: str, *counters: NDArray[np.integer]) -> UInt64:
    """A number for each row of ``counters`` (arrays of equal shape), as good as random."""
    return keys_after(np.full(np.shape(counters[0]), name_of(what), np.uint64), *counters)


def unit(keys: UInt64) -> NDArray[np.float64]:
    """What keys are as numbers in [0, 1)."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


def poisson(mean: float, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64[n], of a Poisson distribution of mean 100 or so what numbers in [0, 1) are."""
    numbers = np.arange(1, int(mean + 12.0 * math.sqrt(mean)) + 20)
    at_most = np.cumsum(np.cumprod(np.r_[exp(-mean), mean / numbers]))
    return np.searchsorted(at_most, u, side="right")


def uniform(seed: int, what: str, *counters: NDArray[np.integer]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one for each row of ``counters`` (arrays of equal shape)."""
    return unit(_mix(keys(f"{seed}:{what}", *counters)))
