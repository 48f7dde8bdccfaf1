"""What a circuit is once read: tables and arrays, nothing computed yet."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.errors import ConfigError, InputError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class NodePopulation:
    """Nodes of one population.

    Attributes
    ----------
    node_ids : int64[n].
    table : one row per node, with every attribute of its type and its group.
    """

    name: str
    node_ids: IntArray
    table: pd.DataFrame
    file: Path

    def index_of(self, node_ids: IntArray, *, file: Path, field: str) -> IntArray:
        """Rows of these node ids; an id that does not exist is an error of ``file: field``."""
        node_ids = np.asarray(node_ids, np.int64)
        order = np.argsort(self.node_ids, kind="stable")
        at = np.searchsorted(self.node_ids[order], node_ids)
        at = np.minimum(at, max(len(order) - 1, 0))
        found = self.node_ids[order[at]] == node_ids if len(order) else node_ids != node_ids
        if not found.all():
            row = int(np.flatnonzero(~found)[0])
            raise InputError(
                f"row {row} refers to node {node_ids[row]}, which population {self.name!r} does "
                "not have", file=file, field=field, fix=f"Its nodes are in {self.file}.",
            )  # fmt: skip
        return order[at]


@dataclass(frozen=True)
class SynapseRule:
    """What the synapses of an edge type are."""

    model_template: str | None
    dynamics: dict[str, Any]
    dynamics_file: str | None = None
    target_sections: tuple[str, ...] = ()
    distance_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class EdgePopulation:
    """Edges between two populations.

    Attributes (m edges)
    ----------
    source_index, target_index : int64[m], rows of the populations' tables.
    rule : int32[m], index into ``rules``.
    weight : float64[m], after the weight function; uS, or a point neuron's own unit.
    delay : float64[m], ms.
    nsyns : int32[m].
    section_id : int32[m], -1 where no location is given.
    section_pos : float64[m], 0..1, NaN where no location is given.
    weight_is_final : bool[m]; BMTK neither signs nor multiplies the weight of an edge to a point
        neuron whose group gives a location, or no ``nsyns``.
    """

    name: str
    source: str
    target: str
    source_index: IntArray
    target_index: IntArray
    rule: NDArray[np.int32]
    rules: list[SynapseRule]
    weight: FloatArray
    delay: FloatArray
    nsyns: NDArray[np.int32]
    section_id: NDArray[np.int32]
    section_pos: FloatArray
    weight_is_final: NDArray[np.bool_]


@dataclass(frozen=True)
class Circuit:
    """All populations and where the files of their models are."""

    nodes: dict[str, NodePopulation]
    edges: list[EdgePopulation]
    components: dict[str, Path]
    node_sets: dict[str, Any]
    config_file: Path

    def find(self, component: str, name: str) -> Path:
        """Path of a component file, e.g. ``find("morphologies_dir", "cell.swc")``.

        The suffix of morphologies may be missing.
        """
        if component not in self.components:
            raise ConfigError(
                f"{name!r} is needed, but components has no {component}", file=self.config_file,
                field="components", fix=f"Add {component}.",
            )  # fmt: skip
        folder = self.components[component]
        tries = [folder / name]
        if component == "morphologies_dir":
            tries.append(folder / f"{name}.swc")
        for path in tries:
            if path.is_file():
                return path
        there = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        close = difflib.get_close_matches(name, there, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Put it there or mend {component}."
        raise InputError("file does not exist", file=folder / name, field=component, fix=hint)

    def select(self, node_set: Any, where: str) -> list[tuple[str, IntArray]]:
        """(population, rows) of a node set.

        A node set is the name of one, the name of a population, "all", a list of node ids or of
        names, or a query such as {"population": "v1", "ei": "e", "node_id": [0, 1]}.
        ``where`` names the field that asks, for messages.
        """
        if node_set is None or node_set == "all":
            return [(name, np.arange(len(p.node_ids))) for name, p in self.nodes.items()]
        if isinstance(node_set, str):
            return self._named(node_set, where)
        if isinstance(node_set, dict):
            return self._query(node_set, where)
        if isinstance(node_set, list):
            if all(isinstance(x, str) for x in node_set) and node_set:
                return _union([self._named(name, where) for name in node_set])
            if all(isinstance(x, int) and not isinstance(x, bool) for x in node_set):
                return self._query({"node_id": node_set}, where)
        raise ConfigError(
            f"not a node set: {node_set!r}", file=self.config_file, field=where,
            fix="Use a name, a list of node ids, or a query.",
        )  # fmt: skip

    def _named(self, name: str, where: str) -> list[tuple[str, IntArray]]:
        if name in self.node_sets:
            value = self.node_sets[name]
            if value == name:
                raise ConfigError(
                    f"node set {name!r} refers to itself", file=self.config_file, field=where
                )
            return self.select(value, f"node_sets: {name}")
        if name == "all":
            return self.select(None, where)
        if name in self.nodes:
            return [(name, np.arange(len(self.nodes[name].node_ids)))]
        if name in ("biophysical", "point_neuron", "virtual"):
            return self._query({"model_type": name}, where)
        known = [*self.node_sets, *self.nodes]
        raise ConfigError(
            f"unknown node set {name!r}", file=self.config_file, field=where,
            fix=f"There are {', '.join(known) or 'none'}.",
        )  # fmt: skip

    def _query(self, query: dict[str, Any], where: str) -> list[tuple[str, IntArray]]:
        populations = query.get("population", list(self.nodes))
        populations = [populations] if isinstance(populations, str) else populations
        chosen = []
        known_key = {key: False for key in query if key != "population"}
        for name in populations:
            if name not in self.nodes:
                raise ConfigError(
                    f"unknown population {name!r}", file=self.config_file, field=where,
                    fix=f"There are {', '.join(self.nodes)}.",
                )  # fmt: skip
            population = self.nodes[name]
            keep = np.ones(len(population.node_ids), bool)
            for key, value in query.items():
                if key == "population":
                    continue
                values = value if isinstance(value, list) else [value]
                if key in ("node_id", "node_ids", "gid"):
                    known_key[key] = True
                    keep &= np.isin(population.node_ids, values)
                elif key in population.table:
                    known_key[key] = True
                    keep &= population.table[key].isin(values).to_numpy()
                else:
                    keep[:] = False
            if keep.any():
                chosen.append((name, np.flatnonzero(keep)))
        unknown = [key for key, there in known_key.items() if not there]
        if unknown:
            raise ConfigError(
                f"no node has the attribute {unknown[0]!r}", file=self.config_file, field=where,
                fix="Query attributes of the node types or groups.",
            )  # fmt: skip
        return chosen


def _union(parts: list[list[tuple[str, IntArray]]]) -> list[tuple[str, IntArray]]:
    rows: dict[str, list[IntArray]] = {}
    for part in parts:
        for name, members in part:
            rows.setdefault(name, []).append(members)
    return [(name, np.unique(np.concatenate(members))) for name, members in rows.items()]


@dataclass(frozen=True)
class SpikeInput:
    """Spike trains of nodes: rows of the population's table and times (ms), by time."""

    population: str
    rows: IntArray
    times: FloatArray


@dataclass(frozen=True)
class CurrentInput:
    """An electrode in every chosen cell.

    Attributes
    ----------
    amp, delay, duration : float64[k], pulses in nA and ms; or
    waveform : (times ms, amps nA), each value held until the next time.
    section_name, section_index, section_pos : the electrode's place, default soma[0](0.5).
    """

    population: str
    rows: IntArray
    amp: FloatArray = field(default_factory=lambda: np.zeros(0))
    delay: FloatArray = field(default_factory=lambda: np.zeros(0))
    duration: FloatArray = field(default_factory=lambda: np.zeros(0))
    waveform: tuple[FloatArray, FloatArray] | None = None
    section_name: str = "soma"
    section_index: int = 0
    section_pos: float = 0.5


@dataclass(frozen=True)
class ReportSpec:
    """A report the configuration asks for; ``start``, ``end``, ``dt`` in ms."""

    name: str
    variable: str
    cells: list[tuple[str, IntArray]]
    sections: str | tuple[str | int, ...] = "soma"
    start: float = 0.0
    end: float | None = None
    dt: float | None = None
    file_name: str | None = None


@dataclass(frozen=True)
class Simulation:
    """A simulation configuration, complete and checked."""

    circuit: Circuit
    config_file: Path
    dt: float
    tstop: float
    dL: float
    spike_threshold: float
    celsius: float
    v_init: float
    inputs: list[SpikeInput | CurrentInput]
    reports: list[ReportSpec]
    output_dir: Path
    spikes_file: str
    spikes_file_csv: str | None
    spikes_sort_order: str | None
    log_file: str | None
    overwrite_output_dir: bool
    seed: int
    skipped: list[str] = field(default_factory=list)
