"""Files of samples that are of no compartment: potentials outside cells, dipole moments."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.errors import disk_errors
from isocortex.report.hdf5 import Provenance, create_file, reserve, tell_provenance

ROWS = 1000
BUFFER_BYTES = 4 * 1024**2


class SamplesFile:
    """Write ``/<room>/data[samples, columns]``, as float64, while a run goes on.

    The layout is that of BMTK's files of potentials, whose room is ``ecp``. Rows are collected and
    brought to the disk together with the time that they reach, so a killed run leaves a shorter
    but consistent file.

    Parameters
    ----------
    n_columns, units : of the data.
    times : of the report, see :class:`isocortex.report.record.Schedule`; None leaves out
        ``/<room>/time``, as in BMTK's files of single cells.
    more : further datasets, by name.
    mode : ``w`` makes a new file, ``r+`` goes on after the rows of one that is there.
    """

    def __init__(
        self,
        path: Path,
        room: str,
        n_columns: int,
        units: str,
        *,
        times: dict[str, Any] | None,
        more: Mapping[str, NDArray[Any]] | None = None,
        mode: str = "w",
        provenance: Provenance | None = None,
    ) -> None:
        self.path, self.room, self.times = path, room, times
        self._rows: list[FloatArray] = []
        self._most = max(min(ROWS, BUFFER_BYTES // (8 * n_columns)), 1)
        with disk_errors(path, "create the report"):
            path.parent.mkdir(parents=True, exist_ok=True)
            if mode == "r+":
                self._file: Any = h5py.File(path, "r+")
                tell_provenance(self._file, provenance)
            else:
                self._file = create_file(path, provenance)
                self._create(n_columns, units, more or {})
            self.group = self._file[room]
            self._data = self.group["data"]
            self._file.flush()

    def _create(self, n: int, units: str, more: Mapping[str, NDArray[Any]]) -> None:
        group = self._file.create_group(self.room)
        data = group.create_dataset(
            "data", (0, n), np.float64, maxshape=(None, n), chunks=(self._most, n)
        )
        data.attrs["units"] = units
        if self.times is not None:
            start, dt = self.times["start"], self.times["dt"]
            group["time"] = np.array([start, start, dt], np.float64)  # until where there are rows
            group["time"].attrs["units"] = "ms"
            group["time"].attrs["first_sample"] = self.times["first"]
        for name, values in more.items():
            text = h5py.string_dtype() if values.dtype == object else None
            group.create_dataset(name, data=values, dtype=text)

    def append(self, rows: FloatArray) -> None:
        """Add rows, float64[samples, columns]."""
        self._rows.append(np.array(rows, np.float64))
        if sum(map(len, self._rows)) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Bring all rows to the disk; the file is readable from here on."""
        if self._file is None:
            return
        rows, self._rows = np.concatenate([self._data[:0], *self._rows]), []
        try:
            with disk_errors(self.path, "write the report"):
                if len(rows):
                    reserve(self._file, rows.nbytes + 8 * self._most * rows.shape[1])
                    begin = len(self._data)
                    self._data.resize(begin + len(rows), axis=0)
                    self._data[begin:] = rows
                    self._reach(begin + len(rows))
                self._file.flush()
        except Exception:
            file, self._file = self._file, None
            with suppress(OSError, RuntimeError):
                file.close()
            raise

    def _reach(self, rows: int) -> None:
        if self.times is not None:
            done = rows == self.times["n_samples"]
            end = self.times["start"] + rows * self.times["dt"]
            self.group["time"][1] = self.times["stop"] if done else end

    def close(self) -> None:
        """Write what is left and close."""
        self.flush()
        if self._file is not None:
            with disk_errors(self.path, "close the report"):
                file, self._file = self._file, None
                file.close()
