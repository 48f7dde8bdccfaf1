"""The connections of a cortex model, and its background, as projections of a circuit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex import __version__
from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Cells, NodePopulation, Synapses
from isocortex.circuit.columns import coded, value_at
from isocortex.circuit.nodes import LIBRARY_PREFIX
from isocortex.cortex.background import BACKGROUND, BackgroundProjection
from isocortex.cortex.digest import digests
from isocortex.cortex.dynamics import require_unchanged
from isocortex.cortex.made import Made
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import TABLES, Recipe
from isocortex.errors import InputError
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.pool import AXONS
from isocortex.network.drawn.tables import DELAY_STEP, Tables

#: Name of the population whose neurons a recipe makes.
POPULATION = "cortex"
#: Where neither version nor tables tell why a circuit would come out differently.
UNKNOWN = "the package has changed, or the recipe if an earlier version built the circuit"


class CortexProjection:
    """All connections between the neurons of a cortex model: drawn from its recipe, never read.

    See :class:`isocortex.circuit.projection.Projection`.

    Parameters
    ----------
    recipe : what the model is made from.
    nodes : the neurons, as the circuit has them.
    made : what the circuit was built from, if that is known.
    file : configuration that holds the recipe, for messages.
    """

    name = f"{POPULATION}_to_{POPULATION}"
    source = target = POPULATION

    def __init__(
        self,
        recipe: Recipe,
        nodes: NodePopulation,
        made: Made | None = None,
        file: Path | None = None,
    ) -> None:
        self.recipe, self.nodes, self.made, self.file = recipe, nodes, made, file

    @classmethod
    def of(cls, model: CortexModel, nodes: NodePopulation) -> CortexProjection:
        """Of a model at hand, whose neurons the nodes are."""
        projection = cls(model.recipe, nodes)
        projection.model = model
        return projection

    @cached_property
    def model(self) -> CortexModel:
        """The model, made from the recipe: exactly the one whose neurons the circuit holds.

        Raises
        ------
        InputError : tables, package or node files have changed since the circuit was built.
        """
        model = CortexModel.make(self.recipe)
        if self.made is not None:
            self._check_digests(self.made, model)
        self._check_nodes(model)
        if self.file is not None:
            require_unchanged(model, self.file.parent)
        return model

    def _check_digests(self, made: Made, model: CortexModel) -> None:
        # weights and background may have been edited since
        edited = self.recipe.drive != made.recipe.drive
        before = replace(made.recipe, drive=self.recipe.drive)
        now = digests(model.with_weights_of(before))
        parted = [
            part for part, value in now.items()
            if made.digests.get(part) != value and not (edited and part == "background")
        ]  # fmt: skip
        if not parted:
            return
        built, here = made.version, __version__
        why = f"isocortex {built} made it, this is {here}" if built != here else ""
        tables = [
            str(getattr(self.recipe, name))
            for name in TABLES
            if getattr(self.recipe, name) is not None
        ]
        if tables and not why:
            why = f"one of {', '.join(tables)} was changed"
        raise InputError(
            "what the circuit was built from has changed since: its "
            f"{', '.join(parted)} would come out differently ({why or UNKNOWN})",
            file=self.file, field="cortex",
            fix="Build the circuit again with `isocortex build cortex`, or restore what it was "
            "built from.",
        )  # fmt: skip

    def _check_nodes(self, model: CortexModel) -> None:
        if len(self.nodes.node_ids) != len(model):
            raise InputError(
                f"the recipe makes {len(model):,} neurons, the circuit has "
                f"{len(self.nodes.node_ids):,}", file=self.nodes.file, field=POPULATION,
                fix="Build the circuit again with `isocortex build cortex`.",
            )  # fmt: skip
        there = self.nodes.columns["model_template"]
        names = [LIBRARY_PREFIX + name for name in model.models]
        codes, values = coded(there)
        known = np.array([*(names.index(v) if v in names else -1 for v in values), -1])
        other = np.flatnonzero(known[codes] != model.model)
        if len(other):
            row = int(other[0])
            has, should = value_at(there, row), names[model.model[row]]
            raise InputError(
                f"{len(other):,} neurons have another cell model than their connections are placed "
                f"on, the first is node {self.nodes.node_ids[row]} with {has} instead of {should}",
                file=self.nodes.file, field=f"{POPULATION}/model_template",
                fix="Build the circuit again, with --materialize if its cells shall be changed.",
            )  # fmt: skip

    def with_models(self, nodes: NodePopulation, rows: IntArray) -> CortexProjection:
        """As the protocol says: places and weights are those that the recipe has for a model."""
        return _OtherModels(self, nodes, rows)

    @property
    def expected(self) -> float:
        """How many synapses the recipe asks for at its scale."""
        return self.recipe.expected_synapses

    @property
    def dL(self) -> float:
        """For which the recipe places synapses, um."""
        return self.recipe.dL

    def kinds(self, cells: Cells) -> tuple[Kinetics, ...]:
        return self.model.kinetics

    def delays(self) -> FloatArray:
        return np.arange(256.0) * DELAY_STEP

    def tables(self) -> Tables:
        """What the synapses are drawn from."""
        return Tables(self.model.axons, self.model.rule_kind, self.model.weight)

    def shortest(self, sources: NDArray[np.bool_]) -> float:
        axons = self.model.axons
        shortest = min(axons.rules.delay.min(), axons.projections.delay)
        return float(max(np.rint(shortest / DELAY_STEP), 1.0) * DELAY_STEP)

    def onto(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        """As the protocol says; the recipe has its own seed."""
        targets, wanted = range(len(self.model)), None
        if rows is not None:
            targets = range(int(rows.min()), int(rows.max()) + 1) if len(rows) else range(0)
            if len(rows) < len(targets):
                wanted = np.zeros(len(self.model), bool)
                wanted[rows] = True
        for made in self.model.synapses(range(len(self.model)), targets):
            if wanted is not None:
                made = made.chosen(wanted[made.target])
            yield Synapses(
                made.source, made.target, made.node, self.model.rule_kind[made.rule],
                self.model.weight[made.rule, self.model.model[made.target]] * made.strength,
                made.delay,
            )  # fmt: skip


class _OtherModels(CortexProjection):
    """The same where some neurons (``rows``) have another model than the recipe gives them."""

    def __init__(self, before: CortexProjection, nodes: NodePopulation, rows: IntArray) -> None:
        super().__init__(before.recipe, nodes, before.made, before.file)
        self.before, self.rows = before, rows

    @cached_property
    def model(self) -> CortexModel:
        """That of before, with these models."""
        return self.before.model.with_models(self.rows, self.nodes)


def read_projections(
    section: dict[str, Any], file: Path, nodes: dict[str, NodePopulation]
) -> tuple[CortexProjection, BackgroundProjection]:
    """From the section ``cortex`` of a circuit configuration.

    Raises
    ------
    ConfigError, InputError : the recipe is wrong, or the circuit has no nodes for it.
    """
    recipe = Recipe.read(section, file)
    made = Made.read(section.get("made"), recipe, file)
    for name in (POPULATION, BACKGROUND):
        if name not in nodes:
            raise InputError(
                f"holds the recipe of a cortex, but the circuit has no population {name!r}",
                file=file, field="cortex", fix="Name its node file in networks.nodes.",
            )  # fmt: skip
    cortex = CortexProjection(recipe, nodes[POPULATION], made, file)
    axons = nodes[BACKGROUND]

    def model() -> CortexModel:
        wanted = AXONS * 2 * len(cortex.model.atlas.areas)
        if len(axons.node_ids) != wanted:
            raise InputError(
                f"the recipe draws from {wanted:,} axons, the circuit has "
                f"{len(axons.node_ids):,}", file=axons.file, field=BACKGROUND,
                fix="Build the circuit again with `isocortex build cortex`.",
            )  # fmt: skip
        return cortex.model

    return cortex, BackgroundProjection(model, POPULATION)
