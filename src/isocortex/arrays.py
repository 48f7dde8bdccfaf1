"""Types of arrays, as signatures name them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def compact(weight: FloatArray) -> NDArray[np.floating]:
    """In single precision if that loses nothing, as for the weights of most files."""
    single = weight.astype(np.float32)
    return single if (single == weight).all() else weight
