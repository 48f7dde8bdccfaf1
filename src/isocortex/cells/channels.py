"""Channels of one's own: mechanisms from a Python file, beside those of the package."""

from __future__ import annotations

import hashlib
import logging
import sys
import traceback
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from types import ModuleType

from isocortex.errors import InputError, ModelError, located
from isocortex.mechanisms import DENSITY, Density
from isocortex.mechanisms.check import check
from isocortex.mechanisms.point import SYNAPSES, Synapse
from isocortex.nmodl.importing import mods_of, python_of

logger = logging.getLogger(__name__)


def load_mechanisms(path: str | PathLike[str]) -> tuple[str, ...]:
    """Make the mechanisms that a Python file or a mod file defines known by their names.

    A mod file is translated (:mod:`isocortex.nmodl`). The file is run, as any Python file that is
    imported. It becomes a module that is named by its content, so kernels in the cache are those of
    this content; loaded again it changes nothing.

    Raises
    ------
    InputError : the file cannot be read.
    ModelError : it cannot be run, or a mechanism is one that the engines could not run or has the
        name of another.
    """
    path = Path(path)
    if path.suffix == ".mod":
        path = python_of(path)
        logger.info("%s", path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the mechanisms ({error})", file=path) from error
    name = f"isocortex_mechanisms_{hashlib.sha256(content).hexdigest()[:16]}"
    module = sys.modules.get(name) or _run(content, name, path)
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name]
    found = [value for value in own if issubclass(value, Density)]
    synapses = [value for value in own if issubclass(value, Synapse)]
    if not found and not synapses:
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
    for synapse in synapses:
        with located(path, synapse.__name__):
            SYNAPSES.add(synapse)
    return tuple(value.__name__ for value in (*found, *synapses))


def load_for(
    names: Iterable[str],
    files: Iterable[str | PathLike[str]],
    folder: str | PathLike[str] | None,
) -> None:
    """Make known what a cell's mechanisms are.

    Parameters
    ----------
    names : of the mechanisms.
    files : which define mechanisms, Python or mod files.
    folder : with mod files, of which those are translated that the cell needs and ``files`` and the
        package lack.

    Raises
    ------
    InputError, ModelError : see :func:`load_mechanisms`.
    """
    own = {name for file in files for name in load_mechanisms(file)}
    names = set(names)
    if folder is not None:
        for mod in mods_of(Path(folder), names - own):
            own |= set(load_mechanisms(mod))
    DENSITY.use(names, own)


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
