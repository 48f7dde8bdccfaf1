"""Spike trains that scripts fill, read, look into and write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from isocortex.arrays import FloatArray, IntArray
from isocortex.errors import ConfigError, InputError
from isocortex.report.spikes import SpikeWriter
from isocortex.sonata.spikes_in import NO_POPULATION, UNITS, all_spikes

if TYPE_CHECKING:
    import pandas as pd

StrPath = str | os.PathLike[str]
pop_na = NO_POPULATION


class SortOrder(Enum):
    """In which order spikes are given; a word of the same name will do too."""

    none = "none"
    by_id = "by_id"
    by_time = "by_time"
    unknown = "unknown"


sort_order = SortOrder


class SpikeTrains:
    """Spikes of one population or several, in memory.

    Parameters
    ----------
    population, default_population : whose the spikes are that are added without one.
    units : of the times, ms or s.
    """

    def __init__(
        self,
        population: str | None = None,
        *,
        default_population: str | None = None,
        units: str = "ms",
    ) -> None:
        if units.lower() not in UNITS:
            raise ConfigError(f"unknown units {units!r}", field="units", fix="Use ms or s.")
        self._default = default_population or population
        self._units = "ms" if UNITS[units.lower()] == 1.0 else "s"
        self._ids: dict[str, list[int]] = {}
        self._times: dict[str, list[float]] = {}

    @classmethod
    def load(cls, path: StrPath, file_type: str | None = None, **_: Any) -> SpikeTrains:
        """Read a SONATA or CSV file, of which the end of the name tells."""
        path = Path(path)
        if path.suffix == ".nwb" or file_type == "nwb":
            raise InputError(
                "spikes of NWB files are read as inputs of a simulation only", file=path,
                fix='Name it in `inputs`, with "module": "nwb", or convert it to SONATA.',
            )  # fmt: skip
        trains = cls()
        for population, (ids, times) in all_spikes(path).items():
            trains.add_spikes(ids, times, population)
        return trains

    from_sonata = from_csv = load

    def add_spike(self, node_id: int, timestamp: float, population: str | None = None) -> None:
        self.add_spikes([node_id], [timestamp], population)

    def add_spikes(
        self, node_ids: int | ArrayLike, timestamps: ArrayLike, population: str | None = None
    ) -> None:
        """Add spikes of several nodes, or several of one."""
        times = np.asarray(timestamps, float).tolist()
        ids = np.broadcast_to(np.asarray(node_ids, np.int64), len(times)).tolist()
        name = population or self._default or NO_POPULATION
        self._ids.setdefault(name, []).extend(ids)
        self._times.setdefault(name, []).extend(times)

    def merge(self, other: SpikeTrains) -> None:
        for name in other.populations:
            self.add_spikes(*other._of(name), name)

    @property
    def populations(self) -> list[str]:
        return list(self._ids)

    def units(self, population: str | None = None) -> str:
        return self._units

    def _of(self, population: str | None) -> tuple[IntArray, FloatArray]:
        """Node and time of every spike of a population; None is the default or the only one."""
        name = population or self._default
        if name is None:
            name = self.populations[0] if len(self._ids) == 1 else NO_POPULATION
        ids, times = self._ids.get(name, []), self._times.get(name, [])
        return np.array(ids, np.int64), np.array(times, np.float64)

    def node_ids(self, population: str | None = None) -> IntArray:
        return np.unique(self._of(population)[0])

    def n_spikes(self, population: str | None = None) -> int:
        return len(self._of(population)[0])

    def get_times(
        self,
        node_id: int,
        population: str | None = None,
        time_window: tuple[float, float] | None = None,
    ) -> FloatArray:
        ids, times = self._of(population)
        times = times[ids == node_id]
        if time_window:
            times = times[(time_window[0] <= times) & (times <= time_window[1])]
        return times

    def time_range(self, population: str | None = None) -> tuple[float, float]:
        times = self.to_dataframe(population)["timestamps"]
        return float(times.min()), float(times.max())

    def to_dataframe(
        self,
        populations: str | Iterable[str] | None = None,
        sort_order: SortOrder | str | None = None,
        with_population_col: bool = True,
        **_: Any,
    ) -> pd.DataFrame:
        """A row per spike: node_ids, timestamps and, if asked for, population."""
        import pandas as pd

        names = [populations] if isinstance(populations, str) else populations or self.populations
        column = {"by_id": "node_ids", "by_time": "timestamps"}.get(_order(sort_order))
        frames = []
        for name in names:
            ids, times = self._of(name)
            frame = pd.DataFrame({"node_ids": ids, "timestamps": times})
            if with_population_col:
                frame["population"] = name
            frames.append(frame if column is None else frame.sort_values(column, kind="stable"))
        empty = {"node_ids": np.zeros(0, np.int64), "timestamps": np.zeros(0), "population": []}
        return pd.concat(frames) if frames else pd.DataFrame(empty)

    def spikes(
        self,
        populations: str | Iterable[str] | None = None,
        time_window: tuple[float, float] | None = None,
        sort_order: SortOrder | str | None = None,
    ) -> Iterator[tuple[float, str, int]]:
        """(time, population, node) of every spike."""
        table = self.to_dataframe(populations, sort_order)
        low, high = time_window or (-np.inf, np.inf)
        for row in table[table["timestamps"].between(low, high)].itertuples():
            yield row.timestamps, row.population, row.node_ids

    def to_sonata(
        self, path: StrPath, mode: str = "w", sort_order: SortOrder | str | None = None, **_: Any
    ) -> None:
        """Write a SONATA file; times in ms."""
        path = _room(path, mode)
        names = self.populations or [self._default or NO_POPULATION]
        with SpikeWriter(path, names, _order(sort_order)) as writer:
            for name in self.populations:
                ids, times = self._of(name)
                writer.append(name, ids, times * UNITS[self._units])

    def to_csv(
        self, path: StrPath, mode: str = "w", sort_order: SortOrder | str | None = None, **_: Any
    ) -> None:
        """Write BMTK's table."""
        table = self.to_dataframe(sort_order=sort_order)
        columns = ["timestamps", "population", "node_ids"]
        table[columns].to_csv(_room(path, mode), sep=" ", index=False)

    def is_equal(
        self,
        other: SpikeTrains,
        populations: str | Iterable[str] | None = None,
        err: float = 1e-5,
        time_window: tuple[float, float] | None = None,
    ) -> bool:
        """Whether the spikes are the same, in whatever order they were added.

        Parameters
        ----------
        populations : which are compared; None is all, and both must have the same.
        err : ms that times may be apart, beside 1e-5 of a time, as in BMTK.
        time_window : ms, from and to.
        """
        if populations is None and set(self.populations) != set(other.populations):
            return False
        names = [populations] if isinstance(populations, str) else populations or self.populations
        for name in names:
            if (name in self.populations) != (name in other.populations):
                return False
            (ids, times), (other_ids, other_times) = (
                trains._sorted(name, time_window) for trains in (self, other)
            )
            if not np.array_equal(ids, other_ids) or not np.allclose(times, other_times, atol=err):
                return False
        return True

    def _sorted(
        self, population: str, window: tuple[float, float] | None
    ) -> tuple[IntArray, FloatArray]:
        """Node and time (ms) of every spike, by node and then by time."""
        ids, times = self._of(population)
        times = times * UNITS[self._units]
        low, high = window or (-np.inf, np.inf)
        inside = (low <= times) & (times <= high)
        ids, times = ids[inside], times[inside]
        order = np.lexsort((times, ids))
        return ids[order], times[order]

    def __eq__(self, other: object) -> bool:
        return self.is_equal(other) if isinstance(other, SpikeTrains) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # spikes may be added

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))


def _order(given: SortOrder | str | None) -> str:
    return SortOrder(given or "none").value


def _room(path: StrPath, mode: str) -> Path:
    """The path of a file to be written, in a folder that is there."""
    if mode != "w":
        raise ConfigError(
            f"mode {mode!r} is not supported: a file is written as a whole", file=path,
            fix="Put all spikes into one SpikeTrains (merge), and write that.",
        )  # fmt: skip
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
