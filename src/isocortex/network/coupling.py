"""The gap junctions of a simulation: which cells they couple, where, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import Simulation
from isocortex.circuit.changes import Lesion
from isocortex.circuit.force import Effect
from isocortex.circuit.gaps import nodes_of
from isocortex.errors import located
from isocortex.network.connect import cells_of
from isocortex.network.gaps import NO_GAPS, GapJunctions
from isocortex.network.sources import Sources


def gap_junctions(
    simulation: Simulation, sources: Sources, models: list[CompiledCell], cell_model: IntArray
) -> GapJunctions:
    """All of a circuit.

    Parameters
    ----------
    cell_model : int64[n_cells], index into ``models`` of every cell of the circuit.
    """
    cell, node, conductance = [NO_GAPS.cell], [NO_GAPS.node], [NO_GAPS.conductance]
    for edges in simulation.circuit.gaps:
        ends = ((edges.source, edges.source_index), (edges.target, edges.target_index))
        targets = [cells_of(name, sources, models, cell_model) for name, _ in ends]
        with located(simulation.config_file, f"edges/{edges.name}"):
            nodes = [nodes_of(edges, k, cells, simulation.seed) for k, cells in enumerate(targets)]
        cell.append(np.stack([sources.number[name][index] for name, index in ends], axis=1))
        node.append(np.stack(nodes, axis=1))
        conductance.append(edges.weight)
    return GapJunctions(np.concatenate(cell), np.concatenate(node), np.concatenate(conductance))


def cut(
    gaps: GapJunctions, effects: Sequence[Effect], sources: Sources
) -> tuple[GapJunctions, list[int | None]]:
    """What lesions that are in force leave, and how many each is about; None of other changes."""
    left = np.ones(len(gaps), bool)
    counts: list[int | None] = []
    for effect in effects:
        if not isinstance(effect.change, Lesion):
            counts.append(None)
            continue
        lost = np.zeros(sources.n_cells, bool)
        for population, rows in effect.nodes:
            number = sources.number[population][rows]
            lost[number[number < sources.n_cells]] = True
        about = lost[gaps.cell].any(axis=1)
        counts.append(int(np.count_nonzero(about)) or None)
        if effect.holds:
            left &= ~about
    return GapJunctions(gaps.cell[left], gaps.node[left], gaps.conductance[left]), counts
