"""Tables of electrode contacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.errors import InputError, disk_errors
from isocortex.sonata.tables import read_table

COLUMNS = ("x_pos", "y_pos", "z_pos")
NAME = "name"


def read_contacts(path: Path) -> FloatArray:
    """float64[contacts, 3], um, in the order of the table's lines.

    Parameters
    ----------
    path : text with the columns ``x_pos``, ``y_pos`` and ``z_pos`` (or ``x``, ``y``, ``z``); BMTK
        separates them by single blanks and has a column ``channel``, which says nothing.

    Raises
    ------
    InputError : a column is missing, an entry is no number, or there is no contact.
    """
    table = read_table(path)
    columns = [table.numbers(table.find(name, name[0])) for name in COLUMNS]
    if not len(table):
        raise InputError("has no contact", file=path, fix="Give a line for each.")
    return np.column_stack(columns)


def read_names(path: Path) -> tuple[str, ...]:
    """Names of the contacts, of a table that has a column ``name``; none of others."""
    return tuple(read_table(path).columns.get(NAME, ()))


def write_contacts(path: Path, position: FloatArray, names: Sequence[str] = ()) -> None:
    """Write contacts, float64[contacts, 3], um, so that BMTK can read them too.

    Parameters
    ----------
    names : of the contacts, without blanks; none writes no column of them.
    """
    head = ["channel", *COLUMNS, *([NAME] if names else [])]
    lines = [f"{k} {x:.2f} {y:.2f} {z:.2f}" for k, (x, y, z) in enumerate(position)]
    lines = [f"{line} {name}" for line, name in zip(lines, names, strict=True)] if names else lines
    with disk_errors(path, "write the contacts"):
        path.write_text("\n".join([" ".join(head), *lines, ""]), encoding="utf-8")
