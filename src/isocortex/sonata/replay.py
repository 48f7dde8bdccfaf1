"""Inputs that put other spikes on connections: those of an earlier run, or at given times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocortex.circuit import Circuit, EdgePopulation, Input, NodePopulation, SpikeInput
from isocortex.circuit.gaps import apart
from isocortex.circuit.stand_ins import sent_by, stand_ins, with_stand_ins
from isocortex.sonata.edges import read_edges
from isocortex.sonata.input_entry import Entry
from isocortex.sonata.spikes_in import Chosen, read_csv_spikes, read_h5_spikes, read_nwb_spikes

#: Edges that a replay goes over, and who sends the spikes.
EDGES = ("edges_file", "edge_types_file")


def replay(entry: Entry, circuit: Circuit) -> tuple[list[Input], Circuit]:
    """Spikes of an earlier run, sent over the edges of a file by stand-ins of their sources.

    As in BMTK, the edges need not be those of the network, whose cells may be connected or not, and
    source nodes may be of any kind.
    """
    entry.only("spikes_file", "edges", "source_node_set", "target_node_set")
    entry.not_by_node_set("source_node_set and target_node_set say")
    file = entry.path("spikes_file")
    sources = dict(entry.selected("source_node_set"))
    targets = dict(entry.selected("target_node_set"))
    inputs: list[Input] = []
    nodes: dict[str, NodePopulation] = {}
    projections = list(circuit.projections)
    for edges in _edges(entry, circuit):
        if edges.source not in sources or edges.target not in targets:
            continue
        rows, name = sources[edges.source], f"{edges.source}:{entry.name}"
        onto = _chosen(entry.circuit.nodes[edges.target], targets[edges.target])
        replayed = sent_by(edges, rows, onto, name)
        if len(replayed.weight) == 0:
            continue
        if name not in nodes:
            population = entry.circuit.nodes[edges.source]
            nodes[name] = stand_ins(population, rows, name)
            inputs += [
                _of(name, train, rows) for train in _spikes(file, [(population, rows)], entry)
            ]
        projections.append(replayed)
    if not nodes:
        raise entry.fail(
            "edges", "has no edge from the chosen sources onto the chosen cells",
            "Choose other node sets, or another edges_file.",
        )  # fmt: skip
    return inputs, with_stand_ins(circuit, list(nodes.values()), projections)


def _edges(entry: Entry, circuit: Circuit) -> list[EdgePopulation]:
    """The edges that are replayed."""
    given = entry.values.get("edges")
    if not isinstance(given, dict) or not isinstance(given.get(EDGES[0]), str):
        raise entry.fail("edges", f"must hold {' and '.join(EDGES)}", "Name the edges to replay.")
    unknown = [key for key in given if key not in EDGES]
    if unknown:
        raise entry.fail(f"edges.{unknown[0]}", "unknown key", f"Known: {', '.join(EDGES)}.")
    paths: list[Path | None] = [None, None]
    for k, key in enumerate(EDGES):
        name = given.get(key)
        if name is not None and not isinstance(name, str):
            raise entry.fail(f"edges.{key}", f"must be the path of a file, found {name!r}")
        paths[k] = None if name is None else entry.file.parent / name
    assert paths[0] is not None
    models = circuit.components.get("synaptic_models_dir")
    edges, gaps = apart(read_edges(paths[0], paths[1], entry.circuit.nodes, models))
    if gaps:
        raise entry.fail(
            "edges", "has gap junctions, over which no spikes are sent",
            "Name a file of synapses alone.",
        )  # fmt: skip
    return edges


def _chosen(population: NodePopulation, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[n], which nodes are among these and receive synapses."""
    chosen = np.zeros(len(population.node_ids), bool)
    chosen[rows] = True
    return chosen & ~population.virtual


def _spikes(file: Path, chosen: Chosen, entry: Entry) -> list[SpikeInput]:
    """Spikes of a file of any kind that BMTK writes, told by the end of its name."""
    suffix = file.suffix.lower()
    if suffix in (".csv", ".txt"):
        return read_csv_spikes(file, chosen, entry.circuit.nodes)
    if suffix == ".nwb":
        return read_nwb_spikes(file, chosen, None)
    return read_h5_spikes(file, chosen, entry.circuit.nodes)


def _of(name: str, train: SpikeInput, rows: NDArray[np.int64]) -> SpikeInput:
    """Spikes of nodes as spikes of their stand-ins."""
    row_of = np.full(rows.max(initial=-1) + 1, -1)
    row_of[rows] = np.arange(len(rows))
    return replace(train, population=name, rows=row_of[train.rows])
