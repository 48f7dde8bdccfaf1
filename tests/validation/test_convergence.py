"""Both integrators converge to NEURON's own near-converged solution (dt 0.001 to 0.0025 ms)."""

import numpy as np
import pytest
from golden import MODELS, compile_model

from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.network.network import CurrentSource, bare_network


@pytest.mark.parametrize("name", MODELS)
def test_first_spike_against_the_fine_solution(shared, name):
    """Crank-Nicolson at 0.025 ms is within NEURON's remaining error; backward Euler is of order 1.

    The fine solution is backward Euler's too: it is off by the share of the error at 0.0125 ms that
    its own dt has in 0.0125 ms, and reports spikes at the end of a step.
    """
    files = sorted((shared / "golden" / name).glob("steps_fine_dt*.npz"))
    if not files:
        pytest.skip("no fine solution")
    fine, coarse = np.load(files[0]), np.load(shared / "golden" / name / "steps_dt0.1.npz")
    fine_dt = float(files[0].stem.removeprefix("steps_fine_dt"))
    cell = compile_model(shared, name)
    firing = [i for i in range(len(fine["amps"])) if len(fine[f"spikes_{i}"])]
    if not firing:
        pytest.skip("does not fire in its fine solution")

    def first_spikes(dt, second_order):
        sources = [
            CurrentSource(k, cell.soma, Pulses([fine["amps"][i]], [100.0], [800.0]))
            for k, i in enumerate(firing)
        ]
        network = bare_network([cell], np.zeros(len(firing), int), sources)
        settings = Settings(dt=dt, v_init=float(coarse["v_init"]), second_order=second_order)
        spiking, times, _ = CpuEngine(network, settings).advance(round(1000 / dt))
        return np.array([times[spiking == k].min(initial=np.inf) for k in range(len(firing))])

    exact = np.array([fine[f"spikes_{i}"][0] for i in firing])
    euler = {dt: first_spikes(dt, False) - exact for dt in (0.025, 0.0125)}
    left = np.abs(euler[0.0125]) * fine_dt / 0.0125 + fine_dt  # of the fine solution itself
    assert np.all(np.abs(first_spikes(0.025, True) - exact) <= 0.015 + left)
    # a grid of 0.0125 ms rounds spikes up, so halving dt halves the error only within that
    assert np.all(np.abs(euler[0.025] / 2 - euler[0.0125]) <= 0.0125 + 0.1 * np.abs(euler[0.025]))
