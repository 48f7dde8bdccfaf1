"""Rows of tables chosen by what their columns hold, in the words of BMTK."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.circuit import Column, Text
from isocortex.circuit.columns import among
from isocortex.sonata.input_entry import Entry

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def chosen(
    filters: Mapping[str, Any],
    names: Iterable[str],
    column: Callable[[str], Column],
    length: int,
    said: tuple[Entry, str],
) -> NDArray[np.bool_]:
    """bool[n], the rows that pass all filters.

    Parameters
    ----------
    filters : by column a value, a list of which one must hold, or an object of ``operation``,
        ``value`` and perhaps another ``column``.
    names, column : the columns there are, and each by its name.
    said : the entry and its key that holds the filters, for messages.
    """
    keep = np.ones(length, bool)
    entry, key = said
    there = sorted(names)
    for name, wanted in filters.items():
        place = f"{key}.{name}"
        operation: Any = "=="
        if isinstance(wanted, dict):
            unknown = [k for k in wanted if k not in ("column", "operation", "value")]
            if unknown or "value" not in wanted:
                raise entry.fail(place, "needs operation and value", "And perhaps column.")
            name, operation = wanted.get("column", name), wanted.get("operation")
            wanted = wanted["value"]
        if operation not in OPERATIONS:
            raise entry.fail(
                place, f"unknown operation {operation!r}", f"Use one of {', '.join(OPERATIONS)}."
            )
        if name not in there:
            raise entry.fail(
                place, f"there is no column {name!r}", f"There are {', '.join(there)}."
            )
        keep &= _passes(column(name), operation, wanted, (entry, place))
    return keep


def _passes(
    values: Column, operation: str, wanted: Any, said: tuple[Entry, str]
) -> NDArray[np.bool_]:
    """bool[n], whether each value stands in this relation to what is wanted."""
    several = wanted if isinstance(wanted, list) else [wanted]
    plain = all(isinstance(value, str | int | float) for value in several)
    entry, place = said
    if not plain or isinstance(wanted, list) and operation != "==":
        raise entry.fail(place, f"cannot compare with {wanted!r}", "Give a number or a text.")
    is_text = isinstance(values, Text)
    if any(isinstance(value, str) != is_text for value in several):
        raise entry.fail(
            place, f"the column holds {'texts' if is_text else 'numbers'}, and {wanted!r} is asked",
            f"Put it {'in' if is_text else 'without'} quotes.",
        )  # fmt: skip
    if isinstance(values, Text):
        if operation in ("==", "!="):
            return among(values, several) == (operation == "==")
        held = [bool(OPERATIONS[operation](str(value), wanted)) for value in values.values]
        return values.spread(np.array(held, bool), False)
    if operation == "==":
        return np.isin(values, several)
    return np.asarray(OPERATIONS[operation](values, wanted), bool)
