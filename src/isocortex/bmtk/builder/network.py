"""Build a population of nodes and the edges onto or from it, and write them as SONATA files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.bmtk.builder.edges import ITERATORS, ConnectionMap, Edge, EdgeTable
from isocortex.bmtk.builder.nodes import NodePool
from isocortex.bmtk.builder.population import FIRST_TYPE, Numbers, Population, StrPath
from isocortex.bmtk.builder.saving import (
    make_room,
    require_harmless,
    save_edges,
    save_gap_junctions,
    save_types,
)
from isocortex.errors import ConfigError
from isocortex.sonata.rules import is_gap_junction

logger = logging.getLogger(__name__)


class NetworkBuilder(Population):
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

    def __init__(self, name: str, gj_id_start: int = 0) -> None:
        """Begin without nodes; ``gj_id_start`` is BMTK's first number of a half gap junction."""
        super().__init__(name)
        self._first_half_gap = gj_id_start
        self._maps: list[ConnectionMap] = []
        self._tables: list[EdgeTable] | None = None
        self._edge_type_ids = Numbers(FIRST_TYPE)

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
        if _are_gaps(properties) and sources.network_name != targets.network_name:
            raise ConfigError(
                f"gap junctions lead from {sources.network_name} to {targets.network_name}",
                field="add_edges, add_gap_junctions",
                fix="BMTK has them within one network: build these nodes in one.",
            )  # fmt: skip
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

    def add_gap_junctions(
        self,
        source: NodePool | Mapping[str, Any] | None = None,
        target: NodePool | Mapping[str, Any] | None = None,
        resistance: float = 1.0,
        conductance: float | None = None,
        distance_range: Sequence[float] = (0.0, 300.0),
        target_sections: Sequence[str] | None = ("somatic",),
        connection_rule: Any = 1,
        iterator: str = "one_to_one",
        **edge_type_properties: Any,
    ) -> ConnectionMap:
        """Couple some nodes with others; arguments but for these are those of ``add_edges``.

        Parameters
        ----------
        resistance : MOhm, of each gap junction.
        conductance : uS; takes the place of the resistance.
        distance_range, target_sections : where both ends are, um from the soma, and in which
            sections.
        """
        if conductance is None and not resistance > 0.0:
            raise ConfigError(
                f"resistance is {resistance:g} MOhm", field="add_gap_junctions",
                fix="Give one above 0, or a conductance (uS), which may be 0.",
            )  # fmt: skip
        return self.add_edges(
            source, target, connection_rule=connection_rule, iterator=iterator,
            syn_weight=1 / resistance if conductance is None else conductance,
            is_gap_junction=True, distance_range=list(distance_range),
            target_sections=None if target_sections is None else list(target_sections),
            **edge_type_properties,
        )  # fmt: skip

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
    def edges_built(self) -> bool:
        return self._tables is not None

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
        gaps = [table for table in self.edges_table() if _are_gaps(table.properties)]
        if any(map(len, gaps)):
            file = Path(output_dir) / f"{self.name}_gap_juncs.h5"
            make_room(file, force_overwrite)
            save_gap_junctions(file, gaps, self._first_half_gap)
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


def _are_gaps(properties: Mapping[str, Any]) -> bool:
    """Whether edges of these properties are gap junctions."""
    return is_gap_junction(properties, {"field": "add_edges"})


#: BMTK's name for a builder with the arguments of BioNet spelt out.
BioNetBuilder = NetworkBuilder
