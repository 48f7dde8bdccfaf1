"""Files of Neurodata Without Borders: sweeps of stimulation, tables, sorted units."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Column
from isocortex.errors import InputError
from isocortex.sonata.hdf5 import array, column, group, open_h5

#: Where the tables of NWB 2 are.
UNITS, ELECTRODES, INTERVALS = "units", "general/extracellular_ephys/electrodes", "intervals"


def read_sweep(path: Path, name: str) -> tuple[FloatArray, float]:
    """The current of a sweep in nA, and ms between its samples.

    Read is ``/epochs/<name>/stimulus/timeseries`` as the Allen Cell Types Database has it: ``data``
    in A, and the attribute ``rate`` of ``starting_time`` in Hz.
    """
    with open_h5(path) as file:
        if not isinstance(file.get("epochs"), h5py.Group):
            raise InputError(
                "has no /epochs: not a file of the Allen Cell Types Database", file=path,
                field="/epochs", fix="Sweeps are read from its NWB 1 files, as in BMTK.",
            )  # fmt: skip
        if not isinstance(file["epochs"].get(name), h5py.Group):
            there = sorted(file["epochs"], key=lambda text: (len(text), text))
            some = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
            raise InputError(
                f"has no {name}", file=path, field="/epochs", fix=f"It has {some or 'no sweep'}."
            )
        series = group(file["epochs"], f"{name}/stimulus/timeseries", path)
        start = series.get("starting_time")
        given = start.attrs.get("rate") if isinstance(start, h5py.Dataset) else None
        rate = float(np.ravel(given)[0]) if isinstance(given, np.ndarray | np.number) else 0.0
        if not (np.isfinite(rate) and rate > 0):
            raise InputError(
                "has no attribute rate of more than 0 Hz", file=path,
                field=f"{series.name}/starting_time", fix="Copy the file again.",
            )  # fmt: skip
        amps = array(series, "data", path, "float")
        if len(amps) == 0:
            raise InputError("has no sample", file=path, field=f"{series.name}/data")
        # BMTK multiplies numbers as they are stored, which are of 32 bits
        return (amps.astype(series["data"].dtype) * 1e9).astype(np.float64), 1000.0 / rate


class Table:
    """A table of an open NWB 2 file: ``id`` and columns, which may hold lists.

    Attributes
    ----------
    ids : int64[n].
    """

    def __init__(self, file: h5py.File, name: str, path: Path) -> None:
        self.group, self.path = group(file, name, path), path
        self.ids: IntArray = array(self.group, "id", path, "int")

    @property
    def names(self) -> list[str]:
        """Columns with one value a row."""
        return [
            name for name, item in self.group.items()
            if isinstance(item, h5py.Dataset) and item.shape == self.ids.shape
            and name != "id" and not self._is_index(name)
        ]  # fmt: skip

    def _is_index(self, name: str) -> bool:
        """Whether it says where the lists of another column end."""
        return name.endswith("_index") and name.removesuffix("_index") in self.group

    def column(self, name: str) -> Column:
        """A column with one value a row."""
        return column(self.group, name, self.path, len(self.ids))

    def lists(self, name: str, rows: IntArray) -> list[FloatArray]:
        """The lists that a column holds in some rows."""
        ends = array(self.group, f"{name}_index", self.path, "int", len(self.ids))
        values = self.group.get(name)
        if not isinstance(values, h5py.Dataset) or len(ends) and ends[-1] > len(values):
            raise InputError(
                f"is shorter than {name}_index says", file=self.path,
                field=f"{self.group.name}/{name}", fix="Copy the file again.",
            )  # fmt: skip
        starts = np.r_[0, ends[:-1]]
        return [np.asarray(values[starts[r] : ends[r]], np.float64) for r in rows.tolist()]
