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

#: Model types that are node sets of their own name unless the configuration defines another.
MODEL_TYPES = ("biophysical", "point_neuron", "point_process", "virtual")
#: Names of the node id in queries.
NODE_ID = ("node_id", "node_ids", "gid")


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class SynapseRule:
    """What the synapses of an edge type are."""

    model_template: str | None
    dynamics: dict[str, Any]
    dynamics_file: str | None = None
    target_sections: tuple[str, ...] = ()
    distance_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Circuit:
    """All populations and where the files of their models are.

    ``recipe`` holds the parameters of a cortex model whose synapses are drawn, not read;
    ``recipe_file`` is where they were found.
    """

    nodes: dict[str, NodePopulation]
    edges: list[EdgePopulation]
    components: dict[str, Path]
    node_sets: dict[str, Any]
    config_file: Path
    recipe: dict[str, Any] | None = None
    recipe_file: Path | None = None

    def find(self, component: str, name: str) -> Path:
        """Path of a component file, e.g. ``find("morphologies_dir", "cell.swc")``.

        The suffix of morphologies may be missing.

        Raises
        ------
        InputError : with the closest name that exists.
        """
        if component not in self.components:
            raise ConfigError(
                f"{name!r} is needed, but components has no {component}", file=self.config_file,
                field="components", fix=f"Add {component}.",
            )  # fmt: skip
        folder, name = self.components[component], str(name)
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

    def select(
        self, node_set: Any, where: str, parents: tuple[str, ...] = ()
    ) -> list[tuple[str, IntArray]]:
        """(population, rows) of a node set.

        Parameters
        ----------
        node_set : the name of a node set, of a population or of a model type; "all" or None; a list
            of node ids or of names; or a query such as {"population": "v1", "ei": "e"}, in which a
            list means any of its values.
        where : the field that asks, for messages.
        parents : names of node sets that led here.
        """
        if node_set is None:
            return self._query({}, where)
        if isinstance(node_set, str):
            return self._named(node_set, where, parents)
        if isinstance(node_set, dict):
            return self._query(node_set, where)
        if isinstance(node_set, list):
            if node_set and all(isinstance(x, str) for x in node_set):
                return _union([self._named(name, where, parents) for name in node_set])
            if all(isinstance(x, int) and not isinstance(x, bool) for x in node_set):
                return self._query({"node_id": node_set}, where)
        raise ConfigError(
            f"not a node set: {node_set!r}", file=self.config_file, field=where,
            fix="Use a name, a list of node ids, or a query.",
        )  # fmt: skip

    def _named(self, name: str, where: str, parents: tuple[str, ...]) -> list[tuple[str, IntArray]]:
        if name in parents:
            raise ConfigError(
                f"node set {name!r} refers to itself", file=self.config_file, field=where,
                fix="Break the loop.",
            )  # fmt: skip
        if name in self.node_sets:
            return self.select(self.node_sets[name], f"node_sets.{name}", (*parents, name))
        if name == "all":
            return self._query({}, where)
        if name in self.nodes:
            return self._query({"population": name}, where)
        if name in MODEL_TYPES:
            return self._query({"model_type": name}, where)
        known = [*self.node_sets, *self.nodes, "all"]
        close = difflib.get_close_matches(name, known, 1)
        raise ConfigError(
            f"unknown node set {name!r}", file=self.config_file, field=where,
            fix=f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(known)}.",
        )  # fmt: skip

    def _query(self, query: dict[str, Any], where: str) -> list[tuple[str, IntArray]]:
        wanted: dict[str, list[Any]] = {}
        for key, value in query.items():
            wanted[key] = value if isinstance(value, list) else [value]
            if not all(isinstance(v, str | int | float) for v in wanted[key]):
                raise ConfigError(
                    f"not supported: {value!r}", file=self.config_file,
                    field=f"{where}.{key}", fix="Use a number, a string or a list of them.",
                )  # fmt: skip
        names = wanted.pop("population", wanted.pop("populations", None))
        unknown = [name for name in names or () if name not in self.nodes]
        if unknown:
            raise ConfigError(
                f"unknown population {unknown[0]!r}", file=self.config_file, field=where,
                fix=f"There are {', '.join(self.nodes)}.",
            )  # fmt: skip
        for key in wanted:
            if key not in NODE_ID and not any(key in p.table for p in self.nodes.values()):
                raise ConfigError(
                    f"no node has the attribute {key!r}", file=self.config_file, field=where,
                    fix="Query attributes of the node types or groups.",
                )  # fmt: skip
        chosen = []
        populations = [self.nodes[name] for name in names or self.nodes]
        known_ids = {i for key in NODE_ID if key in wanted for p in populations for i in p.node_ids}
        missing = [v for key in NODE_ID for v in wanted.get(key, []) if v not in known_ids]
        if missing:
            raise ConfigError(
                f"there is no node {missing[0]!r}", file=self.config_file, field=where,
                fix="Choose ids that a population has.",
            )  # fmt: skip
        for name in self.nodes if names is None else dict.fromkeys(names):
            rows = np.flatnonzero(_matches(self.nodes[name], wanted))
            if len(rows) or not wanted:
                chosen.append((name, rows))
        return chosen


def _matches(population: NodePopulation, wanted: dict[str, list[Any]]) -> NDArray[np.bool_]:
    keep = np.ones(len(population.node_ids), bool)
    for key, values in wanted.items():
        if key in NODE_ID:
            column: pd.Series[Any] = pd.Series(population.node_ids)
        elif key in population.table:
            column = population.table[key]
        else:
            return np.zeros(len(keep), bool)
        keep &= column.isin(values).to_numpy()
    return keep


def _union(parts: list[list[tuple[str, IntArray]]]) -> list[tuple[str, IntArray]]:
    rows: dict[str, list[IntArray]] = {}
    for part in parts:
        for name, members in part:
            rows.setdefault(name, []).append(members)
    return [(name, np.unique(np.concatenate(members))) for name, members in rows.items()]


@dataclass(frozen=True, slots=True)
class SpikeInput:
    """Spike trains of nodes: rows of the population's table and times (ms), by time."""

    population: str
    rows: IntArray
    times: FloatArray


@dataclass(frozen=True, slots=True)
class PoissonInput:
    """Independent Poisson trains of nodes, to be drawn while the simulation runs.

    Attributes
    ----------
    rows : int64[n], of the population's table.
    rate : float64[n], Hz.
    start, stop : ms.
    key : uint64[n], names the random numbers of each node.
    """

    population: str
    rows: IntArray
    rate: FloatArray
    start: float
    stop: float
    key: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class CurrentInput:
    """An electrode in every chosen cell.

    Attributes
    ----------
    amp, delay, duration : float64[k], pulses in nA and ms; or
    waveform : (times ms, amps nA), each value held until the next time.
    name : of the input, for messages.
    section_name, section_index, section_pos : the electrode's place, default soma[0](0.5).
    """

    population: str
    rows: IntArray
    amp: FloatArray = field(default_factory=lambda: np.zeros(0))
    delay: FloatArray = field(default_factory=lambda: np.zeros(0))
    duration: FloatArray = field(default_factory=lambda: np.zeros(0))
    waveform: tuple[FloatArray, FloatArray] | None = None
    name: str = ""
    section_name: str = "soma"
    section_index: int = 0
    section_pos: float = 0.5


#: What an entry of ``inputs`` becomes.
Input = SpikeInput | PoissonInput | CurrentInput


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulation configuration, complete and checked.

    ``skipped`` names reports left out, ``files_read`` every file the configuration names as input.
    """

    circuit: Circuit
    config_file: Path
    dt: float
    tstop: float
    dL: float
    spike_threshold: float
    celsius: float
    v_init: float
    inputs: list[Input]
    reports: list[ReportSpec]
    output_dir: Path
    spikes_file: str
    spikes_file_csv: str | None
    spikes_sort_order: str | None
    log_file: str | None
    overwrite_output_dir: bool
    seed: int
    skipped: list[str] = field(default_factory=list)
    files_read: frozenset[Path] = frozenset()
