"""A state goes on where it was taken, on any number of threads, and on the other engine."""

from dataclasses import fields, replace

import numpy as np
import pytest
from test_engines import BUSY, _busy_network

from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.reference import ReferenceEngine
from isocortex.network.build import build_network
from isocortex.network.poisson import PoissonSources
from isocortex.session.engines import make_settings
from isocortex.sonata.config import load_simulation

N_STEPS = 600


@pytest.fixture(scope="module")
def network():
    """Cells, point neurons, given spikes, and Poisson sources that send through the same synapses.

    Spikes of virtual nodes at whole milliseconds coincide with those of cells.
    """
    network, _ = _busy_network()
    n, first = 20, network.n_reacting
    trains = replace(network.trains, time=np.sort(np.round(network.trains.time)))
    poisson = PoissonSources.steady(
        first + np.arange(n), np.full(n, 20.0), np.zeros(n), np.full(n, 90.0),
        np.arange(n, dtype=np.uint64) + np.uint64(7),
    )  # fmt: skip
    return replace(network, trains=trains, poisson=poisson)


def whole_and_resumed(network, settings, before, after, at=300):
    """Spikes and last voltages without a break, and with one at about step ``at``."""
    engine = CpuEngine(network, replace(settings, threads=before))
    at -= at % engine.window
    head = engine.advance(at)
    state = engine.state()
    tail = engine.advance(N_STEPS - at)
    other = CpuEngine(network, replace(settings, threads=after))
    other.advance(3 * other.window)  # whatever it did before is forgotten
    other.restore(state)
    resumed = other.advance(N_STEPS - at)
    assert len(head.source) > 20
    assert len(tail.source) > 20
    return [*tail[:2], engine.soma_voltage()], [*resumed[:2], other.soma_voltage()]


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_state_goes_on_to_the_last_bit(network, before, after, precision, second_order):
    settings = replace(BUSY, precision=precision, second_order=second_order)
    for whole, resumed in zip(*whole_and_resumed(network, settings, before, after), strict=True):
        np.testing.assert_array_equal(whole, resumed)


def test_a_state_is_the_same_on_any_number_of_threads(network):
    states = []
    for threads in (1, 3):
        engine = CpuEngine(network, replace(BUSY, threads=threads))
        engine.advance(30 * engine.window)
        states.append(engine.state())
    assert len(states[0].source) > 10
    assert len(states[0].synapse) > 10
    for field in fields(states[0]):
        one, three = (getattr(state, field.name) for state in states)
        np.testing.assert_array_equal(one, three, err_msg=field.name)


@pytest.mark.parametrize("engines", [(CpuEngine, ReferenceEngine), (ReferenceEngine, CpuEngine)])
def test_one_engine_goes_on_where_the_other_was(network, engines):
    """Without spikes at the same moment, whose order is an engine's own."""
    settings, apart = replace(BUSY, threads=1), _busy_network()[0].trains
    network = replace(network, trains=apart)
    first, second = (engine(network, settings) for engine in engines)
    window = CpuEngine(network, settings).window
    first.advance(30 * window)
    second.restore(first.state())
    ours, theirs = first.advance(15 * window), second.advance(15 * window)
    assert len(ours.source) > 5
    np.testing.assert_array_equal(ours.source, theirs.source)
    np.testing.assert_allclose(ours.time, theirs.time, atol=1e-9)
    np.testing.assert_allclose(first.soma_voltage(), second.soma_voltage(), atol=1e-6)


def test_a_taken_state_does_not_move_on(network):
    engine = CpuEngine(network, BUSY)
    engine.advance(10 * engine.window)
    state = engine.state()
    kept = [np.copy(getattr(state, field.name)) for field in fields(state)]
    engine.advance(10 * engine.window)
    for field, before in zip(fields(state), kept, strict=True):
        np.testing.assert_array_equal(getattr(state, field.name), before, err_msg=field.name)


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_a_state_goes_on_with_synapses_that_are_drawn_at_each_spike(tmp_path, precision):
    """Spikes on their way are kept, not their synapses: those are drawn anew."""
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3))
    simulation = load_simulation(build_cortex(tmp_path, cortex, tstop=90.0, materialize=False))
    settings = make_settings(
        simulation, threads=2, precision=precision, integrator="backward-euler"
    )
    drawn = build_network(simulation, store_synapses=False)
    assert drawn.n_drawn > 0
    for before, after in ((2, 1), (1, 2)):
        for whole, resumed in zip(*whole_and_resumed(drawn, settings, before, after), strict=True):
            np.testing.assert_array_equal(whole, resumed)
