"""Streams of counter-based random numbers, for compiled functions, and what is drawn with them.

A stream is one integer; the n-th number of it is a function of that integer and n alone.
"""

from __future__ import annotations

import numpy as np

from isocortex import elementary
from isocortex.compiling import inlined

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@inlined
def mix(x):
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inlined
def stream(key, a, b):
    """Start of the stream of numbers that belongs to ``key`` and two counters."""
    x = mix(np.uint64(key) + GOLDEN * np.uint64(a + 1))
    return mix(x + GOLDEN * np.uint64(b + 1))


@inlined
def uniform(state):
    """The next number in [0, 1) of the stream, and the stream after it."""
    state = state + GOLDEN
    return state, (mix(state) >> np.uint64(11)) * 2.0**-53


exp = inlined(elementary.exp)
log = inlined(elementary.log)


@inlined
def log1p(x):
    """log(1 + x), x > -1 (Kahan): the rounding of 1 + x is taken back."""
    whole = 1.0 + x
    return x if whole == 1.0 else log(whole) * (x / (whole - 1.0))
