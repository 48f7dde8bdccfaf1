"""SONATA compartment reports: a variable at chosen compartments over time, written in chunks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from isocortex.errors import SimulationError, disk_errors
from isocortex.report.hdf5 import Provenance, create_file, reserve, tell_provenance

BUFFER_BYTES = 16 * 1024**2
MAX_BUFFER_ROWS = 1000
CHUNK_BYTES = 256 * 1024


class MembraneReport:
    """Write ``/report/<population>/data[samples, elements]`` and its mapping.

    BioNet's convention: sample ``k`` is the value at ``first + k * dt``, where ``first`` is one
    step of the simulation, not of the report, after ``start``. Rows are collected
    until a chunk is full; each chunk is written and flushed together with the time it reaches, so
    a killed run leaves a shorter but consistent file.

    Parameters (n nodes, e elements)
    ----------
    path : the HDF5 file.
    population : name of the node population.
    variable, units : what is recorded, e.g. ``v`` in ``mV``.
    node_ids : uint64[n].
    index_pointer : uint64[n + 1], where the elements of each node begin and end.
    element_ids : uint64[e], section ids.
    element_pos : float64[e], position in the section, 0..1.
    start, stop, dt : ms.
    n_samples : number of rows of the complete report.
    dtype : float32, SONATA's type, or float64, which BMTK writes but libsonata refuses to read.
    mode : ``w`` makes a new file, ``a`` adds a population to an existing report, ``r+`` goes on
        after the rows of one that is there; several reports may be open on one file.
    more : further columns of the mapping, each int64[e] or strings.
    provenance : stored as root attributes, unless the mode is ``a``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        population: str,
        variable: str,
        units: str,
        *,
        node_ids: ArrayLike,
        index_pointer: ArrayLike,
        element_ids: ArrayLike,
        element_pos: ArrayLike,
        start: float,
        stop: float,
        dt: float,
        n_samples: int,
        first: float | None = None,
        dtype: DTypeLike = np.float32,
        mode: str = "w",
        more: Mapping[str, ArrayLike] | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        self.path = Path(path)
        self.population, self.variable, self.units = population, variable, units
        self.start, self.stop, self.dt, self.n_samples = start, stop, dt, n_samples
        self.first = start + dt if first is None else first
        self.n_elements = len(np.asarray(element_ids))
        self._dtype = np.dtype(dtype)
        self._written = 0
        self._filled = 0
        row_bytes = max(self.n_elements * self._dtype.itemsize, 1)
        rows = min(BUFFER_BYTES // row_bytes, MAX_BUFFER_ROWS, n_samples)
        self._buffer = np.empty((max(rows, 1), self.n_elements), dtype=self._dtype)
        mapping = {
            "node_ids": np.asarray(node_ids, dtype=np.uint64),
            "index_pointer": np.asarray(index_pointer, dtype=np.uint64),
            "element_ids": np.asarray(element_ids, dtype=np.uint64),
            "element_pos": np.asarray(element_pos, dtype=np.float64),
        }
        mapping |= {name: np.asarray(column) for name, column in (more or {}).items()}
        if (
            len(mapping["index_pointer"]) != len(mapping["node_ids"]) + 1
            or mapping["index_pointer"][-1] != self.n_elements
            or len(mapping["element_pos"]) != self.n_elements
        ):
            raise ValueError("node_ids, index_pointer, element_ids and element_pos do not match")
        with disk_errors(self.path, "create the report"):
            self._file: Any = (
                create_file(self.path, provenance) if mode == "w" else h5py.File(self.path, "r+")
            )
            if mode == "r+":
                self._go_on(provenance)
            else:
                self._create(mapping)
            self._file.flush()

    def _create(self, mapping: dict[str, NDArray]) -> None:
        reports = self._file.require_group("report")
        if self.population in reports:
            self._file.close()
            raise SimulationError(
                "the report already holds this population", file=self.path, field=self.population
            )
        reserve(self._file, sum(values.nbytes for values in mapping.values()))
        group = reports.create_group(self.population)
        for name, values in mapping.items():
            text = h5py.string_dtype() if values.dtype == object else None
            group.create_dataset(f"mapping/{name}", data=values, dtype=text)
        ids = mapping["node_ids"]
        group["mapping/node_ids"].attrs["sorted"] = np.uint8(np.all(ids[1:] > ids[:-1]))
        # The name that libsonata looks for; SONATA and BMTK say index_pointer.
        group["mapping/index_pointers"] = group["mapping/index_pointer"]
        self._time = group.create_dataset(
            "mapping/time", data=np.array([self.start, self.start, self.dt], dtype=np.float64)
        )
        self._time.attrs["units"] = "ms"
        rows = len(self._buffer)
        columns = max(1, min(CHUNK_BYTES // (rows * self._dtype.itemsize), self.n_elements))
        self._data = group.create_dataset(
            "data",
            shape=(0, self.n_elements),
            maxshape=(None, self.n_elements),
            chunks=(rows, columns),
            dtype=self._dtype,
        )
        # BMTK reads ``variable``; the SONATA guide's name is ``variable_name``.
        self._data.attrs["variable"] = self._data.attrs["variable_name"] = self.variable
        self._data.attrs["units"] = self.units
        self._data.attrs["first_sample"] = self.first  # ms; SONATA's `time` does not say

    def _go_on(self, provenance: Provenance | None) -> None:
        """Take up the rows that are there."""
        group = self._file["report"][self.population]
        self._data, self._time = group["data"], group["mapping/time"]
        if self._data.shape[1] != self.n_elements:
            self._file.close()
            raise SimulationError(
                f"the report has {self._data.shape[1]} elements, not {self.n_elements}",
                file=self.path, field=self.population,
            )  # fmt: skip
        self._written = len(self._data)
        self._buffer = np.empty((self._data.chunks[0], self.n_elements), dtype=self._dtype)
        tell_provenance(self._file, provenance)

    def append(self, block: ArrayLike) -> None:
        """Add rows: float[samples, elements], in ``units``, following those appended before."""
        block = np.asarray(block)
        if block.ndim != 2 or block.shape[1] != self.n_elements:
            raise ValueError(f"block has shape {block.shape}, not (samples, {self.n_elements})")
        if self._written + self._filled + len(block) > self.n_samples:
            raise ValueError(f"more than {self.n_samples} samples for {self.path}")
        taken = 0
        while taken < len(block):
            begun = (self._written + self._filled) % len(self._buffer)  # rows in the last chunk
            part = block[taken : taken + len(self._buffer) - begun]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            taken += len(part)
            if begun + len(part) == len(self._buffer):
                self.flush()

    def flush(self) -> None:
        """Bring every row appended so far to disk; the file is readable from here on."""
        if self._file is None:
            return
        begin, end = self._written, self._written + self._filled
        try:
            with disk_errors(self.path, "write the report"):
                if end > begin:
                    reserve(self._file, self._buffer.nbytes + CHUNK_BYTES)
                    self._data.resize(end, axis=0)
                    self._data[begin:end] = self._buffer[: end - begin]
                    self._time[1] = self._time_after(end)
                    self._written, self._filled = end, 0
                self._file.flush()
        except Exception:
            self._abandon()
            raise

    def _time_after(self, rows: int) -> float:
        """End of the interval that ``rows`` samples cover, ms."""
        if rows == self.n_samples:
            return self.stop
        end = self.start + rows * self.dt
        while int((end - self.start) / self.dt) < rows:  # how BMTK counts the rows
            end = float(np.nextafter(end, np.inf))
        return end

    def _abandon(self) -> None:
        """After a failed write: cut back to what is whole, so that the file stays readable."""
        file, self._file = self._file, None
        with suppress(OSError, RuntimeError):
            self._data.resize(self._written, axis=0)
            self._time[1] = self._time_after(self._written)
        with suppress(OSError, RuntimeError):
            file.close()

    def close(self) -> None:
        """Write what is left and close. After an interruption the report is just shorter."""
        if self._file is None:
            return
        self.flush()
        with disk_errors(self.path, "close the report"):
            file, self._file = self._file, None
            file.close()

    def __enter__(self) -> MembraneReport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        done = self._written + self._filled
        return (
            f"MembraneReport({str(self.path)!r}: {self.variable} ({self.units}) of "
            f"{self.n_elements} elements in {self.population}, {done} of {self.n_samples} samples)"
        )
