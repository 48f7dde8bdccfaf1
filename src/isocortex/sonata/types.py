"""Node and edge type tables: text with quoted lists and NULLs."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Columns
from isocortex.circuit.columns import numbers, present, value_at
from isocortex.errors import InputError
from isocortex.sonata.tables import read_table


@dataclass(frozen=True)
class Types:
    """A table of types.

    Attributes
    ----------
    ids : int64[types].
    columns : every other column, a row per type.
    file : where it was read from, None where there is no file and so no type.
    """

    ids: IntArray
    columns: Columns
    file: Path | None

    def rows_of(self, type_ids: NDArray[np.integer]) -> IntArray:
        """Row of every type id, -1 where there is none."""
        if not len(self.ids):
            return np.full(len(type_ids), -1)
        order = np.argsort(self.ids)
        at = np.minimum(np.searchsorted(self.ids[order], type_ids), len(order) - 1)
        rows = order[at]
        return np.where(self.ids[rows] == type_ids, rows, -1)

    def row(self, type_id: int) -> dict[str, Any]:
        """What a type says, by name, without what it has no value for."""
        at = int(self.rows_of(np.array([type_id]))[0])
        values = {name: value_at(column, at) for name, column in self.columns.items() if at >= 0}
        return {name: value for name, value in values.items() if value is not None}

    def rows_in(self, type_ids: IntArray, file: Path, field: str) -> IntArray:
        """As :meth:`rows_of`: every id that ``file`` has must have a row, if there is a table."""
        rows = self.rows_of(type_ids)
        if self.file is not None and rows.min(initial=0) < 0:
            row = int(np.flatnonzero(rows < 0)[0])
            raise InputError(
                f"row {row} has type {type_ids[row]}, which the types file does not have",
                file=file, field=field, fix="Add the type or mend the id.",
            )  # fmt: skip
        return rows

    def numbers(self, name: str) -> FloatArray:
        """A column of numbers, NaN where it has none."""
        column = self.columns[name]
        values = numbers(column)
        bad = np.flatnonzero(present(column) & ~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"type {self.ids[bad[0]]} has {value_at(column, int(bad[0]))!r} where a number is "
                "needed", file=self.file, field=name, fix="Use a number or NULL.",
            )  # fmt: skip
        return values


def read_types(path: Path | None, id_column: str) -> Types:
    """The table of types of a file; empty where there is no file."""
    if path is None:
        return Types(np.zeros(0, np.int64), {}, None)
    table = read_table(path)
    table.find(id_column)
    ids = table.integers(id_column)
    _, first = np.unique(ids, return_index=True)
    double = np.setdiff1d(np.arange(len(ids)), first)
    if len(double):
        raise table.error(int(double[0]), id_column, "appears twice", "Number each type once.")
    columns = {name: table.typed(name) for name in table.columns if name != id_column}
    return Types(ids, columns, path)


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
