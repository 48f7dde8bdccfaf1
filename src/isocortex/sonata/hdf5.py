"""Reading HDF5 with errors a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.errors import InputError


@contextmanager
def open_h5(path: Path) -> Iterator[h5py.File]:
    """Open for reading; whatever HDF5 dislikes becomes an InputError that names the file."""
    if not path.is_file():
        raise InputError("file does not exist", file=path, fix="Check the path in the config.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise InputError(
            f"not a readable HDF5 file ({str(error).splitlines()[0]})", file=path,
            fix="It may be truncated or of another format; copy or write it again.",
        ) from error  # fmt: skip


def group(parent: h5py.Group, name: str, path: Path) -> h5py.Group:
    """A subgroup that must be there."""
    item = parent.get(name)
    if not isinstance(item, h5py.Group):
        there = ", ".join(parent) or "nothing"
        raise InputError(
            "group is missing", file=path, field=f"{parent.name}/{name}".replace("//", "/"),
            fix=f"{parent.name} holds {there}.",
        )  # fmt: skip
    return item


def array(
    parent: h5py.Group, name: str, path: Path, kind: str, length: int | None = None
) -> NDArray[Any]:
    """A one-dimensional dataset of numbers: ``kind`` "int" gives int64, "float" float64."""
    field = f"{parent.name}/{name}"
    item = parent.get(name)
    if not isinstance(item, h5py.Dataset):
        raise InputError("dataset is missing", file=path, field=field, fix="Add it.")
    if item.ndim != 1 or item.dtype.kind not in ("iu" if kind == "int" else "iuf"):
        raise InputError(
            f"expected a one-dimensional array of {kind}, found {item.dtype} {item.shape}",
            file=path, field=field, fix="Write it again with that type.",
        )  # fmt: skip
    if length is not None and len(item) != length:
        raise InputError(
            f"has {len(item)} entries where {length} are needed", file=path, field=field,
            fix="All datasets of a population must match.",
        )  # fmt: skip
    values = item[()]
    if kind == "int":
        if values.dtype.kind == "u" and len(values) and values.max() > np.iinfo(np.int64).max:
            raise InputError("a number is out of range", file=path, field=field)
        return values.astype(np.int64)
    values = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"row {bad[0]} is {values[bad[0]]}", file=path, field=field, fix="Use finite numbers."
        )
    return values


def attributes(parent: h5py.Group, path: Path) -> dict[str, NDArray[Any]]:
    """All one-dimensional datasets of a group, strings decoded."""
    columns: dict[str, NDArray[Any]] = {}
    for name, item in parent.items():
        if not isinstance(item, h5py.Dataset) or item.ndim == 0:
            continue
        if item.dtype.kind in "OS":
            try:
                text = h5py.check_string_dtype(item.dtype) is not None
                columns[name] = item.asstr()[()] if text else item[()]
            except UnicodeDecodeError as error:
                raise InputError(
                    f"not text ({error})", file=path, field=f"{parent.name}/{name}",
                    fix="Write it again as UTF-8 strings.",
                ) from error  # fmt: skip
        else:
            columns[name] = item[()]
    lengths = {len(c) for c in columns.values()}
    if len(lengths) > 1:
        raise InputError(
            f"attributes differ in length: {sorted(lengths)}", file=path, field=parent.name,
            fix="Each must have one entry per member of the group.",
        )  # fmt: skip
    return columns
