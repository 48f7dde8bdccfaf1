"""Node and edge type tables: text with quoted lists and NULLs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.errors import InputError
from isocortex.sonata.tables import read_table


def read_types(path: Path | None, id_column: str) -> pd.DataFrame:
    """Type table indexed by type id; empty where there is no file."""
    if path is None:
        return pd.DataFrame(index=pd.Index([], dtype=np.int64, name=id_column))
    table = read_table(path)
    table.find(id_column)
    ids = table.integers(id_column)
    double = np.flatnonzero(pd.Series(ids).duplicated())
    if len(double):
        raise table.error(int(double[0]), id_column, "appears twice", "Number each type once.")
    frame = table.frame()
    frame[id_column] = ids
    return frame.set_index(id_column)


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
