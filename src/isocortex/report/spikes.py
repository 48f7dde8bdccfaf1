"""SONATA spike files, written while the simulation runs and sorted when it ends."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.errors import ConfigError, disk_errors
from isocortex.report.hdf5 import Provenance, create_file, reserve

#: SONATA's enumeration. BMTK writes the same words as strings, which libsonata refuses to read;
#: the enumeration is read by both.
SORTING = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")

#: The words BMTK accepts for ``spikes_sort_order``.
SORT_ORDERS = {
    None: "none",
    "none": "none",
    "na": "none",
    "time": "by_time",
    "by_time": "by_time",
    "id": "by_id",
    "by_id": "by_id",
    "node_id": "by_id",
    "gid": "by_id",
}

CHUNK = 16 * 1024
BYTES_PER_SPIKE = 16

#: Population -> (node ids, times in ms).
Columns = dict[str, tuple[NDArray, NDArray]]


class SpikeWriter:
    """Write the spikes of several populations to ``/spikes/<population>``.

    While the run goes on the file holds the spikes unsorted, as they came, and is complete and
    readable after every flush, which :meth:`reach` makes now and then: ``/spikes`` says in its
    attribute ``reached`` until when (ms) they are there. ``close`` sorts and replaces the file in
    one step.

    Parameters
    ----------
    path : the HDF5 file; an existing one is replaced.
    populations : every population that can spike; those that stay silent get empty datasets.
    sort : ``by_time``, ``by_id`` or None; BMTK's other words (``time``, ``id``, ...) are accepted.
        Ties are broken by the other column, so a result does not depend on how it was computed.
    csv_path : also write BMTK's CSV there (space-separated: timestamps population node_ids).
    provenance : stored as root attributes.
    flush_interval : seconds of wall-clock between flushes to disk.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        populations: list[str],
        sort: str | None = "by_time",
        csv_path: str | os.PathLike[str] | None = None,
        *,
        provenance: Provenance | None = None,
        flush_interval: float = 1.0,
    ) -> None:
        if sort not in SORT_ORDERS:
            raise ConfigError(
                f"spikes cannot be sorted by {sort!r}",
                field="output: spikes_sort_order",
                fix="Use by_time, by_id or none.",
            )
        self.path = Path(path)
        self.csv_path = Path(csv_path) if csv_path is not None else None
        self.populations = list(populations)
        self.sort = SORT_ORDERS[sort]
        self.n_spikes = 0
        self.reached: float | None = None
        self._provenance = provenance
        self._interval = flush_interval
        self._pending: dict[str, list[tuple[NDArray, NDArray]]] = {p: [] for p in populations}
        self._flushed = dict.fromkeys(populations, 0)
        self._last_flush = time.monotonic()
        with disk_errors(self.path, "create the spike file"):
            self._file: Any = create_file(self.path, provenance)
            self._file.create_group("spikes")
            for population in populations:
                _create_population(self._file, population, "none", chunks=(CHUNK,))
            self._file.flush()

    def append(self, population: str, node_ids: ArrayLike, timestamps_ms: ArrayLike) -> None:
        """Add spikes: node ids (uint64[k]) and their times (ms, float64[k])."""
        ids = np.atleast_1d(np.asarray(node_ids, dtype=np.uint64))
        times = np.atleast_1d(np.asarray(timestamps_ms, dtype=np.float64))
        if ids.shape != times.shape or ids.ndim != 1:
            raise ValueError(f"{ids.shape} node ids do not match {times.shape} spike times")
        if len(ids):
            self._pending[population].append((ids.copy(), times.copy()))
            self.n_spikes += len(ids)

    def reach(self, when: float) -> None:
        """All spikes of all populations until ``when`` (ms) have been appended."""
        self.reached = when
        if time.monotonic() - self._last_flush >= self._interval:
            self.flush()

    def flush(self) -> None:
        """Bring everything appended so far to disk; the file is readable from here on."""
        if self._file is None:
            return
        try:
            with disk_errors(self.path, "write spikes"):
                for population, parts in self._pending.items():
                    if parts:
                        self._write(population, parts)
                _tell_reached(self._file, self.reached)
                self._file.flush()
        except Exception:
            self._abandon()
            raise
        self._last_flush = time.monotonic()

    def written(self) -> Columns:
        """All spikes so far, as they came; they are in the file."""
        self.flush()
        groups = self._file["spikes"]
        return {name: (groups[name]["node_ids"][:], groups[name]["timestamps"][:])
                for name in self.populations}  # fmt: skip

    def _write(self, population: str, parts: list[tuple[NDArray, NDArray]]) -> None:
        ids, times = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        begin, end = self._flushed[population], self._flushed[population] + len(ids)
        reserve(self._file, BYTES_PER_SPIKE * (len(ids) + CHUNK))
        group = self._file["spikes"][population]
        for name, values in (("timestamps", times), ("node_ids", ids)):
            group[name].resize((end,))
            group[name][begin:end] = values
        self._flushed[population] = end
        parts.clear()

    def _abandon(self) -> None:
        """After a failed write: cut back to what is whole, so that the file stays readable."""
        file, self._file = self._file, None
        with suppress(OSError, RuntimeError):
            for population, n_spikes in self._flushed.items():
                for name in ("timestamps", "node_ids"):
                    file["spikes"][population][name].resize((n_spikes,))
        with suppress(OSError, RuntimeError):
            file.close()

    def close(self) -> None:
        """Flush, sort, and put the final HDF5 and CSV files in place. Later calls do nothing."""
        if self._file is None:
            return
        self.flush()
        columns = {
            population: _sorted(group["node_ids"][:], group["timestamps"][:], self.sort)
            for population, group in self._file["spikes"].items()
        }
        with disk_errors(self.path, "close the spike file"):
            file, self._file = self._file, None
            file.close()
        with disk_errors(self.path, f"sort the spikes {self.sort} (they are there unsorted)"):
            self._replace(self.path, self._write_final, columns)
        if self.csv_path is not None:
            with disk_errors(self.csv_path, "write spikes"):
                self._replace(self.csv_path, self._write_csv, columns)

    @staticmethod
    def _replace(path: Path, write: Callable[[Path, Columns], None], columns: Columns) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            write(temporary, columns)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _write_final(self, path: Path, columns: Columns) -> None:
        with create_file(path, self._provenance) as file:
            reserve(file, BYTES_PER_SPIKE * sum(len(ids) for ids, _ in columns.values()))
            file.create_group("spikes")
            for population in self.populations:
                ids, times = columns[population]
                _create_population(file, population, self.sort, times=times, ids=ids)
            _tell_reached(file, self.reached)

    def _write_csv(self, path: Path, columns: Columns) -> None:
        """BMTK's table: populations one after the other where the order is the same."""
        names = np.repeat(np.arange(len(columns)), [len(ids) for ids, _ in columns.values()])
        ids = np.concatenate([np.zeros(0, np.uint64), *(ids for ids, _ in columns.values())])
        times = np.concatenate([np.zeros(0), *(times for _, times in columns.values())])
        if self.sort != "none":
            order = np.argsort(times if self.sort == "by_time" else ids, kind="stable")
            names, ids, times = names[order], ids[order], times[order]
        known = list(columns)
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter=" ", lineterminator="\n")
            rows.writerow(["timestamps", "population", "node_ids"])
            for begin in range(0, len(ids), CHUNK):
                part = slice(begin, begin + CHUNK)
                of = [known[name] for name in names[part]]
                rows.writerows(zip(times[part].tolist(), of, ids[part].tolist(), strict=True))

    def __enter__(self) -> SpikeWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self._file is not None else "closed"
        return (
            f"SpikeWriter({str(self.path)!r}: {self.n_spikes} spikes of "
            f"{', '.join(self.populations)}, sorted {self.sort}, {state})"
        )


def _tell_reached(file: h5py.File, when: float | None) -> None:
    if when is not None:
        file["spikes"].attrs["reached"] = when


def _create_population(
    file: h5py.File,
    population: str,
    sorting: str,
    *,
    times: ArrayLike = (),
    ids: ArrayLike = (),
    chunks: tuple[int] | None = None,
) -> None:
    group = file["spikes"].create_group(population)
    code = h5py.check_enum_dtype(SORTING)[sorting]
    group.attrs.create("sorting", code, dtype=SORTING)
    layout = {"chunks": chunks, "maxshape": (None,)} if chunks else {}
    timestamps = group.create_dataset("timestamps", data=np.asarray(times, np.float64), **layout)
    timestamps.attrs["units"] = "ms"
    group.create_dataset("node_ids", data=np.asarray(ids, np.uint64), **layout)


def _sorted(ids: NDArray, times: NDArray, sorting: str) -> tuple[NDArray, NDArray]:
    if sorting == "none":
        return ids, times
    order = np.lexsort((ids, times) if sorting == "by_time" else (times, ids))
    return ids[order], times[order]
