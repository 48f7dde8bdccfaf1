"""Synapses of a cortex that are drawn at each spike do what stored ones do, to the last bit."""

import time
from dataclasses import replace

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

import isocortex
from isocortex.cortex.build import build_cortex
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine import deal, meeting
from isocortex.engine.cpu import CpuEngine
from isocortex.errors import ConfigError, SimulationError
from isocortex.network.build import build_network
from isocortex.simulate import describe, make_engine, make_settings, memory_estimate

RECIPE = Recipe(scale=0.0001, seed=3)
TSTOP = 150.0


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(RECIPE)


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cortex")
    return isocortex.load_simulation(build_cortex(folder, CortexModel.make(RECIPE), tstop=TSTOP))


@pytest.fixture(scope="module")
def networks(simulation):
    return {stored: build_network(simulation, store_synapses=stored) for stored in (True, False)}


def settings(simulation, precision="double", threads=1):
    return make_settings(
        simulation, threads=threads, precision=precision, integrator="backward-euler"
    )


def spikes_of(engine, n_steps, chunk):
    """(source, time) of all spikes, and the voltages they end with."""
    pieces = []
    while engine.step < n_steps:
        source, time, _ = engine.advance(min(chunk * engine.window, n_steps - engine.step))
        pieces.append((source, time))
    source, time = (np.concatenate(x) for x in zip(*pieces, strict=True))
    return source, time, engine.soma_voltage()


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_drawn_and_stored_synapses_do_the_same(simulation, networks, precision):
    n_steps = int(TSTOP / simulation.dt)
    stored = CpuEngine(networks[True], settings(simulation, precision))
    expected = spikes_of(stored, n_steps, chunk=5)
    assert len(expected[0]) > 300
    for threads, chunk in ((1, 3), (2, 7), (3, 1000)):
        engine = CpuEngine(networks[False], settings(simulation, precision, threads))
        assert len(engine.shares) == threads
        for got, wanted in zip(spikes_of(engine, n_steps, chunk), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert engine.n_events == stored.n_events


def test_threads_without_blocks_of_their_own_advance_those_of_others(
    simulation, networks, monkeypatch
):
    n_steps = int(TSTOP / simulation.dt)
    expected = spikes_of(CpuEngine(networks[True], settings(simulation)), n_steps, chunk=5)
    monkeypatch.setattr(deal, "balance", lambda network, laid, n: np.zeros(len(laid.blocks), int))
    engine = CpuEngine(networks[True], settings(simulation, threads=3))
    assert [len(share.part.blocks) > 0 for share in engine.shares] == [True, False, False]
    for got, wanted in zip(spikes_of(engine, n_steps, chunk=5), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_threads_stop_where_one_has_failed(simulation, networks):
    """Events that others may still read are neither sorted anew nor let go."""
    engine = CpuEngine(networks[False], settings(simulation, threads=3))
    engine.advance(40 * engine.window)
    met = engine.shared.meeting[:: meeting.LINE].copy()

    def fail(*arguments):
        time.sleep(0.2)  # the others are waiting by now
        raise MemoryError

    engine.shares[1].trains = fail
    with pytest.raises(MemoryError):
        engine.advance(20 * engine.window)
    more = engine.shared.meeting[:: meeting.LINE] - met
    np.testing.assert_array_equal(more, [1, 0, 1, 1])  # the last is the flag
    with pytest.raises(SimulationError, match="given up"):
        engine.advance(engine.window)


def test_synapses_are_forgotten_when_they_have_acted(simulation, cortex):
    """What is kept grows with the spikes on their way, not with synapses or time.

    Without excitation among them neurons do not fire together, as so few would.
    """
    quiet = simulation_of(CortexModel.make(replace(RECIPE, excitation=0.0)), tstop=TSTOP)
    network = build_network(quiet, store_synapses=False)
    made = sum(len(piece.target) for piece in cortex.synapses(range(len(cortex))))
    made += round(quiet.circuit.projections[1].expected)
    assert not len(network.connections.target)
    assert made == len(build_network(quiet, store_synapses=True).connections.target)
    engine = CpuEngine(network, settings(simulation))
    room, spikes = [], 0
    for _ in range(4):
        spikes += len(engine.advance(500)[0])
        room.append(len(engine.shares[0].part.flight.target))
    assert spikes > 50
    assert max(room) < 0.1 * made
    assert room[-2] == room[-1]


def test_materialised_edges_make_the_same_spikes(tmp_path, simulation):
    config = build_cortex(
        tmp_path / "edges", CortexModel.make(RECIPE), tstop=TSTOP, materialize=True
    )
    from_file = isocortex.run(config, threads=1)
    drawn = isocortex.run(
        simulation, threads=1, store_synapses=False, output_dir=tmp_path / "drawn"
    )
    assert len(drawn.spikes) > 300
    assert_frame_equal(from_file.spikes, drawn.spikes)


def test_what_is_said_of_drawn_synapses(simulation, networks, cortex):
    assert "drawn at each spike" in describe(networks[False])
    assert "drawn" not in describe(networks[True])
    assert networks[False].n_synapses == pytest.approx(networks[True].n_synapses, rel=0.25)
    fewer = memory_estimate(networks[True], "double")[0]
    fewer -= memory_estimate(networks[False], "double")[0]
    assert fewer == pytest.approx(9e-6 * cortex.recipe.expected_synapses, rel=0.35)
    with pytest.raises(ConfigError, match="does not draw synapses"):
        make_engine(networks[False], settings(simulation), "reference")


@pytest.mark.parametrize("stored", [True, False])
def test_a_state_goes_on_whether_synapses_are_stored_or_drawn(simulation, stored):
    with isocortex.open_session(simulation, store_synapses=stored) as first:
        first.advance(40.0)
        state, before = first.state(), len(first.spikes)
        first.advance(20.0)
        late = first.spikes.sort_values(["timestamps", "node_ids"], ignore_index=True)
        late = late[late["timestamps"] > 40.0].reset_index(drop=True)
    with isocortex.open_session(simulation, store_synapses=not stored) as second:
        second.restore(state)
        second.advance(20.0)
        found = second.spikes.sort_values(["timestamps", "node_ids"], ignore_index=True)
    assert before > 20
    assert len(late) > 20
    assert_frame_equal(found, late)


@pytest.mark.parametrize("store", [True, False])
def test_a_second_recipe_is_refused(simulation, store):
    """The last one was drawn, the others' synapses were lost without a word."""
    circuit = simulation.circuit
    twice = [*circuit.projections, *(p for p in circuit.projections if p.tables() is not None)]
    doubled = replace(simulation, circuit=replace(circuit, projections=twice))
    with pytest.raises(ConfigError, match="can be drawn at each spike.*Keep one"):
        build_network(doubled, store)
