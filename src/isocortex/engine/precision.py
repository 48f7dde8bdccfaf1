"""The precisions a network can be advanced in: what is computed with, what is kept of synapses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isocortex.errors import ConfigError
from isocortex.targets.half import has_halves


class Precision(NamedTuple):
    """Types of numbers: of voltages, channels and all arithmetic; of the terms of conductances."""

    real: np.dtype
    term: np.dtype


_HALF, _SINGLE, _DOUBLE = (np.dtype(t) for t in (np.float16, np.float32, np.float64))
PRECISIONS = {
    "double": Precision(_DOUBLE, _DOUBLE),
    "single": Precision(_SINGLE, _SINGLE),
    "mixed": Precision(_SINGLE, _HALF),
}


def in_half(name: str) -> bool:
    """Whether synapses' terms are halves in this precision."""
    return PRECISIONS[name].term == _HALF


def available() -> list[str]:
    """Names of the precisions that the processor has instructions for."""
    return [name for name in PRECISIONS if has_halves() or not in_half(name)]


def require_precision(name: str) -> Precision:
    """The precision of this name.

    Raises
    ------
    ConfigError : there is none, or the processor has no instructions for it.
    """
    if name not in PRECISIONS:
        raise ConfigError(
            f"unknown precision {name!r}",
            field="precision", fix=f"Use one of {', '.join(PRECISIONS)}.",
        )  # fmt: skip
    if name not in available():
        raise ConfigError(
            "the processor that is compiled for cannot convert half precision (F16C)",
            field="precision", fix="Use single precision.",
        )  # fmt: skip
    return PRECISIONS[name]
