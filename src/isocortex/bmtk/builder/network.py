"""Build a population of nodes and the edges onto or from it, and write them as SONATA files."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np

from isocortex.bmtk.builder.edges import ITERATORS, ConnectionMap, Edge, EdgeTable
from isocortex.bmtk.builder.nodes import Node, NodePool
from isocortex.bmtk.builder.saving import (
    make_room,
    require_harmless,
    save_edges,
    save_nodes,
    save_types,
)
from isocortex.circuit.columns import Row
from isocortex.errors import ConfigError
from isocortex.sonata.nodes import read_nodes
from isocortex.sonata.types import read_types

logger = logging.getLogger(__name__)

StrPath = str | os.PathLike[str]
#: First number that types are given.
FIRST_TYPE = 100
#: Ends of the names of numbers that a file holds together, as one attribute.
AXES = ("_x", "_y", "_z")


class _Numbers:
    """Ids that are given out in order, without those that were chosen."""

    def __init__(self, first: int = 0) -> None:
        self.next, self.taken = first, set[int]()

    def take(self, number: int, what: str) -> int:
        if number in self.taken:
            raise ConfigError(f"{what} {number} exists already", fix="Choose another number.")
        self.taken.add(number)
        return number

    def give(self) -> int:
        while self.next in self.taken:
            self.next += 1
        self.taken.add(self.next)
        return self.next


class NetworkBuilder:
    """One population of nodes, and edges between it and itself or others.

    Files are those that BMTK's builder writes, without compression; the edges of rules that draw
    random numbers are the same for the same seed.

    Examples
    --------
    >>> net = NetworkBuilder("v1")
    >>> net.add_nodes(N=80, model_type="biophysical", ei="e")
    >>> _ = net.add_edges(source={"ei": "e"}, target={"ei": "e"}, connection_rule=5, delay=2.0)
    >>> net.build()
    >>> net.save(output_dir="network")  # doctest: +SKIP
    """

    def __init__(self, name: str) -> None:
        if not name:
            raise ConfigError("a network needs a name", field="NetworkBuilder", fix="Give one.")
        self.name = name
        self._nodes: list[Node] = []
        self._types: dict[int, dict[str, Any]] = {}
        self._waiting: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
        self._maps: list[ConnectionMap] = []
        self._tables: list[EdgeTable] | None = None
        self._node_ids, self._type_ids = _Numbers(), _Numbers(FIRST_TYPE)
        self._edge_type_ids = _Numbers(FIRST_TYPE)

    # --- nodes ---------------------------------------------------------------------------------

    def add_nodes(self, N: int = 1, **properties: Any) -> None:
        """Add ``N`` nodes of one type.

        A list, array, range or generator of ``N`` values is a property of each node, anything else
        one of their type.
        """
        own: dict[str, Any] = {}
        of_type: dict[str, Any] = {}
        if isinstance(properties.get("node_type_id"), list | tuple | range | np.ndarray):
            raise ConfigError(
                "is one number for all", field="add_nodes node_type_id",
                fix="Nodes that are added together are of one type: add those of each by itself.",
            )  # fmt: skip
        for name, value in properties.items():
            if isinstance(value, range | GeneratorType):
                value = list(value)
            if not isinstance(value, list | np.ndarray):
                of_type[name] = value
                continue
            if len(value) != N:
                raise ConfigError(
                    f"has {len(value)} values for {N} nodes", field=f"add_nodes {name}",
                    fix=f"Give {N}, or one value that is no list.",
                )  # fmt: skip
            own[name] = value
        for number in own.get("node_id", ()):
            self._node_ids.take(int(number), "node_id")
        self._add_type(of_type)
        self._waiting.append((N, own, of_type))

    def _add_type(self, of_type: dict[str, Any]) -> None:
        number = of_type.get("node_type_id")
        number = self._type_ids.give() if number is None else int(number)
        if number in self._types:
            raise ConfigError(f"node_type_id {number} exists already", fix="Choose another number.")
        self._type_ids.taken.add(number)
        of_type["node_type_id"] = number
        self._types[number] = of_type

    def built_nodes(self) -> list[Node]:
        """All nodes until now."""
        for n, own, of_type in self._waiting:
            own = dict(own)
            ids = own.pop("node_id", None)
            for k in range(n):
                number = self._node_ids.give() if ids is None else int(ids[k])
                params = {name: values[k] for name, values in own.items()}
                self._nodes.append(Node(number, params, of_type))
        self._waiting.clear()
        return self._nodes

    def nodes(self, **properties: Any) -> NodePool:
        """The nodes that have these properties."""
        self.built_nodes()
        return NodePool(self, **properties)

    def import_nodes(
        self, nodes_file_name: StrPath, node_types_file_name: StrPath, population: str | None = None
    ) -> None:
        """Take up the nodes of a SONATA file, which need not be written again."""
        file, types_file = Path(nodes_file_name), Path(node_types_file_name)
        found = {each.name: each for each in read_nodes(file, types_file)}
        if population is None and len(found) == 1:
            population = next(iter(found))
        if population not in found:
            raise ConfigError(
                f"has the populations {', '.join(found)}", file=file, field="population",
                fix="Name one of them.",
            )  # fmt: skip
        types = read_types(types_file, "node_type_id")
        for type_id in types.ids.tolist():
            self._add_type({"node_type_id": type_id, **types.row(type_id)})
        nodes = found[population]
        for k, number in enumerate(nodes.node_ids.tolist()):
            params = dict(Row(nodes.columns, k))
            of_type = self._types[params["node_type_id"]]
            own = {
                name: value for name, value in params.items()
                if name != "node_type_id"
                and not (name in of_type and np.array_equal(of_type[name], value))
                and not (name[-2:] in AXES and name[:-2] in params)
            }  # fmt: skip
            self._node_ids.take(number, "node_id")
            self._nodes.append(Node(number, own, of_type))

    # --- edges ---------------------------------------------------------------------------------

    def add_edges(
        self,
        source: NodePool | Mapping[str, Any] | None = None,
        target: NodePool | Mapping[str, Any] | None = None,
        connection_rule: Any = 1,
        connection_params: Mapping[str, Any] | None = None,
        iterator: str = "one_to_one",
        **edge_type_properties: Any,
    ) -> ConnectionMap:
        """Connect some nodes with others by a rule, which is asked when the network is built.

        Parameters
        ----------
        source, target : nodes of any network, or properties that choose nodes of this one.
        connection_rule : how many synapses: a number for all pairs, a list of numbers, or a
            function as the iterator says.
        connection_params : more arguments of the function.
        iterator : ``one_to_one``, the function is asked of every source and target; ``one_to_all``,
            of every source and the list of all targets; ``all_to_one``, of the list of all sources
            and every target. The latter two return as many numbers as the list is long, and are
            the fast ones.
        """
        sources, targets = (
            end if isinstance(end, NodePool) else NodePool(self, **(end or {}))
            for end in (source, target)
        )
        if iterator not in ITERATORS:
            raise ConfigError(
                f"there is no iterator {iterator!r}", field="add_edges",
                fix=f"There are {', '.join(ITERATORS)}.",
            )  # fmt: skip
        properties = dict(edge_type_properties)
        if properties.get("is_gap_junction"):
            self.add_gap_junctions()
        number = properties.pop("edge_type_id", None)
        if number is None:
            number = self._edge_type_ids.give()
        else:
            self._edge_type_ids.take(int(number), "edge_type_id")
        rule = properties.pop("nsyns", connection_rule)
        if callable(rule) and connection_params:
            rule = partial(rule, **connection_params)
        queries = {"target_query": targets.filter_str, "source_query": sources.filter_str}
        told = {"edge_type_id": number, **queries, **properties}
        connection = ConnectionMap(sources, targets, rule, iterator, told)
        self._maps.append(connection)
        self._tables = None
        return connection

    def add_gap_junctions(self, *_: Any, **__: Any) -> None:
        """Refused: no simulation here has them."""
        raise ConfigError(
            "gap junctions are not supported yet",
            field="add_gap_junctions, is_gap_junction",
            fix="Remove them.",
        )

    def get_connections(self) -> list[ConnectionMap]:
        return self._maps

    def build(self, force: bool = False) -> None:
        """Ask every rule; again if the network was built already."""
        self.built_nodes()
        self._tables = [connection.table() for connection in self._maps]

    def clear(self) -> None:
        """Forget which edges the rules made."""
        self._tables = None

    def edges_table(self) -> list[EdgeTable]:
        """The edges of every type; the network is built if it was not."""
        if self._tables is None:
            self.build()
        assert self._tables is not None
        return self._tables

    def edges(
        self,
        target_nodes: Any = None,
        source_nodes: Any = None,
        target_network: str | None = None,
        source_network: str | None = None,
        **properties: Any,
    ) -> list[Edge]:
        """Edges between some nodes that have some properties; nodes are ids, or as in add_edges."""
        target_ids, target_network = self._ids_of(target_nodes, target_network)
        source_ids, source_network = self._ids_of(source_nodes, source_network)
        found = []
        for table in self.edges_table():
            if target_network not in (None, table.target_network):
                continue
            if source_network not in (None, table.source_network):
                continue
            wanted = np.ones(len(table), bool)
            for ids, ends in ((target_ids, table.target), (source_ids, table.source)):
                if ids is not None:
                    wanted &= np.isin(ends, ids)
            for row in np.flatnonzero(wanted).tolist():
                edge = Edge(table, row)
                if all(edge[name] == value for name, value in properties.items()):
                    found.append(edge)
        return found

    def _ids_of(self, nodes: Any, network: str | None) -> tuple[list[int] | None, str | None]:
        if nodes is None:
            return None, network
        if isinstance(nodes, Mapping):
            ends = [end for m in self._maps for end in (m.source_nodes, m.target_nodes)]
            known = {end.network_name: end.network for end in ends}
            nodes = NodePool(known.get(network or self.name, self), **nodes)
        if isinstance(nodes, NodePool):
            return [node.node_id for node in nodes], nodes.network_name
        return ([int(nodes)] if isinstance(nodes, int | np.integer) else list(nodes)), network

    # --- what is known of it ---------------------------------------------------------------------

    @property
    def nodes_built(self) -> bool:
        return not self._waiting and bool(self._nodes)

    @property
    def edges_built(self) -> bool:
        return self._tables is not None

    @property
    def nnodes(self) -> int:
        return len(self._nodes)

    @property
    def nedges(self) -> int:
        """Synapses of all edges."""
        return sum(table.n_synapses for table in self._tables or [])

    # --- files -----------------------------------------------------------------------------------

    def save(
        self, output_dir: StrPath = ".", force_overwrite: bool = True, **harmless: Any
    ) -> None:
        """Write nodes and edges under the names that BMTK gives them.

        Arguments of BMTK that are about compression and sorting are accepted and change nothing.
        """
        where: dict[str, Any] = {"output_dir": output_dir, "force_overwrite": force_overwrite}
        self.save_nodes(**where, **harmless)
        self.save_edges(**where, **harmless)

    def save_nodes(
        self,
        nodes_file_name: StrPath | None = None,
        node_types_file_name: StrPath | None = None,
        output_dir: StrPath = ".",
        force_overwrite: bool = True,
        **harmless: Any,
    ) -> None:
        """Write the nodes and their types."""
        require_harmless("save_nodes", harmless)
        files = [
            Path(output_dir) / (name or f"{self.name}_{kind}")
            for name, kind in (
                (nodes_file_name, "nodes.h5"), (node_types_file_name, "node_types.csv"),
            )
        ]  # fmt: skip
        for file in files:
            make_room(file, force_overwrite)
        save_nodes(files[0], self.name, self.built_nodes())
        save_types(files[1], list(self._types.values()), "node_type_id")

    def save_edges(
        self,
        edges_file_name: StrPath | None = None,
        edge_types_file_name: StrPath | None = None,
        output_dir: StrPath = ".",
        src_network: str | None = None,
        trg_network: str | None = None,
        name: str | None = None,
        force_build: bool = True,
        force_overwrite: bool = True,
        **harmless: Any,
    ) -> None:
        """Write the edges and their types, a pair of files for each pair of populations."""
        require_harmless("save_edges", harmless)
        pairs = dict.fromkeys((m.source_network_name, m.target_network_name) for m in self._maps)
        chosen = [
            (source, target) for source, target in pairs
            if src_network in (None, source) and trg_network in (None, target)
        ]  # fmt: skip
        if not chosen or (self._tables is None and not force_build):
            logger.warning("%s has no edges to save, or was not built", self.name)
            return
        named = edges_file_name is not None or edge_types_file_name is not None
        for source, target in chosen[:1] if named else chosen:
            edges_file, types_file = (
                Path(output_dir) / (given or f"{source}_{target}_{kind}")
                for given, kind in (
                    (edges_file_name, "edges.h5"), (edge_types_file_name, "edge_types.csv"),
                )
            )  # fmt: skip
            for file in (edges_file, types_file):
                make_room(file, force_overwrite)
            types = [
                m.edge_type_properties for m in self._maps
                if (m.source_network_name, m.target_network_name) == (source, target)
            ]  # fmt: skip
            save_types(types_file, types, "edge_type_id")
            tables = [
                table for table in self.edges_table()
                if (table.source_network, table.target_network) == (source, target)
            ]  # fmt: skip
            counts = (1 + self._largest(source), 1 + self._largest(target))
            save_edges(edges_file, (source, target), tables, counts, name)

    def _largest(self, network: str) -> int:
        """The largest node id of a network that edges begin or end in."""
        ends = (end for m in self._maps for end in (m.source_nodes, m.target_nodes))
        # several builders may have made parts of one network
        builders = {id(end.network): end.network for end in ends if end.network_name == network}
        ids = (node.node_id for each in builders.values() for node in each.built_nodes())
        return max(ids, default=-1)


#: BMTK's name for a builder with the arguments of BioNet spelt out.
BioNetBuilder = NetworkBuilder
