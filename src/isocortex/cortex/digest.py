"""One number for everything that a cortex's network follows from.

>>> from isocortex.cortex.model import CortexModel
>>> from isocortex.cortex.recipe import Recipe
>>> len(digest(CortexModel.make(Recipe(scale=0.0005))))
64
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

from isocortex.cells.library import load_cell
from isocortex.cortex.model import CortexModel


def digest(cortex: CortexModel) -> str:
    """SHA-256 of what the network follows from, in hexadecimal.

    Neurons (places, groups, models), columns, rules, weights, the tables that connections are drawn
    from, and the cell models themselves: two cortices have the same digest if and only if they are
    the same network. The files that these were read from do not matter, nor does the machine.
    """
    total = hashlib.sha256()
    whole = {
        "neurons": cortex.neurons,
        "columns": cortex.layout.columns.table,
        "group": cortex.group,
        "model": cortex.model,
        "models": cortex.models,
        "rules": cortex.rules,
        "weight": cortex.weight,
        "axons": cortex.axons,
        "cells": [load_cell(name) for name in cortex.models],
    }
    for name, value in _leaves("", whole):
        total.update(name.encode())
        if isinstance(value, np.ndarray):
            total.update(f"{value.dtype.name}{value.shape}".encode())
            little = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
            total.update(little.reshape(-1).view(np.uint8).data)
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
