"""Responses to a repeated pulse, against spikes of known number and time."""

import numpy as np
import pytest

from isocortex.analysis.counts import group_counts
from isocortex.analysis.evoked import evoked_responses, triggered_responses

PULSES = 100.0 + 400.0 * np.arange(20)
GROUPS = {"early": np.arange(0, 50), "late": np.arange(50, 100), "deaf": np.arange(100, 150)}


def _spikes(seed=0, hz=2.0, each=20):
    """Poisson cells; after every pulse ``each`` cells of two groups fire once more."""
    rng = np.random.default_rng(seed)
    duration = PULSES[-1] + 400.0
    n = rng.poisson(150 * hz * duration / 1000)
    times, ids = [rng.uniform(0, duration, n)], [rng.integers(0, 150, n)]
    for at in PULSES:
        for first, delay in ((0, 10.0), (50, 30.0)):
            times.append(at + delay + rng.normal(0, 2.0, each))
            ids.append(first + rng.permutation(50)[:each])
    return np.concatenate(times), np.concatenate(ids)


def test_latency_and_number_are_those_put_in():
    times, ids = _spikes()
    found = evoked_responses(times, ids, GROUPS, PULSES)
    assert found.loc["early", "latency_ms"] == pytest.approx(10.0, abs=2.0)
    assert found.loc["late", "latency_ms"] == pytest.approx(30.0, abs=2.0)
    excess = found["spikes"] - found["expected"]
    assert excess["early"] == pytest.approx(20 * len(PULSES), rel=0.2)
    assert np.isnan(found.loc["deaf", "latency_ms"])


def test_chance_has_no_latency():
    """Of 60 groups of Poisson cells fewer than two are told to respond."""
    false = 0
    for seed in range(20):
        times, ids = _spikes(seed, each=0)
        false += evoked_responses(times, ids, GROUPS, PULSES)["latency_ms"].notna().sum()
    assert false < 2


def test_the_order_of_spikes_does_not_matter():
    times, ids = _spikes()
    order = np.random.default_rng(1).permutation(len(times))
    a = evoked_responses(times, ids, GROUPS, PULSES)
    assert a.equals(evoked_responses(times[order], ids[order], GROUPS, PULSES[::-1]))


def test_pulses_whose_windows_overlap_are_refused():
    with pytest.raises(ValueError, match="apart"):
        evoked_responses([1.0], [0], GROUPS, [100.0, 250.0])
    with pytest.raises(ValueError, match="apart"):
        evoked_responses([1.0], [0], GROUPS, [])


def _binned(duration, seed, hz=3.0):
    rng = np.random.default_rng(seed)
    n = rng.poisson(150 * hz * duration / 1000)
    return rng.uniform(0, duration, n), rng.integers(0, 150, n)


def test_what_joins_a_discharge_is_found_with_its_latency():
    times, ids = _binned(4000.0, 11)
    for at in (500.0, 1500.0, 2500.0):
        for first, delay in ((0, 0.0), (50, 60.0)):
            times = np.append(times, at + delay + np.linspace(0, 100.0, 200, endpoint=False))
            ids = np.append(ids, first + np.arange(200) % 50)
    counts = group_counts(times, ids, GROUPS, 4000.0)
    rest = group_counts(*_binned(4000.0, 2), GROUPS, 4000.0)
    asked = {"before": 100.0, "after": 300.0, "bin_width": 10.0}
    found = triggered_responses(counts, rest, [500.0, 1500.0, 2500.0, 3900.0], **asked)
    assert found.loc["early", "latency_ms"] == pytest.approx(-10.0, abs=10.0)
    assert found.loc["late", "latency_ms"] == pytest.approx(50.0, abs=10.0)
    assert np.isnan(found.loc["deaf", "latency_ms"])
    assert found.loc["early", "spikes"] - found.loc["early", "expected"] == pytest.approx(
        600, rel=0.2
    )  # the last moment's window is not in the run
    assert triggered_responses(counts, rest, [], **asked).isna().all(axis=None)
    assert triggered_responses(counts, rest.iloc[:, :50], [500.0], **asked).isna().all(axis=None)
