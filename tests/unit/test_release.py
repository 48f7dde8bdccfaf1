"""Short-term plasticity: what terminals release, against formulas, step by step, and in engines."""

import numpy as np
import pytest
from neurons import cable, wire

from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.engine.reference import ReferenceEngine, ReferenceTerminal
from isocortex.mechanisms.release import (
    Release,
    at_random,
    depressing,
    desensitising,
    hennig,
    of_three_states,
    recovering_faster,
    tsodyks_markram,
)
from isocortex.mechanisms.synapses import exp1syn, exp2syn, nmda, receptor
from isocortex.network import terminals
from isocortex.network.network import SpikeTrains
from isocortex.random import name_of
from isocortex.streams import stream

DT = 0.1
HENNIG = {"tau_FDR": 400.0, "a_FDR": 0.5, "tau_D": 100.0, "a_D": 0.3, "tau_i": 100.0, "a_i": 0.3,
          "a_f": 0.3}  # fmt: skip
FORMS = {
    "stp1syn": depressing(100.0, 0.3),
    "stp2syn": recovering_faster(2059.8, 0.27, 569.8, 0.5),
    "stp3syn": desensitising(300.0, 0.6, 200.0, 0.5, 80.0, 0.5),
    "stp5syn": hennig(
        tau_r0=1000.0,
        pbtilde=0.4,
        tau_FDR=900.0,
        a_FDR=0.5,
        tau_D=100.0,
        a_D=0.5,
        tau_i=100.0,
        a_i=0.5,
        tau_f=10.0,
        a_f=0.5,
    ),
    "equal times": hennig(
        tau_r0=50.0,
        pbtilde=0.4,
        tau_FDR=20.0,
        a_FDR=0.9,
        tau_D=10.0,
        a_D=0.5,
        tau_i=15.0,
        a_i=0.5,
        tau_f=15.0,
        a_f=0.5,
    ),
    "facilitating": tsodyks_markram(0.1, 80.0, 400.0),
    "depressing": tsodyks_markram(0.5, 300.0, 0.0),
    "at random": at_random(0.4, 60.0, 100.0, 0.1, 4.0),
    "one site": at_random(0.5, 30.0, 0.0, 0.0, 1.0),
    "three states": of_three_states(3.0, 0.2, 100.0, 200.0, 0.0),
}
#: A burst, steps one after the other, several spikes in one step, and pauses; ms.
TRAIN = np.array([0.0, 0.04, 3.0, 3.1, 3.2, 3.21, 3.23, 8.0, 13.0, 18.0, 60.0, 61.0, 400.0, 1900.0])


def _terminal(release, dt=DT):
    one = np.ones(1, np.int64)
    return terminals.terminals_of(0 * one, 1.0 * one, one, [release], dt)


def _shares(release, train, dt=DT):
    made = _terminal(release, dt)
    return [terminals.released(made, 0, round(t / dt), t) for t in train.tolist()]


@pytest.mark.parametrize("name", FORMS)
def test_closed_form_is_step_by_step(name):
    plain = ReferenceTerminal(FORMS[name], DT, stream(name_of("release 0"), 0, 0))
    with np.errstate(over="ignore"):
        expected = [plain.spike(round(t / DT), t) for t in TRAIN.tolist()]
    np.testing.assert_allclose(_shares(FORMS[name], TRAIN), expected, rtol=1e-8)


def test_release_at_random_is_binomial_and_its_mean_that_of_the_model():
    """Many synapses at the same spikes: shares, failures, and what recovers between spikes."""
    n, sites, use, dep, fac = 40000, 3, 0.3, 80.0, 150.0
    one = np.ones(n, np.int64)
    releases = [at_random(use, dep, fac, 0.0, float(sites))]
    made = terminals.terminals_of(0 * one, 1.0 * one, one, releases, DT, np.arange(n), 5)
    train, mean = [5.0, 9.0, 20.0, 100.0], tsodyks_markram(use, dep, fac)
    expected = _shares(mean, np.array(train))
    for spike, (time, share) in enumerate(zip(train, expected, strict=True)):
        found = np.array([terminals.released(made, k, round(time / DT), time) for k in range(n)])
        # each site releases or does not, alone: the share of all is binomial
        error = np.sqrt(share * (1.0 - share) / sites / n)
        assert abs(found.mean() - share) < 4.5 * error, spike
        assert found.var() == pytest.approx(share * (1.0 - share) / sites, rel=0.04), spike
        failures = (1.0 - share) ** sites
        assert abs((found == 0.0).mean() - failures) < 4.5 * np.sqrt(failures / n), spike
    numbers = made.state[:, terminals.DRAWN]
    assert numbers.min() >= len(train) * sites and len(np.unique(numbers)) > 3
    other = terminals.terminals_of(0 * one, 1.0 * one, one, releases, DT, np.arange(n), 6)
    first = [[terminals.released(each, k, 10, 1.0) for k in range(2000)]
             for each in (other, made._replace(state=other.state.copy()))]  # fmt: skip
    assert abs(np.corrcoef(first)[0, 1]) < 0.1  # of another seed


def test_depression_at_one_frequency_is_the_geometric_series():
    use, tau, between = 0.4, 150.0, 20.0
    keeps = np.exp(-between / tau)
    n, expected = 1.0, []
    for _ in range(30):
        expected.append(use * n)
        n = 1.0 - (1.0 - n * (1.0 - use)) * keeps
    train = between * np.arange(30)
    np.testing.assert_allclose(_shares(depressing(tau, use), train), expected, rtol=1e-12)
    lasting = use * (1.0 - keeps) / (1.0 - (1.0 - use) * keeps)
    assert expected[-1] == pytest.approx(lasting, rel=1e-3)


def test_tsodyks_and_markram_as_they_wrote_it():
    """u and R, updated at spikes as the deterministic synapses of the Blue Brain Project do."""
    use, dep, fac, random = 0.2, 120.0, 300.0, np.random.default_rng(1)
    train = np.cumsum(random.exponential(25.0, 60))
    u, R, last, expected = 0.0, 1.0, 0.0, []
    for t in train:
        u *= np.exp(-(t - last) / fac)
        u += use * (1.0 - u)
        R = 1.0 - (1.0 - R) * np.exp(-(t - last) / dep)
        expected.append(u * R)
        R -= u * R
        last = t
    found = _shares(tsodyks_markram(use, dep, fac), train)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_spike_counts_by_the_step_before_where_neuron_lags():
    """BMTK's stp2syn takes the product that its last step left behind."""
    lagging = recovering_faster(50.0, 0.5, 100.0, 0.0)
    n_before = 1.0 - 0.5 * np.exp(-0.9 / 50.0)
    assert _shares(lagging, np.array([1.0, 2.0]))[1] == pytest.approx(0.5 * n_before, rel=1e-12)
    assert _shares(lagging, np.array([1.0, 1.0])) == [0.5, 0.5]


@pytest.mark.parametrize("change", [{"p": 1.1}, {"tau_r0": 0.0}, {"a_FDR": 1.0}, {"a_D": np.nan}])
def test_impossible_releases_are_refused(change):
    with pytest.raises(ValueError, match="must be"):
        Release(**{"tau_r0": 100.0, "p": 0.5, "pbtilde": 0.5} | change)


def _network():
    """Cells that excite each other and virtual sources, by every form, with several delays."""
    random = np.random.default_rng(4)
    kinds = [exp2syn(1.0, 3.0, 0.0), exp1syn(2.0, -70.0), nmda(0.3, 20.0, 0.0, 0.3, 0.06)]
    kinds += [receptor(exp1syn(2.0, 0.0), release, name) for name, release in FORMS.items()]
    models = [cable(5, 200.0, 2.0)]
    sources, synapses = 7, []
    for _ in range(250):
        source, cell = random.integers(0, sources), random.integers(0, 4)
        kind, node = random.integers(0, len(kinds)), random.integers(0, 5)
        delay = float(random.choice([0.8, 1.0, 1.55, 4.0]))
        weight = 0.00005 if kinds[kind].block else 0.0002
        synapses.append((int(source), int(cell), int(node), int(kind), weight, delay))
    times = np.sort(random.uniform(-2.0, 150.0, 200))
    trains = SpikeTrains(random.integers(4, 7, 200), times)
    return wire(models, [0, 0, 0, 0], synapses, kinds, n_virtual=3, trains=trains)


def _settings(**more):
    return Settings(dt=DT, v_init=-70.0, threshold=-40.0, **more)


PROBES = ProbeTable.of([(c, 4, Variable("v")) for c in range(4)])


def _run(engine, steps=1500):
    engine.record(PROBES)
    piece = engine.advance(steps)
    return piece.source, piece.time, piece.samples


def test_engines_agree_and_threads_change_nothing():
    network = _network()
    expected = _run(ReferenceEngine(network, _settings()))
    assert len(expected[0]) > 5
    one = _run(CpuEngine(network, _settings()))
    np.testing.assert_array_equal(one[0], expected[0])
    np.testing.assert_allclose(one[1], expected[1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(one[2], expected[2], rtol=0, atol=1e-8)
    three = _run(CpuEngine(network, _settings(threads=3)))
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["single", "mixed"])
def test_other_precisions(precision):
    network = _network()
    expected, found = (_run(CpuEngine(network, _settings(precision=p)), 300)[2]
                       for p in ("double", precision))  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("makes", [CpuEngine, ReferenceEngine])
def test_a_state_has_what_is_left(makes):
    """Continued it is the same; begun anew it is not; and it fits any number of threads."""
    network = _network()
    engine = makes(network, _settings())
    _run(engine, 700)
    state = engine.state()
    assert len(state.terminals) > 20
    expected = _run(engine, 600)
    for threads in (1, 2):
        again = CpuEngine(network, _settings(threads=threads))
        again.restore(state)
        np.testing.assert_array_equal(again.state().terminals, state.terminals)
        found = _run(again, 600)
        exact = makes is CpuEngine
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=0.0 if exact else 1e-8)
    fresh = CpuEngine(network, _settings())
    fresh.restore(state.__class__(**vars(state) | {"terminals": state.terminals[:0]}))
    assert not np.array_equal(_run(fresh, 600)[2], expected[2])


def test_a_terminal_with_another_delay_stands_for_one_that_is_not_there():
    made = _terminal(FORMS["stp1syn"])
    terminals.released(made, 0, 10, 1.0)
    table = terminals.table_of(made, terminals.used(made))
    other = made._replace(delay=made.delay + 0.5, state=made.state.copy())
    terminals.put_to(other, table)
    np.testing.assert_array_equal(other.state, made.state)
    elsewhere = made._replace(source=made.source + 1, state=made.state.copy())
    terminals.put_to(elsewhere, table)
    assert elsewhere.state[0, terminals.N] == 1.0


@pytest.mark.parametrize(
    ("make", "before", "after"),
    [
        (tsodyks_markram, {"use": 0.4, "dep": 90.0, "fac": 40.0},
         {"use": 0.2, "dep": 180.0, "fac": 120.0}),
        (tsodyks_markram, {"use": 0.4, "dep": 90.0, "fac": 0.0},
         {"use": 0.2, "dep": 180.0, "fac": 0.0}),
        (depressing, {"tau_r": 90.0, "p0": 1.0}, {"tau_r": 180.0, "p0": 0.5}),
        (hennig, {"pbtilde": 0.4, "tau_r0": 90.0, "tau_f": 40.0, **HENNIG},
         {"pbtilde": 0.2, "tau_r0": 180.0, "tau_f": 120.0, **HENNIG}),
        (at_random, {"use": 0.4, "dep": 90.0, "fac": 40.0, "u0": 0.0, "sites": 3.0},
         {"use": 0.2, "dep": 180.0, "fac": 120.0, "u0": 0.0, "sites": 3.0}),
        (of_three_states, {"tau": 2.0, "U": 0.4, "tau_rec": 90.0, "tau_facil": 40.0, "u0": 0.0},
         {"tau": 8.0, "U": 0.2, "tau_rec": 180.0, "tau_facil": 120.0, "u0": 0.0}),
    ],
)  # fmt: skip
def test_another_pace_is_that_of_other_numbers(make, before, after):
    assert make(**before).paced(4.0, 0.5, 2.0, 3.0) == make(**after)


def test_what_is_raised_at_first_stays_so_far_from_one():
    first = tsodyks_markram(0.4, 90.0, 40.0, u0=0.3).paced(1.0, 0.5, 1.0, 1.0)
    assert first.numbers == pytest.approx(tsodyks_markram(0.2, 90.0, 40.0, u0=0.3).numbers)
    with pytest.raises(ValueError, match="must be between 0 and 1, found 1.2"):
        tsodyks_markram(0.4, 90.0, 40.0).paced(1.0, 3.0, 1.0, 1.0)


def test_terminals_go_on_from_what_they_have_left():
    before = tsodyks_markram(0.4, 90.0, 40.0)
    now = before.paced(1.0, 0.5, 2.0, 1.0)
    state = np.array([[0.7, 0.4, 90.0, 1.0, 0.4, 0.2, 5.0], [0.7, 0.7, 45.0, 1.0, 0.2, 0.2, 5.0]])
    numbers = [terminals.numbers_of([each] * 2) for each in (before, now)]
    expected = [[0.7, 0.2, 180.0, 1.0, 0.2, 0.2, 5.0], [0.7, 0.6, 90.0, 1.0, 0.1, 0.2, 5.0]]
    moved = terminals.paced(state, *numbers, 9, DT)
    np.testing.assert_allclose(moved, expected, rtol=1e-15)
    np.testing.assert_array_equal(terminals.paced(state, numbers[0], numbers[0], 9, DT), state)


def test_terminals_that_released_nothing_begin_where_they_rest():
    plain, none = tsodyks_markram(0.4, 90.0, 40.0), tsodyks_markram(0.0, 90.0, 40.0)
    numbers = [terminals.numbers_of([each]) for each in (plain, none)]
    rest = np.array([[1.0, 0.4, 90.0, 1.0, 0.4, 0.4, 0.0]])
    then = terminals.paced(rest, *numbers, 9, DT)
    assert then[0, terminals.P] == then[0, terminals.PB] == 0.0
    np.testing.assert_array_equal(terminals.paced(then, *numbers[::-1], 12, DT), rest)


def test_probabilities_below_that_of_rest_stay_so_in_proportion():
    """As inhibition of release makes them; on the way to 1 they would become negative."""
    values = {"tau_r0": 90.0, "tau_f": 1e9, **HENNIG, "tau_i": 1e9}
    numbers = [terminals.numbers_of([hennig(pbtilde=p, **values)]) for p in (0.8, 0.1)]
    state = np.array([[0.7, 0.4, 90.0, 1.0, 0.4, 0.2, 5.0]])
    moved = terminals.paced(state, *numbers, 5, DT)
    np.testing.assert_allclose(moved[0, [terminals.P, terminals.PB]], 0.05, rtol=1e-9)


def test_what_goes_from_step_to_step_has_recovered_at_the_old_pace_until_then():
    numbers = [terminals.numbers_of([depressing(tau, 0.3)]) for tau in (100.0, 400.0)]
    state = np.array([[0.5, 0.3, 100.0, 1.0, 0.3, 0.2, 40.0]])
    moved = terminals.paced(state, *numbers, 540, DT)
    n = 1.0 - 0.5 * np.exp(-500 * DT / 100.0)
    np.testing.assert_allclose(moved, [[n, 0.3, 400.0, 1.0, 0.3, n * 0.3, 540.0]], rtol=1e-12)
