"""What drives a cortex model from outside: axons of thalamus and other subcortical sources.

Every area and side has a pool of axons that it shares: each neuron draws its synapses from them, so
neighbours have a little input in common. How many synapses a neuron has and what they weigh is
calibrated (:mod:`isocortex.cortex.drive`); which axons, and where on the cell they end, follows
from the recipe's seed (:mod:`isocortex.network.drawn.pool`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Cells, NodePopulation, Synapses
from isocortex.cortex.counts import group_of
from isocortex.cortex.drive import Drive
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.pool import Pool, make_pool, synapses_of_pool
from isocortex.network.drawn.tables import DELAY_STEP

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel

#: Name of the population of virtual nodes that the axons are.
BACKGROUND = "background"
#: What each axon fires, Hz.
RATE = 20.0
#: How the rates of the axons of an area and side go up and down together, in the words of a
#: configuration: standard deviation over the mean, correlation time (ms), attributes of who does.
FLUCTUATION: dict[str, Any] = {"sigma": 0.3, "tau": 50.0, "shared_by": ["hemisphere", "area"]}
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

    def tables(self) -> Pool:
        """What the synapses are drawn from: the axons that areas share."""
        return self.pool

    @cached_property
    def pool(self) -> Pool:
        """The axons of every area and side, as :mod:`isocortex.network.drawn.pool` has them."""
        model, (of, number, weight) = self.model, self.inputs
        kinds, _ = model.kinds
        n_areas = len(model.atlas.areas)
        group = [group_of((layer, name)) for layer, name, _ in kinds]
        cell = [model.models.index(name) for *_, name in kinds]
        return make_pool(
            model.recipe.key(BACKGROUND), model.patch, 2 * n_areas, of,
            number=number,
            rule=np.repeat(model.far_rule[group].astype(np.int64), n_areas),
            model=np.repeat(np.array(cell, np.int64), n_areas),
            weight=weight,
            delay=round(DELAY / DELAY_STEP),
        )  # fmt: skip

    def with_models(self, nodes: NodePopulation, rows: IntArray) -> BackgroundProjection:
        """As the protocol says; what a neuron receives goes by its model."""
        other = cache(lambda: self.model.with_models(rows, nodes))
        return BackgroundProjection(other, self.target, self._drive)

    def onto(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        """As the protocol says; the recipe has its own seed.

        The background ends where axons from far away do, on synapses like theirs.
        """
        model, pool = self.model, self.pool
        rows = np.arange(len(model)) if rows is None else rows
        rank = np.empty(len(model), np.int32)
        rank[pool.order] = np.arange(len(model), dtype=np.int32)
        tile = (np.searchsorted(pool.tile_first, rank, side="right") - 1).astype(np.int32)
        ends = np.cumsum(pool.number[pool.tile_kind[tile[rows]]])
        begin = 0
        while begin < len(rows):
            done = ends[begin - 1] if begin else 0
            stop = max(int(np.searchsorted(ends, done + AT_ONCE, side="right")), begin + 1)
            made = synapses_of_pool(
                rows[begin:stop], rank, tile, pool, model.axons, len(model.models)
            )
            yield Synapses(
                made.source, made.target, made.node, model.rule_kind[made.rule], made.strength,
                np.zeros(len(made.target), np.uint8),
            )  # fmt: skip
            begin = stop
