"""Courses of electrodes: given ones, and the statistics of random ones."""

from dataclasses import replace

import numpy as np
import pytest
from library_circuit import write_library_circuit

import isocortex as ic
from isocortex.circuit.signals import (
    CHUNK,
    Drawn,
    Noise,
    OrnsteinUhlenbeck,
    Ramp,
    ShotNoise,
    Sine,
    Train,
)
from isocortex.errors import ConfigError
from isocortex.random import name_of

DT = 0.25


def samples(signal, n=200_000, key="k", **more):
    """The first n samples of a random course."""
    drawn = Drawn(Noise(signal, 0.0, np.inf, DT, 0), name_of(key), **more)
    return drawn((np.arange(n) + 0.5) * DT)


def test_a_ramp_and_a_sine_are_what_they_are_called():
    t = np.array([0.0, 9.9, 10.0, 15.0, 19.9, 20.0])
    np.testing.assert_allclose(Ramp(1.0, 3.0, 10.0, 10.0)(t), [0, 0, 1, 2, 2.98, 0])
    expected = 0.5 * np.sin(2 * np.pi * 0.05 * (t - 10.0))
    np.testing.assert_allclose(
        Sine(0.5, 50.0, 10.0, 10.0)(t), np.where((t >= 10) & (t < 20), expected, 0), atol=1e-15
    )


def test_a_train_knows_no_end_of_a_run():
    t = np.arange(0.05, 60.0, 0.1)
    train = Train(0.2, 3.0, 10.0, 5.0, 42.0)
    expected = (t >= 5) & (t < 47) & ((t - 5) % 10 < 3)
    np.testing.assert_array_equal(train(t) != 0, expected)


def test_an_ornstein_uhlenbeck_process_has_its_mean_variance_and_correlation():
    """Standard errors from the correlation time: n dt / 2 tau independent samples."""
    tau, mean, sigma = 5.0, 1.0, 0.3
    x = samples(OrnsteinUhlenbeck(mean, sigma, tau))
    independent = len(x) * DT / (2 * tau)
    assert x.mean() == pytest.approx(mean, abs=4 * sigma / independent**0.5)
    assert x.std() == pytest.approx(sigma, rel=4 / (2 * independent) ** 0.5)
    away = x - x.mean()
    for lag in (1, 20, 60):
        found = (away[lag:] * away[:-lag]).mean() / away.var()
        assert found == pytest.approx(np.exp(-lag * DT / tau), abs=4 / independent**0.5)
    third = (away**3).mean() / away.std() ** 3
    assert abs(third) < 4 * (15 / independent) ** 0.5
    first = [samples(OrnsteinUhlenbeck(mean, sigma, tau), 1, f"k{k}")[0] for k in range(2000)]
    assert np.std(first) == pytest.approx(sigma, rel=4 / (2 * 2000) ** 0.5)  # from the beginning


def test_white_noise_has_no_correlation():
    x = samples(OrnsteinUhlenbeck(0.0, 1.0, 0.0), 50_000)
    assert abs((x[1:] * x[:-1]).mean()) < 4 / len(x) ** 0.5
    assert x.std() == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("variance", [0.0, 0.02, 2.0])
def test_shot_noise_follows_campbells_theorem(variance):
    """Mean and variance: rate times the integrals of the response and of its square."""
    rise, decay, rate, mean = 0.5, 5.0, 100.0, 0.5
    x = samples(ShotNoise(rise, decay, rate, mean, variance))[CHUNK:]
    t = np.arange(0, 100, DT)
    response = np.exp(-t / decay) - np.exp(-t / rise)
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    response /= np.exp(-peak / decay) - np.exp(-peak / rise)
    per_sample = 1e-3 * rate * DT
    expected = mean * per_sample * response.sum()
    spread = (mean**2 + variance) * per_sample * (response**2).sum()
    independent = len(x) * DT / (2 * decay)
    events = len(x) * per_sample
    fourth = 3 + (variance / mean**2 + 1) * 3
    assert x.mean() == pytest.approx(expected, abs=4 * (spread / independent) ** 0.5)
    assert x.var() == pytest.approx(spread, rel=5 * (fourth / independent + 9 / events) ** 0.5)
    assert x.min() > -1e-12


def test_sizes_of_events_have_a_gamma_distribution():
    """Also where its shape is below 1."""
    from scipy.stats import gamma, kstest

    for mean, variance in ((1.0, 0.25), (1.0, 4.0)):
        noise = ShotNoise(0.1, 1.0, 1.0, mean, variance)  # hardly ever two in a sample
        sizes = noise._sizes(name_of("k"), np.arange(4_000_000), DT)
        sizes = sizes[sizes > 0]
        shape = mean**2 / variance
        assert len(sizes) > 800
        assert kstest(sizes, gamma(shape, scale=mean / shape).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "signal", [OrnsteinUhlenbeck(1.0, 0.3, 5.0), ShotNoise(0.5, 5.0, 100.0, 0.5, 0.1)]
)
def test_a_course_is_the_same_whatever_times_are_asked_for(signal):
    noise = Noise(signal, 30.0, 900.0, DT, 0)
    whole = Drawn(noise, name_of("k"))
    t = np.arange(0.05, 1000, 0.1)
    values = whole(t)
    assert (values[t < 30.0] == 0).all() and (values[t >= 930.0] == 0).all()
    parts = Drawn(noise, name_of("k"))
    order = [7, 0, 3, 9, 1, 2, 8, 4, 6, 5]
    for k in order:
        np.testing.assert_array_equal(
            parts(t[k * 1000 : (k + 1) * 1000]), values[k * 1000 :][:1000]
        )
    other = Drawn(noise, name_of("other"))
    inside = (t > 30.0) & (t < 930.0)
    assert abs(np.corrcoef(other(t)[inside], values[inside])[0, 1]) < 0.35


def simulation(folder, **held):
    return write_library_circuit(
        folder, cells=3, drive=1, run={"tstop": 60.0, "dt": 0.1},
        inputs={"held": {"node_set": "cells", "delay": 5.0, "duration": 50.0, **held}},
    )  # fmt: skip


NOISE = {"input_type": "conductance", "module": "ornstein_uhlenbeck", "mean": 0.01, "sigma": 0.005,
         "tau": 3.0, "reversal": 0.0}  # fmt: skip


def voltages(config, pieces=(60.0,), **options):
    with ic.open_session(config, **{"threads": 1, **options}) as session:
        trace = session.record("v")
        for piece in pieces:
            session.advance(piece)
        return trace.data.values


def test_engines_agree_on_conductances_and_so_do_threads_and_pieces(tmp_path):
    """Passive dendrites are no longer steady where an electrode conducts."""
    for where in ({}, {"section_name": "dend", "section_index": 3}):
        config = simulation(tmp_path / str(len(where)), **NOISE, **where)
        ours = voltages(config)
        np.testing.assert_array_equal(voltages(config, (7.3, 20.0, 32.7), threads=2), ours)
        reference = voltages(config, engine="reference")
        np.testing.assert_allclose(ours, reference, atol=1e-6)
        assert np.ptp(ours[-1]) > 0.1  # each cell has its own


def test_a_seed_of_its_own_and_a_voltage_clamp(tmp_path):
    ours = voltages(simulation(tmp_path / "a", **NOISE, random_seed=7))
    assert not np.array_equal(ours, voltages(simulation(tmp_path / "b", **NOISE, random_seed=8)))
    held = {"input_type": "voltage_clamp", "module": "seclamp", "voltage": -60.0}
    v = voltages(simulation(tmp_path / "c", **held))
    np.testing.assert_allclose(v[100:540], -60.0, atol=0.1)
    assert (np.abs(v[599] + 60.0) > 0.5).all()


def test_a_run_under_noise_goes_on(tmp_path):
    config = simulation(tmp_path, **NOISE)
    whole = ic.run(config, output_dir=tmp_path / "whole", threads=1, progress=None)
    state = ic.run(config, output_dir=tmp_path / "part", save_at=20, threads=1, progress=None)
    branch = ic.run(config, output_dir=tmp_path / "branch", threads=1, progress=None,
                    start_from=state.directory / "state_20ms.h5")  # fmt: skip
    late = whole.spikes[whole.spikes.timestamps > 20.0]
    assert late.timestamps.tolist() == branch.spikes.timestamps.tolist()
    assert len(late) > 1


def test_a_run_goes_on_longer_with_its_courses_and_with_no_others(tmp_path):
    train = {"input_type": "current_clamp", "module": "pulse", "amp_start": 1.5, "width": 5.0,
             "frequency": 50.0}  # fmt: skip
    options = {"threads": 1, "progress": None}
    config = simulation(tmp_path / "a", **train)
    whole = ic.run(config, output_dir=tmp_path / "whole", **options)
    ic.run(config, output_dir=tmp_path / "part", tstop=30, checkpoint_every=10, **options)
    later = ic.continue_run(tmp_path / "part", tstop=60, **options)
    assert later.spikes.equals(whole.spikes) and len(later.spikes) > 3
    noise = simulation(tmp_path / "b", **NOISE)
    out = tmp_path / "noise"
    ic.run(noise, output_dir=out, tstop=30, checkpoint_every=10, **options)
    same = ic.load_simulation(noise, tstop=60.0)
    (held,) = same.inputs
    seeded = replace(held, signal=replace(held.signal, seed=same.seed + 1))
    other = replace(same, inputs=[seeded])
    with pytest.raises(ConfigError, match="other currents"):
        ic.continue_run(out, config=other, **options)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**NOISE, "sigma": 0}, "sigma: must be above 0"),
        ({**NOISE, "tau": -1}, "tau: must not be negative"),
        ({**NOISE, "sd_percent": 1}, "sd_percent: unknown key"),
        ({**NOISE, "module": "relative_ornstein_uhlenbeck"}, "is not supported yet"),
        ({"input_type": "current_clamp", "module": "pulse", "amp_start": 0.1, "width": 15,
          "frequency": 100}, "width: must be at most 10 ms"),
        ({"input_type": "voltage_clamp", "module": "SEClamp"}, "voltage: must be a number"),
        ({"input_type": "voltage_clamp", "module": "SEClamp", "voltage": 1,
          "voltage_levels": [1]}, "voltage_levels: unknown key"),
        ({"input_type": "conductance", "module": "shot_noise", "rise_time": 4, "decay_time": 2},
         "rise_time: must be shorter than decay_time"),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path, entry, message):
    with pytest.raises(ConfigError, match=message):
        ic.load_simulation(simulation(tmp_path, **entry))
