"""Where synapses sit: at the location an edge gives, or drawn at random as BMTK does."""

from __future__ import annotations

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.errors import InputError, ModelError

#: Names of section types in ``target_sections``.
SECTION_NAMES = {
    **SECTION_TYPES,
    "somatic": 1, "axonal": 2, "basal": 3, "apical": 4,
}  # fmt: skip


class NodeFinder:
    """Nodes of one model by (section, position), vectorised."""

    def __init__(self, model: CompiledCell) -> None:
        self.model = model
        self.compartments = model.compartments.astype(np.int64)
        sections = model.section[self.compartments]
        n_sections = int(sections.max(initial=-1)) + 1
        self.first = np.searchsorted(sections, np.arange(n_sections + 1))

    def at(self, section: IntArray, x: FloatArray) -> IntArray:
        """Node of the compartment of ``section`` that contains ``x``; -1 where there is none."""
        inside = (section >= 0) & (section < len(self.first) - 1) & (x >= 0.0) & (x <= 1.0)
        section = np.where(inside, section, 0)
        x = np.where(inside, x, 0.0)
        n = self.first[section + 1] - self.first[section]
        k = np.minimum((x * n).astype(np.int64), n - 1)
        node = self.compartments[np.clip(self.first[section] + k, 0, len(self.compartments) - 1)]
        return np.where(inside & (n > 0), node, -1)


def candidates(
    model: CompiledCell,
    target_sections: tuple[str, ...],
    distance_range: tuple[float, float] | None,
) -> tuple[IntArray, FloatArray]:
    """Compartments an edge may target and the cumulative probability of each.

    The probability is proportional to the length of the compartment that lies within the range of
    path distance (um) from the soma.

    Returns
    -------
    nodes : int64[k]; empty if the model has no such compartment.
    cumulative : float64[k], ending at 1.
    """
    unknown = [name for name in target_sections if name not in SECTION_NAMES]
    if unknown:
        raise ModelError(
            f"target_sections names the unknown section type {unknown[0]!r}",
            fix=f"Known types: {', '.join(sorted(SECTION_NAMES))}.",
        )
    nodes = model.compartments.astype(np.int64)
    types = model.section_type[nodes]
    wanted = np.isin(types, [SECTION_NAMES[name] for name in target_sections])
    low, high = distance_range if distance_range is not None else (0.0, np.inf)
    start, end = model.distance_start[nodes], model.distance_end[nodes]
    overlap = np.minimum(end, high) - np.maximum(start, low)
    length = np.where(wanted & (overlap > 0), overlap, 0.0)
    chosen = length > 0
    total = np.cumsum(length[chosen])
    return nodes[chosen], total / total[-1] if len(total) else total


def check_found(node: IntArray, section: IntArray, x: FloatArray, what: str, model: str) -> None:
    """Stop if an explicit location lies outside its cell."""
    bad = np.flatnonzero(node < 0)
    if len(bad):
        raise InputError(
            f"edge {bad[0]} of {what} targets section {section[bad[0]]} at {x[bad[0]]}, which cell "
            f"model {model!r} does not have",
            fix="Check afferent_section_id and afferent_section_pos against the morphology.",
        )
