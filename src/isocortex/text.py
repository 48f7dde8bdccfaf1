"""Text files: UTF-8, with or without a byte order mark in front; what a number in JSON is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from isocortex.errors import InputError, IsocortexError


def read_text(path: Path, error: type[IsocortexError] = InputError) -> str:
    """The text of a file, without the byte order mark that some editors put in front of it."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as reason:
        raise error("file does not exist", file=path, fix="Check the path.") from reason
    except OSError as reason:
        raise error(f"cannot be read ({reason.strerror or reason})", file=path) from reason
    except UnicodeDecodeError as reason:
        if path.read_bytes()[:4] == b"\x89HDF":
            fix = "It is an HDF5 file: give the text file (a configuration, a table) in its place."
        else:
            fix = "Write it again as UTF-8 text."
        raise error(f"not text ({reason})", file=path, fix=fix) from reason


def read_json(path: Path, error: type[IsocortexError] = InputError) -> dict[str, Any]:
    """A file that holds one JSON object."""
    try:
        content = json.loads(read_text(path, error), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as reason:
        raise error(f"not valid JSON ({reason})", file=path, fix="Mend the syntax.") from reason
    if not isinstance(content, dict):
        raise error("not a JSON object", file=path, fix="Give {...}.")
    return content


def finite(value: Any) -> float | None:
    """A value of a JSON file as a float, None unless it is a finite number.

    Python's reader of JSON lets NaN and Infinity through, ``float`` also true and "7.5".
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number that no float can hold
        return None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two equal keys Python would silently drop one."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {double!r} appears twice in one object")
    return content


def exact(value: float) -> str:
    """A number that was given, as short as it can be told without losing a digit."""
    short = f"{value:g}"
    return short if float(short) == value else str(value)


def in_words(seconds: float, decimals: int = 0) -> str:
    """A stretch of time; ``decimals`` of seconds."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.{decimals}f} s"
