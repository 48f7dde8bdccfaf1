"""Responses to a repeated pulse, against spikes of known number and time."""

import numpy as np
import pytest

from isocortex.analysis.evoked import evoked_responses

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
