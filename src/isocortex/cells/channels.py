"""Channels of one's own: mechanisms from a Python file, beside those of the package."""

from __future__ import annotations

import hashlib
import sys
import traceback
from os import PathLike
from pathlib import Path
from types import ModuleType

from isocortex.errors import InputError, ModelError, located
from isocortex.mechanisms import DENSITY, Density
from isocortex.mechanisms.check import check


def load_mechanisms(path: str | PathLike[str]) -> tuple[str, ...]:
    """Make the mechanisms that a Python file defines known by their names.

    The file is run, as any Python file that is imported. It becomes a module that is named by its
    content, so kernels in the cache are those of this content; loaded again it changes nothing.

    Raises
    ------
    InputError : the file cannot be read.
    ModelError : it cannot be run, or a mechanism is one that the engines could not run or has the
        name of another.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the mechanisms ({error})", file=path) from error
    name = f"isocortex_mechanisms_{hashlib.sha256(content).hexdigest()[:16]}"
    module = sys.modules.get(name) or _run(content, name, path)
    found = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Density) and value.__module__ == name
    ]  # fmt: skip
    if not found:
        raise ModelError(
            "defines no mechanism", file=path,
            fix="Define a class derived from isocortex.mechanisms.density.Density (docs/cells.md).",
        )  # fmt: skip
    for mechanism in found:
        with located(path, mechanism.__name__):
            check(mechanism)
    sys.modules[name] = module  # generated kernels import from it
    for mechanism in found:
        with located(path, mechanism.__name__):
            DENSITY.add(mechanism)
    return tuple(mechanism.__name__ for mechanism in found)


def _run(content: bytes, name: str, path: Path) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    try:
        exec(compile(content, str(path), "exec"), vars(module))
    except Exception as error:
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == str(path):
                line = frame.lineno
        raise ModelError(
            f"{type(error).__name__}: {error}", file=path, field=f"line {line}" if line else None,
            fix="Mend the file.",
        ) from error  # fmt: skip
    return module
