"""Probes are found by arrays; a column is a weighted sum of its rows."""

from dataclasses import replace

import numpy as np
import pytest
from neurons import random_tree, wire

from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import CellSums, ProbeTable, Settings, Variable
from isocortex.engine.reference import ReferenceEngine
from isocortex.mechanisms.synapses import exp1syn, exp2syn
from isocortex.network.network import SpikeTrains

SETTINGS = Settings(dt=0.1, v_init=-75.0, threshold=-20.0)
V, CAI = Variable("v"), Variable("cai", at_start=True)
GATE = Variable("m", "Im")
BOTH = Variable("g", "synapse", (0, 1))
CURRENT = Variable("i", "synapse", (0, 1), at_start=True)


@pytest.fixture(scope="module")
def network():
    models = [random_tree(1, mechanisms=("Im",)), random_tree(2)]
    n = 40  # more than a block
    synapses = [(n, cell, node, node % 2, 2e-3, 1.0) for cell in range(n) for node in (1, 2, 3)]
    return wire(
        models, np.arange(n) % 2, synapses, [exp2syn(0.5, 2.0, 0.0), exp1syn(4.0, -80.0)],
        n_virtual=1, trains=SpikeTrains(np.full(3, n), np.array([1.0, 3.0, 5.0])),
    )  # fmt: skip


def samples_of(engine, table, n_steps=100):
    engine.record(table)
    return engine.advance(n_steps).samples


def test_every_variable_is_that_of_the_reference(network):
    table = ProbeTable.of(
        [(c, node, x) for c in (0, 1, 39) for node in (0, 2) for x in (V, CAI, GATE, BOTH, CURRENT)]
    )
    expected = samples_of(ReferenceEngine(network, SETTINGS), table)
    assert expected.any(axis=0).sum() > 12
    np.testing.assert_allclose(samples_of(CpuEngine(network, SETTINGS), table), expected, atol=1e-6)


def test_columns_are_weighted_sums(network):
    """Over several cells, in blocks of several threads; a column without rows is 0."""
    rng = np.random.default_rng(1)
    n = 500
    table = ProbeTable(
        (V, BOTH, CURRENT), rng.integers(0, 40, n), rng.integers(0, 4, n), rng.integers(0, 3, n),
        rng.normal(size=n), rng.integers(0, 4, n), 5,
    )  # fmt: skip
    expected = samples_of(ReferenceEngine(network, SETTINGS), table)
    assert (expected[:, :4] != 0.0).any(axis=0).all()
    assert not expected[:, 4].any()
    one = samples_of(CpuEngine(network, SETTINGS), table)
    np.testing.assert_allclose(one, expected, atol=1e-4)
    two = samples_of(CpuEngine(network, Settings(**{**SETTINGS.__dict__, "threads": 2})), table)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_a_current_is_conductance_times_driving_force_of_each_kind(network, precision):
    """And there is none where there is no synapse. Inwards is negative."""
    here = [(39, node) for node in range(4)]
    g = [Variable("g", "synapse", (kind,), at_start=True) for kind in (0, 1)]
    before = Variable("v", at_start=True)
    table = ProbeTable.of([(*place, x) for place in here for x in (*g, before, CURRENT)])
    settings = Settings(**{**SETTINGS.__dict__, "precision": precision})
    samples = samples_of(CpuEngine(network, settings), table).reshape(-1, len(here), 4)
    excitatory, inhibitory, v, current = np.moveaxis(samples, 2, 0)
    expected = excitatory * (v - 0.0) + inhibitory * (v + 80.0)
    np.testing.assert_allclose(current, expected, rtol=1e-12 if precision == "double" else 1e-6)
    assert (current.min(axis=0)[2:] < 0).all()
    assert current.max() > 0
    assert not current[:, 0].any()


def test_probes_of_one_column_are_added_up(network):
    probes = [(cell, node, CURRENT) for cell in (0, 1, 39) for node in range(4)]
    each = samples_of(CpuEngine(network, SETTINGS), ProbeTable.of(probes))
    summed = replace(ProbeTable.of(probes), column=np.repeat([0, 1, 2], 4), n_columns=3)
    for engine in (CpuEngine(network, SETTINGS), ReferenceEngine(network, SETTINGS)):
        np.testing.assert_allclose(
            samples_of(engine, summed), each.reshape(-1, 3, 4).sum(axis=2), atol=1e-6
        )


@pytest.mark.parametrize("make", [CpuEngine, ReferenceEngine])
def test_only_the_steps_that_are_due_are_sampled(network, make):
    """Whatever pieces they come in, beside others that are always due."""
    often, seldom = Variable("v"), Variable("v", first=7, every=10)
    current = replace(CURRENT, first=3, every=4)
    tables = [ProbeTable.of([(39, 2, x)]) for x in (often, seldom, CURRENT, current)]
    engine = make(network, SETTINGS)
    engine.record(ProbeTable.joined(tables))
    samples = np.concatenate([engine.advance(n).samples for n in (5, 20, 25)])
    for every, chosen, due in ((0, 1, slice(7, None, 10)), (2, 3, slice(3, None, 4))):
        expected = np.zeros(50)
        expected[due] = samples[due, every]
        np.testing.assert_array_equal(samples[:, chosen], expected)
        assert expected.any()


def test_a_million_probes_are_found_at_once(network):
    """One by one in Python they took minutes."""
    n = 1_000_000
    engine = CpuEngine(network, SETTINGS)
    cell, node = np.arange(n) % 40, np.arange(n) // 40 % 4
    zeros = np.zeros(n, np.int64)
    engine.record(ProbeTable((V,), cell, node, zeros, np.full(n, 1.0 / n), zeros, 1))
    engine.record(ProbeTable((V,), cell, node, zeros, np.ones(n), np.arange(n), n))
    assert engine.recording.probes.samples.shape == (0, n)


def sums_over(network, cells, width, seed=0, **more):
    """Random weights on all voltages of some cells."""
    rng = np.random.default_rng(seed)
    nodes = [network.models[network.cell_model[c]].n_nodes for c in cells]
    first = np.cumsum([0, *nodes])
    weight = rng.normal(size=(first[-1], width))
    return CellSums(np.array(cells), first[:-1], np.array(nodes), weight, **more)


def sums_through(network, cells, width, **more):
    """Random weights that all cells of a model share, and a table of every cell."""
    rng = np.random.default_rng(1)
    nodes = np.array([model.n_nodes for model in network.models])
    of, first = network.cell_model[list(cells)], np.cumsum(nodes) - nodes
    weight, through = rng.normal(size=(nodes.sum(), 3)), rng.normal(size=(len(cells), 3, width))
    return CellSums(np.array(cells), first[of], nodes[of], weight, through, **more)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_sums_over_whole_cells_are_those_of_the_reference(network, precision):
    """Beside probes, on several threads, added up or by cell, in every step or in some."""
    table = ProbeTable.joined([
        ProbeTable.of([(3, 0, V), (4, 1, V)]),
        ProbeTable.of_whole(sums_over(network, range(40), 5)),
        ProbeTable.of_whole(
            sums_over(network, [2, 3, 38], 2, summed=False, first_step=4, every=3)
        ),
        ProbeTable.of([(3, 0, V)]),
        ProbeTable.of_whole(sums_through(network, range(1, 40), 2)),
        ProbeTable.of_whole(sums_through(network, [0, 7, 39], 3, summed=False, every=2)),
    ])  # fmt: skip
    assert table.n_columns == 2 + 5 + 6 + 1 + 2 + 9
    expected = samples_of(ReferenceEngine(network, SETTINGS), table)
    assert expected[:, :7].all()
    assert (expected[:, 7:13].all(axis=1) == [s >= 4 and s % 3 == 1 for s in range(100)]).all()
    assert (expected[:, 16:].all(axis=1) == [s % 2 == 0 for s in range(100)]).all()
    settings = Settings(**{**SETTINGS.__dict__, "precision": precision})
    one = samples_of(CpuEngine(network, settings), table)
    np.testing.assert_allclose(one, expected, atol=1e-5 if precision == "double" else 0.05)
    two = samples_of(CpuEngine(network, Settings(**{**settings.__dict__, "threads": 2})), table)
    np.testing.assert_array_equal(one, two)
