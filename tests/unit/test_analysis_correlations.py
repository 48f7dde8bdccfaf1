"""Correlations and latencies against counts whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from isocortex.analysis.correlations import (
    coupling,
    fano_factors,
    homotopic,
    pair_correlation_matrix,
    pair_correlations,
    peak_lags,
    rate_correlations,
)
from isocortex.analysis.counts import group_counts, group_of, sampled, shifted

BIN = 50.0  # ms


def spikes(rates, cells, seed=0):
    """Poisson spikes of ``cells`` with the expected counts ``rates[cells or 1, bins]`` per bin."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.broadcast_to(rates, (cells, np.shape(rates)[-1])))
    cell, bins = np.nonzero(counts)
    n = counts[cell, bins]
    times = (np.repeat(bins, n) + rng.uniform(size=n.sum())) * BIN
    return times, np.repeat(cell, n)


def common(bins, sd, seed=1):
    """A factor with mean 1 and standard deviation ``sd`` (gamma), new in each bin."""
    return np.random.default_rng(seed).gamma(sd**-2, sd**2, bins)


def test_counts_keep_every_spike_in_its_bin():
    groups = {"a": np.array([3, 1]), "b": np.array([7])}
    counts = group_counts(
        [0.0, 9.9, 10.0, 29.9, 30.0, 5.0, -1.0], [1, 3, 1, 7, 7, 4, 1], groups, 35.0
    )
    assert counts.to_numpy().tolist() == [[2, 1, 0], [0, 0, 1]]
    assert counts.columns.tolist() == [0.0, 10.0, 20.0]
    exact = group_counts(np.arange(60) * 0.1, np.ones(60, int), {"a": np.array([1])}, 6.0, 0.1)
    assert (exact.to_numpy() == 1).all()


def test_groups_are_found_for_any_ids():
    groups = {"a": np.array([9, 4]), "none": np.array([], int), "b": np.array([6])}
    assert group_of([4, 5, 6, 9, 3, 10, -1, 4], groups).tolist() == [0, -1, 2, 0, -1, -1, -1, 0]
    assert group_of([], groups).tolist() == [] and group_of([3], {}).tolist() == [-1]
    for overlapping in ({"a": np.array([5, 5])}, {"a": np.array([1, 5]), "b": np.array([5, 8])}):
        with pytest.raises(ValueError, match="cell 5 is listed twice"):
            group_of([1], overlapping)


def test_independent_poisson_cells_have_no_correlation_and_a_fano_factor_of_one():
    """Of 200 cells over 4000 bins the mean over pairs has a standard error of 1e-4."""
    times, ids = spikes(np.full((1, 4000), 0.25), 200)
    groups = {"a": np.arange(200)}
    table = pair_correlations(times, ids, groups, 4000 * BIN, BIN)
    assert abs(table.loc["a", "correlation"]) < 4e-4
    assert abs(table.loc["a", "shuffled"]) < 4e-4
    assert fano_factors(group_counts(times, ids, groups, 4000 * BIN, BIN))["a"] == pytest.approx(
        1.0, abs=4 * np.sqrt(2 / 4000)
    )


@pytest.mark.parametrize("sd", [0.3, 1.0])
def test_doubly_stochastic_counts_have_the_correlation_of_the_formula(sd):
    """Mean count m, common relative variance v: r = m v / (1 + m v), Fano 1 + n m v."""
    mean, cells, bins = 0.4, 100, 8000
    times, ids = spikes(mean * common(bins, sd)[None], cells)
    groups, expected = {"a": np.arange(cells)}, mean * sd**2 / (1 + mean * sd**2)
    table = pair_correlations(times, ids, groups, bins * BIN, BIN)
    assert table.loc["a", "correlation"] == pytest.approx(expected, rel=0.06)
    assert abs(table.loc["a", "shuffled"]) < 0.01 * expected + 4 * table.loc["a", "shuffled_sd"]
    assert table.loc["a", "correlation"] > 20 * table.loc["a", "shuffled_sd"]
    fano = fano_factors(group_counts(times, ids, groups, bins * BIN, BIN))["a"]
    assert fano == pytest.approx(1 + cells * mean * sd**2, rel=0.08)


def test_the_mean_over_pairs_is_that_of_the_correlation_matrix_of_the_cells():
    rates = np.vstack([common(60, 0.6, 1)] * 12 + [common(60, 0.6, 2)] * 9) * 0.8
    times, ids = spikes(rates, 21)
    groups = {"a": np.arange(12), "b": np.arange(12, 21), "silent": np.array([50])}
    counts = np.zeros((21, 60))
    np.add.at(counts, (ids, (times // BIN).astype(int)), 1)
    r = np.corrcoef(counts)
    found = pair_correlation_matrix(times, ids, groups, 60 * BIN, BIN)
    for name, rows in (("a", slice(0, 12)), ("b", slice(12, 21))):
        block = r[rows, rows]
        n = len(block)
        assert found.loc[name, name] == pytest.approx((block.sum() - n) / (n * (n - 1)), abs=1e-12)
    assert found.loc["a", "b"] == pytest.approx(r[:12, 12:].mean(), abs=1e-12)
    assert found["silent"].isna().all()
    own = pair_correlations(times, ids, groups, 60 * BIN, BIN, n_shuffles=0)
    assert own["correlation"].tolist()[:2] == [found.loc["a", "a"], found.loc["b", "b"]]
    assert own["cells"].tolist() == [12, 9, 0]


def test_nothing_depends_on_the_order_of_spikes():
    times, ids = spikes(0.5 * common(200, 0.5)[None], 40)
    groups = {"a": np.arange(20), "b": np.arange(20, 40)}
    order = np.random.default_rng(9).permutation(len(ids))
    one = pair_correlations(times, ids, groups, 200 * BIN, max_cells=10)
    assert one.equals(pair_correlations(times[order], ids[order], groups, 200 * BIN, max_cells=10))
    assert group_counts(times, ids, groups, 1e4).equals(
        group_counts(times[order], ids[order], groups, 1e4)
    )


def test_samples_are_nested_and_follow_the_cells():
    nodes = np.random.default_rng(0).permutation(100_000)
    large, small = sampled(nodes, 5000), sampled(nodes[::-1], 50)
    assert len(small) == 50 and np.isin(small, large).all()
    assert np.mean(large) == pytest.approx(50_000, rel=0.03)
    half = sampled(np.arange(50_000), 50_000)
    assert np.array_equal(sampled(nodes, 10, seed=1), sampled(nodes, 10, seed=1))
    assert not np.array_equal(sampled(nodes, 10, seed=1), sampled(nodes, 10))
    assert len(half) == 50_000 and not len(sampled(nodes, 0)) and not len(sampled([], 5))


def test_shifted_spikes_keep_each_cells_intervals_around_the_circle():
    times, ids = spikes(np.full((1, 100), 0.5), 5)
    moved = shifted(times, ids, 5000.0)
    assert moved.min() >= 0 and moved.max() < 5000.0
    for cell in range(5):
        mine = ids == cell
        before = np.diff(np.sort(times[mine]), append=np.sort(times[mine])[0] + 5000.0)
        after = np.diff(np.sort(moved[mine]), append=np.sort(moved[mine])[0] + 5000.0)
        assert np.sort(before) == pytest.approx(np.sort(after))
    by = (moved - times) % 5000.0
    assert len(np.unique(by.round(6))) == 5
    assert not np.array_equal(moved, shifted(times, ids, 5000.0, repeat=1))


def test_groups_that_share_a_rate_are_coupled_and_others_are_not():
    """Two pairs of partners, each with its own common rate: formula r = N m v / (1 + N m v)."""
    bins, sd, mean, cells = 3000, 0.3, 0.5, 50
    rates = np.repeat([common(bins, sd, k) for k in (1, 2, 1, 2)], cells, axis=0) * mean
    times, ids = spikes(rates, 4 * cells)
    names = ["left A", "left B", "right A", "right B"]
    groups = {name: np.arange(k * cells, (k + 1) * cells) for k, name in enumerate(names)}
    counts = group_counts(times, ids, groups, bins * BIN, BIN)
    matrix = rate_correlations(counts)
    expected = cells * mean * sd**2 / (1 + cells * mean * sd**2)
    assert matrix.loc["left A", "right A"] == pytest.approx(expected, rel=0.04)
    assert np.diag(matrix).tolist() == pytest.approx([1.0] * 4)
    table = homotopic(matrix, {"left A": "right A", "left B": "right B"})
    assert table["homotopic"].tolist() == pytest.approx([expected] * 2, rel=0.06)
    assert table["heterotopic"].abs().max() < 4 / np.sqrt(bins)
    assert table[["rank", "of"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    found = coupling(counts)
    assert found.correlation == pytest.approx(expected / 3, rel=0.1)  # two pairs of six
    assert found.p == pytest.approx(1 / 101) and found.shuffled.max() < 0.1
    independent = coupling(counts.loc[["left A", "left B"]])
    assert 0.02 < independent.p


def test_chance_reaches_the_coupling_of_independent_groups_as_often_as_it_should():
    rng = np.random.default_rng(4)
    p = [coupling(pd.DataFrame(rng.poisson(5, (6, 200))), 19, k).p for k in range(200)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.045)
    assert np.mean(p) == pytest.approx(0.525, abs=0.07)


@pytest.mark.parametrize("delay", [0, 1, 7, 20])
def test_the_delay_of_a_copy_is_recovered_exactly(delay):
    bins = 2000
    rate = 4 * common(bins + delay, 0.7)
    rng = np.random.default_rng(5)
    source, copy = rng.poisson(rate[delay:]), rng.poisson(rate[:bins])
    lag, height = peak_lags(pd.DataFrame([source, copy], ["a", "b"]), 5.0)
    assert lag.loc["a", "b"] == 5.0 * delay and lag.loc["b", "a"] == -5.0 * delay
    assert lag.loc["a", "a"] == 0.0 and height.loc["a", "a"] == pytest.approx(1.0)
    assert height.loc["a", "b"] == height.loc["b", "a"] > 10 / np.sqrt(bins)
    assert height.loc["a", "b"] == pytest.approx(4 * 0.49 / (1 + 4 * 0.49), rel=0.1)


def test_empty_and_single_spikes_have_no_correlation():
    groups = {"a": np.arange(3), "none": np.array([], int)}
    for times, ids in (([], []), ([3.0], [1])):
        assert pair_correlations(times, ids, groups, 1000.0)["correlation"].isna().all()
        assert pair_correlation_matrix(times, ids, groups, 1000.0).isna().all(axis=None)
        counts = group_counts(times, ids, groups, 1000.0)
        assert fano_factors(counts).isna().tolist() == [not times, True]
        assert rate_correlations(counts).isna().to_numpy()[0, 1]
        assert np.isnan(coupling(counts).correlation)
        assert peak_lags(counts, 10.0)[0].isna().to_numpy()[0, 1]
    nothing = group_counts([1.0], [1], groups, 5.0)
    assert nothing.shape == (2, 0)
    assert pair_correlations([1.0], [1], groups, 5.0)["correlation"].isna().all()
    assert peak_lags(nothing, 10.0)[0].isna().all(axis=None)
