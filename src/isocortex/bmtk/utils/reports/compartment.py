"""Reports of compartments as scripts read them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.bmtk.utils.populations import only
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    import xarray


class CompartmentReport:
    """What a run has recorded of compartments, by population and node; it is only read.

    Parameters
    ----------
    default_population : which is meant where none is named; the only one needs no name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: str = "r",
        default_population: str | None = None,
        **_: Any,
    ) -> None:
        if mode != "r":
            raise ConfigError(
                f"mode {mode!r} is not supported: reports are written by a run", file=Path(path),
                fix="Ask for it in `reports` of the configuration.",
            )  # fmt: skip
        self.path, self._default = Path(path), default_population
        self._read: dict[str, xarray.DataArray] = {}

    @classmethod
    def load(cls, report: CompartmentReport | str | os.PathLike[str]) -> CompartmentReport:
        return report if isinstance(report, CompartmentReport) else cls(report)

    @property
    def populations(self) -> list[str]:
        with h5py.File(self.path, "r", locking=False) as file:
            return list(file["report"])

    def _of(self, population: str | None) -> xarray.DataArray:
        name = only(population or self._default, self.populations)
        if name not in self._read:
            # where it is used: xarray takes long to load, and spike trains are of the same package
            from isocortex.report.lazy import open_report

            self._read[name] = open_report(self.path, name)
        return self._read[name]

    def variable(self, population: str | None = None) -> str | None:
        return self._of(population).attrs.get("variable")

    def units(self, population: str | None = None) -> str | None:
        return self._of(population).attrs.get("units")

    def _time(self, population: str | None) -> FloatArray:
        """float64[3]: from, to and step, ms."""
        name = self._of(population).attrs["population"]
        with h5py.File(self.path, "r", locking=False) as file:
            return np.asarray(file[f"report/{name}/mapping/time"][:], np.float64)

    def tstart(self, population: str | None = None) -> float:
        return float(self._time(population)[0])

    def tstop(self, population: str | None = None) -> float:
        return float(self._time(population)[1])

    def dt(self, population: str | None = None) -> float:
        return float(self._time(population)[2])

    def n_steps(self, population: str | None = None) -> int:
        return int(self._of(population).shape[0])

    def time_trace(self, population: str | None = None) -> FloatArray:
        """ms, evenly from the beginning to the end, as in BMTK."""
        return np.linspace(
            self.tstart(population), self.tstop(population), self.n_steps(population)
        )

    def node_ids(self, population: str | None = None) -> IntArray:
        nodes = self._of(population)["node_id"].values
        return nodes[np.sort(np.unique(nodes, return_index=True)[1])]

    def _columns(self, node_id: int | None, population: str | None) -> IntArray:
        nodes = self._of(population)["node_id"].values
        columns = np.arange(len(nodes)) if node_id is None else np.flatnonzero(nodes == node_id)
        if len(columns) == 0:
            raise ConfigError(
                f"there is no node {node_id} in the report", file=self.path, field="node_id",
                fix=f"It has {', '.join(map(str, self.node_ids(population)[:12]))}.",
            )  # fmt: skip
        return columns

    def element_ids(self, node_id: int | None = None, population: str | None = None) -> IntArray:
        """The section of every element."""
        return self._of(population)["element_id"].values[self._columns(node_id, population)]

    def element_pos(self, node_id: int | None = None, population: str | None = None) -> FloatArray:
        """Where in its section every element is, 0..1."""
        return self._of(population)["element_pos"].values[self._columns(node_id, population)]

    def n_elements(self, node_id: int | None = None, population: str | None = None) -> int:
        return len(self._columns(node_id, population))

    def data(
        self,
        node_id: int | None = None,
        population: str | None = None,
        time_window: tuple[float, float] | None = None,
        sections: str | Iterable[int] = "all",
        **_: Any,
    ) -> FloatArray:
        """Samples over time and element.

        Parameters
        ----------
        time_window : ms, from and to.
        sections : ``all``, ``origin`` (the first element of the node), or ids of sections.
        """
        columns = self._columns(node_id, population)
        if node_id is not None and sections == "origin":
            columns = columns[:1]
        elif not isinstance(sections, str):
            wanted = np.isin(self._of(population)["element_id"].values[columns], list(sections))
            columns = columns[wanted]
        elif sections not in ("all", "origin"):
            raise ConfigError(
                f"there are no sections {sections!r}", field="sections",
                fix="Use all, origin or ids of sections.",
            )  # fmt: skip
        low, high = 0, self.n_steps(population)
        if time_window is not None:
            start, step = self.tstart(population), self.dt(population)
            low = max(int((time_window[0] - start) / step), 0)
            high = min(int((time_window[1] - start) / step), high)
        return self._of(population)[low:high, columns].values
