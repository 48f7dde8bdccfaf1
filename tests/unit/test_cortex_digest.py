"""The digest of a cortex: the same for the same network, another for any other."""

from dataclasses import replace

import numpy as np
import pytest

from isocortex.cortex.digest import digest, digests
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.0005))


def _again(cortex, **changed):
    """The same cortex, nothing of it remembered, with some parts exchanged."""
    return replace(cortex, **changed)


def test_the_same_cortex_has_the_same_digest(cortex):
    assert digest(cortex) == digest(CortexModel.make(Recipe(scale=0.0005)))


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"scale": 0.0006}, {"long_delay": 1.5}, {"excitation": 0.6}, {"dL": 40.0}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_any_change_of_the_recipe_changes_it(cortex, change):
    other = CortexModel.make(replace(cortex.recipe, **change))
    assert digest(other) != digest(cortex)


def test_one_other_number_changes_it(cortex):
    position = cortex.neurons.position.copy()
    position[17, 2] = np.nextafter(position[17, 2], np.float32(0.0))
    moved = _again(cortex, neurons=replace(cortex.neurons, position=position))
    assert digest(moved) != digest(cortex)
    weight = cortex.weight.copy()
    weight[0, 0] += np.float32(1e-9)
    assert digest(_again(cortex, weight=weight)) != digest(cortex)


def test_another_share_of_models_changes_it(cortex):
    """Other models for some neurons is what a changed wiring_models.csv comes to."""
    shares = {
        cell_class: tuple(reversed(those)) for cell_class, those in cortex.wiring.shares.items()
    }
    other = _again(cortex, wiring=replace(cortex.wiring, shares=shares))
    assert len(other.models) == len(cortex.models)
    assert digest(other) != digest(cortex)


def test_compartments_of_another_length_are_other_cells_and_other_places_alone(cortex):
    """Neurons, who connects to whom and weights stay: what is compared differs in dL only."""
    other = CortexModel.make(replace(cortex.recipe, dL=40.0))
    before, after = digests(cortex), digests(other)
    changed = {part for part in before if before[part] != after[part]}
    assert changed == {"cell models", "places of synapses"}
    fine, coarse = (next(each.synapses(range(200))) for each in (cortex, other))
    for name in ("source", "target", "rule", "strength", "delay"):
        np.testing.assert_array_equal(getattr(fine, name), getattr(coarse, name))
