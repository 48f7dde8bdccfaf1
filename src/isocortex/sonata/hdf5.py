"""Reading HDF5 with errors a user can act on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.circuit import Column, Text
from isocortex.circuit.columns import value_at
from isocortex.errors import InputError

logger = logging.getLogger(__name__)


@contextmanager
def open_h5(path: Path) -> Iterator[h5py.File]:
    """Open for reading; what HDF5 cannot read becomes an InputError that names the file.

    Mistakes of the code that reads are left as they are: only what the HDF5 library itself says of
    a file's contents is an error of the file.
    """
    if not path.is_file():
        raise InputError("file does not exist", file=path, fix="Check the path in the config.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if not isinstance(error, OSError) and not _from_library(error):
            raise
        raise InputError(
            f"not a readable HDF5 file ({str(error).splitlines()[0]})", file=path,
            fix="It may be truncated or of another format; copy or write it again.",
        ) from error  # fmt: skip


def _from_library(error: BaseException) -> bool:
    """Whether an error came from h5py's compiled part, other than for a name that is not there."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    compiled = frame is not None and frame.tb_frame.f_code.co_filename.endswith(".pyx")
    return compiled and "doesn't exist" not in str(error)


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
    if item.dtype.kind not in "iuf" or item.ndim == 0 or max(item.shape) != item.size:
        raise InputError(
            f"expected a one-dimensional array of {kind}, found {item.dtype} {item.shape}",
            file=path, field=field, fix="Write it again with that type.",
        )  # fmt: skip
    if length is not None and item.size != length:
        raise InputError(
            f"has {item.size} entries where {length} are needed", file=path, field=field,
            fix="All datasets of a population must match.",
        )  # fmt: skip
    values = item[()].reshape(-1)  # a row or column, as MATLAB writes every array
    if kind == "int":
        return _whole(values, path, field)
    values = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"row {bad[0]} is {values[bad[0]]}", file=path, field=field, fix="Use finite numbers."
        )
    return values


def _whole(values: NDArray[Any], path: Path, field: str) -> NDArray[np.int64]:
    """Whole numbers as int64; MATLAB writes them as floating-point numbers."""
    if values.dtype.kind == "f":
        good = np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53)
        fix = "Use whole numbers."
    elif values.dtype.kind == "u" and values.dtype.itemsize == 8:
        good, fix = values <= np.iinfo(np.int64).max, "Use numbers below 2^63."
    else:
        return values.astype(np.int64, copy=False)
    bad = np.flatnonzero(~good)
    if len(bad):
        raise InputError(f"row {bad[0]} is {values[bad[0]]}", file=path, field=field, fix=fix)
    return values.astype(np.int64, copy=False)


def text_attribute(item: h5py.HLObject, name: str) -> str | None:
    """An attribute as text, None where there is none.

    MATLAB and the HDF5 tools write an array of one where h5py writes a scalar.
    """
    value = item.attrs.get(name)
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size == 1 else None
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return None if value is None else str(value)


def column(parent: h5py.Group, name: str, path: Path, length: int) -> Column:
    """A dataset of numbers or texts, one for each of ``length`` rows."""
    item = parent.get(name)
    if not isinstance(item, h5py.Dataset) or item.shape != (length,):
        found = "is missing" if item is None else "is no column"
        raise InputError(
            f"{found} of {length} entries", file=path, field=f"{parent.name}/{name}", fix="Add it."
        )
    return _values(item, path)


def has_entries(members: h5py.Group, name: str) -> bool:
    """Whether a group of nodes or edges has values of its own under this name."""
    item = members.get(name)
    return item is not None and (isinstance(item, h5py.Group) or item.ndim > 0) and len(item) > 0


#: The group that holds the names of enumerated attributes.
LIBRARY = "@library"


def attributes(parent: h5py.Group, path: Path, count: int) -> dict[str, Column]:
    """The attributes of a group's members: enumerations as the names they mean.

    A dataset with a namesake in the subgroup ``@library`` holds indices into that list of names; so
    it does with one in the ``@library`` of the population, which is that of all its groups.

    Parameters
    ----------
    count : how many members the group has at least; a row is a vector of one member, or, as MATLAB
        may write them, a number of each of several.

    Returns
    -------
    Columns of one entry per member, [n], or of several, [n, k].
    """
    columns: dict[str, Column] = {}
    libraries = [each.get(LIBRARY) for each in (parent, parent.parent)]
    for name, item in parent.items():
        if not isinstance(item, h5py.Dataset):
            continue
        if item.ndim == 0:
            logger.warning(
                "%s: %s/%s is a single value, not one per member of the group, and is left out",
                path, parent.name, name,
            )  # fmt: skip
            continue
        columns[name] = _values(item, path, count)
        named = [each.get(name) for each in libraries if isinstance(each, h5py.Group)]
        names = next((each for each in named if isinstance(each, h5py.Dataset)), None)
        if names is not None:
            columns[name] = _decoded(columns[name], names, path, f"{parent.name}/{name}")
        entries = columns[name]
        shape = entries.codes.shape if isinstance(entries, Text) else entries.shape
        if len(shape) > 2:
            raise InputError(
                f"expected one row per member of the group, found {item.shape}", file=path,
                field=f"{parent.name}/{name}", fix="Write one number or one row for each.",
            )  # fmt: skip
    lengths = {len(c) for c in columns.values()}
    if len(lengths) > 1:
        raise InputError(
            f"attributes differ in length: {sorted(lengths)}", file=path, field=parent.name,
            fix="Each must have one entry per member of the group.",
        )  # fmt: skip
    return columns


def _values(item: h5py.Dataset, path: Path, count: int = 0) -> Column:
    """A dataset; strings are decoded."""
    if item.dtype.kind not in "OS" or h5py.check_string_dtype(item.dtype) is None:
        return _per_member(item[()], count)
    try:
        values = item[()] if item.dtype.kind == "S" else item.asstr()[()]
        return Text.of(_per_member(values, count))
    except UnicodeDecodeError as error:
        raise InputError(
            f"not text ({error})", file=path, field=item.name,
            fix="Write it again as UTF-8 strings.",
        ) from error  # fmt: skip


def _per_member(values: Any, count: int) -> NDArray[Any]:
    """A row or a column as one entry per member, unless it is the vector of a single member."""
    array = np.atleast_1d(values)
    if max(array.shape) != array.size or (count == 1 == len(array) < array.size):
        return array
    return array.reshape(-1)


def _decoded(index: Column, library: h5py.Dataset, path: Path, field: str) -> Text:
    """The names that an enumerated attribute means."""
    values = _values(library, path)
    names = [value_at(values, row) for row in range(len(values))]
    bad = np.zeros(1, int)
    if not isinstance(index, Text) and index.ndim == 1 and index.dtype.kind in "iuf":
        # MATLAB writes floating-point numbers
        inside = (index >= 0) & (index < len(names)) & (index == np.floor(index))
        bad = np.flatnonzero(~inside)
    if isinstance(index, Text) or len(bad):
        raise InputError(
            f"entry {bad[0]} is not an index into the {len(names)} names of {LIBRARY}",
            file=path, field=field, fix="Write indices from 0, or the names themselves.",
        )  # fmt: skip
    return Text.named(index.astype(np.int64), names)
