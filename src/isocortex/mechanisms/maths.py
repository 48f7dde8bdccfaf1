"""The functions rate equations are written with.

Here they are plain NumPy, for reading, plotting, testing and the reference engine. Compiled
kernels see the same names on the SIMD type (:mod:`isocortex.targets.simd`).
"""

from __future__ import annotations

import numpy as np


def exp(x):
    """Exponential."""
    return np.exp(x)


def log(x):
    """Natural logarithm of a positive number."""
    return np.log(x)


def absolute(x):
    """Absolute value."""
    return np.abs(x)


def where(condition, a, b):
    """``a`` where the condition holds, else ``b``; both are evaluated."""
    return np.where(condition, a, b)


def exprelr(x):
    r"""x / (exp(x) - 1), continued through x = 0 by its Taylor series.

    NEURON's ``vtrap(x, y)`` is ``y * exprelr(x / y)``. The series is used for \\|x\\| < 0.03, where
    its error is below 1e-18 and the quotient would lose digits.
    """
    x2 = x * x
    series = 1.0 - x * 0.5 + x2 * (1.0 / 12.0 - x2 * (1.0 / 720.0 - x2 * (1.0 / 30240.0)))
    small = absolute(x) < 0.03
    return where(small, series, x / (exp(where(small, 1.0, x)) - 1.0))
