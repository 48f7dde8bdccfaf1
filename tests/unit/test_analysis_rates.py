import numpy as np
import pytest

from isocortex.analysis import cell_rates, isi_cv, population_rate, spectrum


def test_cell_rates_count_silent_cells_and_ignore_strangers():
    rates = cell_rates([5, 5, 2, 9], nodes=[2, 3, 5], duration=500.0)
    assert rates.tolist() == [2.0, 0.0, 4.0]
    assert cell_rates([], nodes=[1, 2], duration=500.0).tolist() == [0.0, 0.0]


def test_population_rate_conserves_spikes_with_a_short_last_bin():
    times = np.random.default_rng(0).uniform(0, 105, 1000)
    edges, rate = population_rate(times, n_cells=4, duration=105.0, bin_width=10.0)
    assert edges[-2:].tolist() == [100.0, 105.0]
    assert np.sum(rate * np.diff(edges)) * 4 / 1000 == pytest.approx(1000)


@pytest.mark.parametrize("duration", [100.0, 0.3 / 0.1 * 10])
def test_population_rate_has_no_empty_last_bin(duration):
    edges, _ = population_rate([], 1, duration, 10.0)
    assert np.diff(edges) == pytest.approx(10.0)


def test_spectrum_finds_the_frequency_and_keeps_the_variance():
    time = np.arange(0, 4000, 1.0)
    rate = 20 + 3 * np.sin(2 * np.pi * 40 * time / 1000)
    frequency, power = spectrum(rate, bin_width=1.0)
    assert frequency[np.argmax(power)] == pytest.approx(40.0)
    assert frequency[-1] == pytest.approx(500.0)
    assert np.trapezoid(power, frequency) == pytest.approx(4.5, rel=0.01)
    noise = np.random.default_rng(1).normal(0, 2, 100_000)
    frequency, power = spectrum(noise, bin_width=1.0, segment=500)
    assert np.trapezoid(power, frequency) == pytest.approx(4.0, rel=0.03)
    with pytest.raises(ValueError, match="two bins"):
        spectrum([1.0], 1.0)


def test_isi_cv_of_a_clock_a_poisson_train_and_too_few_spikes():
    clock = np.arange(0, 100, 10.0)
    poisson = np.cumsum(np.random.default_rng(2).exponential(20, 20_000))
    times = np.concatenate([clock[::-1], poisson, [1.0, 2.0]])
    ids = np.repeat([3, 8, 9], [len(clock), len(poisson), 2])
    cv = isi_cv(times, ids)
    assert set(cv) == {3, 8}
    assert cv[3] == pytest.approx(0.0)
    assert cv[8] == pytest.approx(1.0, abs=0.03)


def test_a_population_rate_begins_when_it_is_told_to():
    edges, rate = population_rate([505.0, 507.0, 525.0], 2, 530.0, 20.0, begin=500.0)
    assert edges.tolist() == [500.0, 520.0, 530.0]
    assert rate.tolist() == [50.0, 50.0]
