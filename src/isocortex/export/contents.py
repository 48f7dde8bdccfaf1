"""What a result holds, in the words of those who record: units, recordings, a session."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import NodePopulation
from isocortex.circuit.columns import Column, Text, take
from isocortex.errors import IsocortexError
from isocortex.report.origin import files_of, nodes_of
from isocortex.report.results import Result
from isocortex.report.sending import sendable

if TYPE_CHECKING:
    import xarray

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Units:
    """Every cell that could spike, with its spikes; populations one after the other.

    Attributes (n units)
    ----------
    population : object[n] of str.
    node_id : int64[n], ascending within a population.
    attributes : of the cells, by name; numbers, or object[n] of str. What a cell lacks is NaN or
        an empty text.
    times : float64[spikes], ms, by unit and then by time.
    ends : int64[n], where in ``times`` the spikes of each unit end.
    """

    population: NDArray[Any]
    node_id: IntArray
    attributes: dict[str, NDArray[Any]]
    times: FloatArray
    ends: IntArray

    @property
    def unit_of_spikes(self) -> IntArray:
        """int64[spikes]."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))

    def rows(self, population: str, node_ids: IntArray) -> IntArray:
        """Units of some nodes."""
        mine = np.flatnonzero(self.population == population)
        return mine[np.searchsorted(self.node_id[mine], node_ids)]


@dataclass(frozen=True)
class Recording:
    """A report: samples at regular times of several places.

    Attributes
    ----------
    name : of the report; where it holds several populations, with theirs.
    kind : ``membrane`` (columns are compartments), ``potential`` (contacts) or ``dipole`` (a group
        and an axis each).
    samples : [times, columns], read from disk when its values are used.
    columns : what each column is, by name.
    start, dt : first sample and interval, ms.
    variable, units : what was recorded.
    population : of the cells, empty where it is of none.
    """

    name: str
    kind: str
    samples: xarray.DataArray
    columns: dict[str, NDArray[Any]]
    start: float
    dt: float
    variable: str
    units: str
    population: str = ""


def nodes_at_hand(result: Result, config: str | Path | None) -> dict[str, NodePopulation]:
    """The nodes of a result's circuit; none where the circuit is gone, which is told.

    Raises
    ------
    IsocortexError : ``config`` is given, and is not of this result's circuit.
    """
    try:
        return nodes_of(result, config)
    except IsocortexError as error:
        if config is not None:
            raise
        logger.warning("Cells go without attributes: %s", error)
        return {}


def units_of(result: Result, nodes: Mapping[str, NodePopulation]) -> Units:
    """The cells of a result and their spikes.

    Parameters
    ----------
    nodes : of its circuit, by population; those of a population that is not there have no
        attributes.
    """
    spikes = dict(iter(result.spikes.groupby("population")))
    names, ids, times, counts = [], [], [], []
    tables: list[dict[str, NDArray[Any]]] = []
    for name, node_ids in result.nodes.items():
        rows, when = np.zeros(0, np.int64), np.zeros(0)
        if name in spikes:
            rows = np.searchsorted(node_ids, spikes[name]["node_ids"].to_numpy())
            when = spikes[name]["timestamps"].to_numpy()
        times.append(when[np.lexsort((when, rows))])
        counts.append(np.bincount(rows, minlength=len(node_ids)))
        names.append(np.full(len(node_ids), name, object))
        ids.append(node_ids)
        tables.append({})
        if name in nodes:
            at = nodes[name].index_of(node_ids, file=result.directory, field=name)
            for key, column in nodes[name].columns.items():
                tables[-1] |= _values(key, take(column, at))
    lengths = [len(part) for part in ids]
    keys = dict.fromkeys(key for table in tables for key in table)
    return Units(
        population=np.concatenate([np.zeros(0, object), *names]),
        node_id=np.concatenate([np.zeros(0, np.int64), *ids]),
        attributes={key: _joined([t.get(key) for t in tables], lengths) for key in keys},
        times=np.concatenate([np.zeros(0), *times]),
        ends=np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts])),
    )


def end_of(result: Result, units: Units) -> float:
    """Until when cells were watched, ms.

    Results of other simulators tell no duration, and reports may end before the last spike.
    """
    return max(result.duration, float(units.times.max(initial=0.0)))


def free_name(name: str, taken: set[str]) -> str:
    """A name for an attribute of nodes that nothing else has; from then on it is taken."""
    while name in taken:
        name = f"node_{name}"
    taken.add(name)
    return name


def _values(name: str, column: Column) -> dict[str, NDArray[Any]]:
    """A column as arrays of numbers or of texts; of several texts a row, one column each."""
    if not isinstance(column, Text):
        return {name: column}
    texts = np.array([*map(str, column.values), ""], object)[column.codes]
    if texts.ndim == 1:
        return {name: texts}
    return {f"{name}_{k}": texts[:, k] for k in range(texts.shape[1])}


def _joined(parts: Sequence[NDArray[Any] | None], lengths: Sequence[int]) -> NDArray[Any]:
    """One attribute of several populations, some of which may lack it or have texts in it."""
    if any(part is not None and part.dtype == object for part in parts):
        texts = [
            np.full(n, "", object) if part is None else part.astype(str).astype(object)
            for part, n in zip(parts, lengths, strict=True)
        ]
        return np.concatenate(texts)
    pairs = zip(parts, lengths, strict=True)
    return np.concatenate([np.full(n, np.nan) if part is None else part for part, n in pairs])


def recordings_of(result: Result) -> Iterator[Recording]:
    """The reports of a result."""
    for name in result.reports:
        populations = result.report_populations(name)
        for population in populations:
            data = result.report(name, population)
            variable, units = (_text(data.attrs[key]) for key in ("variable", "units"))
            yield Recording(
                name if len(populations) == 1 else f"{name}_{population}", "membrane", data,
                {key: data[key].values for key in ("node_id", "element_id", "element_pos")},
                *_times(data), variable, units, population,
            )  # fmt: skip
    for name in result.potentials:
        data = result.potential(name)
        places = {axis: data[axis].values for axis in "xyz" if axis in data.coords}
        yield Recording(
            name, "potential", data, {"channel": data["channel"].values, **places},
            *_times(data), "potential outside cells", "mV",
        )  # fmt: skip
    for name in result.dipoles:
        data = result.dipole(name)
        groups = data["group"].values.astype(object)
        samples = data.stack(column=("group", "axis"), create_index=False)
        columns = {"group": np.repeat(groups, 3), "axis": np.array([*"xyz"] * len(groups), object)}
        yield Recording(
            name, "dipole", samples, columns, *_times(data), "current dipole moment", "nA um"
        )


def _text(told: Any) -> str:
    """What a file says of itself, which other simulators may write as bytes."""
    return told.decode() if isinstance(told, bytes) else str(told)


def _times(data: xarray.DataArray) -> tuple[float, float]:
    """First sample and interval, ms."""
    time = data["time"]
    return float(time.attrs["first"]), float(time.attrs["dt"])


@dataclass(frozen=True)
class SessionFacts:
    """What the run was.

    Attributes
    ----------
    description : one sentence.
    started : when it was simulated; of other simulators' results when their files were written.
    simulator, version : who simulated, empty where that is not known.
    seed : of the random numbers, None where that is not known.
    provenance : the whole of it, JSON; empty where there is none.
    """

    description: str
    started: datetime
    simulator: str
    version: str
    seed: int | None
    provenance: str


def facts_of(result: Result) -> SessionFacts:
    """What a result tells of the run."""
    told = sendable(result.provenance, *files_of(result))
    run, seed = told.get("run", {}), told.get("seed")
    written = min((file.stat().st_mtime for file in result.files), default=0.0)
    started = datetime.fromtimestamp(written, UTC)
    if result.run_summary is not None and result.run_summary.started:
        started = datetime.fromisoformat(result.run_summary.started)
    cells = ", ".join(f"{len(ids):,} of {name}" for name, ids in result.nodes.items())
    by = told.get("simulator")
    description = (
        f"Simulation of {cells or 'no cells'}, {result.begin:g} to {result.duration:g} ms"
        + (f", dt {run['dt']:g} ms" if "dt" in run else "")
        + (f", seed {seed}" if seed is not None else "")
        + (f", by {by}" if by else "")
        + ("; the run was killed, or goes on" if result.unfinished else "")
        + f". Configuration: {run.get('config_file', 'not known')}."
    )
    simulator, _, version = by.rpartition(" ") if by else ("", "", "")
    return SessionFacts(
        description, started, simulator, version, seed, json.dumps(told) if told else ""
    )
