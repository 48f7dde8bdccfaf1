"""Which step a current acts in: NEURON's IClamp and Vector.play, to the step."""

import numpy as np
import pytest

from isocortex.circuit.signals import Pulses, Waveform
from isocortex.network.clock import Clock
from isocortex.sonata.electrodes import _as_played

h = pytest.importorskip("neuron").h

TSTOP = 15.0


def injected(dt, delay=0.0, duration=1e9, amp=0.0, samples=None, interval=None):
    """nA in every step, of an IClamp in a small cell."""
    h.load_file("stdrun.hoc")
    section = h.Section(name="cell")
    section.L = section.diam = 20
    clamp = h.IClamp(section(0.5))
    clamp.delay, clamp.dur, clamp.amp = delay, duration, amp
    if samples is not None:
        played = h.Vector(samples)
        played.play(clamp._ref_amp, interval)
    current = h.Vector().record(clamp._ref_i)
    h.dt = dt
    h.steps_per_ms = 1 / dt
    h.ParallelContext().set_maxstep(10)
    h.finitialize(-70)
    h.ParallelContext().psolve(TSTOP)
    return np.array(current)[1:]  # as it was in the step that ends at each sample


@pytest.mark.parametrize("dt", [0.1, 0.025, 0.05])
@pytest.mark.parametrize("delay", [2.75, 2.7, 2.725, 0.15, 0.25, 1.0])
def test_pulses(dt, delay):
    expected = injected(dt, delay, 2.5, 0.3)
    pulse = Pulses(np.array([0.3]), np.array([delay]), np.array([2.5]))
    middle = Clock(dt, len(expected)).middle[: len(expected)]
    np.testing.assert_array_equal(pulse(middle), expected)


@pytest.mark.parametrize("dt", [0.1, 0.025, 0.05])
@pytest.mark.parametrize("interval", [0.25, 0.1, 0.05, 0.2, 0.35, 0.15, 0.0125, 1.0])
def test_waveforms(dt, interval):
    samples = np.random.default_rng(0).normal(size=int(TSTOP / interval) + 10)
    times = np.round(interval * np.arange(len(samples)), 4)  # as a file has them
    expected = injected(dt, samples=samples, interval=np.unique(np.diff(times))[0])  # as BMTK
    times = _as_played(times)
    middle = Clock(dt, len(expected)).middle[: len(expected)]
    np.testing.assert_array_equal(Waveform(times, samples)(middle), expected)
