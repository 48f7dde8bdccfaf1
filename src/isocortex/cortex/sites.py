"""Where on a cell the synapses of a rule may sit, ready to be drawn one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.place import candidates
from isocortex.errors import ModelError


@dataclass(frozen=True)
class Sites:
    """Eligible compartments of one cell model as an alias table (Walker 1977; Vose 1991).

    Slot i holds compartment ``nodes[i]`` for the first part ``keep[i]`` of its width and
    ``nodes[other[i]]`` for the rest: a draw costs one random number and no search.

    Attributes (k compartments)
    ----------
    nodes : int32[k], nodes of the compiled cell.
    keep : float64[k], from 0 to 1.
    other : int32[k], index into ``nodes``.
    """

    nodes: NDArray[np.int32]
    keep: FloatArray
    other: NDArray[np.int32]

    def draw(self, u: ArrayLike) -> NDArray[np.int32]:
        """Node for each uniform number in [0, 1)."""
        scaled = np.asarray(u, float) * len(self.nodes)
        slot = np.minimum(scaled.astype(np.int64), len(self.nodes) - 1)
        return self.nodes[np.where(scaled - slot < self.keep[slot], slot, self.other[slot])]

    @property
    def probability(self) -> FloatArray:
        """float64[k], of every node; adds up to 1."""
        given = np.bincount(self.other, 1.0 - self.keep, len(self.nodes))
        return (self.keep + given) / len(self.nodes)


def target_sites(
    cell: CompiledCell, sections: tuple[str, ...], distance_range: tuple[float, float]
) -> Sites:
    """Sites for synapses on ``sections`` of a cell.

    Each compartment has a probability proportional to its length within the range, as in BMTK. Like
    BMTK, this never looks further than the range.

    Parameters
    ----------
    sections : kinds of section: somatic, basal, apical.
    distance_range : um, path distance from the soma.

    Raises
    ------
    ModelError : the cell has no membrane there.
    """
    nodes, cumulative = candidates(cell, sections, distance_range)
    if len(nodes) == 0:
        low, high = distance_range
        raise ModelError(
            f"cell {cell.name} has no {' or '.join(sections)} section from {low:g} to {high:g} um "
            "of its soma",
            fix="Change sections or distances in wiring_connections.csv, or take the model out of "
            "wiring_models.csv.",
        )
    keep, other = _alias(np.diff(cumulative, prepend=0.0))
    return Sites(nodes.astype(np.int32), keep, other)


def _alias(probability: FloatArray) -> tuple[FloatArray, NDArray[np.int32]]:
    """Vose's construction: a poor slot is filled up by a rich one, until all are full."""
    k = len(probability)
    keep, other = probability * k, np.arange(k, dtype=np.int32)
    poor = [i for i in range(k) if keep[i] < 1.0]
    rich = [i for i in range(k) if keep[i] >= 1.0]
    while poor and rich:
        low, high = poor.pop(), rich[-1]
        other[low] = high
        keep[high] -= 1.0 - keep[low]
        if keep[high] < 1.0:
            poor.append(rich.pop())
    keep[poor + rich] = 1.0  # what rounding left
    return keep, other
