"""The circuit: all populations of nodes and edges, and the choice of nodes among them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit.columns import Column, Text, among, coded, present
from isocortex.circuit.edges import EdgePopulation
from isocortex.circuit.near import NEAR, chosen_near, read_near
from isocortex.circuit.nodes import NodePopulation
from isocortex.circuit.projection import Projection
from isocortex.errors import ConfigError, InputError, located

#: Model types that are node sets of their own name unless the configuration defines another.
MODEL_TYPES = ("biophysical", "point_neuron", "point_process", "virtual")
#: Names of the node id in queries.
NODE_ID = ("node_id", "node_ids", "gid", "gids")


@dataclass(frozen=True, slots=True)
class Circuit:
    """All populations, who projects to whom, and where the files of their models are.

    ``mechanisms`` are files with channels that the package does not have, ``mechanisms_dir`` a
    folder of mod files; ``gaps`` are the edges that are gap junctions
    (:mod:`isocortex.circuit.gaps`) and make no synapses.
    """

    nodes: dict[str, NodePopulation]
    projections: list[Projection]
    components: dict[str, Path]
    node_sets: dict[str, Any]
    config_file: Path
    mechanisms: tuple[Path, ...] = ()
    gaps: tuple[EdgePopulation, ...] = ()
    mechanisms_dir: Path | None = None

    @property
    def edges(self) -> list[EdgePopulation]:
        """The projections that were read from edge files."""
        return [p for p in self.projections if isinstance(p, EdgePopulation)]

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
        # of a name with other digits only: another cell, and no slip of the pen
        alike = [other for other in there if _digits(other) == _digits(name)]
        close = difflib.get_close_matches(name, alike, 1)
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
            list means any of its values, and ``near`` points what :mod:`isocortex.circuit.near`
            has of them.
        where : the field that asks, for messages.
        parents : names of node sets that led here.
        """
        if node_set is None:
            return self._query({}, where)
        if isinstance(node_set, str):
            return self._named(node_set, where, parents)
        if isinstance(node_set, dict):
            return self._near(node_set, where)
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

    def _near(self, query: dict[str, Any], where: str) -> list[tuple[str, IntArray]]:
        """A query, and of its nodes those that lie near points, where it asks for them."""
        if not isinstance(query.get(NEAR), dict):
            return self._query(query, where)
        rest = {key: value for key, value in query.items() if key != NEAR}
        near = read_near(query[NEAR], self.config_file, f"{where}.{NEAR}")
        chosen = self._query(rest, where)
        with located(self.config_file, f"{where}.{NEAR}"):
            return chosen_near(near, chosen, self.nodes)

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
        known = dict.fromkeys(name for p in self.nodes.values() for name in p.columns)
        for key in wanted:
            if key not in NODE_ID and key not in known:
                words = ["population", NODE_ID[0], NEAR, *known]
                close = difflib.get_close_matches(key, words, 1)
                there = f"There are {', '.join(words)}."
                raise ConfigError(
                    f"no node has the attribute {key!r}", file=self.config_file, field=where,
                    fix=f"Did you mean {close[0]!r}? {there}" if close else there,
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
        self._check_types(wanted, populations, where)
        for name in self.nodes if names is None else dict.fromkeys(names):
            rows = np.flatnonzero(_matches(self.nodes[name], wanted))
            if len(rows) or not wanted:
                chosen.append((name, rows))
        named = [key for key in wanted if key not in NODE_ID and key != "model_type"]
        if named and not chosen:
            values = "; ".join(f"{key}: {_some_values(key, populations)}" for key in named)
            there = f"There are {values}."
            meant = [name for key in named for name in _meant(wanted[key], key, populations)]
            raise ConfigError(
                f"no node has {query}", file=self.config_file, field=where,
                fix=f"Did you mean {meant[0]!r}? {there}" if meant else there,
            )  # fmt: skip
        return chosen

    def _check_types(
        self, wanted: dict[str, list[Any]], populations: list[NodePopulation], where: str
    ) -> None:
        """A text asked of numbers, or a number of texts, matches nothing and is a mistake."""
        for key, values in wanted.items():
            columns = [p.columns[key] for p in populations if key in p.columns]
            texts = {_is_text(column) for column in columns}
            if key in NODE_ID or len(texts) != 1 or None in texts:
                continue
            for value in values:
                if isinstance(value, str) == texts.copy().pop():
                    continue
                is_text = not isinstance(value, str)
                raise ConfigError(
                    f"attribute {key!r} is a {'text' if is_text else 'number'}, {value!r} is a "
                    f"{'number' if is_text else 'text'}", file=self.config_file, field=where,
                    fix=f"Put it {'in' if is_text else 'without'} quotes; there are "
                    f"{_some_values(key, populations)}.",
                )  # fmt: skip


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _is_text(column: Column) -> bool | None:
    """Whether the values of an attribute are texts; None where there are none, or of both kinds."""
    if not isinstance(column, Text):
        return False if present(column).any() else None
    texts = {isinstance(value, str) for value in coded(column)[1]}
    return texts.pop() if len(texts) == 1 else None


def _meant(wanted: list[Any], key: str, populations: list[NodePopulation]) -> list[str]:
    """Texts that an attribute has and that are nearly those that were asked for."""
    texts = [v for v in _values(key, populations) if isinstance(v, str)]
    unknown = [v for v in wanted if isinstance(v, str) and v not in texts]
    return [name for v in unknown for name in difflib.get_close_matches(v, texts, 1)]


def _values(key: str, populations: list[NodePopulation]) -> list[Any]:
    """The distinct values of an attribute."""
    columns = [p.columns[key] for p in populations if key in p.columns]
    return list(dict.fromkeys(value for column in columns for value in coded(column)[1]))


def _some_values(key: str, populations: list[NodePopulation]) -> str:
    """The first values of an attribute, for messages."""
    values = _values(key, populations)
    return ", ".join(map(repr, values[:8])) + (", ..." if len(values) > 8 else "")


def _matches(population: NodePopulation, wanted: dict[str, list[Any]]) -> NDArray[np.bool_]:
    keep = np.ones(len(population.node_ids), bool)
    for key, values in wanted.items():
        if key in NODE_ID:
            keep &= among(population.node_ids, values)
        elif key in population.columns:
            keep &= among(population.columns[key], values)
        else:
            return np.zeros(len(keep), bool)
    return keep


def _union(parts: list[list[tuple[str, IntArray]]]) -> list[tuple[str, IntArray]]:
    rows: dict[str, list[IntArray]] = {}
    for part in parts:
        for name, members in part:
            rows.setdefault(name, []).append(members)
    return [(name, np.unique(np.concatenate(members))) for name, members in rows.items()]
