"""The factors of nodes that never change, as the kernels would compute them at every step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.compiling import compiled
from isocortex.engine import cable
from isocortex.targets import simd

invert = simd.jit(cable.invert)


class Bare(NamedTuple):
    """A model without channels and synapses: its words and numbers, see cable.py."""

    node: IntArray
    coefficient: np.ndarray


@compiled
def _invert(D, inverse, n, lanes, model):
    invert(D, inverse, n, lanes, model)


def inverses(word: IntArray, coefficient: NDArray[np.floating]) -> np.ndarray:
    """1 / d of every node of a model, in the precision of its numbers.

    Parameters
    ----------
    word : int64[n_nodes], where branches meet.
    coefficient : float[n_nodes * COEFFICIENTS].
    """
    n, lanes = len(word), simd.lanes(coefficient.dtype)
    inverse = np.empty(n * lanes, coefficient.dtype)
    _invert(np.zeros_like(inverse), inverse, n, lanes, Bare(word, coefficient))
    return inverse[::lanes]
