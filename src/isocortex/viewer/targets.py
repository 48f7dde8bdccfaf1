"""Whom a neuron tells: drawn from the recipe for it alone, or looked up among the edges."""

from __future__ import annotations

import numpy as np

from isocortex.circuit import EdgePopulation, Simulation
from isocortex.cortex.projection import CortexProjection
from isocortex.viewer.pack import pack
from isocortex.viewer.scene import Scene


def targets_block(simulation: Simulation, scene: Scene, population: str, node: int) -> bytes:
    """The neurons that one neuron makes synapses onto, for the browser.

    Arrays: ``target`` (in drawing order) and ``count`` (of synapses).
    """
    nodes = simulation.circuit.nodes
    row = int(np.flatnonzero(nodes[population].node_ids == node)[0])
    shown = [np.zeros(0, np.int64)]
    synapses = [np.zeros(0, np.int64)]
    for projection in simulation.circuit.projections:
        if projection.source != population or projection.target not in scene.populations:
            continue
        if isinstance(projection, CortexProjection):
            made = [made.target for made in projection.model.synapses(range(row, row + 1))]
            rows = np.concatenate([np.zeros(0, np.int64), *made])
            number = np.ones(len(rows), np.int64)
        elif isinstance(projection, EdgePopulation):
            at = np.flatnonzero(projection.source_index == row)
            rows, number = projection.target_index[at], projection.nsyns[at].astype(np.int64)
        else:
            continue
        shown.append(scene.index_of(projection.target, nodes[projection.target].node_ids[rows]))
        synapses.append(number)
    who, of = np.unique(np.concatenate(shown), return_inverse=True)
    count = np.bincount(of, np.concatenate(synapses), len(who))
    there = (who >= 0) & (count > 0)
    return pack(
        {"synapses": int(count[there].sum())},
        {"target": who[there].astype(np.uint32), "count": count[there].astype(np.uint32)},
    )
