"""What a cortex model came out as, in a few hashes: two with the same ones are the same network.

>>> from isocortex.cortex.model import CortexModel
>>> from isocortex.cortex.recipe import Recipe
>>> len(digest(CortexModel.make(Recipe(scale=0.0005))))
64
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from isocortex.cells.library import load_cell

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel


def digests(cortex: CortexModel, weight: np.ndarray | None = None) -> dict[str, str]:
    """SHA-256 of every part of a model that its network follows from, in hexadecimal.

    The files that the parts were read from do not matter, nor does the machine: a change that
    changes nothing is none.

    Parameters
    ----------
    weight : float32[rules, models], uS, in place of the model's own.
    """
    axons = cortex.axons
    parts = {
        "neurons": (cortex.neurons, cortex.group, cortex.layout.columns.table),
        "cell models": (cortex.models, cortex.model, [load_cell(m) for m in cortex.models]),
        "connections": (axons.keys, axons.places, axons.rules, axons.projections),
        "places of synapses": axons.sites,
        "kinetics and weights": (cortex.rules, cortex.weight if weight is None else weight),
    }
    return {name: _hash(value) for name, value in parts.items()}


def digest(cortex: CortexModel) -> str:
    """One SHA-256 for all of :func:`digests`."""
    return _hash(digests(cortex))


def _hash(whole: Any) -> str:
    total = hashlib.sha256()
    for name, value in _leaves("", whole):
        total.update(name.encode())
        if isinstance(value, np.ndarray):
            total.update(f"{value.dtype.name}{value.shape}".encode())
            little = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
            total.update(little.data.cast("B") if little.size else b"")
        else:
            total.update(repr(value).encode())
        total.update(b"\n")
    return total.hexdigest()


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every array, number and string in ``value`` with the way to it, in a fixed order."""
    if isinstance(value, pd.DataFrame):
        value = {str(column): value[column] for column in value}
    if isinstance(value, pd.Series):
        value = value.to_numpy() if value.dtype.kind in "iufb" else value.tolist()
    if isinstance(value, np.ndarray):
        yield name, value
    elif is_dataclass(value):
        for item in fields(value):
            yield from _leaves(f"{name}.{item.name}", getattr(value, item.name))
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _leaves(f"{name}.{key}", value[key])
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for key in value._fields:
            yield from _leaves(f"{name}.{key}", getattr(value, key))
    elif isinstance(value, (list, tuple)):
        yield name, len(value)
        for number, item in enumerate(value):
            yield from _leaves(f"{name}.{number}", item)
    else:
        yield name, value.item() if isinstance(value, np.generic) else value
