"""Stand-ins: virtual nodes that send spikes over the edges of the nodes that they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit.circuit import Circuit
from isocortex.circuit.columns import Text, take
from isocortex.circuit.edges import EdgePopulation
from isocortex.circuit.nodes import NodePopulation
from isocortex.circuit.projection import Projection
from isocortex.errors import ConfigError


def stand_ins(population: NodePopulation, rows: IntArray, name: str) -> NodePopulation:
    """Virtual nodes with the ids and attributes of some nodes, as a population of its own."""
    columns = {key: take(column, rows) for key, column in population.columns.items()}
    columns["model_type"] = Text(np.zeros(len(rows), np.int32), ("virtual",))
    return NodePopulation(name, population.node_ids[rows], columns, population.file)


def sent_by(
    edges: EdgePopulation, rows: IntArray, targets: NDArray[np.bool_], name: str
) -> EdgePopulation:
    """The edges from some nodes onto some, from the stand-ins of these nodes.

    Parameters
    ----------
    rows : int64[k], of the source population: whom the stand-ins stand for, in their order.
    targets : bool[nodes of the target population].
    name : of the stand-ins' population.
    """
    stand_in = np.full(edges.source_index.max(initial=rows.max(initial=-1)) + 1, -1)
    stand_in[rows] = np.arange(len(rows))
    new = stand_in[edges.source_index]
    chosen = edges.some(np.flatnonzero((new >= 0) & targets[edges.target_index]))
    return replace(chosen, source=name, source_index=stand_in[chosen.source_index])


def with_stand_ins(
    circuit: Circuit, nodes: list[NodePopulation], projections: list[Projection]
) -> Circuit:
    """The circuit with stand-ins, and with these projections in place of its own."""
    for population in nodes:
        if population.name in circuit.nodes:
            raise ConfigError(
                f"population {population.name!r} appears twice", file=circuit.config_file,
                field="inputs", fix="Rename the input.",
            )  # fmt: skip
    all_nodes = circuit.nodes | {population.name: population for population in nodes}
    return replace(circuit, nodes=all_nodes, projections=projections)
