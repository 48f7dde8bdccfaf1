"""Text tables: one reader for spikes, types and waveforms, whatever separates their columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Column, Text
from isocortex.errors import InputError
from isocortex.text import read_text

#: What may separate columns, in the order in which the first line is searched for it.
SEPARATORS = ("\t", ";", ",", " ")
SEPARATOR_NAMES = {"\t": "a tab", ";": "a semicolon", ",": "a comma", " ": "a space"}
#: What stands for nothing.
NULLS = ["NULL", "NONE", "None", "null", "none", "NaN", "nan", ""]
#: What a number looks like. Python's own conversion also takes 1_000 and other spellings of NaN.
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
DECIMAL = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE)
BOOLEANS = {word: word[0] in "Tt" for word in ("True", "TRUE", "true", "False", "FALSE", "false")}


@dataclass(frozen=True)
class Table:
    """A text table: entries as they stand in the file, and the line of each row."""

    path: Path
    columns: dict[str, list[str]]
    lines: IntArray

    def __len__(self) -> int:
        return len(self.lines)

    def find(self, *names: str, fix: str = "") -> str:
        """The first of these columns that the table has; ``fix`` is another way to mend it."""
        for name in names:
            if name in self.columns:
                return name
        raise InputError(
            f"has no column {names[0]!r}", file=self.path, field="line 1",
            fix=f"The first line must name the columns; it has {', '.join(self.columns)}. {fix}",
        )  # fmt: skip

    def numbers(self, name: str) -> FloatArray:
        """A column of finite numbers."""
        values = self._floats(name)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise self.error(int(bad[0]), name, "is not a finite number", "Use a decimal point.")
        return values

    def _floats(self, name: str) -> FloatArray:
        """A column as numbers, NaN where an entry is none."""
        entries = self.columns[name]
        try:
            if not any("_" in entry for entry in entries):
                return np.array(entries, np.float64)
        except ValueError:
            pass
        return np.array([_number(entry) for entry in entries])

    def integers(self, name: str) -> IntArray:
        """A column of whole numbers, which may be written as 3.0."""
        values = self._floats(name)
        bad = np.flatnonzero(~((values == np.rint(values)) & (np.abs(values) < 2**62)))
        if len(bad):
            raise self.error(int(bad[0]), name, "is not a whole number", "Mend it.")
        exact = [
            int(e) if e.isdigit() else int(float(e)) for e in map(str.strip, self.columns[name])
        ]
        return np.array(exact, np.int64)

    def error(self, row: int, name: str, message: str, fix: str) -> InputError:
        """The error for one entry."""
        return InputError(
            f"{self.columns[name][row]!r} {message}", file=self.path,
            field=f"line {self.lines[row]}, column {name}", fix=fix,
        )  # fmt: skip

    def typed(self, name: str) -> Column:
        """A column of numbers if every entry is one or stands for nothing, so of true and false.

        Otherwise, and where whole numbers do not fit into 64 bits, a column of texts.
        """
        entries = self.columns[name]
        distinct = {entry: entry.strip() for entry in dict.fromkeys(entries)}
        given = {entry: text for entry, text in distinct.items() if entry not in NULLS}
        if not entries:
            return Text.of(np.zeros(0, object))
        values: dict[str, Any]
        if all(map(WHOLE.fullmatch, given.values())):
            values = {entry: int(text) for entry, text in given.items()}
            if max(map(abs, values.values()), default=0) < 2**63:
                kind = np.int64 if len(given) == len(distinct) else np.float64
                return np.array([values.get(entry, np.nan) for entry in entries], kind)
        elif all(map(DECIMAL.fullmatch, given.values())):
            values = {entry: float(text) for entry, text in given.items()}
            return np.array([values.get(entry, np.nan) for entry in entries], np.float64)
        elif all(text in BOOLEANS for text in given.values()):
            values = {entry: BOOLEANS[text] for entry, text in given.items()}
            if len(given) == len(distinct):
                return np.array([values[entry] for entry in entries], bool)
        else:
            values = {entry: entry for entry in given}
        return Text.of(np.array([values.get(entry) for entry in entries], object))


def read_table(path: Path, separator: str | None = None) -> Table:
    """Read a table whose first line names the columns.

    Parameters
    ----------
    separator : one character; by default tab, semicolon, comma or space, the first of them that
        the first line has. Spaces beside a separator, and several spaces for one, do not count.
        Lines that begin with ``#`` are comments. Double quotes hold an entry together.

    Raises
    ------
    InputError : with the line that has more or fewer entries than the first names.
    """
    if path.is_dir():
        raise InputError("is a folder", file=path, fix="Give the path of a text table.")
    if not path.is_file():
        raise InputError("file does not exist", file=path, fix="Check the path in the config.")
    lines = _lines(read_text(path))
    number, header = next(lines, (0, ""))
    if not header:
        raise InputError("is empty", file=path, fix="The first line must name the columns.")
    if separator is None:
        separator = next((s for s in SEPARATORS if s in header.strip()), " ")
    names = [name.strip() for name in _entries(header, separator)]
    if separator == " ":  # aligned by several of them
        names = [part for name in names if name for part in _parts(name)]
    while len(names) > 1 and not names[-1]:
        names.pop()
    indented = separator == " " and header[0].isspace()
    # pandas puts a column without a name in front: the numbers of the rows
    named = names[1:] if len(names) > 1 and separator != " " and not names[0] else names
    if len(set(names)) < len(names) or not all(named):
        raise InputError(
            f"the columns have no distinct names: {header!r}", file=path, field=f"line {number}",
            fix="The first line must name every column once.",
        )  # fmt: skip
    rows, numbers = [], []
    for number, line in lines:
        line = line.lstrip() if indented else line
        entries = _fitting(_entries(line, separator), len(names), separator)
        if len(entries) != len(names):
            raise InputError(
                f"has {len(entries)} entries where the first line names {len(names)} columns, "
                f"separated by {SEPARATOR_NAMES.get(separator, repr(separator))}",
                file=path, field=f"line {number}: {entries[-1]!r}",
                fix=f"Give {', '.join(names)} in every line, and quote entries that hold the "
                "separator.",
            )  # fmt: skip
        rows.append(entries)
        numbers.append(number)
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return Table(
        path,
        {name: list(column) for name, column in zip(names, columns, strict=True) if name},
        np.array(numbers, np.int64),
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something other than a comment, with their numbers."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _entries(line: str, separator: str) -> list[str]:
    if '"' not in line:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator, skipinitialspace=separator != " "))


def _fitting(entries: list[str], wanted: int, separator: str) -> list[str]:
    """The entries of a line without spaces around them and without empty ones at its end."""
    if len(entries) == wanted and separator == " ":
        return entries
    entries = [entry.strip() for entry in entries]
    if len(entries) != wanted and separator == " ":
        entries = [part for entry in entries if entry for part in _parts(entry)]
    while len(entries) > wanted and not entries[-1]:
        entries.pop()
    return entries


def _parts(entry: str) -> list[str]:
    """An entry between spaces may hold tabs, which separate too."""
    return entry.split("\t") if "\t" in entry else [entry]


def _number(entry: str) -> float:
    try:
        return np.nan if "_" in entry else float(entry)  # Python's 1_000 is nobody's number
    except ValueError:
        return np.nan
