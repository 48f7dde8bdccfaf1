"""The spikes of a run, finished or not, in chunks of time for a browser to fetch."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.errors import InputError
from isocortex.viewer.scene import Scene

try:
    import fcntl
except ImportError:  # no such locks on Windows: times of change must do
    fcntl = None  # type: ignore[assignment]

#: Spikes of one chunk; 8 bytes each.
CHUNK = 1 << 18
#: Seconds since a file changed: its lock is not tried; without locks, it is still being written.
JUST_NOW, RECENT = 0.5, 5.0


@dataclass(frozen=True)
class Chunk:
    """Spikes sorted by time.

    Attributes
    ----------
    time : float32[k], ms.
    neuron : uint32[k], in drawing order.
    """

    time: NDArray[np.float32]
    neuron: NDArray[np.uint32]

    def bytes(self) -> bytes:
        """All times, then all neurons, little-endian."""
        return self.time.astype("<f4").tobytes() + self.neuron.astype("<u4").tobytes()


class SpikeFeed:
    """Spike files, read again as they grow.

    While a run goes on, its file holds the spikes in the order in which they came; when it ends,
    another file with all of them, sorted, takes its place. A reader keeps the chunks it has as long
    as ``epoch`` stays the same, and starts afresh when it changes.

    Parameters
    ----------
    files : SONATA spike files.
    scene : the neurons; spikes of others are left out and counted in ``strangers``.
    """

    def __init__(self, files: Iterable[Path], scene: Scene) -> None:
        self.files, self.scene = list(files), scene
        self.chunks: list[Chunk] = []
        self.epoch, self.running, self.strangers = 0, False, 0
        self._identity: Any = None
        self._change: Any = None
        self._read: dict[tuple[Path, str], int] = {}
        self._lock = threading.Lock()

    def update(self) -> None:
        """Take in what was written since the last time."""
        with self._lock:
            stats = [_stat(file) for file in self.files]
            change = [(s.st_ino, s.st_size, s.st_mtime_ns) if s else None for s in stats]
            running = any(map(_being_written, self.files))
            if change == self._change and running == self.running:
                return
            identity = [s.st_ino if s else None for s in stats], running
            if identity != self._identity:
                self.chunks, self._read, self.strangers = [], {}, 0
                self.epoch += 1
                self._identity = identity
            self.running = running
            if self._take(tolerant=running):
                self._change = change

    def _take(self, *, tolerant: bool) -> bool:
        """Read new spikes; False if the file could not be read just now."""
        found, counts = [], dict(self._read)
        try:
            for file in self.files:
                with h5py.File(file, "r", locking=False) as hdf5:
                    for name, group in hdf5.get("spikes", {}).items():
                        done = counts.get((file, name), 0)
                        t, ids = _new_spikes(group, done, tolerant)
                        counts[file, name] = done + len(t)
                        found.append((name, t, ids))
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            if tolerant:  # caught in the middle of a write: the next look will do
                return False
            raise InputError(f"cannot be read ({error})", file=file) from error
        self._read = counts
        times, neurons = [], []
        for name, t, ids in found:
            where = self.scene.index_of(name, ids)
            self.strangers += int(np.count_nonzero(where < 0))
            times.append(t[where >= 0])
            neurons.append(where[where >= 0])
        if times:
            self._append(np.concatenate(times), np.concatenate(neurons))
        return True

    def _append(self, times: NDArray[np.floating], neurons: NDArray[np.integer]) -> None:
        if (times[1:] < times[:-1]).any():  # a finished run's are in order already
            order = np.argsort(times, kind="stable")
            times, neurons = times[order], neurons[order]
        t, n = times.astype(np.float32), neurons.astype(np.uint32)
        for first in range(0, len(t), CHUNK):
            self.chunks.append(Chunk(t[first : first + CHUNK], n[first : first + CHUNK]))

    @property
    def last(self) -> float:
        """Time of the last spike, ms."""
        return float(max((chunk.time[-1] for chunk in self.chunks), default=0.0))

    def status(self) -> dict[str, Any]:
        """What there is to fetch."""
        with self._lock:
            return {
                "epoch": self.epoch,
                "running": self.running,
                "strangers": self.strangers,
                "chunks": [len(chunk.time) for chunk in self.chunks],
            }

    def all(self) -> Chunk:
        """Every spike, sorted by time."""
        with self._lock:
            parts = list(self.chunks)
        if not parts:
            return Chunk(np.zeros(0, np.float32), np.zeros(0, np.uint32))
        times = np.concatenate([c.time for c in parts])
        neurons = np.concatenate([c.neuron for c in parts])
        order = np.argsort(times, kind="stable")
        return Chunk(times[order], neurons[order])


def _new_spikes(
    group: h5py.Group, done: int, tolerant: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    times, ids = group["timestamps"], group["node_ids"]
    end = min(len(times), len(ids))
    t, n = times[done:end].astype(np.float64), ids[done:end].astype(np.int64)
    if tolerant:  # sizes may be on disk before the numbers are: these still read as 0
        wrong = np.flatnonzero(~(np.isfinite(t) & (t > 0.0)))
        if len(wrong):
            t, n = t[: wrong[0]], n[: wrong[0]]
    return t, n


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


def _being_written(file: Path) -> bool:
    """Whether another process has the file open for writing.

    HDF5 holds a lock on it. The lock of a file that has just changed is not tried: its writer may
    be about to take it, and would fail.
    """
    status = _stat(file)
    if status is None:
        return False
    age = time.time() - status.st_mtime
    if age > JUST_NOW and fcntl is not None:
        try:
            with file.open("rb") as raw:
                fcntl.flock(raw, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass  # a file system without locks
    without_locks = os.environ.get("HDF5_USE_FILE_LOCKING", "TRUE").upper() in ("FALSE", "0")
    if age > (RECENT if without_locks or fcntl is None else JUST_NOW):
        return False
    try:
        with h5py.File(file, "r", locking=False) as hdf5:
            # a file that grows is stored in chunks; that of a finished run is not
            return any(g["timestamps"].chunks is not None for g in hdf5["spikes"].values())
    except (OSError, RuntimeError, KeyError):
        return True
