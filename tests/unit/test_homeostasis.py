"""Strengths of synapses by area."""

import numpy as np
import pytest

from isocortex.cortex.homeostasis import BOUNDS, strength_by_area
from isocortex.cortex.model import CortexModel
from isocortex.cortex.open_loop import OpenLoop
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.wiring import kind_of


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.004))


def test_classes_have_the_same_conductance_in_all_areas(cortex):
    """As drawn, synapse by synapse, with sources at the rates at rest; and the mean stays."""
    factor = strength_by_area(cortex)
    hz = OpenLoop(cortex, np.arange(10)).rates
    excites = np.array([kind_of(rule.source) == "e" for rule in cortex.rules])
    integral = np.array([rule.kinetics.integral for rule in cortex.rules])
    n_areas = len(cortex.atlas.areas)
    place = cortex.neurons.area * np.int64(54) + cortex.group
    total = np.zeros((2, 2, n_areas * 54))  # with and without factors; kind of source
    for made in cortex.synapses(range(len(cortex))):
        each = cortex.weight[made.rule, cortex.model[made.target]] * made.strength
        each = each * integral[made.rule] * hz[made.source]
        plain = each / factor[cortex.neurons.area[made.target], made.rule]
        for k, of in enumerate((True, False)):
            mine = excites[made.rule] == of
            for row, value in zip(total[:, k], (each, plain), strict=True):
                row += np.bincount(place[made.target[mine]], value[mine], len(row))
    number = np.bincount(place, minlength=n_areas * 54)
    for name in (("2/3", "IT"), ("5", "IT"), ("6a", "IT"), ("5", "Pvalb")):
        group = place[np.flatnonzero(cortex.group == _group(*name))[0]] % 54
        at = np.arange(n_areas) * 54 + group
        at = at[number[at] >= 15]
        for k in range(2):
            scaled, plain = total[:, k, at] / number[at]
            assert scaled.std() / scaled.mean() < 0.5 * plain.std() / plain.mean(), (name, k)
            mean, before = (np.average(x, weights=number[at]) for x in (scaled, plain))
            assert mean == pytest.approx(before, rel=0.05)


def _group(layer, name):
    from isocortex.cortex.counts import group_of

    return group_of((layer, name))


def test_factors_are_bounded_and_one_for_what_is_not_there(cortex):
    factor = strength_by_area(cortex)
    assert factor.shape == (len(cortex.atlas.areas), len(cortex.rules))
    assert factor.min() >= BOUNDS[0] and factor.max() <= BOUNDS[1]
    blocked = cortex.with_weights_of(Recipe(scale=0.004, inhibition=0.0, excitation=2.0))
    np.testing.assert_array_equal(strength_by_area(blocked), factor)


def test_they_do_not_depend_on_scale_or_seed(cortex):
    other = CortexModel.make(Recipe(scale=0.001, seed=5, in_degree=0.3))
    np.testing.assert_allclose(strength_by_area(other), strength_by_area(cortex), atol=1e-4)
