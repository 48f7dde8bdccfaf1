"""The output folder: what may be overwritten, the log, and where a result came from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from isocortex.errors import ConfigError, disk_errors
from isocortex.messages import OneLine

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None  # type: ignore[assignment]

PROVENANCE_FILE = "provenance.json"
#: The newest state of a run that writes any.
CHECKPOINT = "checkpoint.h5"
LOG_FORMAT = "%(asctime)s [%(levelname)s] %(message)s"


def prepare_output(
    output_dir: str | os.PathLike[str],
    overwrite: bool,
    files: Iterable[str | os.PathLike[str]],
    files_read: Collection[Path] = (),
) -> list[Path]:
    """Make the output folder ready and return the full paths of ``files``.

    Only the files that the run is about to write are replaced; anything else in the folder stays
    (BMTK deletes the whole folder).

    Parameters are those of :func:`check_output`.
    """
    paths = check_output(output_dir, overwrite, files, files_read)
    with disk_errors(Path(output_dir), "write to the output folder"):
        for path in paths:
            if path.is_file():  # not a device or pipe
                path.unlink()
    return paths


@contextmanager
def held(
    folder: Path, how: str = "another run, or a session that was not closed, writes there"
) -> Iterator[None]:
    """Let nobody else who asks so write into a folder meanwhile.

    The system forgets it with the process, however that ends. Where it or the file system knows no
    such locks, nobody is refused.

    Raises
    ------
    ConfigError : somebody else holds it; says ``how``.
    """
    here = None
    try:
        if fcntl is not None:
            try:
                here = os.open(folder, os.O_RDONLY)
                fcntl.flock(here, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    how, file=folder,
                    fix="Wait until it ends or stop it, or give another output folder.",
                ) from error  # fmt: skip
            except OSError:  # no locks
                pass
        yield
    finally:
        if here is not None:
            os.close(here)


def check_output(
    output_dir: str | os.PathLike[str],
    overwrite: bool,
    files: Iterable[str | os.PathLike[str]],
    files_read: Collection[Path] = (),
) -> list[Path]:
    """Make sure that ``files`` can be written, and return their full paths; nothing is replaced.

    Parameters
    ----------
    output_dir : created with its parents when missing.
    overwrite : ``overwrite_output_dir`` of the configuration.
    files : what will be written, absolute or relative to ``output_dir``.
    files_read : resolved paths of the run's inputs, none of which may be replaced.
    """
    folder = Path(output_dir)
    paths = [folder / file for file in files]
    with disk_errors(folder, "write to the output folder"):
        for path in paths:
            path.exists()  # whether there can be such a name: not one of 300 characters
    if folder.exists() and not folder.is_dir():
        raise ConfigError("output_dir is a file, not a folder", file=folder)
    _require_distinct([*paths, folder / PROVENANCE_FILE])
    for path in paths:
        if path.resolve() in files_read:
            raise ConfigError(
                "would be replaced, but this run reads it", file=path,
                fix="Choose another output_dir or file name.",
            )  # fmt: skip
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        names = ", ".join(path.name for path in existing)
        raise ConfigError(
            f"already holds results ({names})",
            file=folder,
            fix="Choose another output_dir or set overwrite_output_dir to true.",
        )
    with disk_errors(folder, "write to the output folder"):
        for directory in {folder, *(path.parent for path in paths)}:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                pass
    return paths


def _require_distinct(paths: list[Path]) -> None:
    """Two outputs in one file would be one, and which of them is chance."""
    places = [os.path.abspath(path) for path in paths]
    for i, path in enumerate(paths):
        if places[i] in places[:i]:
            raise ConfigError(
                "is named for two outputs of the run (spikes, reports, log, state, provenance)",
                file=path, fix="Give each a file name of its own.",
            )  # fmt: skip


@contextmanager
def log_to(
    path: str | os.PathLike[str], level: int = logging.INFO, mode: str = "w"
) -> Iterator[logging.Logger]:
    """Send the messages of the ``isocortex`` logger to a file, in BMTK's format.

    ``mode`` is that of the file: ``w`` makes a new one, ``a`` adds to one.
    """
    logger = logging.getLogger("isocortex")
    with disk_errors(Path(path), "write the log"):
        handler = _LogFile(path, mode=mode, encoding="utf-8")
    handler.setFormatter(OneLine(LOG_FORMAT))
    handler.setLevel(level)
    previous = logger.level
    logger.setLevel(min(level, previous or level))
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        logger.setLevel(previous)
        try:
            handler.close()
        except OSError as error:
            logger.warning("%s: the log is not whole: %s", path, error.strerror or error)


class _LogFile(logging.FileHandler):
    """A log that a full disk does not stop: closing it tells."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Python's own prints a traceback for every line that could not be written."""


def provenance(
    config: Mapping[str, Any],
    *,
    seed: int | None = None,
    threads: int | None = None,
    citations: Iterable[str] = (),
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where a result comes from: what to store with every output.

    Parameters
    ----------
    config : the complete configuration; its SHA-256 does not depend on the order of its keys.
    seed : of the random numbers.
    threads : number of threads used.
    citations : keys or references of the data and models used.
    run : facts that readers of the result need: ``tstop`` and ``dt`` (ms) and ``populations``
        (name -> number of nodes).
    """
    text = json.dumps(config, sort_keys=True, default=str)
    return {
        "simulator": f"Isocortex {_version('isocortex')}",
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("isocortex", "numpy", "numba", "h5py")},
        },
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "seed": seed,
        "machine": {
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "memory_gb": _memory_gb(),
            "threads": threads,
            "system": f"{platform.system()} {platform.release()}",
        },
        "citations": list(citations),
        "run": dict(run or {}),
    }


def write_provenance(output_dir: str | os.PathLike[str], facts: Mapping[str, Any]) -> Path:
    """Write ``provenance.json`` into the output folder; on a full disk an earlier one stays."""
    path = Path(output_dir) / PROVENANCE_FILE
    fresh = path.with_suffix(".json.new")
    with disk_errors(path, "write the provenance"):
        fresh.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
    return path


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
