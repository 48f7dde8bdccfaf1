"""Spikes of sorted units of recordings with probes, for virtual nodes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Column, Input, NodePopulation, SpikeInput, Text
from isocortex.circuit.columns import take
from isocortex.random import uniform
from isocortex.sonata.hdf5 import open_h5
from isocortex.sonata.input_entry import Entry
from isocortex.sonata.nwb import ELECTRODES, INTERVALS, UNITS, Table
from isocortex.sonata.nwb_filters import chosen
from isocortex.sonata.spikes_in import of_trains
from isocortex.sonata.tables import read_table

logger = logging.getLogger(__name__)

#: How units are dealt out to nodes.
BY_TABLE, ONCE, AGAIN = (
    "units_map",
    ("sample", "sample_without_replacement"),
    "sample_with_replacement",
)
#: Names of the table of intervals and of the place in it, the latter two those of BMTK's own
#: examples. Beside ``interval_name`` these are columns, as BMTK has it.
INTERVAL, STIMULUS = ("interval_name", "interval_index"), ("stimulus_name", "stimulus_index")
#: From and to, s.
Window = tuple[float, float]


@dataclass(frozen=True)
class _Units:
    """Units of a file that may be used.

    Attributes (n units)
    ----------
    row : int64[n], of the file's table.
    id : int64[n].
    window : None for everything.
    """

    path: Path
    row: IntArray
    id: IntArray
    window: Window | None


def probe(entry: Entry) -> list[Input]:
    """Trains of virtual nodes from the units of one or more recordings."""
    entry.only(
        "input_file", "mapping", "units", "interval", "interval_offset", "missing_ids", "cache",
        "simulation_offset", "random_seed",
    )  # fmt: skip
    if entry.number("simulation_offset", 0.0) != 0.0:
        raise entry.fail(
            "simulation_offset", "is not read, here as in BMTK", "Use interval_offset."
        )
    mapping = str(entry.values.get("mapping")).lower()
    if mapping not in (BY_TABLE, *ONCE, AGAIN):
        known = ", ".join((BY_TABLE, *ONCE, AGAIN))
        raise entry.fail("mapping", f"unknown mapping {mapping!r}", f"Use one of {known}.")
    nodes = entry.virtual()
    files = _files(entry)
    windows = _windows(entry, files)
    table = _UnitsMap(entry) if mapping == BY_TABLE else None
    found = [
        _units(entry, path, window, None if table else entry.values.get("units", {}))
        for path, window in zip(files, windows, strict=True)
    ]
    every = _numbered(entry, found)
    if table:
        dealt = table.deal(nodes, every)
    else:
        dealt = _sampled(entry, nodes, np.array(list(every), np.int64), again=mapping == AGAIN)
    trains = _Trains(entry, found, every, dealt)
    others = table.windows if table else {}
    return [
        trains.of(population, rows, units, others)
        for (population, rows), units in zip(nodes, dealt, strict=True)
    ]


def _files(entry: Entry) -> list[Path]:
    """The recordings."""
    given = entry.values.get("input_file")
    names: list[Any] = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) for name in names):
        raise entry.fail(
            "input_file", "must be the path of an NWB file, or a list of them", "Add it."
        )
    return [entry.file.parent / name for name in names]


# --- intervals ------------------------------------------------------------------------------------


def _windows(entry: Entry, files: list[Path]) -> list[Window | None]:
    """The interval of every file; None where all of it is taken."""
    given = entry.values.get("interval")
    if given is None or given == []:
        return [None] * len(files)
    several = isinstance(given, list) and isinstance(given[0], list | dict)
    windows: list[Any] = given if several else [given]
    if len(windows) == 1:
        windows = windows * len(files)
    if len(windows) != len(files):
        raise entry.fail(
            "interval",
            f"holds {len(windows)} intervals for {len(files)} files",
            "Give one of each.",
        )
    return [_window(entry, window, path) for window, path in zip(windows, files, strict=True)]


def _window(entry: Entry, given: Any, path: Path) -> Window:
    """An interval, from numbers in ms or from rows of a table of the file."""
    if not isinstance(given, dict):
        numbers = given if isinstance(given, list) else []
        if len(numbers) != 2 or not all(type(value) in (int, float) for value in numbers):
            raise entry.fail("interval", f"must be [from, to] in ms, found {given!r}", "Mend it.")
        return _ordered(entry, "interval", numbers[0] / 1000.0, numbers[1] / 1000.0)
    filters = dict(given)
    words = STIMULUS if STIMULUS[0] in filters and INTERVAL[0] not in filters else INTERVAL
    name, index = filters.pop(words[0], None), filters.pop(words[1], "all")
    if not isinstance(name, str):
        raise entry.fail("interval", f"has no {INTERVAL[0]}", "Name a table of intervals.")
    with open_h5(path) as file:
        there = list(file.get(INTERVALS) or ())
        full = next((n for n in (name, f"{name}_presentations") if n in there), None)
        if full is None:
            raise entry.fail(
                "interval",
                f"{path} has no intervals {name!r}",
                f"It has {', '.join(there) or 'none'}.",
            )
        table = Table(file, f"{INTERVALS}/{full}", path)
        said = (entry, "interval")
        keep = chosen(filters, table.names, table.column, len(table.ids), said)
        start, stop = (_numbers(table.column(n))[keep] for n in ("start_time", "stop_time"))
    if len(start) == 0:
        raise entry.fail(
            "interval", f"no interval of {name!r} in {path} is of that kind", "Mend it."
        )
    if index == "all":
        # an interval without a beginning or an end says nothing of it
        first, last = np.fmin.reduce(start), np.fmax.reduce(stop)
        return _ordered(entry, "interval", float(first), float(last))
    if type(index) is not int or not -len(start) <= index < len(start):
        raise entry.fail(
            "interval", f"{words[1]} {index!r} is not one of {len(start)} intervals",
            "Count from 0, or use 'all'.",
        )  # fmt: skip
    return _ordered(entry, "interval", float(start[index]), float(stop[index]))


def _ordered(entry: Entry, key: str, start: float, stop: float) -> Window:
    """The window; in one that does not end after it begins there is no spike, as in BMTK."""
    said = f"an interval is from {1e3 * start:g} to {1e3 * stop:g} ms"
    if np.isnan([start, stop]).any():
        raise entry.fail(key, said, "Give from < to.")
    if not start < stop:
        logger.warning("%s: inputs.%s.%s: %s: no spike is in it", entry.file, entry.name, key, said)
    return start, stop


def _numbers(column: Column) -> FloatArray:
    return np.full(len(column), np.nan) if isinstance(column, Text) else column.astype(np.float64)


# --- units ----------------------------------------------------------------------------------------


def _units(entry: Entry, path: Path, window: Window | None, filters: Any) -> _Units:
    """The units of a file, those that pass ``filters`` if there are any."""
    if filters is not None and not isinstance(filters, dict):
        raise entry.fail("units", f"must be filters by column, found {filters!r}", "Give {...}.")
    with open_h5(path) as file:
        units = Table(file, UNITS, path)
        rows = np.arange(len(units.ids))
        if filters:
            electrodes = Table(file, ELECTRODES, path) if ELECTRODES in file else None
            read = _Columns(units, electrodes)
            keep = chosen(filters, read.names, read.column, len(rows), (entry, "units"))
            rows = rows[keep]
        return _Units(path, rows, units.ids[rows], window)


class _Columns:
    """Columns of units, and those of the electrodes where they are largest."""

    CHANNEL = ("peak_channel_id", "channel_id")

    def __init__(self, units: Table, electrodes: Table | None) -> None:
        self.units, self.electrodes = units, electrodes
        self.channel = next((name for name in self.CHANNEL if name in units.names), None)
        if self.channel is None:
            self.electrodes = None

    @property
    def names(self) -> list[str]:
        more = [] if self.electrodes is None else self.electrodes.names
        return [*self.units.names, *more, *(["channel_id"] if self.channel else [])]

    def column(self, name: str) -> Column:
        if name in self.units.names:
            return self.units.column(name)
        assert self.channel is not None
        channels = _numbers(self.units.column(self.channel))
        if name == "channel_id":
            return channels
        assert self.electrodes is not None
        order = np.argsort(self.electrodes.ids, kind="stable")
        known = self.electrodes.ids[order]
        at = np.minimum(np.searchsorted(known, channels), max(len(known) - 1, 0))
        found = known[at] == channels if len(known) else np.zeros(len(channels), bool)
        column = self.electrodes.column(name)
        if len(known) == 0:
            return np.full(len(channels), np.nan)
        values = take(column, order[at])
        if isinstance(values, Text):
            return Text(np.where(found, values.codes, -1).astype(np.int32), values.values)
        return np.where(found, values.astype(np.float64), np.nan)


def _numbered(entry: Entry, found: list[_Units]) -> dict[int, tuple[int, int]]:
    """File and place in it of every unit by its id."""
    every: dict[int, tuple[int, int]] = {}
    for f, units in enumerate(found):
        for k, unit in enumerate(units.id.tolist()):
            if unit in every:
                raise entry.fail(
                    "input_file", f"unit {unit} of {units.path} is there twice",
                    "Give files whose units have distinct ids.",
                )  # fmt: skip
            every[unit] = f, k
    return every


# --- who gets which -------------------------------------------------------------------------------


class _UnitsMap:
    """A table of nodes and their units, perhaps with an interval (ms) of each."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        table = read_table(entry.path("units"))
        nodes, units = (table.integers(table.find(name)) for name in ("node_ids", "unit_ids"))
        self.unit = dict(zip(nodes.tolist(), units.tolist(), strict=True))
        #: by node: a unit may play different parts of its recording to several
        self.windows: dict[int, Window] = {}
        if "start_times" in table.columns:
            milli = 1 / 1000.0  # as BMTK converts these
            start, stop = (
                table.numbers(table.find(n)) * milli for n in ("start_times", "stop_times")
            )
            rows = zip(nodes.tolist(), start.tolist(), stop.tolist(), strict=True)
            self.windows = {node: _ordered(entry, "units", a, b) for node, a, b in rows}

    def deal(
        self, nodes: list[tuple[NodePopulation, IntArray]], every: dict[int, tuple[int, int]]
    ) -> list[IntArray]:
        """The unit of every chosen node, -1 for none."""
        dealt = []
        for population, rows in nodes:
            units = [self.unit.get(node, -1) for node in population.node_ids[rows].tolist()]
            unknown = [unit for unit in units if unit >= 0 and unit not in every]
            if unknown:
                raise self.entry.fail(
                    "units", f"no file has unit {unknown[0]}", "Mend the table or input_file."
                )
            without = population.node_ids[rows][np.array(units, np.int64) < 0]
            _missing(self.entry, np.intersect1d(without, _heard(self.entry, population)))
            dealt.append(np.array(units, np.int64))
        return dealt


def _heard(entry: Entry, population: NodePopulation) -> IntArray:
    """Ids of the nodes that have edges: of others BMTK does not ask for spikes."""
    edges = [e.source_index for e in entry.circuit.edges if e.source == population.name]
    return np.unique(population.node_ids[np.concatenate([np.zeros(0, np.int64), *edges])])


def _missing(entry: Entry, nodes: IntArray) -> None:
    """Say, if asked for, that nodes have no unit, or stop."""
    how = entry.values.get("missing_ids", "fail")
    if how not in ("fail", "warn", "ignore"):
        raise entry.fail("missing_ids", f"unknown choice {how!r}", "Use fail, warn or ignore.")
    if len(nodes) == 0 or how == "ignore":
        return
    some = ", ".join(map(str, nodes[:5].tolist())) + (", ..." if len(nodes) > 5 else "")
    message = f"{len(nodes)} nodes have no unit: {some}"
    if how == "fail":
        raise entry.fail("units", message, 'Or set missing_ids to "warn" or "ignore".')
    logger.warning("%s: inputs.%s: %s", entry.file, entry.name, message)


def _sampled(
    entry: Entry, nodes: list[tuple[NodePopulation, IntArray]], units: IntArray, *, again: bool
) -> list[IntArray]:
    """A random unit for every chosen node, each unit once or ``again``; -1 where they run out."""
    key, seed = f"units {entry.name}", entry.whole("random_seed", entry.seed)
    # of the nodes' names, not of their places in the file
    draws = [
        uniform(seed, f"{key}:{population.name}", population.node_ids[rows])
        for population, rows in nodes
    ]
    if again:
        if len(units) == 0:
            raise entry.fail("units", "no unit passes the filters", "Choose wider ones.")
        return [units[(u * len(units)).astype(np.int64)] for u in draws]
    turn = np.argsort(np.concatenate(draws), kind="stable")
    shuffled = units[np.argsort(uniform(seed, key, units), kind="stable")][: len(turn)]
    dealt = np.full(len(turn), -1)
    dealt[turn[: len(shuffled)]] = shuffled
    ids = np.concatenate([population.node_ids[rows] for population, rows in nodes])
    _missing(entry, ids[dealt < 0])
    return np.split(dealt, np.cumsum([len(rows) for _, rows in nodes])[:-1])


# --- spikes ---------------------------------------------------------------------------------------


class _Trains:
    """Spikes of every unit that a node has, as they were recorded."""

    def __init__(
        self,
        entry: Entry,
        found: list[_Units],
        every: dict[int, tuple[int, int]],
        dealt: list[IntArray],
    ) -> None:
        self.entry = entry
        self.offset = entry.number("interval_offset", 0.0) / 1000.0
        #: by unit: times, s, and the interval of its file
        self.recorded: dict[int, tuple[FloatArray, Window | None]] = {}
        wanted = np.unique(np.concatenate([np.zeros(0, np.int64), *dealt]))
        for f, units in enumerate(found):
            mine = [unit for unit in wanted[wanted >= 0].tolist() if every[unit][0] == f]
            rows = units.row[np.array([every[unit][1] for unit in mine], np.int64)]
            with open_h5(units.path) as file:
                times = Table(file, UNITS, units.path).lists("spike_times", rows)
            for unit, seconds in zip(mine, times, strict=True):
                self.recorded[unit] = seconds, units.window

    def of(
        self,
        population: NodePopulation,
        rows: IntArray,
        units: IntArray,
        windows: dict[int, Window],
    ) -> SpikeInput:
        """The trains of some nodes of a population, by time.

        Parameters
        ----------
        units : int64[rows], -1 for none.
        windows : by node id, where it is not the interval of the file.
        """
        ids = population.node_ids[rows].tolist()
        parts = [
            self._train(unit, windows.get(node)) if unit >= 0 else np.zeros(0)
            for node, unit in zip(ids, units.tolist(), strict=True)
        ]
        made = of_trains(population, rows, parts)
        entry, times = self.entry, made.times
        if (times < 0).any() or not np.isfinite(times).all():
            raise entry.fail("interval", f"a spike is at {times.min():g} ms", "Give an interval.")
        if len(times) == 0:
            logger.warning("%s: inputs.%s: no spike is in the interval", entry.file, entry.name)
        return made

    def _train(self, unit: int, window: Window | None) -> FloatArray:
        """Times of a unit, ms of the simulation."""
        seconds, default = self.recorded[unit]
        window = window or default
        if window is not None:
            inside = (window[0] <= seconds) & (seconds <= window[1])
            seconds = seconds[inside] - window[0] + self.offset
        return np.sort(seconds * 1000.0)
