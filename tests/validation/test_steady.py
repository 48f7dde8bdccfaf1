"""A node comes out the same to the last bit whether its factors are kept or computed at each step.

Which of the two depends on what other cells of its block have: neither may show.
"""

import numpy as np
import pytest
from neurons import wire

from isocortex.cells.library import DIVISIONS, load_cell
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine import cable
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.mechanisms.synapses import exp2syn
from isocortex.network.build import build_network
from isocortex.network.network import SpikeTrains
from isocortex.session.engines import make_settings
from isocortex.sonata.config import load_simulation

STEPS = 300


def fired(cells, places, precision, second_order):
    """An engine of some cells of one model; the first is driven at a few nodes, all at ``places``.

    Events reach the first cell alone: what the others have are rows, not conductances.
    """
    model = load_cell("472363762")
    virtual = cells
    few = [(virtual, 0, int(node), 0, 2e-3, 1.0) for node in (model.soma, model.n_nodes // 3)]
    many = [
        (virtual + 1, cell, int(node), 0, 1e-3, 1.0) for cell in range(1, cells) for node in places
    ]
    network = wire(
        [model], np.zeros(cells, int), few + many, [exp2syn(0.5, 3.0, 0.0)], n_virtual=2,
        trains=SpikeTrains(np.full(20, virtual), np.linspace(0.5, 20.0, 20)),
    )  # fmt: skip
    settings = Settings(dt=0.1, precision=precision, second_order=second_order)
    engine = CpuEngine(network, settings)
    engine.record(ProbeTable.of([(0, node, Variable("v")) for node in range(model.n_nodes)]))
    return engine, engine.advance(STEPS)


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_the_rows_of_others_change_no_bit(precision, second_order):
    nodes = np.arange(load_cell("472363762").n_nodes)
    _, alone = fired(1, [], precision, second_order)
    assert len(alone.time) > 0
    steady = []
    for places in ([], nodes[::7], nodes):
        engine, among = fired(5, places, precision, second_order)
        steady.append(np.count_nonzero(engine.laid.arrays.node & cable.STEADY))
        # at every step: the last bit of one factor shows in its node's voltage only now and then
        np.testing.assert_array_equal(among.samples, alone.samples)
    assert steady[0] > steady[1] > steady[2] == 0


@pytest.mark.parametrize("dL", DIVISIONS)
def test_stored_edges_are_the_recipe_to_the_last_bit(tmp_path, dL):
    """Blocks have rows where edges end; of a recipe, wherever they might. In single precision."""
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3, dL=dL))
    outcomes = []
    for name, materialize in (("edges", True), ("recipe", False)):
        config = build_cortex(tmp_path / name, cortex, tstop=150.0, materialize=materialize)
        simulation = load_simulation(config)
        settings = make_settings(
            simulation, threads=2, precision="single", integrator="backward-euler"
        )
        engine = CpuEngine(build_network(simulation, store_synapses=False), settings)
        source, time, _ = engine.advance(1500)
        steady = np.count_nonzero(engine.laid.arrays.node & cable.STEADY)
        outcomes.append((source, time, engine.soma_voltage(), steady))
    assert len(outcomes[0][0]) > 300
    for one, other in zip(outcomes[0][:3], outcomes[1][:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert outcomes[0][3] != outcomes[1][3]
