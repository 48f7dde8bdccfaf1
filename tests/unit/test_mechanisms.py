"""Channels as plain Python: what their equations must satisfy."""

import numpy as np
import pytest
from neurons import random_tree

from isocortex.engine.layout.models import regions_of
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.nav import (
    ALPHA,
    BETA,
    C_OFF,
    C_ON,
    CLOSING,
    O_OFF,
    O_ON,
    OFF_FACTOR,
    ON_FACTOR,
    OPENING,
    SLOPE,
)  # fmt: skip
from isocortex.mechanisms.synapses import exp1syn, exp2syn

NAV = DENSITY["NaV"]
VOLTAGES = np.linspace(-110.0, 60.0, 35)


def _generator(v, q10):
    """Q[target, source] of the NaV scheme, written down from its diagram (1/ms)."""
    q = np.zeros((12, 12))

    def pair(i, j, forward, backward):
        q[j, i] += forward
        q[i, i] -= forward
        q[i, j] += backward
        q[j, j] -= backward

    a, b = ALPHA * np.exp(v / SLOPE), BETA * np.exp(-v / SLOPE)
    for k in range(4):
        pair(k, k + 1, (4 - k) * a, (k + 1) * b)
        pair(6 + k, 7 + k, (4 - k) * a * ON_FACTOR, (k + 1) * b / OFF_FACTOR)
        pair(k, 6 + k, C_ON * ON_FACTOR**k, C_OFF / OFF_FACTOR**k)
    pair(4, 10, C_ON * ON_FACTOR**4, C_OFF / OFF_FACTOR**4)
    pair(4, 5, OPENING, CLOSING)
    pair(10, 11, OPENING, CLOSING)
    pair(5, 11, O_ON, O_OFF)
    return q10 * q


@pytest.mark.parametrize("v", VOLTAGES[::6])
@pytest.mark.parametrize("dt", [0.005, 0.1])
def test_nav_step_is_implicit_euler_of_its_scheme(v, dt):
    rng = np.random.default_rng(1)
    x = rng.dirichlet(np.ones(12))
    expected = np.linalg.solve(np.eye(12) - dt * _generator(v, 0.78), x)
    np.testing.assert_allclose(NAV.advance(*x, v, 0.78, dt), expected, rtol=1e-11, atol=1e-15)


def test_nav_conserves_channels_over_many_steps():
    x = NAV.steady_state(VOLTAGES, 0.78)
    for _ in range(2000):
        x = NAV.advance(*x, -VOLTAGES, 0.78, 0.1)
    np.testing.assert_allclose(sum(x), 1.0, rtol=1e-10)


def test_nap_slope_is_the_difference_quotient_neuron_takes():
    nap = DENSITY["Nap"]
    change = nap.conductance(VOLTAGES + 0.001, 0.3, 1e-4) - nap.conductance(VOLTAGES, 0.3, 1e-4)
    slope = nap.conductance_slope(VOLTAGES, 0.3, 1e-4)
    np.testing.assert_allclose(slope, change / 0.001, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("name", [n for n in DENSITY if n not in ("NaV", "CaDynamics")])
def test_gates_stay_between_zero_and_one_with_positive_time_constants(name):
    mechanism = DENSITY[name]
    known = {"v": VOLTAGES, "q10": 1.7, "cai": np.geomspace(1e-8, 1e-2, 35)}
    known |= {p: parameter.default for p, parameter in mechanism.parameters.items()}
    for state in mechanism.states:
        function = f"{state}_rates"
        inf, tau = getattr(mechanism, function)(*(known[a] for a in mechanism.arguments(function)))
        assert np.all((np.asarray(inf) >= 0) & (np.asarray(inf) <= 1))
        assert np.all(np.asarray(tau) > 0)


def test_unknown_argument_is_refused_when_the_channel_is_declared():
    with pytest.raises(TypeError, match="asks for 'vv'; known names are .*gbar"):

        class Broken(Density):
            ion = "na"
            gbar = parameter(1.0, "S/cm2")
            m = gate()

            def m_rates(vv):
                return vv, vv


def test_unknown_mechanism_is_named():
    cell = random_tree(0)
    cell.mechanisms["Kv9"] = cell.mechanisms["NaTs"]
    with pytest.raises(ModelError, match="unknown mechanism 'Kv9'.*NaTs"):
        regions_of(cell)


@pytest.mark.parametrize(("tau1", "tau2"), [(1.0, 3.0), (0.1, 0.5), (2.7, 15.0), (3.0, 3.0)])
def test_exp2syn_peaks_at_its_weight(tau1, tau2):
    kinetics = exp2syn(tau1, tau2, 0.0)
    t = np.linspace(0, 60, 600_001)
    g = kinetics.scale * (np.exp(-t / kinetics.tau_decay) - np.exp(-t / kinetics.tau_rise))
    assert g.max() == pytest.approx(1.0, abs=1e-6)


def test_exp1syn_jumps_to_its_weight_and_decays():
    kinetics = exp1syn(5.0, -70.0)
    assert kinetics.scale == 1.0
    assert kinetics.factors(5.0) == (0.0, pytest.approx(np.exp(-1)))
