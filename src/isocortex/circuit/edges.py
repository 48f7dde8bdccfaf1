"""Edges as they were read: arrays per population, and what the synapses of each type are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SynapseRule:
    """What the synapses of an edge type are."""

    model_template: str | None
    dynamics: dict[str, Any]
    dynamics_file: str | None = None
    target_sections: tuple[str, ...] = ()
    distance_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class EdgePopulation:
    """Edges between two populations.

    Attributes (m edges)
    ----------
    source_index, target_index : int64[m], rows of the populations' tables.
    rule : int32[m], index into ``rules``.
    weight : float64[m], after the weight function; uS, or a point neuron's own unit.
    delay : float64[m], ms.
    nsyns : int32[m].
    section_id : int32[m], -1 where no location is given.
    section_pos : float64[m], 0..1, NaN where no location is given.
    weight_is_final : bool[m]; BMTK neither signs nor multiplies the weight of an edge to a point
        neuron whose group gives a location, or no ``nsyns``.
    """

    name: str
    source: str
    target: str
    source_index: IntArray
    target_index: IntArray
    rule: NDArray[np.int32]
    rules: list[SynapseRule]
    weight: FloatArray
    delay: FloatArray
    nsyns: NDArray[np.int32]
    section_id: NDArray[np.int32]
    section_pos: FloatArray
    weight_is_final: NDArray[np.bool_]
