"""Solutions known on paper: passive cable, convergence, charge, synaptic conductance."""

import numpy as np
import pytest
from neurons import cable, tree, wire

from isocortex.cells.library import load_cell as library_cell
from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.network import CurrentSource, SpikeTrains, bare_network


def _run(model, settings, n_steps, amp, delay=0.0, node=0):
    network = bare_network([model], [0], [CurrentSource(0, node, Pulses([amp], [delay], [1e9]))])
    engine = CpuEngine(network, settings)
    engine.record(ProbeTable.of([(0, n, Variable("v")) for n in range(model.n_nodes)]))
    return engine.advance(n_steps)[2]


def test_cable_steady_state():
    """Sealed cable, current at one end: V(x) = I R_inf cosh((l - x)/lambda) / sinh(l/lambda)."""
    length, d, ra, g = 1000.0, 2.0, 150.0, 5e-5
    model = cable(201, length, d, ra=ra, g_pas=g, e_pas=-70.0)
    space = np.sqrt((d * 1e-4 / 4) / (g * ra)) * 1e4  # lambda, um
    r_inf = 1e-6 * np.sqrt(ra / g) * 2 / (np.pi * (d * 1e-4) ** 1.5)  # MOhm, semi-infinite
    v = _run(model, Settings(dt=1.0, v_init=-70.0), 4000, 0.1)[-1]
    x = (np.arange(201) + 0.5) * length / 201
    exact = -70.0 + 0.1 * r_inf * np.cosh((length - x) / space) / np.sinh(length / space)
    np.testing.assert_allclose(v[1:], exact[1:], atol=2e-3 * (exact[0] + 70))


def test_isopotential_step_response():
    """V(t) = E + I/G (1 - exp(-t/tau)), to the first order of backward Euler."""
    area, g = 1000.0, 1e-4
    model = tree([-1], area, 0.0, cm=1.0, g_pas=g, e_pas=-70.0)
    v = _run(model, Settings(dt=0.005, v_init=-70.0), 8000, 0.01)[:, 0]
    t = 0.005 * np.arange(1, 8001)
    exact = -70.0 + 0.01 / (1e-2 * g * area) * (1 - np.exp(-t / 10.0))
    assert np.max(np.abs(v - exact)) < 3e-4 * (exact[-1] + 70)


@pytest.mark.parametrize(("second_order", "order"), [(False, 1.0), (True, 2.0)])
def test_order_of_convergence(second_order, order):
    """Error of a passive cable's smooth decay at t = 8 ms, halving dt four times."""
    model = cable(15, 400.0, 2.0, g_pas=2e-4)
    wanted = 8.0

    def at(dt):
        settings = Settings(dt=dt, v_init=-50.0, second_order=second_order)
        return _run(model, settings, int(round(wanted / dt)), 0.0)[-1, 0]

    # uniform decay of a closed cable: V - E = (V0 - E) exp(-t g/c)
    exact = -70.0 + 20.0 * np.exp(-wanted * 2e-4 / 1e-3)
    steps = np.array([0.8, 0.4, 0.2, 0.1, 0.05])
    errors = np.array([abs(at(dt) - exact) for dt in steps])
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize("cell", ["485836906", "472363762"])  # with NaV, with NaTs
def test_spike_times_converge_with_the_order_of_the_integrator(cell):
    """Distance of the first spike from that at a very small dt, halving dt twice.

    Crank-Nicolson at 0.1 ms is as near as backward Euler, NEURON's method, at 0.025 ms.
    """
    model = library_cell(cell)
    amp = {"485836906": 0.3, "472363762": 0.2}[cell]

    def first_spike(dt, second_order):
        pulse = Pulses([amp], [5.0], [100.0])
        network = bare_network([model], [0], [CurrentSource(0, model.soma, pulse)])
        engine = CpuEngine(network, Settings(dt=dt, v_init=-80.0, second_order=second_order))
        return engine.advance(round(25.0 / dt))[1][0]

    exact = first_spike(0.0015625, True)
    steps = np.array([0.05, 0.025, 0.0125])
    for second_order, order in ((False, 1.0), (True, 2.0)):
        errors = np.abs([first_spike(dt, second_order) - exact for dt in steps])
        slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
        assert slope == pytest.approx(order, abs=0.3)
    coarse = abs(first_spike(0.1, True) - exact)
    assert coarse < 1.4 * abs(first_spike(0.025, False) - exact)


@pytest.mark.parametrize("second_order", [False, True])
def test_injected_charge_is_conserved(second_order):
    """Without a leak all injected charge is on the membrane: sum C dV = I t, at every step."""
    model = cable(21, 500.0, 2.0, g_pas=0.0)
    v = _run(model, Settings(dt=0.1, v_init=-70.0, second_order=second_order), 300, 0.02)
    charge = (1e-5 * model.cm * model.area * (v + 70.0)).sum(axis=1)  # pC
    injected = 0.02 * 0.1 * np.arange(1, 301)
    np.testing.assert_allclose(charge, injected, rtol=1e-9)


@pytest.mark.parametrize(("tau1", "tau2"), [(1.0, 3.0), (0.1, 0.5), (0.2, 8.0)])
def test_exp2syn_conductance_follows_its_formula(tau1, tau2):
    """One event: g(t) = w s (exp(-t/tau2) - exp(-t/tau1)), and its maximum is the weight."""
    model = tree([-1, 0], [300.0, 300.0], 0.05)
    network = wire(
        [model], [0], [(1, 0, 1, 0, 3e-3, 0.4)], [exp2syn(tau1, tau2, 0.0)], n_virtual=1,
        trains=SpikeTrains(np.array([1]), np.array([0.6])),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=0.01, v_init=-70.0))
    engine.record(ProbeTable.of([(0, 1, Variable("g", "synapse", (0,)))]))
    g = engine.advance(3000)[2][:, 0]
    t = 0.01 * (np.arange(3000) - 99)
    kinetics = exp2syn(tau1, tau2, 0.0)
    exact = 3e-3 * kinetics.scale * (np.exp(-t / tau2) - np.exp(-t / tau1))
    np.testing.assert_allclose(g, np.where(t > 0, exact, 0.0), atol=1e-12)
    assert g.max() == pytest.approx(3e-3, rel=2e-3)
