"""A circuit dealt out to ranks: together they hold what one would, and none more than its own."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists
from library_circuit import clamp, poisson, write_library_circuit

from isocortex.cells.library import load_cell
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.errors import ConfigError
from isocortex.network.build import build_network
from isocortex.network.plan import plan
from isocortex.network.sources import Sources
from isocortex.sonata.config import load_simulation

RANKS = 3


def synapses(network):
    """(source, target as a source, node, kinetics, weight, delay) of every stored synapse."""
    c, slots = network.connections, network.slots
    source = np.repeat(np.arange(len(c.first) - 1), np.diff(c.first))
    on_cell = c.target < len(slots)
    slot = np.where(on_cell, c.target, 0)
    cell = np.where(on_cell, slots.cell[slot] + network.first_cell, -1)
    cell[~on_cell] = c.target[~on_cell] - len(slots) + network.first_point
    kind = np.where(on_cell, slots.kind[slot], -1)
    node = np.where(on_cell, slots.node[slot], -1)
    rows = zip(source, cell, node, kind, c.weight, c.delays[c.delay], strict=True)
    return Counter(
        (int(s), int(t), int(n), int(k), float(w), float(d)) for s, t, n, k, w, d in rows
    )


@pytest.fixture(scope="module")
def circuits(tmp_path_factory):
    """A circuit of files and a cortex in memory."""
    edges = [(0, 0, 3), (1, 1, 5), (0, 2, 2), (1, 4, 1)]
    recurrent = [(0, 4, 2), (4, 0, 2), (3, 1, 7), (2, 3, 1)]
    config = write_library_circuit(
        tmp_path_factory.mktemp("files"), cells=5, drive=2, edges=edges, recurrent=recurrent,
        inputs={"drive": poisson(), "step": clamp(node_ids=(1, 4))},
    )  # fmt: skip
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3))
    return [load_simulation(config), simulation_of(cortex, tstop=10.0)]


def test_ranks_together_hold_the_whole(circuits):
    for simulation in circuits:
        whole = build_network(simulation, store_synapses=True)
        parts = [
            build_network(simulation, store_synapses=True, ranks=RANKS, rank=rank)
            for rank in range(RANKS)
        ]
        assert sum((synapses(part) for part in parts), Counter()) == synapses(whole)
        np.testing.assert_array_equal(
            np.concatenate([part.cell_model for part in parts]), whole.cell_model
        )
        electrodes = [(part.first_cell + e.cell, e.node) for part in parts for e in part.currents]
        assert electrodes == [(e.cell, e.node) for e in whole.currents]
        for part in parts:
            assert part.kinetics == whole.kinetics
            assert part.window(0.1) == whole.window(0.1)
            assert part.n_reacting == whole.n_reacting
            assert part.slots.cell.max() < part.n_cells


def test_a_rank_holds_its_share_alone(circuits):
    whole = build_network(circuits[1], store_synapses=True)
    nodes = np.array([model.n_nodes for model in whole.models])
    for rank in range(RANKS):
        part = build_network(circuits[1], store_synapses=True, ranks=RANKS, rank=rank)
        assert len(part.slots) < 0.5 * len(whole.slots)
        compartments = nodes[part.cell_model].sum() / nodes[whole.cell_model].sum()
        received = len(part.connections.target) / len(whole.connections.target)
        assert (compartments + received) / 2 == pytest.approx(1.0 / RANKS, abs=0.02)


@given(lists(integers(0, 1), max_size=30), integers(1, 8), integers(0, 9))
def test_everybody_has_one_owner(cell_model, ranks, n_points):
    models = [load_cell("472363762"), load_cell("485836906")]
    none = np.zeros(0, np.int64)
    sources = Sources({}, {}, none, none, len(cell_model), n_points, 0)
    dealt = plan(sources, models, np.array(cell_model, np.int64), ranks)
    owned = [cell for rank in range(ranks) for cell in dealt.cells(rank)]
    assert owned == list(range(len(cell_model)))
    assert [p for rank in range(ranks) for p in dealt.points(rank)] == list(range(n_points))
    most = max((m.n_nodes for m in models), default=0)
    costs = [sum(models[cell_model[c]].n_nodes for c in dealt.cells(r)) for r in range(ranks)]
    assert max(costs) - sum(costs) / ranks <= most


@given(
    lists(integers(0, 1), min_size=1, max_size=40), integers(1, 8),
    lists(integers(0, 39), max_size=12),
)  # fmt: skip
def test_columns_stay_together(cell_model, ranks, starts):
    models = [load_cell("472363762"), load_cell("485836906")]
    n = len(cell_model)
    starts = np.unique([0, *(start for start in starts if start < n)])
    none = np.zeros(0, np.int64)
    dealt = plan(
        Sources({}, {}, none, none, n, 0, 0), models, np.array(cell_model, np.int64), ranks, starts
    )
    assert dealt.first_cell[0] == 0 and dealt.first_cell[-1] == n
    assert (np.diff(dealt.first_cell) >= 0).all()
    assert set(dealt.first_cell) <= {*starts.tolist(), n}
    cost = np.array([model.n_nodes for model in models])[cell_model]
    columns = [part.sum() for part in np.split(cost, starts[1:])]
    costs = [cost[dealt.cells(rank)].sum() for rank in range(ranks)]
    assert max(costs) - sum(costs) / ranks <= max(columns)


@given(lists(integers(0, 9), min_size=1, max_size=40), integers(1, 8))
def test_what_cells_receive_is_half_of_their_cost(received, ranks):
    models, n = [load_cell("472363762")], len(received)
    none = np.zeros(0, np.int64)
    receives = np.array(received) / max(np.mean(received), 1e-300)
    dealt = plan(
        Sources({}, {}, none, none, n, 0, 0), models, np.zeros(n, np.int64), ranks,
        receives=receives,
    )  # fmt: skip
    cost = 1.0 + receives
    costs = [cost[dealt.cells(rank)].sum() for rank in range(ranks)]
    assert sum(costs) == pytest.approx(cost.sum())
    assert max(costs) - cost.sum() / ranks <= cost.max() + n / models[0].n_nodes


def test_a_rank_begins_with_a_column(circuits):
    drawn = [build_network(circuits[1], ranks=RANKS, rank=rank) for rank in range(RANKS)]
    column = drawn[0].drawn.axons.neurons.column
    for part in drawn[1:]:
        assert column[part.first_cell] != column[part.first_cell - 1]
        assert part.drawn.cell[part.first_cell] == 0
        assert (part.drawn.cell >= 0).sum() == part.n_cells


def test_a_part_does_not_run_on_its_own(circuits):
    part = build_network(circuits[0], ranks=RANKS, rank=1)
    with pytest.raises(ValueError, match="part of 3"):
        CpuEngine(part, Settings(dt=0.1))


def test_no_rank_at_all_is_refused():
    none = np.zeros(0, np.int64)
    with pytest.raises(ConfigError, match="at least 1"):
        plan(Sources({}, {}, none, none, 0, 0, 0), [], none, 0)
