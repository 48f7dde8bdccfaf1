"""Spectra and count statistics against Poisson processes whose answers are known."""

import numpy as np
import pytest

from isocortex.analysis.plots_spectra import spectra
from isocortex.analysis.spectra import (
    band_means,
    fano_factor,
    population_spectrum,
    rate_modulation,
    segment_length,
)

CELLS, RATE = 200, 5.0  # Hz


def modulated(duration, frequency, depth, seed=0):
    """Times (ms) of cells that share RATE (1 + depth sin(2 pi frequency t)), by thinning."""
    rng = np.random.default_rng(seed)
    highest = CELLS * RATE * (1 + depth)
    times = rng.uniform(0, duration, rng.poisson(highest * duration / 1000))
    rate = 1 + depth * np.sin(2e-3 * np.pi * frequency * times)
    return times[rng.uniform(0, 1 + depth, len(times)) < rate]


def test_independent_poisson_cells_are_white_at_twice_the_rate_over_the_number():
    found = population_spectrum(modulated(60_000.0, 0.0, 0.0), CELLS, 60_000.0)
    assert found.relative.mean() == pytest.approx(1.0, rel=0.03)
    assert found.power.mean() == pytest.approx(2 * RATE / CELLS, rel=0.04)
    halves = found.relative[: len(found.relative) // 2], found.relative[len(found.relative) // 2 :]
    assert halves[0].mean() == pytest.approx(halves[1].mean(), rel=0.05)
    assert found.frequency[[0, -1]] == pytest.approx([1.0, 200.0])
    assert found.n_segments == 59


def test_a_modulated_rate_stands_out_by_its_known_power():
    """A sine of amplitude A has the power A^2 / 2, here within one resolution bandwidth."""
    duration, depth = 20_000.0, 0.5
    found = population_spectrum(modulated(duration, 40.0, depth), CELLS, duration)
    peak = np.argmax(found.power)
    assert found.frequency[peak] == pytest.approx(40.0)
    signal = (RATE * depth) ** 2 / 2 / found.resolution + 2 * RATE / CELLS
    assert found.power[peak] == pytest.approx(signal, rel=0.05)
    assert found.power.sum() * 0.5 == pytest.approx(  # Hz: segments of 2 s
        (RATE * depth) ** 2 / 2 + 199 * 2 * RATE / CELLS, rel=0.05
    )


@pytest.mark.parametrize(("duration", "segments"), [(500.0, 3), (1000.0, 3), (4000.0, 3)])
def test_the_interval_holds_95_percent_of_the_estimates_of_a_flat_spectrum(duration, segments):
    inside = []
    for seed in range(60):
        found = population_spectrum(modulated(duration, 0.0, 0.0, seed), CELLS, duration)
        low, high = found.interval
        inside.append(np.mean((found.relative > low) & (found.relative < high)))
    assert found.n_segments == segments
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_the_interval_of_three_segments_is_that_of_chi_square():
    """5.79 degrees of freedom: quantiles 1.148 and 14.12, from tables, over 5.79."""
    found = population_spectrum(modulated(1000.0, 0.0, 0.0), CELLS, 1000.0)
    assert found.interval == pytest.approx((0.198, 2.45), abs=0.02)


@pytest.mark.parametrize(
    ("duration", "length"), [(100.0, None), (499.0, None), (500.0, 250.0), (1000.0, 500.0),
                             (3999.0, 1000.0), (60_000.0, 2000.0)],
)  # fmt: skip
def test_segments_fit_three_times(duration, length):
    assert segment_length(duration) == length


def test_means_over_bands_keep_a_constant_and_leave_out_empty_bands():
    frequency = np.arange(2.0, 202.0, 2.0)
    middle, mean = band_means(frequency, np.full(100, 3.0))
    np.testing.assert_allclose(mean, 3.0)
    assert middle[:3].tolist() == [2.0, 4.0, 6.0]  # no more of them in these sixths
    middle, mean = band_means(frequency, frequency)
    np.testing.assert_allclose(mean, middle)
    last = frequency[frequency >= 2 * 2 ** (39 / 6)]
    assert middle[-1] == pytest.approx(last.mean())


def test_a_run_that_is_too_short_has_no_spectrum():
    with pytest.raises(ValueError, match="too short"):
        population_spectrum([1.0, 2.0], 2, 100.0)


def test_silence_has_no_relative_spectrum():
    found = population_spectrum([], 5, 1000.0)
    assert np.isnan(found.relative).all()
    assert not found.power.any()


def test_fano_factor_and_modulation_of_independent_cells():
    times = modulated(100_000.0, 0.0, 0.0)
    assert fano_factor(times, 100_000.0) == pytest.approx(1.0, abs=0.05)
    assert rate_modulation(times, 100_000.0) < 0.1


def test_fano_factor_and_modulation_of_a_shared_rhythm():
    """Depth m of a slow sine: a relative standard deviation of m / sqrt(2), however many cells."""
    times, depth = modulated(50_000.0, 2.0, 0.6), 0.6
    expected = depth / np.sqrt(2)
    assert rate_modulation(times, 50_000.0) == pytest.approx(expected, rel=0.03)
    mean = CELLS * RATE * 0.01
    assert fano_factor(times, 50_000.0) == pytest.approx(1 + mean * expected**2, rel=0.05)
    fewer = times[np.random.default_rng(1).uniform(size=len(times)) < 0.25]
    assert rate_modulation(fewer, 50_000.0) == pytest.approx(expected, rel=0.05)


def test_statistics_of_counts_without_enough_to_count():
    for times, duration in (([], 1000.0), ([1.0], 5.0), ([1.0, 2.0], 19.0)):
        assert np.isnan(fano_factor(times, duration))
        assert np.isnan(rate_modulation(times, duration))


def test_a_clock_varies_less_than_poisson():
    clock = np.arange(1.0, 1000.0, 2.0)
    assert fano_factor(clock, 1000.0) == 0.0
    assert rate_modulation(clock, 1000.0) == 0.0


def test_the_figure_has_a_panel_for_each_group():
    found = population_spectrum(modulated(1000.0, 0.0, 0.0), CELLS, 1000.0)
    names = [f"group {k}" for k in range(6)]
    figure = spectra(dict.fromkeys(names, found), found)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == names
