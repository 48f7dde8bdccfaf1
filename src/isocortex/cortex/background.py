"""What drives a cortex model from outside: axons of thalamus and other subcortical sources.

Every area and side has a pool of axons that it shares: each neuron draws its synapses from them, so
neighbours have a little input in common. How many synapses a neuron has and what they weigh is
calibrated (:mod:`isocortex.cortex.drive`); which axons, and where on the cell they end, is a
function of the recipe's seed and the neuron.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Cells, Synapses
from isocortex.cortex.drive import Drive
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn import draw
from isocortex.random import uniform

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel
    from isocortex.network.drawn.draw import Tables

#: Name of the population of virtual nodes that the axons are.
BACKGROUND = "background"
#: Axons of every area and side, and what each fires, Hz.
AXONS, RATE = 400, 20.0
#: ms, from a background spike to its synapses.
DELAY = 1.0
#: Synapses that are drawn at a time.
AT_ONCE = 1 << 20


class BackgroundProjection:
    """The synapses of the background onto the neurons of a cortex model; drawn, never read.

    See :class:`isocortex.circuit.projection.Projection`.

    Parameters
    ----------
    model : makes the cortex model when it is first needed.
    target : name of the population of its neurons.
    drive : synapses and weights, default the model's.
    """

    source = BACKGROUND
    dL = None  # the cortex, whose places these are, has its own

    def __init__(
        self, model: Callable[[], CortexModel], target: str, drive: Drive | None = None
    ) -> None:
        self._model, self.target, self._drive = model, target, drive
        self.name = f"{BACKGROUND}_to_{target}"

    @property
    def model(self) -> CortexModel:
        """Whose neurons receive the synapses."""
        return self._model()

    @cached_property
    def inputs(self) -> tuple[IntArray, IntArray, NDArray[np.float32]]:
        """What each neuron is by kind and area, and of every such: its synapses, uS of each."""
        drive, model = self._drive or self.model.drive, self.model
        kinds, of = model.kinds
        areas = model.atlas.areas.index
        inputs = [drive.of(*kind, area) for kind in kinds for area in areas]
        number = np.array([n for n, _ in inputs], np.int64)
        weight = np.array([1e-3 * nS for _, nS in inputs], np.float32)
        return of * len(areas) + model.neurons.area, number, weight

    @property
    def expected(self) -> float:
        """Number of the synapses."""
        of, number, _ = self.inputs
        return float(number[of].sum())

    def kinds(self, cells: Cells) -> tuple[Kinetics, ...]:
        return self.model.kinetics

    def delays(self) -> FloatArray:
        return np.array([DELAY])

    def shortest(self, sources: NDArray[np.bool_]) -> float:
        return DELAY if sources.any() else np.inf

    def tables(self) -> Tables | None:
        return None

    def onto(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        """As the protocol says; the recipe has its own seed.

        The background ends where axons from far away do, on synapses like theirs.
        """
        model = self.model
        rows = np.arange(len(model)) if rows is None else rows
        of, number, weight = self.inputs
        rule_of = model.far_rule[model.group]
        ends = np.cumsum(number[of[rows]])
        begin = 0
        while begin < len(rows):
            done = ends[begin - 1] if begin else 0
            stop = max(int(np.searchsorted(ends, done + AT_ONCE, side="right")), begin + 1)
            here = rows[begin:stop]
            target = np.repeat(here, number[of[here]])
            first = np.cumsum(number[of[here]]) - number[of[here]]
            each = np.arange(len(target)) - np.repeat(first, number[of[here]])
            axon, place = (
                uniform(model.recipe.seed, what, target, each)
                for what in ("background axon", "background place")
            )
            table = rule_of[target] * len(model.models) + model.model[target]
            yield Synapses(
                model.patch[target] * AXONS + (axon * AXONS).astype(np.int64), target,
                draw.nodes_at(place, table, model.axons.sites), model.rule_kind[rule_of[target]],
                weight[of[target]], np.zeros(len(target), np.uint8),
            )  # fmt: skip
            begin = stop
