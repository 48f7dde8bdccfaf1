"""Files of potentials outside cells, as BMTK's module ``ecp`` lays them out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from isocortex.arrays import FloatArray
from isocortex.errors import disk_errors
from isocortex.report.hdf5 import Provenance, create_file, reserve, tell_provenance

ROWS = 1000
BUFFER_BYTES = 4 * 1024**2


class EcpFile:
    """Write ``/ecp/data[samples, contacts]`` in mV, as float64, while a run goes on.

    Rows are collected and brought to the disk together with the time that they reach, so a killed
    run leaves a shorter but consistent file.

    Parameters
    ----------
    contacts : float64[contacts, 3], um; kept as an attribute, BMTK's files do not tell.
    times : ``start``, ``stop`` and ``dt``, ms, and ``n_samples`` of the complete file; row k is of
        ``start + (k + 1) * dt`` where ``dt`` is the run's, see :class:`report.record.Schedule`.
    of_cell : the potential of one cell: BMTK's files of contributions hold data alone.
    mode : ``w`` makes a new file, ``r+`` goes on after the rows of one that is there.
    """

    def __init__(
        self,
        path: Path,
        contacts: FloatArray,
        times: dict[str, Any],
        *,
        of_cell: bool = False,
        mode: str = "w",
        provenance: Provenance | None = None,
    ) -> None:
        self.path, self.times, self._rows = path, times, list[FloatArray]()
        most = BUFFER_BYTES // (8 * len(contacts))
        self._most = max(min(ROWS, most, times["n_samples"]), 1)
        with disk_errors(path, "create the report"):
            path.parent.mkdir(parents=True, exist_ok=True)
            if mode == "r+":
                self._file: Any = h5py.File(path, "r+")
                tell_provenance(self._file, provenance)
            else:
                self._file = create_file(path, provenance)
                self._create(contacts, of_cell)
            self._data = self._file["ecp/data"]
            self._file.flush()

    def _create(self, contacts: FloatArray, of_cell: bool) -> None:
        n = len(contacts)
        data = self._file.create_dataset(
            "ecp/data", (0, n), np.float64, maxshape=(None, n), chunks=(self._most, n)
        )  # fmt: skip
        data.attrs["units"] = "mV"
        if not of_cell:
            times = [self.times[name] for name in ("start", "stop", "dt")]
            self._file.create_dataset("ecp/time", data=np.array(times, np.float64))
            self._file["ecp/time"].attrs["units"] = "ms"
            self._file["ecp/time"].attrs["first_sample"] = self.times["first"]
            self._file["ecp/channel_id"] = np.arange(n)
            self._file["ecp/channel_id"].attrs["position"] = contacts

    def append(self, rows: FloatArray) -> None:
        """Add rows, float64[samples, contacts]."""
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
        if "ecp/time" in self._file:
            done = rows == self.times["n_samples"]
            end = self.times["start"] + rows * self.times["dt"]
            self._file["ecp/time"][1] = self.times["stop"] if done else end

    def close(self) -> None:
        """Write what is left and close."""
        self.flush()
        if self._file is not None:
            with disk_errors(self.path, "close the report"):
                file, self._file = self._file, None
                file.close()
