"""Errors a user can act on: one line that names the file, the field and the fix."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from isocortex.printable import printable


class IsocortexError(Exception):
    """Anything the user can mend. The command line prints it as one line and exits with 1.

    Parameters
    ----------
    message : what is wrong, in one sentence.
    file : the file it was found in.
    field : the key, column, dataset or row inside that file.
    fix : what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | PathLike[str] | None = None,
        field: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.message, self.file, self.field, self.fix = message, file, field, fix
        where = ": ".join(str(part) for part in (file, field) if part is not None)
        text = f"{where}: {message}" if where else message
        super().__init__(printable(f"{text.rstrip('.')}. {fix}" if fix else text))


@contextmanager
def located(file: str | PathLike[str] | None, field: str = "") -> Iterator[None]:
    """Add the place to errors raised inside by code that does not know it."""
    try:
        yield
    except IsocortexError as error:
        if error.file is not None:
            raise
        inner = ".".join(part for part in (field, error.field) if part) or None
        raise type(error)(error.message, file=file, field=inner, fix=error.fix) from error


class ConfigError(IsocortexError):
    """A circuit or simulation configuration is wrong, or asks for something not supported."""


class InputError(IsocortexError):
    """A data file (HDF5, CSV, SWC, JSON) is missing, malformed or inconsistent."""


class ModelError(IsocortexError):
    """A cell, channel or synapse model is unknown or has impossible parameters."""


class SimulationError(IsocortexError):
    """The run itself failed: a voltage became non-finite, or the output cannot be written."""


@contextmanager
def disk_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn what HDF5 and the file system raise into a SimulationError that names the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, None)
        fix = "Free disk space or choose" if full else "Choose"
        raise SimulationError(
            f"cannot {doing}: {reason}", file=path, fix=f"{fix} another place for it."
        ) from error
