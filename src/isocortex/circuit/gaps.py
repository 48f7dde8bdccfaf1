"""Gap junctions: edges whose weight is a conductance (uS) between the insides of two cells.

They are as BMTK's BioNet makes them: an edge is one junction, which both its cells have in the
middle of a section. An explicit section (``afferent_section_id``) is that of both; with
``target_sections`` a section is drawn for each of them, in proportion to length.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.place import NodeFinder, candidates, check_found
from isocortex.circuit.edges import EdgePopulation, SynapseRule
from isocortex.circuit.projection import Cells
from isocortex.errors import ConfigError
from isocortex.random import uniform

logger = logging.getLogger(__name__)
SOURCE, TARGET = 0, 1


def are_gaps(edges: EdgePopulation) -> NDArray[np.bool_]:
    """bool[m], which edges are gap junctions."""
    return np.array([rule.is_gap_junction for rule in edges.rules], bool)[edges.rule]


def apart(
    populations: Iterable[EdgePopulation],
) -> tuple[list[EdgePopulation], tuple[EdgePopulation, ...]]:
    """Edges that make synapses, and those that are gap junctions."""
    synapses, gaps = [], []
    for edges in populations:
        is_gap = are_gaps(edges)
        if not is_gap.any():
            synapses.append(edges)
            continue
        there = np.flatnonzero(is_gap & (edges.nsyns > 0))
        if len(there):
            gaps.append(edges.some(there))
        if not is_gap.all():
            synapses.append(edges.some(np.flatnonzero(~is_gap)))
    return synapses, tuple(gaps)


def nodes_of(edges: EdgePopulation, side: int, cells: Cells, seed: int) -> IntArray:
    """int64[m], node of the cell's model that each gap junction is on.

    Parameters
    ----------
    side : SOURCE or TARGET.
    cells : the nodes of that side's population.
    seed : of the simulation; draws sections.
    """
    model = cells.model[edges.source_index if side == SOURCE else edges.target_index]
    found = np.full(len(model), -1)
    for m in np.unique(model):
        for r, rule in enumerate(edges.rules):
            at = np.flatnonzero((model == m) & (edges.rule == r))
            if len(at):
                found[at] = _middles(edges, rule, at, side, cells.models[m], seed)
    return found


def _middles(
    edges: EdgePopulation,
    rule: SynapseRule,
    at: IntArray,
    side: int,
    model: CompiledCell,
    seed: int,
) -> IntArray:
    """Nodes in the middle of the sections of some edges of one type on cells of one model."""
    section, finder = edges.section_id[at].astype(np.int64), NodeFinder(model)
    drawn = np.flatnonzero(section < 0)
    if len(drawn):
        if not rule.target_sections:
            raise ConfigError(
                "gap junctions have neither a section nor target_sections",
                fix="Add target_sections and distance_range to the edge type.",
            )
        nodes, cumulative = candidates(model, rule.target_sections, rule.distance_range)
        if not len(nodes):
            raise ConfigError(
                f"gap junctions need a place, and model {model.name} has no "
                f"{'/'.join(rule.target_sections)} within {rule.distance_range} um of its soma",
                fix="Choose other target_sections or another distance_range.",
            )
        number = at if edges.number is None else edges.number[at]
        purpose = f"gap junction {edges.name} {('source', 'target')[side]}"
        u = uniform(seed, purpose, number[drawn], np.zeros(len(drawn), np.int64))
        section[drawn] = model.section[nodes[np.searchsorted(cumulative, u, side="right")]]
    middle = np.full(len(at), 0.5)
    node = finder.at(section, middle)
    check_found(node, section, middle, edges.name, model.name)
    given = np.where(edges.section_id[at] < 0, 0.5, edges.section_pos[at])
    elsewhere = np.count_nonzero(finder.at(section, given) != node)
    if elsewhere:
        logger.warning(
            "%s: %d gap junctions are in the middle of their section, as in BMTK, and not where "
            "afferent_section_pos says", edges.name, elsewhere,
        )  # fmt: skip
    return node
