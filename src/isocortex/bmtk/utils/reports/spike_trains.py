"""Spike trains that scripts make, read, look into and write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.errors import ConfigError, InputError
from isocortex.report.spikes import SpikeWriter
from isocortex.sonata.nodes import read_nodes
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
        sort_order: SortOrder | str = SortOrder.none,
        with_population_col: bool = True,
        **_: Any,
    ) -> pd.DataFrame:
        """A row per spike: node_ids, timestamps and, if asked for, population."""
        import pandas as pd

        names = [populations] if isinstance(populations, str) else populations or self.populations
        column = {"by_id": "node_ids", "by_time": "timestamps"}.get(SortOrder(sort_order).value)
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
        sort_order: SortOrder | str = SortOrder.none,
    ) -> Iterator[tuple[float, str, int]]:
        """(time, population, node) of every spike."""
        table = self.to_dataframe(populations, sort_order)
        low, high = time_window or (-np.inf, np.inf)
        for row in table[table["timestamps"].between(low, high)].itertuples():
            yield row.timestamps, row.population, row.node_ids

    def to_sonata(
        self, path: StrPath, mode: str = "w", sort_order: SortOrder | str = SortOrder.none, **_: Any
    ) -> None:
        """Write a SONATA file; times in ms."""
        path = _room(path, mode)
        names = self.populations or [self._default or NO_POPULATION]
        with SpikeWriter(path, names, SortOrder(sort_order).value) as writer:
            for name in self.populations:
                ids, times = self._of(name)
                writer.append(name, ids, times * UNITS[self._units])

    def to_csv(
        self, path: StrPath, mode: str = "w", sort_order: SortOrder | str = SortOrder.none, **_: Any
    ) -> None:
        """Write BMTK's table."""
        table = self.to_dataframe(sort_order=sort_order)
        columns = ["timestamps", "population", "node_ids"]
        table[columns].to_csv(_room(path, mode), sep=" ", index=False)

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))


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


class _Generator(SpikeTrains):
    """Trains drawn by NumPy's random numbers, in BMTK's order: the same seed, the same spikes."""

    def __init__(
        self,
        population: str | None = None,
        seed: int | None = None,
        output_units: str = "ms",
        **options: Any,
    ) -> None:
        super().__init__(population, units=output_units, **options)
        if seed is not None:
            np.random.seed(seed)

    def _draw(self, node_ids: Any, population: str | None, train: Any) -> None:
        """Add a train to each node; ``train()`` gives times in s."""
        if isinstance(node_ids, str | os.PathLike):
            node_ids = _nodes_of(Path(node_ids), population)
        factor = 1000.0 / UNITS[self._units]
        for node in np.atleast_1d(
            np.asarray(list(node_ids) if np.iterable(node_ids) else node_ids)
        ):
            times = np.array(train())
            if len(times):
                self.add_spikes(int(node), times * factor, population)


class PoissonSpikeGenerator(_Generator):
    """Poisson trains, of a constant or a changing rate."""

    def add(
        self,
        node_ids: int | Iterable[int] | StrPath,
        firing_rate: float | ArrayLike,
        population: str | None = None,
        times: float | ArrayLike = (0.0, 1.0),
        abs_ref: float = 0.0,
        tau_ref: float = 0.0,
    ) -> None:
        """Add trains to some nodes.

        Parameters
        ----------
        node_ids : or a file of nodes, for all of them.
        firing_rate : Hz, or at each of ``times``.
        times : s, from and to; those of the rates where there are several.
        abs_ref, tau_ref : s, during which no spike follows another, and the time constant with
            which the rate comes back after it; the mean rate is what is asked for.
        """
        rate = np.asarray(firing_rate, float)
        span = np.asarray(times, float) if np.ndim(times) else np.array([0.0, float(times)])  # type: ignore[arg-type]
        _require_rate(rate, span)
        if rate.ndim and len(rate) != len(span):
            raise ConfigError(
                f"{len(rate)} rates at {len(span)} times", field="firing_rate", fix="Give as many."
            )
        if abs_ref or tau_ref:
            rate = _before_refractoriness(rate, abs_ref, tau_ref)
        fastest = float(rate.max())

        def train() -> list[float]:
            found, now = [], float(span[0])
            while fastest > 0:
                interval = -np.log(1.0 - np.random.uniform()) / fastest
                now += interval
                if now > span[-1]:
                    break
                kept = float(interval > abs_ref) if abs_ref else 1.0
                if tau_ref:
                    kept *= 1.0 - np.exp(-(interval - abs_ref) / tau_ref)
                if rate.ndim:
                    kept *= np.interp(now, span, rate) / fastest
                elif kept == 1.0:
                    found.append(now)
                    continue
                if np.random.uniform() <= kept:
                    found.append(now)
            return found

        self._draw(node_ids, population, train)


class GammaSpikeGenerator(_Generator):
    """Trains whose intervals are gamma distributed."""

    def add(
        self,
        node_ids: int | Iterable[int] | StrPath,
        firing_rate: float,
        a: float,
        population: str | None = None,
        times: float | ArrayLike = (0.0, 1.0),
    ) -> None:
        """Add trains of a constant rate (Hz) and shape ``a``, 1 for Poisson; ``times`` in s."""
        span = np.asarray(times, float) if np.ndim(times) else np.array([0.0, float(times)])  # type: ignore[arg-type]
        _require_rate(np.asarray(firing_rate, float), span)
        n = round((span[-1] - span[0]) * firing_rate * 1.5)

        def train() -> NDArray[np.float64]:
            moments = span[0] + np.cumsum(np.random.standard_gamma(a, n) / (a * firing_rate))
            return moments[moments <= span[-1]]

        self._draw(node_ids, population, train)


def _require_rate(rate: FloatArray, span: FloatArray) -> None:
    if not (rate >= 0).all():
        raise ConfigError("rates must not be negative", field="firing_rate", fix="Mend them.")
    if not span[0] < span[-1]:
        raise ConfigError(f"no time: {span[[0, -1]].tolist()} s", field="times", fix="From, to.")


def _before_refractoriness(rate: FloatArray, abs_ref: float, tau_ref: float) -> FloatArray:
    """The rate (Hz) of which so many spikes are lost that ``rate`` is left."""
    before = np.logspace(0, 3, 1000)
    after = before * np.exp(-before * abs_ref)
    if tau_ref:
        after -= before**2 * tau_ref / (before * tau_ref + 1) * np.exp(-before * abs_ref)
    top = int(np.argmax(after))
    if (rate > after[top]).any():
        raise ConfigError(
            f"no rate above {after[top]:.4g} Hz is left by this refractoriness",
            field="firing_rate", fix="Choose a lower rate, or GammaSpikeGenerator.",
        )  # fmt: skip
    return np.interp(rate, after[: top + 1], before[: top + 1])


def _nodes_of(file: Path, population: str | None) -> IntArray:
    """Ids of a file's nodes: of the population that is asked for, or of the only one."""
    found = {nodes.name: nodes.node_ids for nodes in read_nodes(file, None)}
    if population not in found and len(found) > 1:
        raise InputError(
            f"has no population {population!r}", file=file, fix=f"It has {', '.join(found)}."
        )
    return found.get(str(population), next(iter(found.values())))
