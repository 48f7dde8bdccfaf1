"""Columns of a table of nodes or types: arrays of numbers, and texts as codes.

Nine million nodes share a few dozen texts: a row holds the number of its text. Reading and running
a circuit needs no more than this; whoever looks at one asks for a pandas table
(:attr:`isocortex.circuit.NodePopulation.table`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray

#: Kinds of arrays that are columns as they are; NaN stands for nothing.
NUMERIC = "iufb"
#: Rows whose texts are objects at one time.
AT_ONCE = 2**18


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A column of texts.

    Attributes
    ----------
    codes : int32[n], index into ``values``, -1 where there is none; int32[n, k] of k texts a row.
    values : the distinct texts. A column that mixes texts with other values has these too.
    """

    codes: NDArray[np.int32]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, values: NDArray[Any] | Sequence[Any]) -> Text:
        """Code texts or bytes, in an array of any shape; None and NaN stand for nothing."""
        array = np.asarray(values)
        if array.dtype.kind == "S" and array.size and array.dtype.itemsize:
            index, names = _of_bytes(array.reshape(-1))
            return cls.named(index.reshape(array.shape), names)
        flat, codes = array.reshape(-1), np.empty(array.size, np.int32)
        number: dict[Any, int] = {}
        for begin in range(0, len(flat), AT_ONCE):
            part = flat[begin : begin + AT_ONCE].tolist()
            for value in dict.fromkeys(part):
                number.setdefault(value, len(number))
            codes[begin : begin + len(part)] = [number[value] for value in part]
        return cls.named(codes.reshape(array.shape), number)

    @classmethod
    def named(cls, index: NDArray[np.integer], names: Iterable[Any]) -> Text:
        """From an index into some names, which may repeat, be bytes, or stand for nothing."""
        texts = [name.decode() if isinstance(name, bytes) else name for name in names]
        found = dict.fromkeys(text for text in texts if not is_missing(text))
        used: list[Any] = sorted(found, key=str)
        number = {text: code for code, text in enumerate(used)}
        renumber = np.array([number.get(text, -1) for text in texts] + [-1], np.int32)
        return cls(renumber[index], tuple(used))

    def __len__(self) -> int:
        return len(self.codes)

    def spread(self, of_values: NDArray[Any], missing: Any) -> NDArray[Any]:
        """What is known of every distinct value, for every row."""
        return np.append(of_values, np.array([missing], of_values.dtype))[self.codes]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """As np.unique, which takes seconds for millions of numbers."""
    ordered = np.sort(values)
    return ordered[np.append(np.ones(min(len(ordered), 1), bool), ordered[1:] != ordered[:-1])]


def _of_bytes(texts: NDArray[np.bytes_]) -> tuple[IntArray, list[bytes]]:
    """Codes of texts of a fixed width and the distinct ones, by words of eight bytes at a time."""
    k = -(-texts.dtype.itemsize // 8)
    first, *more = texts.astype(f"S{8 * k}").view(np.uint64).reshape(-1, k).T
    found = distinct(first)
    names, codes = found[:, None], np.searchsorted(found, first)
    for word in more:
        found = distinct(word)
        codes = codes * len(found) + np.searchsorted(found, word)
        kept = distinct(codes)
        names = np.column_stack([names[kept // len(found)], found[kept % len(found)]])
        codes = np.searchsorted(kept, codes)
    return codes, np.ascontiguousarray(names).view(f"S{8 * k}").reshape(-1).tolist()


Column = NDArray[Any] | Text
Columns = Mapping[str, Column]


def is_missing(value: Any) -> bool:
    """Whether a value stands for nothing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def take(column: Column, rows: IntArray) -> Column:
    """Some rows of a column."""
    return Text(column.codes[rows], column.values) if isinstance(column, Text) else column[rows]


def value_at(column: Column, row: int) -> Any:
    """The value of a row as a plain Python object, None where there is none."""
    if isinstance(column, Text):
        code = column.codes[row]
        return column.values[code] if code >= 0 else None
    value = column[row].item()
    return None if is_missing(value) else value


class Row(Mapping[str, Any]):
    """What columns say of one row, by name, without what it has no value for.

    Several numbers that a file holds as one attribute are columns of their own (``positions_x``,
    ``_y``, ``_z``); by the attribute's name they are together again.
    """

    __slots__ = ("columns", "row")

    def __init__(self, columns: Columns, row: int) -> None:
        self.columns, self.row = columns, row

    def __getitem__(self, name: str) -> Any:
        if name in self.columns:
            value = value_at(self.columns[name], self.row)
        else:
            axes = [f"{name}_{axis}" for axis in "xyz"]
            values = [value_at(self.columns[x], self.row) for x in axes if x in self.columns]
            value = np.array(values) if len(values) == len(axes) else None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        for name in self.columns:
            if value_at(self.columns[name], self.row) is not None:
                yield name
                if name.endswith("_x") and name[:-2] in self:
                    yield name[:-2]

    def __len__(self) -> int:
        return sum(1 for _ in self)


def present(column: Column) -> NDArray[np.bool_]:
    """bool[n], whether a row has a value."""
    return column.codes >= 0 if isinstance(column, Text) else ~np.isnan(column)


def among(column: Column, wanted: Iterable[Any]) -> NDArray[np.bool_]:
    """bool[n], whether the value of a row is one of these."""
    wanted = list(wanted)
    if isinstance(column, Text):
        return column.spread(np.array([value in wanted for value in column.values], bool), False)
    return np.isin(column, [value for value in wanted if isinstance(value, int | float)])


def numbers(column: Column) -> FloatArray:
    """A column as float64[n]: NaN where there is nothing, or a text that is no number."""
    if isinstance(column, Text):
        return column.spread(np.array([_number(v) for v in column.values], np.float64), np.nan)
    return column.astype(np.float64)


def coded(column: Column) -> tuple[IntArray, list[Any]]:
    """Codes of the values in the order in which they appear, -1 for nothing, and these values."""
    codes: NDArray[np.integer]
    if isinstance(column, Text):
        codes, values = column.codes, list(column.values)
    else:
        there = present(column)
        found, inverse = np.unique(column[there], return_inverse=True)
        codes, values = np.full(len(column), -1, np.int32), found.tolist()
        codes[there] = inverse
    first = np.full(len(values) + 1, len(codes))  # and one for -1
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # from the last row on: the first one stays
    first = first[:-1]
    order = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(codes))]
    renumber = np.full(len(values) + 1, -1)
    renumber[order] = np.arange(len(order))
    return renumber[codes], [values[code] for code in order]


def overridden(old: Column | None, rows: IntArray, new: Column, n: int) -> Column:
    """A column of ``n`` rows with other values in some rows; what has no other has the old one."""
    if len(rows) == n:
        return new
    if not isinstance(new, Text) and not isinstance(old, Text):
        column = np.full(n, np.nan) if old is None else old.astype(np.float64)
        column[rows] = new
        return column
    if old is None:
        old = Text(np.full(n, -1, np.int32), ())
    before, after = (c if isinstance(c, Text) else Text.named(*coded(c)) for c in (old, new))
    codes = before.codes.astype(np.int32)
    codes[rows] = np.where(after.codes >= 0, after.codes + len(before.values), -1)
    kept, index = np.unique(codes, return_inverse=True)
    values = [*before.values, *after.values]
    return Text.named(index, [values[code] if code >= 0 else None for code in kept])


def _number(text: Any) -> float:
    try:
        return math.nan if isinstance(text, str) and "_" in text else float(text)
    except (TypeError, ValueError):
        return math.nan
