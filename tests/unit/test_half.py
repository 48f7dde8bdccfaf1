"""Synaptic numbers in half precision: what is lost, what is not, and what is refused."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from neurons import tree, wire
from numba import njit

from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable, check_finite
from isocortex.errors import ConfigError, SimulationError
from isocortex.mechanisms.synapses import exp1syn, exp2syn
from isocortex.network.network import SpikeTrains
from isocortex.targets.simd import add, load, store

KINETICS = [
    exp2syn(1.0, 3.0, 0.0), exp2syn(0.1, 0.5, 0.0), exp2syn(0.2, 8.0, -80.0),
    exp2syn(2.7, 15.0, -80.0), exp1syn(4.0, 0.0), exp1syn(100.0, 0.0), exp1syn(5000.0, -70.0),
]  # fmt: skip


def driven(kinetics, times, weight, sources=1, dt=0.025, precision="mixed", **options):
    """An engine of one compartment whose synapses of all kinetics share their spikes."""
    model = tree([-1], 300.0, [0.0])
    random = np.random.default_rng(2)
    weights = weight * random.lognormal(0.0, 0.5, sources)
    synapses = [
        (1 + s, 0, 0, kind, weights[s], 1.0)
        for s in range(sources)
        for kind in range(len(kinetics))
    ]
    trains = SpikeTrains(1 + random.integers(0, sources, len(times)), np.sort(times))
    network = wire([model], [0], synapses, kinetics, n_virtual=sources, trains=trains)
    settings = Settings(dt=dt, v_init=-70.0, precision=precision, **options)
    return network, CpuEngine(network, settings)


def conductances(kinetics, times, weight, n_steps, **options):
    """uS, of every step and kinetics."""
    _, engine = driven(kinetics, times, weight, **options)
    probes = [(0, 0, Variable("g", "synapse", (kind,))) for kind in range(len(kinetics))]
    engine.record(ProbeTable.of(probes))
    return engine.advance(n_steps).samples


@njit
def _there_and_back(values, halves, singles):
    for at in range(0, len(values), 32):
        store(halves, at, load(values, at))
        store(singles, at, load(halves, at))


def test_rows_are_rounded_as_ieee_says():
    random = np.random.default_rng(0)
    bits = random.integers(0, 1 << 16, 32 * 64, dtype=np.uint16)
    exact = bits.view(np.float16)
    exact = np.where(np.isfinite(exact), exact, 0).astype(np.float32)
    with np.errstate(over="ignore"):
        for values in (exact, exact * np.float32(1.0003), exact * np.float32(0.5)):
            halves, singles = np.empty(len(values), np.float16), np.empty_like(values)
            _there_and_back(values, halves, singles)
            np.testing.assert_array_equal(halves, values.astype(np.float16))
            np.testing.assert_array_equal(singles, halves.astype(np.float32))


@njit
def _add_often(array, value, n):
    for step in range(n):
        add(array, 0, value, step)


@pytest.mark.parametrize("value", [3e-4, 1e-3, -7e-5])
def test_what_is_added_to_a_large_number_is_not_lost(value):
    """Half of the last bit of 1 is 5e-4: rounded to the nearest, a thousand times 3e-4 were 0."""
    half = np.ones(1, np.float16)
    _add_often(half, np.float32(value), 1000)
    assert abs(half[0] - 1.0 - 1000 * value) < 0.05


@pytest.mark.parametrize("dt", [0.025, 0.1])
@pytest.mark.parametrize("second_order", [False, True])
def test_conductances_follow_double_whatever_the_time_constant(dt, second_order):
    """Rounded at every step, 100 ms would never decay at a step of 0.025 ms."""
    times = np.random.default_rng(1).uniform(0.0, 100.0, 60)
    mixed, double = (
        conductances(
            KINETICS, times, 2e-4, int(200.0 / dt), sources=5, dt=dt, precision=precision,
            second_order=second_order,
        )
        for precision in ("mixed", "double")
    )  # fmt: skip
    error = np.sqrt(np.mean((mixed - double) ** 2, axis=0) / np.mean(double**2, axis=0))
    assert (error > 0.0).all()
    assert (error < 3e-3).all()


def test_what_decays_is_silent_in_the_end():
    """No smallest number stays, though it is rounded to the nearest."""
    _, engine = driven(KINETICS[:5], np.array([1.0]), 1e-3, dt=0.1)
    engine.advance(30)
    assert engine.states.B.any()
    assert engine.states.A.any()
    engine.advance(6000)
    assert not engine.states.B.any()
    assert not engine.states.A.any()
    assert len(engine.state().synapse) == 0


def test_weights_from_1e_7_to_5_microsiemens():
    times = np.array([1.0])
    for weight in (1e-7, 1e-5, 1e-3, 1e-1, 5.0):
        mixed, double = (
            conductances(KINETICS[:5], times, weight, 300, dt=0.1, precision=precision)
            for precision in ("mixed", "double")
        )
        np.testing.assert_allclose(mixed.max(axis=0), double.max(axis=0), rtol=5e-3)


def test_more_than_halves_hold_ends_the_run():
    network, engine = driven(KINETICS[:1], np.array([1.0]), 100.0, dt=0.1)
    done = engine.advance(100)
    assert len(done.samples) < 100
    with pytest.raises(SimulationError, match="is not finite.*mixed precision"):
        check_finite(network, engine, 0.1)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("n_steps", [31, 50, 101])
def test_a_state_between_two_writings_goes_on_to_the_last_bit(precision, n_steps):
    times = np.random.default_rng(1).uniform(0.0, 16.0, 90)
    engine, other = (
        driven(KINETICS, times, 2e-4, sources=5, dt=0.1, precision=precision)[1] for _ in range(2)
    )
    engine.advance(n_steps)
    state = engine.state()
    assert (state.unit < 1.0).sum() > len(KINETICS)  # most stand for themselves times a power
    other.restore(state)
    np.testing.assert_array_equal(other.state().terms, state.terms)
    probes = [(0, 0, Variable("g", "synapse", (kind,))) for kind in range(len(KINETICS))]
    for each in (engine, other):
        each.record(ProbeTable.of([(0, 0, Variable("v")), *probes]))
    np.testing.assert_array_equal(*(each.advance(70).samples for each in (engine, other)))


@pytest.mark.parametrize("n_steps", [31, 64, 101])
def test_a_state_of_halves_is_theirs_again(n_steps):
    """Between two writings too, where a half stands for itself times a power."""
    times = np.random.default_rng(1).uniform(0.0, 8.0, 60)
    _, engine = driven(KINETICS, times, 2e-4, sources=5, dt=0.1)
    engine.advance(n_steps)
    state = engine.state()
    assert len(state.terms) == len(KINETICS)
    _, other = driven(KINETICS, times, 2e-4, sources=5, dt=0.1)
    other.restore(state)
    np.testing.assert_array_equal(other.states.A, engine.states.A)
    np.testing.assert_array_equal(other.states.B, engine.states.B)
    np.testing.assert_array_equal(other.state().terms, state.terms)


@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_a_state_goes_on_where_kinetics_are_numbered_otherwise(precision):
    """As in a branch whose edges come in another order: rows are too."""
    times = np.random.default_rng(1).uniform(0.0, 8.0, 60)
    _, engine = driven(KINETICS, times, 2e-4, sources=5, dt=0.1, precision=precision)
    engine.advance(64)
    state = engine.state()
    _, other = driven(KINETICS[::-1], times, 2e-4, sources=5, dt=0.1, precision=precision)
    last = len(KINETICS) - 1
    other.restore(
        replace(state, kind=last - state.kind, unit=state.unit[::-1], of=other.state().of)
    )
    np.testing.assert_array_equal(other.state().terms, state.terms[::-1])
    np.testing.assert_array_equal(other.state().kind, last - state.kind[::-1])


@pytest.mark.parametrize(("before", "after"), [("mixed", "double"), ("double", "mixed")])
def test_a_state_goes_on_in_another_precision(before, after):
    times = np.random.default_rng(1).uniform(0.0, 12.0, 60)
    network, engine = driven(KINETICS, times, 2e-4, sources=5, dt=0.1, precision=before)
    engine.advance(100)
    other = CpuEngine(network, Settings(dt=0.1, v_init=-70.0, precision=after))
    other.restore(engine.state())
    probes = ProbeTable.of([(0, 0, Variable("g", "synapse", (k,))) for k in range(len(KINETICS))])
    for each in (engine, other):
        each.record(probes)
    np.testing.assert_allclose(
        other.advance(100).samples, engine.advance(100).samples, rtol=5e-3, atol=1e-6
    )


@pytest.mark.parametrize("precision", ["mixed", "double", "single"])
def test_results_do_not_follow_from_where_a_run_is_cut(precision):
    times = np.random.default_rng(1).uniform(0.0, 30.0, 60)
    samples = []
    for pieces in ([300], [7, 93, 1, 199]):
        _, engine = driven(KINETICS, times, 2e-4, sources=5, dt=0.1, precision=precision)
        engine.record(ProbeTable.of([(0, 0, Variable("v"))]))
        samples.append(np.concatenate([engine.advance(n).samples for n in pieces]))
    np.testing.assert_array_equal(*samples)


def test_what_does_not_decay_is_refused():
    with pytest.raises(ConfigError, match="precision: mixed .* would last"):
        driven([exp1syn(np.inf, 0.0)], np.array([1.0]), 1e-3)


def test_a_difference_of_large_numbers_is_refused():
    with pytest.raises(ConfigError, match="precision: mixed.*tau1 1.9 ms and tau2 2 ms"):
        driven([exp2syn(1.9, 2.0, 0.0)], np.array([1.0]), 1e-3)


OLD = """
from isocortex.engine.precision import require_precision
from isocortex.errors import ConfigError
require_precision("single")
try:
    require_precision("mixed")
except ConfigError as error:
    print(error)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names a processor of x86")
def test_a_processor_without_the_instructions_is_told_so():
    """Nehalem is of 2008. LLVM would call a function for every number."""
    environment = os.environ | {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", OLD], env=environment, capture_output=True, text=True, check=True
    )
    assert "F16C" in done.stdout
    assert "Use single precision" in done.stdout
