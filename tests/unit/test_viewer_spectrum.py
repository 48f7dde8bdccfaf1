"""Rates and spectra in the browser, against NumPy's."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).parents[2] / "viewer" / "src" / "spectrum.js"


def node(code: str, **values):
    """The JSON that a piece of JavaScript with the functions of spectrum.js writes."""
    program = shutil.which("node")
    if program is None or not SOURCE.exists():
        pytest.skip("needs Node and a checkout")
    given = "".join(f"const {k} = {json.dumps(v)};" for k, v in values.items())
    script = f"import * as s from {json.dumps(SOURCE.as_uri())};{given}" \
             f"console.log(JSON.stringify({code}))"  # fmt: skip
    done = subprocess.run(
        [program, "--input-type=module"], input=script, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def welch(signal, rate, length):
    """Welch's method as SciPy defines it (periodic Hann, half overlap, constant detrending)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    starts = range(0, len(signal) - length + 1, length // 2)
    parts = np.array([signal[s : s + length] for s in starts])
    parts = (parts - parts.mean(axis=1, keepdims=True)) * window
    power = np.abs(np.fft.rfft(parts, axis=1)) ** 2 / (rate * (window**2).sum())
    power[:, 1:-1] *= 2
    return np.fft.rfftfreq(length, 1 / rate), power.mean(axis=0)


def test_the_spectrum_is_that_of_welch():
    random = np.random.default_rng(1)
    signal = np.round(random.normal(5, 2, 1000), 6)
    found = node("{f: [...s.welch(x, 500, 256).frequency], p: [...s.welch(x, 500, 256).power]}",
                 x=signal.tolist())  # fmt: skip
    frequency, power = welch(signal, 500.0, 256)
    assert np.allclose(found["f"], frequency)
    assert np.allclose(found["p"], power, rtol=1e-9, atol=1e-12)


def test_an_oscillation_stands_where_it_is_and_holds_its_variance():
    t = np.arange(2048) / 500.0
    signal = 3.0 + 2.0 * np.sin(2 * np.pi * 40.0 * t)
    found = node("[...s.welch(x, 500, 256).power]", x=signal.tolist())
    step = 500 / 256
    assert abs(step * np.argmax(found) - 40.0) < step
    assert np.isclose(np.sum(found) * step, 2.0, rtol=1e-3)  # half the square of the amplitude


@pytest.mark.parametrize("length", [2, 8, 64, 1024])
def test_the_transform_is_that_of_fourier(length):
    signal = np.round(np.random.default_rng(2).normal(size=length), 6)
    found = node("(() => {const r = Float64Array.from(x), i = new Float64Array(x.length);"
                 "s.fft(r, i); return [[...r], [...i]]})()", x=signal.tolist())  # fmt: skip
    assert np.allclose(np.array(found[0]) + 1j * np.array(found[1]), np.fft.fft(signal))


def test_rates_count_the_spikes_of_members():
    random = np.random.default_rng(3)
    times = np.sort(np.round(random.uniform(0, 100, 300), 2)).astype(np.float32)
    neuron = random.integers(0, 20, 300)
    member = (np.arange(20) % 3 == 0).astype(int)
    found = node("[...s.binnedRate({chunks: [{time: t, neuron: n}]}, m, 2, 100)]",
                 t=times.tolist(), n=neuron.tolist(), m=member.tolist())  # fmt: skip
    mine = times[member[neuron] == 1]
    count, _ = np.histogram(mine.astype(float), 50, (0, 100))
    assert np.allclose(found, count / (0.002 * member.sum()))


def test_smoothing_keeps_a_constant_and_spreads_a_peak():
    assert np.allclose(node("[...s.smooth([2, 2, 2, 2, 2], 1.5)]"), 2.0)
    peak = np.zeros(41)
    peak[20] = 1.0
    found = np.array(node("[...s.smooth(x, 3)]", x=peak.tolist()))
    width = np.sqrt((found * (np.arange(41) - 20) ** 2).sum())
    assert np.isclose(found.sum(), 1.0, atol=2e-3) and np.isclose(width, 3.0, rtol=0.03)


def test_windows_are_about_a_second_and_fit_several_times():
    assert node("[250, 500, 1000, 5000, 50000].map((n) => s.windowLength(n, 500))") == [
        64, 128, 256, 512, 512,
    ]  # fmt: skip
