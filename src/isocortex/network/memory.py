"""The memory this machine has left, and the refusal to take more."""

from __future__ import annotations

import os
from pathlib import Path

from isocortex.errors import ConfigError

#: Bytes that a stored synapse takes while it is sorted into the network by its source.
SORTED = 38.0


def available_memory() -> float:
    """Bytes that can still be taken: what the machine has free, or the limit of this container."""
    free = float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = 1024.0 * next(int(x.split()[1]) for x in lines if x.startswith("MemAvailable"))
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        stat = Path("/sys/fs/cgroup/memory.stat").read_text(encoding="ascii").split()
        if limit != "max":  # cached files can be dropped, memory of processes cannot
            free = min(free, float(limit) - float(stat[stat.index("anon") + 1]))
    except (OSError, ValueError, StopIteration):
        pass  # not Linux, or no limit: what was found until then holds
    return free


def require_memory(
    needed: float,
    what: str,
    *,
    file: str | os.PathLike[str] | None,
    field: str | None,
    fix: str,
) -> None:
    """Refuse what would not fit, before any of it is taken.

    Parameters
    ----------
    needed : bytes.

    Raises
    ------
    ConfigError : with what is needed and what there is.
    """
    free = available_memory()
    if needed > free:
        raise ConfigError(
            f"{what} need about {needed / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free",
            file=file,
            field=field,
            fix=fix,
        )
