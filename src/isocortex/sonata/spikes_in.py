"""Spike trains for virtual nodes: from SONATA, older HDF5 and CSV files, or drawn (Poisson)."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import NodePopulation, PoissonInput, SpikeInput
from isocortex.circuit.columns import numbers, take
from isocortex.errors import InputError
from isocortex.random import keys
from isocortex.sonata.hdf5 import array, group, open_h5, text_attribute
from isocortex.sonata.tables import NULLS, Table, read_table

logger = logging.getLogger(__name__)
Chosen = list[tuple[NodePopulation, IntArray]]

#: What BMTK writes where a spike has no population.
NO_POPULATION = "<sonata:none>"
#: What names a train.
NODE_ID = re.compile(r"0*[0-9]{1,19}")
#: A train faster than this is a mistake, Hz.
FASTEST = 1e5
#: SONATA's units attribute -> ms
UNITS = {
    "ms": 1.0,
    "millisecond": 1.0,
    "milliseconds": 1.0,
    "s": 1e3,
    "second": 1e3,
    "seconds": 1e3,
}


#: Population -> node of every spike and its time, ms.
Trains = dict[str, tuple[IntArray, FloatArray]]


def all_spikes(path: Path) -> Trains:
    """Every spike of a SONATA or CSV file, of whatever circuit."""
    if path.suffix == ".csv":
        ids, times, names = _csv_columns(path)
        if names is None:
            return {NO_POPULATION: (ids, times)}
        return {str(p): (ids[names == p], times[names == p]) for p in dict.fromkeys(names)}
    with open_h5(path) as file:
        root = group(file, "spikes", path)
        if "gids" in root or "node_ids" in root:
            return {NO_POPULATION: _columns(root, path)}
        return {name: _columns(group(root, name, path), path) for name in root}


def read_h5_spikes(
    path: Path, chosen: Chosen, known: Collection[str], *, any_name: bool = False
) -> list[SpikeInput]:
    """Trains of the chosen nodes from ``/spikes/<population>`` or the older ``/spikes``.

    Parameters
    ----------
    known : names of all populations of the circuit.
    any_name : a file without the chosen populations gives the trains of the one that it has.
    """
    found = []
    with open_h5(path) as file:
        root = group(file, "spikes", path)
        if "gids" in root or "node_ids" in root:
            return _by_id(root, chosen, path)
        for population, rows in chosen:
            if population.name in root:
                ids, times = _columns(group(root, population.name, path), path)
                _check_nodes(ids, [population], path)
                found.append(_keep(population, rows, ids, times, path))
        if found:
            _check_populations(
                {name: _count(root[name]) for name in root if name not in known}, path
            )
        elif chosen and len(root):
            there = [name for name in root if _count(root[name])]
            name = _of_another(there, chosen, known if any_name else there, path, "/spikes")
            found = _by_id(group(root, name, path), chosen, path)
    return found


def _by_id(h5: h5py.Group, chosen: Chosen, path: Path) -> list[SpikeInput]:
    """Trains of the chosen nodes from a group that is taken for all of them."""
    ids, times = _columns(h5, path)
    _check_nodes(ids, [p for p, _ in chosen], path)
    return [_keep(population, rows, ids, times, path) for population, rows in chosen]


def _of_another(
    there: list[str], chosen: Chosen, not_meant: Collection[str], path: Path, field: str
) -> str:
    """The population whose trains are taken by node id where a file has none of the chosen ones.

    BMTK never looks at names, so that scripts name populations as they like. Of several it takes
    the first, and one of the circuit's others as well: such a file is the wrong one, and refused.
    """
    wanted = ", ".join(population.name for population, _ in chosen)
    if len(there) != 1 or there[0] in not_meant:
        raise InputError(
            f"has no spikes of {wanted}", file=path, field=field,
            fix=f"It has {', '.join(there) or 'no spikes at all'}.",
        )  # fmt: skip
    logger.warning(
        "%s: has no spikes of %s: those of %s are taken, by node id, as in BMTK",
        path, wanted, there[0],
    )  # fmt: skip
    return there[0]


def _count(item: h5py.HLObject) -> int:
    """How many spikes a population's group holds."""
    times = item.get("timestamps") if isinstance(item, h5py.Group) else None
    return int(times.size) if isinstance(times, h5py.Dataset) else 0


def _check_populations(unknown: Mapping[str, int], path: Path) -> None:
    """Spikes, by name, of populations that the circuit does not have: not silently left out."""
    if sum(unknown.values()):
        names = [name for name, count in unknown.items() if count]
        logger.warning(
            "%s: %d spikes are of populations that the circuit does not have and are left out:"
            " %s%s", path, sum(unknown.values()), ", ".join(names[:5]),
            ", ..." if len(names) > 5 else "",
        )  # fmt: skip


def _columns(h5: h5py.Group, path: Path) -> tuple[IntArray, FloatArray]:
    times = array(h5, "timestamps", path, "float")
    ids = array(h5, "gids" if "gids" in h5 else "node_ids", path, "int", len(times))
    units = text_attribute(h5["timestamps"], "units") or text_attribute(h5, "units") or "ms"
    if units not in UNITS:
        raise InputError(
            f"unknown units {units!r}", file=path, field=f"{h5.name}/timestamps", fix="Use ms."
        )
    return ids, times * UNITS[units]


def _check_nodes(ids: IntArray, populations: list[NodePopulation], path: Path) -> None:
    """Spikes of nodes that none of the populations has: left out, as in BMTK, but not silently."""
    if not populations:
        return
    negative = np.flatnonzero(ids < 0)
    if len(negative):
        raise InputError(
            f"spike {negative[0]} is of node {ids[negative[0]]}", file=path, field="node_ids",
            fix="Node ids are 0 or more.",
        )  # fmt: skip
    known = np.concatenate([p.node_ids for p in populations])
    unknown = ids[~np.isin(ids, known)]
    if len(unknown):
        names = ", ".join(p.name for p in populations)
        some = ", ".join(map(str, np.unique(unknown)[:5].tolist()))
        span = f"{known.min()} to {known.max()}" if len(known) else "none"
        logger.warning(
            "%s: %d of %d spikes are of nodes that %s does not have and are left out: node %s%s"
            " (its nodes are %s)", path, len(unknown), len(ids), names, some,
            ", ..." if len(np.unique(unknown)) > 5 else "", span,
        )  # fmt: skip


def _keep(
    population: NodePopulation, rows: IntArray, ids: IntArray, times: FloatArray, path: Path
) -> SpikeInput:
    """Spikes of the chosen rows, by time; other nodes of the file are none of our business."""
    order = np.argsort(population.node_ids[rows])
    wanted = population.node_ids[rows][order]
    at = np.minimum(np.searchsorted(wanted, ids), max(len(wanted) - 1, 0))
    mine = wanted[at] == ids if len(wanted) else np.zeros(len(ids), bool)
    if len(ids) and len(rows) and not mine.any():
        logger.warning("%s: none of its %d spikes is of a chosen node of %s",
                       path, len(ids), population.name)  # fmt: skip
    early = np.flatnonzero(mine & (times < 0))
    if len(early):
        raise InputError(
            f"spike {early[0]} is at {times[early[0]]:g} ms", file=path, field="timestamps",
            fix="Times are ms from the start.",
        )  # fmt: skip
    by_time = np.argsort(times[mine], kind="stable")
    return SpikeInput(population.name, rows[order[at[mine]]][by_time], times[mine][by_time])


def of_trains(
    population: NodePopulation, rows: IntArray, trains: Sequence[FloatArray]
) -> SpikeInput:
    """Trains, one for each of some nodes, ms, as an input whose spikes go by time."""
    times = np.concatenate([np.zeros(0), *trains])
    of_node = np.repeat(rows, [len(train) for train in trains])
    order = np.argsort(times, kind="stable")
    return SpikeInput(population.name, of_node[order], times[order])


#: What the columns of a table of spikes may be called.
IDS = ("node_ids", "node_id", "gids", "gid")
TIMES = ("timestamps", "timestamp")


def read_csv_spikes(
    path: Path, chosen: Chosen, known: Collection[str], *, any_name: bool = False
) -> list[SpikeInput]:
    """Trains from BMTK's table: timestamps, node_ids and perhaps population.

    Also the older form: ``gid`` and ``spike-times``, a comma-separated list per node.

    Parameters
    ----------
    known : names of all populations of the circuit.
    any_name : a table without the chosen populations gives the trains of the one that it has.
    """
    ids, times, names = _csv_columns(path)
    if names is not None:
        there = sorted(set(names) - {NO_POPULATION, *NULLS})
        if chosen and there and not {p.name for p, _ in chosen} & {*there}:
            _of_another(there, chosen, known if any_name else there, path, "population")
            names = None
    if names is not None:
        strangers = Counter(names[~np.isin(names, [*known, NO_POPULATION, *NULLS])])
        _check_populations(strangers, path)
    anyones = np.ones(len(ids), bool)
    if names is not None:
        anyones = np.isin(names, [NO_POPULATION, *NULLS])
    _check_nodes(ids[anyones], [p for p, _ in chosen], path)
    inputs = []
    for population, rows in chosen:
        own = np.zeros(len(ids), bool) if names is None else names == population.name
        _check_nodes(ids[own], [population], path)
        mine = anyones | own
        inputs.append(_keep(population, rows, ids[mine], times[mine], path))
    return inputs


def _csv_columns(path: Path) -> tuple[IntArray, FloatArray, np.ndarray | None]:
    """Node, time (ms) and, where there is one, name of the population of every spike."""
    table = read_table(path)
    if "spike-times" in table.columns:
        ids, times = _lists_of_times(table)
    else:
        times = table.numbers(table.find(*TIMES))
        ids = table.integers(table.find(*IDS))
    names = table.columns.get("population")
    return ids, times, None if names is None else np.array(names, object)


def _lists_of_times(table: Table) -> tuple[IntArray, FloatArray]:
    """Node and time of every spike of a table with one line for each node."""
    ids, parts = table.integers(table.find(*IDS)), []
    for row, entry in enumerate(table.columns["spike-times"]):
        try:
            parts.append(np.array([float(t) for t in entry.split(",") if t.strip()]))
        except ValueError:
            parts.append(np.array([np.nan]))
        if not np.isfinite(parts[-1]).all():
            raise table.error(
                row, "spike-times", "is not a list of times", "Separate numbers by commas."
            )
    return np.repeat(ids, [len(p) for p in parts]), np.concatenate([*parts, np.zeros(0)])


def read_nwb_spikes(path: Path, chosen: Chosen, trial: str | None) -> list[SpikeInput]:
    """Trains from ``/processing/<trial>/spike_train/<node id>/data`` (ms), as older BMTK wrote."""
    with open_h5(path) as file:
        trials = group(file, "processing", path)
        if trial is None and len(trials) != 1:
            raise InputError(
                f"has {len(trials)} trials", file=path, field="/processing",
                fix=f"Choose one by `trial`: {', '.join(trials) or 'none'}.",
            )  # fmt: skip
        trains = group(group(trials, trial or next(iter(trials)), path), "spike_train", path)
        numbered = _trains(trains, path)
        _check_nodes(np.array(sorted(numbered), np.int64), [p for p, _ in chosen], path)
        found = []
        for population, rows in chosen:
            ids = [i for i in population.node_ids[rows].tolist() if i in numbered]
            times = [array(group(trains, numbered[i], path), "data", path, "float") for i in ids]
            found.append(
                _keep(
                    population, rows, np.repeat(np.array(ids, np.int64), [len(t) for t in times]),
                    np.concatenate([*times, np.zeros(0)]), path,
                )
            )  # fmt: skip
    return found


def _trains(trains: h5py.Group, path: Path) -> dict[int, str]:
    """The name of every node's train: its id, perhaps with zeros in front."""
    numbered: dict[int, str] = {}
    for name, item in trains.items():
        if isinstance(item, h5py.Dataset) and item.dtype.kind not in "iuf":
            continue  # a note
        number = int(name) if NODE_ID.fullmatch(name) else -1
        if not 0 <= number <= np.iinfo(np.int64).max or number in numbered:
            again = "is the second of its node" if number in numbered else "is no node id"
            raise InputError(
                f"the name of train {name!r} {again}", file=path, field=f"{trains.name}/{name}",
                fix="Name every train by the id of its node, once.",
            )  # fmt: skip
        numbered[number] = name
    return numbered


def poisson_inputs(
    chosen: Chosen, rate: float | str, start: float, stop: float, key: str, where: Path
) -> list[PoissonInput]:
    """Independent Poisson trains between ``start`` and ``stop`` (ms).

    ``rate`` is in Hz, or names a node attribute that holds it. The train of a node is a function
    of (``key``, population, node id) alone: neither other nodes nor their order matter.
    """
    inputs = []
    for population, rows in chosen:
        if isinstance(rate, str):
            if rate not in population.columns:
                raise InputError(
                    f"population {population.name!r} has no attribute {rate!r}", file=where,
                    field="firing_rate", fix="Give a number in Hz or a node attribute.",
                )  # fmt: skip
            rates = numbers(take(population.columns[rate], rows))
        else:
            rates = np.full(len(rows), float(rate))
        if not ((rates >= 0) & (rates <= FASTEST)).all():
            raise InputError(
                f"rates must lie between 0 and {FASTEST:g} Hz", file=where, field="firing_rate"
            )
        of_node = keys(f"{key}:{population.name}", population.node_ids[rows])
        inputs.append(PoissonInput(population.name, rows, rates, start, stop, of_node))
    return inputs
