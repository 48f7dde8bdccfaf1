"""One hash of arrays, numbers and texts and of what holds them: the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def sha256(whole: Any) -> str:
    """64 hexadecimal digits for dataclasses, mappings and tuples of arrays, numbers and texts."""
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
