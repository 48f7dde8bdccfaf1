"""From files to a wired network: where synapses sit, what random numbers and clocks are worth.

The event loop is held against loops short enough to be read.
"""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis.strategies import floats, integers, lists, sampled_from, tuples
from library_circuit import CELL, write_library_circuit
from neurons import random_tree, wire

from isocortex.cells.library import load_cell
from isocortex.cells.place import NodeFinder, candidates, check_found
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.events import step_of
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import InputError, ModelError, SimulationError
from isocortex.mechanisms.synapses import exp1syn
from isocortex.network.build import build_network
from isocortex.network.clock import Clock
from isocortex.network.network import LONGEST_WINDOW, Connections, PointNeurons, SpikeTrains
from isocortex.network.partition import split
from isocortex.network.points import at_rest, receive
from isocortex.random import uniform
from isocortex.sonata.config import load_simulation

# --- places of synapses -----------------------------------------------------------------------


def build(config):
    return build_network(load_simulation(config))


def places(network):
    """(source, cell, node) of every synapse."""
    c, slots = network.connections, network.slots
    source = np.repeat(np.arange(len(c.first) - 1), np.diff(c.first))
    return Counter(zip(source, slots.cell[c.target], slots.node[c.target], strict=True))


def length_within(cell, node, types, low, high):
    """Length of a compartment that lies between two path distances from the soma, um."""
    if cell.section_type[node] not in types:
        return 0.0
    return max(min(cell.distance_end[node], high) - max(cell.distance_start[node], low), 0.0)


CASES = [
    (("basal",), [3], None),
    (("basal", "apical"), [3, 4], (30.0, 150.0)),
    (("apical",), [4], (100.0, 1e20)),
    (("dend", "somatic"), [1, 3], (0.0, 40.0)),
]


@pytest.mark.parametrize(("names", "types", "distances"), CASES)
def test_places_are_as_likely_as_the_length_within_reach(names, types, distances):
    cell = load_cell(CELL)
    low, high = distances or (0.0, np.inf)
    length = {int(n): length_within(cell, n, types, low, high) for n in cell.compartments}
    nodes, cumulative = candidates(cell, names, distances)
    assert set(nodes) == {n for n, x in length.items() if x > 0}
    expected = np.array([length[int(n)] for n in nodes]) / sum(length.values())
    np.testing.assert_allclose(np.diff(cumulative, prepend=0.0), expected, atol=1e-12)
    assert cumulative[-1] == 1.0


def test_drawn_places_follow_the_lengths(tmp_path):
    """Chi-square over 40,000 synapses of one edge; the seed makes it the same draw every time."""
    n = 40_000
    rule = {"target_sections": "['basal', 'apical']", "distance_range": "[30.0, 150.0]"}
    network = build(
        write_library_circuit(tmp_path, cells=1, drive=1, edges=[(0, 0, n)], synapse=rule)
    )
    found = Counter()
    for (_, _, node), count in places(network).items():
        found[int(node)] += count
    cell = load_cell(CELL)
    length = np.array([length_within(cell, i, [3, 4], 30, 150) for i in range(cell.n_nodes)])
    assert set(found) <= set(np.flatnonzero(length))
    expected = n * length / length.sum()
    big = expected > 5
    counts = np.array([found[i] for i in np.flatnonzero(big)])
    chi2 = ((counts - expected[big]) ** 2 / expected[big]).sum()
    freedom = np.count_nonzero(big) - 1
    assert freedom > 30
    assert abs(chi2 - freedom) < 4 * math.sqrt(2 * freedom)


def test_places_do_not_depend_on_the_order_of_loading(tmp_path):
    path = write_library_circuit(
        tmp_path, edges=[(0, 0, 9), (1, 0, 5), (1, 1, 7)], recurrent=[(0, 1, 6), (1, 0, 8)]
    )
    config = json.loads(path.read_text())
    config["networks"]["edges"].reverse()
    turned = tmp_path / "turned.json"
    turned.write_text(json.dumps(config))
    assert places(build(path)) == places(build(turned))
    assert sum(places(build(path)).values()) == 35


def test_places_depend_on_the_seed_and_on_nothing_else(tmp_path):
    edges = [(0, 0, 50)]
    one, same, other = (
        places(build(write_library_circuit(tmp_path / name, edges=edges, run={"random_seed": s})))
        for name, s in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == same
    assert one != other


def test_an_edge_keeps_its_places_when_others_come_after_it(tmp_path):
    alone = places(build(write_library_circuit(tmp_path / "a", edges=[(0, 0, 40)])))
    among = places(build(write_library_circuit(tmp_path / "b", edges=[(0, 0, 40), (1, 1, 60)])))
    assert {k: n for k, n in among.items() if k[1] == 0} == alone


@given(integers(-1, 60), floats(-0.1, 1.1))
def test_a_section_and_a_position_lead_to_the_compartment_around_it(section, x):
    cell = load_cell(CELL)
    found = NodeFinder(cell).at(np.array([section]), np.array([x]))[0]
    try:
        assert found == cell.node_at(section, x)
    except IndexError:
        assert found == -1


def test_a_place_the_cell_does_not_have_is_an_error():
    with pytest.raises(InputError, match=r"edge 1 of a_to_b targets section 7 at 0\.5.*'m'"):
        check_found(np.array([4, -1]), np.array([0, 7]), np.array([0.1, 0.5]), "a_to_b", "m")


def test_an_unknown_target_section_is_an_error():
    with pytest.raises(ModelError, match=r"'tuft'.*apical"):
        candidates(load_cell(CELL), ("basal", "tuft"), None)


def test_nothing_is_placed_where_the_cell_has_nothing():
    nodes, cumulative = candidates(load_cell(CELL), ("basal",), (1e4, 2e4))
    assert len(nodes) == len(cumulative) == 0


# --- random numbers ---------------------------------------------------------------------------


@given(integers(0, 2**32), lists(integers(0, 2**40), min_size=1, max_size=30))
def test_random_numbers_do_not_depend_on_the_order_of_asking(seed, counters):
    a = np.array(counters)
    together = uniform(seed, "place", a, a % 7)
    backwards = uniform(seed, "place", a[::-1], a[::-1] % 7)
    one_by_one = [uniform(seed, "place", a[[i]], a[[i]] % 7)[0] for i in range(len(a))]
    assert together.tolist() == backwards[::-1].tolist() == one_by_one


def test_random_numbers_are_uniform_in_every_counter():
    i, j = np.divmod(np.arange(100_000), 100)
    u = uniform(3, "x", i, j)
    assert 0.0 <= u.min() and u.max() < 1.0
    counts = np.histogram(u, 200, (0.0, 1.0))[0]
    assert abs(((counts - 500) ** 2 / 500).sum() - 199) < 4 * math.sqrt(2 * 199)
    grid = u.reshape(1000, 100)
    for a, b in ((grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / math.sqrt(a.size)


def test_seed_purpose_and_order_of_counters_make_other_numbers():
    a, b = np.arange(1000), np.arange(1000) + 1
    numbers = [
        uniform(1, "x", a, b), uniform(2, "x", a, b), uniform(1, "y", a, b), uniform(1, "x", b, a)
    ]  # fmt: skip
    assert len(np.unique(np.concatenate(numbers))) == 4000


# --- clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.1, 0.025, 0.05, 1 / 3])
def test_times_are_sums_of_half_steps(dt):
    """NEURON adds dt/2 to t twice a step; so the sum, not a product, says when an event is due."""
    n = 5000
    start, middle, t = [0.0], [], 0.0
    for _ in range(n):
        t += 0.5 * dt
        middle.append(t)
        t += 0.5 * dt
        start.append(t)
    clock = Clock(dt)
    for reached in (1, 7, 1000, n):
        clock.extend(reached)
    assert clock.start.tolist() == start
    assert clock.middle[:n].tolist() == middle
    assert Clock(dt, n).start.tolist() == start


@at_most(deadline=None)  # the first call compiles
@given(sampled_from([0.1, 0.025]), floats(0.0, 50.0), integers(0, 300), integers(1, 64))
def test_an_event_acts_in_the_first_step_whose_middle_it_does_not_exceed(dt, time, first, window):
    clock = Clock(dt, first + window)
    last = first + window
    due = [k for k in range(first, last) if clock.middle[k] >= time]
    assert step_of(time, clock.middle, dt, first, last) == (due[0] if due else last - 1)


# --- point neurons ----------------------------------------------------------------------------


@at_most(deadline=None)
@given(
    floats(1.0, 50.0),
    floats(0.1, 10.0),
    lists(tuples(floats(0.0, 5.0), floats(-0.5, 1.5)), max_size=40),
)
def test_intfire1_is_a_leaky_integrator(tau, refractory, events):
    """m is the decayed sum of all weights since it was last ready; above 1 it spikes."""
    state = at_rest(PointNeurons(np.array([tau]), np.array([refractory])))
    time, ready, heard = 0.0, -math.inf, []
    for wait, weight in events:
        time += wait
        expected = False
        if time >= ready:
            heard.append((time, weight))
            m = sum(w * math.exp(-(time - t) / tau) for t, w in heard)
            if abs(m - 1.0) < 1e-9:
                return  # rounding decides
            expected = m > 1.0
        assert receive(state, 0, time, weight) == expected
        if expected:
            heard, ready = [], time + refractory


def test_intfire1_needs_more_than_its_threshold():
    state = at_rest(PointNeurons(np.full(2, 10.0), np.full(2, 2.0)))
    assert not receive(state, 0, 1.0, 1.0)
    assert receive(state, 1, 1.0, 1.0 + 1e-12)


def test_intfire1_is_deaf_until_the_refractory_period_is_over():
    state = at_rest(PointNeurons(np.array([10.0]), np.array([2.0])))
    assert receive(state, 0, 1.0, 2.0)
    assert not receive(state, 0, 2.999, 2.0)
    assert receive(state, 0, 3.0, 2.0)


# --- events -----------------------------------------------------------------------------------


@at_most(deadline=None)
@given(lists(tuples(integers(0, 4), integers(0, 9), integers(0, 3)), max_size=40), integers(1, 4))
def test_every_synapse_belongs_to_one_part(synapses, n_parts):
    synapses = sorted(synapses, key=lambda s: (s[0], s[2]))
    source, target, delay = np.array(synapses, np.int64).reshape(-1, 3).T
    weight = np.arange(len(synapses), dtype=float)
    first = np.searchsorted(source, np.arange(6))
    release, key = delay.astype(np.uint16) // 2, delay + 7
    connections = Connections(
        first, target, weight, delay.astype(np.uint16), np.arange(4.0), release, key
    )
    owner, address = np.arange(10) % n_parts, 100 + np.arange(10)
    parts = split(connections, address, owner, n_parts)
    for part, (part_first, where, w, d, r, n) in enumerate(parts):
        for s in range(5):
            mine = [k for k in range(first[s], first[s + 1]) if owner[target[k]] == part]
            k = slice(part_first[s], part_first[s + 1])
            assert w[k].tolist() == weight[mine].tolist()
            assert where[k].tolist() == address[target[mine]].tolist()
            assert d[k].tolist() == delay[mine].tolist()
            assert r[k].tolist() == release[mine].tolist()
            assert n[k].tolist() == key[mine].tolist()


@pytest.mark.parametrize(
    ("delays", "n_reacting", "steps"),
    [([2.0, 0.5], 1, 20), ([2.0, 0.5], 2, 5), ([0.3], 1, 3), ([0.05], 1, 1), ([1.0], 0, 32),
     ([900.0], 1, LONGEST_WINDOW)],
)  # fmt: skip
def test_a_window_is_as_long_as_the_shortest_delay_that_matters(delays, n_reacting, steps):
    """Only sources that react to others count; 0.3 / 0.1 is 3 steps whatever its rounding."""
    synapses = [(k, -1, 0, 0, 1.0, delay) for k, delay in enumerate(delays)]
    points = PointNeurons(np.ones(n_reacting), np.ones(n_reacting))
    network = wire([], [], synapses, [], n_virtual=len(delays) - n_reacting, points=points)
    assert network.window(0.1) == steps


def relay(times, delays, shortest):
    """A virtual node drives an IntFire1 cell that listens again at once; it drives a cell.

    Synapse k adds 2^-k to a conductance that does not decay, which so counts its events. It
    reverses at rest, so that the cell stays silent.
    """
    synapses = [(1, 0, 2, 0, 2.0**-k, shortest + d) for k, d in enumerate(delays)]
    return wire(
        [random_tree(1, mechanisms=())], [0], [*synapses, (2, -1, 0, 0, 1.5, 0.7)],
        [exp1syn(1e9, -80.0)], n_virtual=1, points=PointNeurons(np.array([5.0]), np.array([0.6])),
        trains=SpikeTrains(np.full(len(times), 2), np.sort(times)),
    )  # fmt: skip


def conductance(engine, chunk, n_steps=150):
    engine.record(ProbeTable.of([(0, 2, Variable("g", "synapse", (0,)))]))
    parts = []
    while engine.step < n_steps:
        parts.append(engine.advance(min(chunk, n_steps - engine.step)))
    return np.concatenate([p[2][:, 0] for p in parts]), np.concatenate([p[1] for p in parts])


@at_most(max_examples=40, deadline=None)
@given(
    times=lists(floats(0.0, 12.0), max_size=15),
    delays=lists(floats(0.0, 6.0), min_size=1, max_size=6),
    shortest=sampled_from([0.1, 0.25, 0.3, 1.0, 2.5, 4.0]),
    threads=integers(1, 2),
    chunk=integers(1, 60),
)
def test_spikes_of_reacting_cells_arrive_once_and_in_their_step(
    times, delays, shortest, threads, chunk
):
    """Windows of 1 to 32 steps, cut by chunks that fit none of them."""
    spikes, ready = [], -math.inf
    for time in sorted(times):
        if time + 0.7 >= ready:
            spikes.append(time + 0.7)
            ready = time + 0.7 + 0.6
    middle = Clock(0.1, 150).middle[:150]
    expected = np.zeros(150)
    for spike in spikes:
        for k, delay in enumerate(delays):
            expected += 2.0**-k * (middle >= spike + (shortest + delay))
    settings = Settings(dt=0.1, v_init=-80.0, threads=threads)
    got, fired = conductance(CpuEngine(relay(times, delays, shortest), settings), chunk)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(fired, [s for s in spikes if s <= middle[-1]])


def test_a_point_neuron_acts_in_the_next_step_at_the_earliest():
    """NEURON and the reference engine let a delay below dt act within the step."""
    network = relay([1.02], [0.0], 0.01)
    settings = Settings(dt=0.1, v_init=-80.0)
    slow, _ = conductance(ReferenceEngine(network, settings), 50, 50)
    fast, _ = conductance(CpuEngine(network, settings), 50, 50)
    np.testing.assert_allclose(fast[1:], slow[:-1], atol=1e-9)
    assert not np.allclose(fast, slow, atol=1e-9)


def test_an_engine_that_was_given_up_half_way_does_not_go_on(monkeypatch):
    """Its threads are not where each other are any more, and would not wait for each other."""
    engine = CpuEngine(relay([1.02], [0.0], 0.1), Settings(dt=0.1, v_init=-80.0))

    def fail(*arguments):
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr("isocortex.engine.cpu.run_windows", fail)
        engine.advance(10)
    with pytest.raises(SimulationError, match="given up"):
        engine.advance(10)
