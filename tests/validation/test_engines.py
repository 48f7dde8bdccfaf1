"""The compiled engine against the reference engine; independence of threads, packing, precision."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis.strategies import floats, integers, lists
from neurons import random_tree, tree, wire

from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.engine.reference import ReferenceEngine
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.synapses import exp1syn, exp2syn
from isocortex.network.clock import Clock
from isocortex.network.network import CurrentSource, PointNeurons, SpikeTrains, bare_network

SETTINGS = Settings(dt=0.025, v_init=-75.0, threshold=-20.0)


def _pulse(amp):
    return Pulses([amp], [2.0], [25.0])


def _traces(engine_class, models, settings, n_steps=1200, amp=0.15):
    network = bare_network(
        models,
        np.arange(len(models)),
        [CurrentSource(i, 0, _pulse(amp)) for i in range(len(models))],
    )
    engine = engine_class(network, settings)
    engine.record(
        ProbeTable.of(
            [(i, node, Variable("v")) for i, m in enumerate(models) for node in range(m.n_nodes)]
            + [
                (i, 0, Variable("cai"))
                for i, m in enumerate(models)
                if "CaDynamics" in m.mechanisms
            ]
        )
    )
    return engine.advance(n_steps)


@pytest.mark.parametrize("second_order", [False, True])
def test_random_trees_with_every_mechanism(second_order):
    models = [random_tree(seed) for seed in range(4)]
    settings = Settings(**{**SETTINGS.__dict__, "second_order": second_order})
    reference = _traces(ReferenceEngine, models, settings)
    fast = _traces(CpuEngine, models, settings)
    assert np.ptp(reference[2][:, 0]) > 20.0  # the cells do something
    np.testing.assert_allclose(fast[2], reference[2], atol=2e-6, rtol=1e-7)
    np.testing.assert_array_equal(fast[0], reference[0])
    np.testing.assert_allclose(fast[1], reference[1], atol=1e-9)


@pytest.mark.parametrize("name", list(DENSITY))
def test_each_mechanism_alone(name):
    chosen = {"SK": ("SK", "Ca_HVA", "CaDynamics"), "CaDynamics": ("CaDynamics", "Ca_LVA")}
    model = random_tree(7, mechanisms=chosen.get(name, (name,)))
    reference = _traces(ReferenceEngine, [model], SETTINGS, 400)
    fast = _traces(CpuEngine, [model], SETTINGS, 400)
    np.testing.assert_allclose(fast[2], reference[2], atol=1e-6, rtol=1e-8)


def _busy_network(order=None):
    """Cells of three models, recurrent and virtual synapses of two kinetics, two point neurons.

    ``order`` permutes the cells, and so the blocks and lanes they fall into.
    """
    rng = np.random.default_rng(5)
    n = 40
    models = [random_tree(s, mechanisms=("NaTs", "Kv3_1", "Im", "Nap")) for s in (1, 2, 3)]
    cell_model = rng.integers(0, 3, n)
    place = np.arange(n) if order is None else np.argsort(order)  # original cell -> its place
    synapses = []
    for k in range(600):
        source = int(rng.integers(0, n + 2 + 20))
        cell = int(rng.integers(-2, n))
        node = int(rng.integers(0, 6))
        kind = int(rng.integers(0, 2))
        node = 1 if models[cell_model[cell]].area[node] == 0 else node
        weight = [2e-3, 1e-3][kind] if cell >= 0 else 0.4
        delay = [1.0, 1.5, 2.3][k % 3]
        source = int(place[source]) if source < n else source
        synapses.append(
            (source, int(place[cell]) if cell >= 0 else cell, node, kind, weight, delay)
        )
    times = np.sort(rng.uniform(0, 100, 400))
    trains = SpikeTrains(n + 2 + rng.integers(0, 20, 400), times)
    network = wire(
        models, cell_model if order is None else cell_model[order], synapses,
        [exp2syn(0.5, 2.0, 0.0), exp1syn(4.0, -80.0)], n_virtual=20, trains=trains,
        points=PointNeurons(np.array([10.0, 20.0]), np.array([3.0, 3.0])),
    )  # fmt: skip
    return network, place


def _spikes(engine_class, network, settings, n_steps=1000, chunk=None):
    engine, parts = engine_class(network, settings), []
    while engine.step < n_steps:
        parts.append(engine.advance(min(chunk or n_steps, n_steps - engine.step))[:2])
    return tuple(np.concatenate(x) for x in zip(*parts, strict=True))


BUSY = Settings(dt=0.1, v_init=-75.0, threshold=-20.0)


def test_network_equals_the_reference_network():
    network, _ = _busy_network()
    reference = _spikes(ReferenceEngine, network, BUSY, 600)
    fast = _spikes(CpuEngine, network, BUSY, 600)
    assert len(reference[0]) > 50
    assert {40, 41} & set(reference[0])  # point neurons take part
    np.testing.assert_array_equal(fast[0], reference[0])
    np.testing.assert_allclose(fast[1], reference[1], atol=1e-9)


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_spikes_do_not_depend_on_threads(precision):
    network, _ = _busy_network()
    one, two = (
        _spikes(
            CpuEngine, network, Settings(**{**BUSY.__dict__, "precision": precision, "threads": n})
        )
        for n in (1, 2)
    )
    assert len(one[0]) > 50
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_spikes_do_not_depend_on_the_packing(precision):
    settings = Settings(**{**BUSY.__dict__, "precision": precision})
    plain, _ = _busy_network()
    order = np.random.default_rng(0).permutation(40)
    shuffled, place = _busy_network(order)
    a, b = _spikes(CpuEngine, plain, settings), _spikes(CpuEngine, shuffled, settings)
    sources = np.r_[place, np.arange(40, 62)][a[0]]
    ours = sorted(zip(a[1], sources, strict=True))
    assert len(ours) > 50
    assert ours == sorted(zip(b[1], b[0], strict=True))


def test_single_precision_follows_double():
    models = [random_tree(seed) for seed in range(3)]
    double = _traces(CpuEngine, models, SETTINGS)[2]
    single = _traces(CpuEngine, models, Settings(**{**SETTINGS.__dict__, "precision": "single"}))[2]
    assert np.sqrt(np.mean((single - double) ** 2)) < 0.05


def test_spikes_do_not_depend_on_the_chunks():
    network, _ = _busy_network()
    whole = _spikes(CpuEngine, network, BUSY, 600)
    pieces = _spikes(CpuEngine, network, BUSY, 600, chunk=7)
    np.testing.assert_array_equal(whole, pieces)


@at_most(max_examples=25, deadline=None)
@given(
    delays=lists(floats(0.0, 7.0).map(lambda d: round(d, 2)), min_size=1, max_size=6),
    times=lists(floats(0.0, 12.0), max_size=30),
    threads=integers(1, 3),
    chunk=integers(1, 40),
)
def test_every_event_is_delivered_exactly_once(delays, times, threads, chunk):
    """A conductance that does not decay counts the events at its synapse, whatever the windows.

    The silent connection between the cells makes windows as short as 0.3 ms.
    """
    model, dt = random_tree(1, mechanisms=()), 0.1
    synapses = [(2, k % 2, 2, k % 2, 2.0**-k, delay) for k, delay in enumerate(delays)]
    network = wire(
        [model], [0, 0], [*synapses, (0, 1, 0, 0, 0.0, 0.3)], [exp1syn(1e9, 0.0)] * 2, n_virtual=1,
        trains=SpikeTrains(np.full(len(times), 2), np.sort(times)),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=dt, v_init=-80.0, threads=threads))
    engine.record(ProbeTable.of([(cell, 2, Variable("g", "synapse", (cell,))) for cell in (0, 1)]))
    parts = []
    while engine.step < 100:
        parts.append(engine.advance(min(chunk, 100 - engine.step))[2])
    middle = Clock(dt, 100).middle
    expected = np.zeros((100, 2))
    for _, cell, _, _, weight, delay in synapses:
        for time in times:
            expected[:, cell] += weight * (middle[:100] >= time + delay)
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)


@pytest.mark.parametrize("engine_class", [ReferenceEngine, CpuEngine])
def test_what_a_cell_causes_half_way_through_a_step_acts_in_the_next(engine_class):
    """NEURON sees a crossing 1e-10 ms after the step; without it, rounding chose the step."""
    dt, n = 0.1, 24
    model = tree([-1], 300.0, [0.0])
    delays = 0.05 + dt * np.arange(2, 2 + n)
    synapses = [(0, k + 1, 0, 0, 1e-4, delays[k]) for k in range(n)]
    network = replace(
        wire([model], np.zeros(n + 1, int), synapses, [exp1syn(2.0, 0.0)]),
        currents=[CurrentSource(0, 0, Pulses([0.3], [1.0], [20.0]))],
    )
    engine = engine_class(network, Settings(dt=dt, v_init=-70.0, threshold=-60.0))
    engine.record(ProbeTable.of([(k, 0, Variable("v")) for k in range(n + 1)]))
    source, time, samples = engine.advance(80)
    assert source.tolist() == [0]
    spike = int(np.argmax(samples[:, 0] > -60.0))
    assert np.isclose(time[0], (spike + 1) * dt, atol=1e-9)
    first = np.argmax(samples[:, 1:] != samples[0, 1:], axis=0)
    np.testing.assert_array_equal(first - spike, 2 + 1 + np.arange(n) + 1)
