"""Spectra and count statistics against Poisson processes whose answers are known."""

import numpy as np
import pytest

from isocortex.analysis.plots_spectra import spectra
from isocortex.analysis.rates import population_rate
from isocortex.analysis.spectra import (
    band_means,
    coherence,
    fano_factor,
    peaks,
    population_spectrum,
    rate_modulation,
    segment_length,
    spectra_by_group,
    strongest_peak,
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


def rate_of(times, duration):
    return population_rate(times, CELLS, duration, 1.0)[1]


def test_two_populations_on_one_rhythm_are_coherent_at_its_frequency_only():
    """Signal power S over Poisson noise P in each, independent: coherence (S / (S + P))^2."""
    duration, depth = 40_000.0, 0.2
    one, other = (rate_of(modulated(duration, 40.0, depth, seed), duration) for seed in (1, 2))
    found = coherence(one, other, 1.0, 1000)
    at = np.argmax(found.value)
    signal, noise = (RATE * depth) ** 2 / 2 / 1.5, 2 * RATE / CELLS  # resolution: 1.5 Hz
    assert found.frequency[at] == 40.0
    assert found.value[at] == pytest.approx((signal / (signal + noise)) ** 2, abs=0.03)
    away = np.abs(found.frequency - 40.0) > 3
    assert np.mean(found.value[away] > found.threshold) == pytest.approx(0.05, abs=0.02)
    assert found.n_segments == 79


def test_common_noise_gives_the_coherence_of_the_formula():
    """White common rate of relative SD s in bins of d: S / P = N r s^2 d, the same everywhere."""
    rng = np.random.default_rng(7)
    mean, relative = 2.0, 0.6  # counts
    shared = mean * rng.gamma(relative**-2, relative**2, 200_000)
    found = coherence(rng.poisson(shared), rng.poisson(shared), 5.0, 400)
    ratio = mean * relative**2
    expected = (ratio / (1 + ratio)) ** 2
    assert found.value[1:-1].mean() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("delay", [3, 8])
def test_the_phase_of_a_delayed_rate_is_the_delay_times_the_frequency(delay):
    rate = np.random.default_rng(8).normal(size=40_000 + delay)
    found = coherence(rate[delay:], rate[:40_000], 1.0, 500)
    low = (found.frequency > 0) & (found.frequency < 50)
    slope = np.median(found.phase[low] / (2e-3 * np.pi * found.frequency[low]))
    assert slope == pytest.approx(delay, rel=0.02)


def test_coherence_of_nothing_of_one_segment_and_of_unequal_rates():
    assert np.isnan(coherence(np.zeros(100), np.ones(100), 1.0, 20).value).all()
    one = coherence(np.arange(50.0) % 7, np.arange(50.0) % 5, 1.0, 50)
    assert one.threshold == 1.0 and np.nanmin(one.value[1:]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no coherence"):
        coherence([1.0, 2.0], [1.0, 2.0, 3.0], 1.0)


def test_the_share_of_a_rhythm_in_the_power_below_100_hz():
    """A sine of power A^2 / 2 over Poisson noise; all of the excess lies in its peak."""
    duration, noise = 60_000.0, 2 * RATE / CELLS
    for depth in (0.2, 0.9):
        times = modulated(duration, 30.0, depth)
        peak = strongest_peak(population_spectrum(times, CELLS, duration))
        signal = (RATE * depth) ** 2 / 2
        assert peak.frequency == pytest.approx(30.0)
        assert peak.share == pytest.approx((signal + 5 * noise) / (signal + 99 * noise), rel=0.05)
    assert peak.share_of_excess > 0.95
    below = population_spectrum(modulated(duration, 130.0, 0.9), CELLS, duration)
    assert strongest_peak(below).share < 0.1 and strongest_peak(below, 150.0).share > 0.5


def test_the_peak_of_a_short_run_is_as_wide_as_its_resolution():
    """Bins of 4 Hz: a Hann window leaves a third of a sine's power in the two beside it."""
    found = population_spectrum(modulated(500.0, 40.0, 0.9), CELLS, 500.0)
    assert found.resolution == 6.0
    assert strongest_peak(found).share_of_excess > 0.9


def test_no_peak_of_independent_cells_holds_much():
    shares = [
        strongest_peak(population_spectrum(modulated(5000.0, 0.0, 0.0, seed), CELLS, 5000.0)).share
        for seed in range(20)
    ]
    assert max(shares) < 0.15


def test_spectra_by_group_are_those_of_each_alone_in_any_order():
    rhythm, noise = modulated(4000.0, 20.0, 0.9), modulated(4000.0, 0.0, 0.0, 1)
    rng = np.random.default_rng(0)
    ids = np.concatenate([rng.integers(0, 200, len(rhythm)), rng.integers(500, 700, len(noise))])
    times, order = np.concatenate([rhythm, noise]), rng.permutation(len(ids))
    groups = {"a": np.arange(200), "b": np.arange(500, 700), "silent": np.arange(900, 902)}
    found = spectra_by_group(times[order], ids[order], groups, 4000.0)
    alone = population_spectrum(rhythm, 200, 4000.0)
    assert np.array_equal(found["a"].power, alone.power)
    table = peaks(found)
    assert table.loc["a", "frequency_hz"] == pytest.approx(20.0)
    assert table.loc["a", "share"] > 0.5 > table.loc["b", "share"]
    assert table.loc["silent"].isna().all()
