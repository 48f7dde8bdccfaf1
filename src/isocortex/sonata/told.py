"""Functions of scripts for weights and spikes: what they are told of edges and nodes, and say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Columns, NodePopulation
from isocortex.circuit.columns import Row, value_at
from isocortex.errors import InputError
from isocortex.sonata.types import Types, parse_list


class Told(Row):
    """What files say of one edge or node, by name or as an attribute; None for NULL.

    Own values go before those of the type. Nothing can be changed.
    """

    __slots__ = ("of_type",)

    def __init__(
        self, columns: Columns, row: int, of_type: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(columns, row)
        self.of_type = of_type or {}

    def __getitem__(self, name: str) -> Any:
        if name in self.columns:
            return value_at(self.columns[name], self.row)
        return self.of_type[name] if name in self.of_type else super().__getitem__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name!r} here, but {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from (name for name in self.of_type if name not in self.columns)


class ToldEdge(Told):
    """An edge, with its ends, which BMTK has as attributes alone."""

    __slots__ = ("source_node_id", "source_population", "target_node_id", "target_population")

    def __init__(
        self,
        own: tuple[Columns, int],
        of_type: Mapping[str, Any],
        source: tuple[str, int],
        target: tuple[str, int],
    ) -> None:
        super().__init__(*own, of_type)
        self.source_population, self.source_node_id = source
        self.target_population, self.target_node_id = target

    @property
    def nsyns(self) -> int:
        """Synapses: one where files say which place they have, as in BMTK."""
        for said in (self.columns, self.of_type):
            if "afferent_section_id" in said or "sec_id" in said:
                return 1
        return int(self["nsyns"]) if "nsyns" in self else 1


#: The weight of an edge, from what is known of it, of its source and of its target.
WeightFunction = Callable[[ToldEdge, Told, Told], float]


@dataclass(frozen=True)
class Own:
    """What groups of a file say of edges.

    Attributes
    ----------
    groups : the columns of each.
    which, place : int64[edges], the group of an edge and its row there.
    """

    groups: Sequence[Columns]
    which: IntArray
    place: IntArray


class Ends:
    """The sources, or the targets, of all edges: ``rows`` (int64[edges]) of a population."""

    def __init__(self, nodes: NodePopulation, rows: IntArray) -> None:
        self.name, self.rows, self.ids = nodes.name, rows, nodes.node_ids
        self.columns = {**nodes.columns, "node_id": nodes.node_ids}
        self.of_all = {"population_name": nodes.name}

    def told(self, edge: int) -> Told:
        return Told(self.columns, self.rows[edge], self.of_all)

    def named(self, edge: int) -> tuple[str, int]:
        return self.name, int(self.ids[self.rows[edge]])


@dataclass(frozen=True)
class During:
    """A simulation, as functions for spikes may ask about it; ms."""

    dt: float
    tstop: float


#: The spikes of a virtual node, ms, from what is known of it and of the simulation.
SpikesFunction = Callable[[Told, During], Sequence[float] | FloatArray | None]


def spikes_said(
    function: SpikesFunction,
    nodes: NodePopulation,
    rows: IntArray,
    during: During,
    where: dict[str, Any],
) -> list[FloatArray]:
    """What a function says of each of some nodes: the times of its spikes, ms.

    Raises
    ------
    InputError : it failed, or said what are no times; ``where`` is told.
    """
    name = getattr(function, "__name__", str(function))
    every, trains = Ends(nodes, np.arange(len(nodes.node_ids))), []
    for row in rows.tolist():
        node = f"node {nodes.node_ids[row]} of {nodes.name}"
        try:
            said = function(every.told(row), during)
            train = np.array([] if said is None else said, np.float64).reshape(-1)
        except Exception as error:
            raise InputError(
                f"the function {name} failed at {node}: {type(error).__name__}: {error}", **where
            ) from error
        bad = train[~(np.isfinite(train) & (train >= 0))]
        if len(bad):
            raise InputError(f"the function {name} gives {node} a spike at {bad[0]:g} ms", **where)
        trains.append(train)
    return trains


def weights_said(
    function: WeightFunction,
    edges: IntArray,
    own: Own,
    types: Types,
    type_id: int,
    sources: Ends,
    targets: Ends,
    file: Path,
) -> FloatArray:
    """What a function says of each of some edges (rows of a file) of one type.

    Raises
    ------
    InputError : it failed, or said what is no weight; its name and the type are told.
    """
    of_type = _said_of(types, type_id)
    name = getattr(function, "__name__", str(function))
    where: dict[str, Any] = {"file": file, "field": f"edge type {type_id}", "fix": "Mend it."}
    weight = np.empty(len(edges))
    for k, at in enumerate(edges.tolist()):
        edge = ToldEdge(
            (own.groups[own.which[at]], own.place[at]),
            of_type,
            sources.named(at),
            targets.named(at),
        )
        try:
            weight[k] = function(edge, sources.told(at), targets.told(at))
        except Exception as error:
            raise InputError(
                f"the function {name} failed at edge {at}: {type(error).__name__}: {error}", **where
            ) from error
    bad = np.flatnonzero(~np.isfinite(weight))
    if len(bad):
        raise InputError(
            f"edge {edges[bad[0]]} gets the weight {weight[bad[0]]} from the function {name}",
            **where,
        )
    return weight


def _said_of(types: Types, type_id: int) -> dict[str, Any]:
    """What a type says, with None for NULL; its lists are lists, as in BMTK."""
    row = int(types.rows_of(np.array([type_id]))[0])
    said = {name: value_at(column, row) for name, column in types.columns.items()}
    synapses = said.get("nsyns")
    if isinstance(synapses, float) and synapses.is_integer():  # its column has a NULL
        said["nsyns"] = int(synapses)
    for name in {"target_sections", "distance_range"} & said.keys():
        said[name] = parse_list(said[name])
    return {**said, "edge_type_id": type_id}
