"""Irregularity against renewal processes whose coefficients are known."""

import numpy as np
import pytest

from isocortex.analysis.irregularity import interval_statistics, irregularity


def renewal(shape, cells, spikes, mean=20.0, seed=0):
    """Times and ids of gamma renewal processes: shape 1 is Poisson."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.gamma(shape, mean / shape, (cells, spikes)), axis=1)
    return times.ravel(), np.repeat(np.arange(cells), spikes)


def poisson(cells, hz, duration, seed=0):
    rng = np.random.default_rng(seed)
    n = rng.poisson(np.broadcast_to(hz, cells) * duration / 1000)
    return rng.uniform(0, duration, n.sum()), np.repeat(np.arange(cells), n)


@pytest.mark.parametrize("shape", [1, 2, 4, 16])
def test_gamma_processes_have_their_known_coefficients(shape):
    """CV 1 / sqrt(k), LV 3 / (2 k + 1); 40 cells of 2000 intervals."""
    table = interval_statistics(*renewal(shape, 40, 2001))
    assert table["cv"].mean() == pytest.approx(shape**-0.5, rel=0.01)
    assert table["lv"].mean() == pytest.approx(3 / (2 * shape + 1), rel=0.02)
    assert table["mean_interval_ms"].mean() == pytest.approx(20.0, rel=0.01)
    if shape == 1:
        assert table["cv2"].mean() == pytest.approx(1.0, rel=0.01)


def test_cv2_of_intervals_by_hand():
    """Intervals 10, 30, 10: 2 * 20 / 40 twice; LV 3 * 0.25; CV sqrt(800 / 9) / (50 / 3)."""
    table = interval_statistics([0.0, 10.0, 40.0, 50.0], [7, 7, 7, 7], min_spikes=3)
    row = table.loc[7]
    assert row[["cv2", "lv", "mean_interval_ms"]].tolist() == pytest.approx([1.0, 0.75, 50 / 3])
    assert row["cv"] == pytest.approx(np.sqrt(800 / 9) * 3 / 50)


def test_a_slow_change_of_rate_raises_cv_and_leaves_cv2():
    """A Poisson process in operational time, whose rate goes from 5 to 45 Hz and back."""
    times, ids = renewal(1, 40, 2001, mean=40.0)
    clock = np.arange(0.0, 120_000.0, 1.0)
    passed = np.cumsum(1.0 + 0.8 * np.sin(2e-4 * np.pi * clock))
    table = interval_statistics(np.interp(times, passed, clock), ids)
    assert table["cv"].median() > 1.15
    assert table["cv2"].median() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("expected", "cv"), [(9, 0.865), (20, 0.909), (50, 0.960), (200, 0.988)])
def test_a_short_recording_lowers_the_cv_of_poisson_cells_by_as_much_as_is_said(expected, cv):
    """Medians over 5 times 3000 cells; CV2 has no such bias."""
    tables = [interval_statistics(*poisson(3000, expected / 5, 5e3, seed)) for seed in range(5)]
    assert np.mean([table["cv"].median() for table in tables]) == pytest.approx(cv, abs=0.015)
    assert np.mean([table["cv2"].median() for table in tables]) == pytest.approx(1.0, abs=0.01)


def test_a_clock_is_regular_and_the_order_of_spikes_is_nothing():
    times = np.concatenate([np.arange(0, 200.0, 10.0), renewal(2, 1, 50)[0]])
    ids = np.repeat([4, 2], [20, 50])
    table = interval_statistics(times, ids)
    assert table.loc[4, ["cv", "cv2", "lv"]].abs().max() < 1e-12
    order = np.random.default_rng(1).permutation(len(ids))
    assert table.equals(interval_statistics(times[order], ids[order]))
    groups = {"a": np.array([4, 9]), "b": np.array([2])}
    first = irregularity(times, ids, groups, 1000.0)
    assert first.equals(irregularity(times[order], ids[order], groups, 1000.0))


def test_silent_cells_and_the_spread_of_rates():
    """Rates lognormal with an SD of 0.5 in log10; counts so high that their noise is nothing."""
    rng = np.random.default_rng(3)
    rates = 10 ** rng.normal(2.0, 0.5, 800)
    times, ids = poisson(800, rates, 5000.0)
    groups = {"a": np.arange(1000), "b": np.arange(2000, 2003)}
    table = irregularity(times, ids, groups, 5000.0)
    assert table["cells"].tolist() == [1000, 3]
    assert table["silent"].tolist() == pytest.approx([0.2, 1.0])
    assert table.loc["a", "log10_rate_sd"] == pytest.approx(np.std(np.log10(rates)), rel=0.02)
    assert table.loc["a", "mean_hz"] == pytest.approx(0.8 * rates.mean(), rel=0.01)
    assert table["measured"].tolist() == [800, 0]
    assert table.loc["b", ["log10_rate_sd", "cv", "cv2"]].isna().all()


@pytest.mark.parametrize("spikes", [0, 1, 2])
def test_too_few_spikes_have_no_intervals_to_judge(spikes):
    times, ids = np.arange(spikes) * 5.0, np.zeros(spikes, int)
    assert interval_statistics(times, ids).empty
    table = irregularity(times, ids, {"a": np.array([0, 1]), "empty": np.array([], int)}, 100.0)
    assert table["cells"].tolist() == [2, 0]
    assert table.loc["a", "silent"] == (1.0 if spikes == 0 else 0.5)
    assert table["cv"].isna().all()
    with pytest.raises(ValueError, match="three spikes"):
        interval_statistics(times, ids, min_spikes=2)


def test_a_cell_in_two_groups_is_refused_and_strangers_are_not_counted():
    with pytest.raises(ValueError, match="cell 1 is listed twice"):
        irregularity([1.0], [1], {"a": np.array([0, 1]), "b": np.array([1])}, 100.0)
    assert irregularity([1.0], [5], {"a": np.array([0])}, 100.0)["silent"].tolist() == [1.0]
