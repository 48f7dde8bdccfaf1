"""Node and edge type tables: space-separated CSV with quoted lists and NULLs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.errors import InputError

NULLS = ["NULL", "NONE", "None", "null", "none", "NaN", "nan", ""]


def read_types(path: Path | None, id_column: str) -> pd.DataFrame:
    """Type table indexed by type id; empty where there is no file."""
    if path is None:
        return pd.DataFrame(index=pd.Index([], dtype=np.int64, name=id_column))
    if not path.is_file():
        raise InputError("file does not exist", file=path, fix="Check the path in the config.")
    try:
        table = pd.read_csv(path, sep=" ", na_values=NULLS, keep_default_na=False)
    except (ValueError, OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(
            f"not a readable table ({error})", file=path, fix="Separate columns by one space."
        ) from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(
            "rows have more entries than the first line names", file=path,
            fix="Quote entries that contain spaces, and end no line with one.",
        )  # fmt: skip
    if id_column not in table:
        raise InputError(
            f"no column {id_column}", file=path, fix="The first line must name the columns."
        )
    ids = pd.to_numeric(table[id_column], errors="coerce")
    if ids.isna().any() or (ids % 1 != 0).any() or (ids.abs() >= 2**62).any():
        raise InputError("ids must be integers", file=path, field=id_column)
    if ids.duplicated().any():
        raise InputError(f"id {ids[ids.duplicated()].iloc[0]:g} appears twice", file=path,
                         field=id_column)  # fmt: skip
    table[id_column] = ids.astype(np.int64)
    return table.set_index(id_column)


def check_type_ids(ids: np.ndarray, types: pd.DataFrame, file: Path, field: str) -> None:
    """Every id must have a row in its type table."""
    missing = ~np.isin(ids, types.index.to_numpy())
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise InputError(
            f"row {row} has type {ids[row]}, which the types file does not have",
            file=file, field=field, fix="Add the type or mend the id.",
        )  # fmt: skip


def numbers(types: pd.DataFrame, name: str, file: Path | None) -> NDArray[np.float64]:
    """A column of numbers, NaN where it has none."""
    column = types[name]
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(column.notna().to_numpy() & ~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"type {types.index[bad[0]]} has {column.iloc[bad[0]]!r} where a number is needed",
            file=file, field=name, fix="Use a number or NULL.",
        )  # fmt: skip
    return values


def parse_list(value: Any) -> list[Any] | None:
    """A list that may be written as a quoted string, e.g. "['basal', 'apical']"."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = [value]
    return list(value) if isinstance(value, list | tuple) else [value]
