"""Paired comparisons against scipy, and against simulated studies with a known effect."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from isocortex.experiment.statistics import (
    ENOUGH_SEEDS,
    comparison,
    few_seeds,
    holm,
    paired,
    sign_flip,
    sign_flip_interval,
    smallest_visible,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("n", [2, 4, 8])
def test_t_and_its_interval_are_those_of_scipy(rng, n):
    control, arm = rng.normal(3, 1, n), rng.normal(4, 1, n)
    found, expected = paired(arm - control), stats.ttest_rel(arm, control)
    assert found.p_t == pytest.approx(expected.pvalue, rel=1e-12)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


@pytest.mark.parametrize("n", [3, 6, 9])
def test_sign_flip_is_scipys_exact_permutation_test(rng, n):
    x = rng.normal(0.7, 1, n)
    expected = stats.permutation_test(
        (x,), np.mean, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    )
    assert sign_flip(x) == pytest.approx(expected.pvalue)


def test_sign_flip_counts_ties_whatever_rounding_does():
    x = np.full(5, 0.1)  # all signs equal and all opposite: two of 32
    assert sign_flip(x) == pytest.approx(2 / 32)
    assert sign_flip(np.zeros(4)) == 1.0


def test_many_seeds_are_judged_by_drawn_signs(rng):
    x = rng.normal(0.5, 1, 20)
    assert sign_flip(x) == pytest.approx(stats.ttest_1samp(x, 0).pvalue, abs=0.01)


@pytest.mark.parametrize("n", [6, 8])
def test_what_the_sign_flip_interval_leaves_out_its_test_refuses(rng, n):
    x = rng.normal(1, 1, n)
    low, high = sign_flip_interval(x)
    for inside, outside in ((low + 1e-6, low - 1e-6), (high - 1e-6, high + 1e-6)):
        assert sign_flip(x - outside) <= 0.05 < sign_flip(x - inside)


def test_few_seeds_bound_nothing_by_signs_and_say_so():
    assert sign_flip_interval(np.array([1.0, 2.0, 3.0, 4.0])) == (-np.inf, np.inf)
    assert "0.125" in few_seeds(4) and "one animal" in few_seeds(1).lower()
    assert few_seeds(ENOUGH_SEEDS) == ""


def test_holm_holds_a_family_together():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    assert holm([]).size == 0


@pytest.mark.parametrize(("n", "effect"), [(4, 2.0), (10, 1.0)])
def test_the_smallest_visible_difference_is_found_as_often_as_it_says(rng, n, effect):
    smallest = smallest_visible(1.0, n)
    samples = rng.normal(smallest, 1.0, (4000, n))
    p = stats.ttest_1samp(samples, 0, axis=1).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)
    assert smallest_visible(2.0, n) == pytest.approx(2 * smallest)


def studies(rng, seeds, groups, effect):
    """Control and arm of a study: seeds differ more than arms, as animals do."""
    animal = rng.normal(10, 3, (groups, seeds))
    control = animal + rng.normal(0, 0.5, (groups, seeds))
    arm = animal + effect + rng.normal(0, 0.5, (groups, seeds))
    index, columns = [f"g{k}" for k in range(groups)], list(range(1, seeds + 1))
    return pd.DataFrame(control, index, columns), pd.DataFrame(arm, index, columns)


def test_without_an_effect_five_per_cent_are_found(rng):
    table = comparison(*studies(rng, 8, 1500, 0.0))
    assert np.mean(table["p_t"] < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(table["p_flip"] < 0.05) == pytest.approx(0.047, abs=0.02)  # of 256: 12
    assert np.mean((table["low"] <= 0) & (table["high"] >= 0)) == pytest.approx(0.95, abs=0.02)
    inside = (table["flip_low"] <= 0) & (table["flip_high"] >= 0)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_of_a_family_without_effects_one_in_twenty_has_a_finding(rng):
    families = [comparison(*studies(rng, 6, 10, 0.0))["p_holm"].min() < 0.05 for _ in range(200)]
    assert np.mean(families) < 0.09


def test_a_known_effect_is_found_with_its_size(rng):
    table = comparison(*studies(rng, 8, 300, 1.0))
    assert table["difference"].mean() == pytest.approx(1.0, abs=0.05)
    assert np.mean((table["low"] <= 1) & (table["high"] >= 1)) == pytest.approx(0.95, abs=0.04)
    assert table["percent"].median() == pytest.approx(10, abs=2)
    assert np.mean(table["p_t"] < 0.05) > 0.8
    assert table["d"].median() == pytest.approx(1 / (0.5 * np.sqrt(2)), rel=0.2)


def test_a_comparison_has_the_difference_of_every_seed(rng):
    control, arm = studies(rng, 4, 2, 1.0)
    arm.iloc[0, 1] = np.nan
    table = comparison(control, arm)
    assert table["seeds"].tolist() == [3, 4]
    assert table[[1, 2, 3, 4]].equals(arm - control)
    assert table.loc["g0", "control_mean"] == pytest.approx(control.iloc[0, [0, 2, 3]].mean())


@pytest.mark.parametrize("value", [0.0, 2.0, 0.1])
def test_of_equal_differences_only_signs_tell(value):
    found = paired(np.full(7, value))  # 0.1: equal but for rounding
    assert found.mean == pytest.approx(value)
    for name in ("low", "high", "d", "p_t", "smallest"):
        assert np.isnan(getattr(found, name)), name
    assert found.p_flip == (1.0 if value == 0 else 2 / 2**7)
    assert (found.flip_low, found.flip_high) == pytest.approx((value, value))
    assert np.isnan(smallest_visible(0.0, 6))


def test_no_difference_and_one_have_no_interval():
    assert paired([np.nan]).n == 0 and paired([1.0]).p_flip == 1.0
    assert np.isnan(paired([1.0]).low)
