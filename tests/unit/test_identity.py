"""What a state is of: the same on any number of ranks, another wherever a synapse is another."""

from dataclasses import replace

import numpy as np
import pytest
from library_circuit import clamp, poisson, write_library_circuit
from test_ranks import on_threads

import isocortex as ic
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.identity import identity
from isocortex.network.build import build_network
from isocortex.session.engines import make_settings
from isocortex.session.ranks import Ranks
from isocortex.session.start import bounds_of

CELLS = 5


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    config = write_library_circuit(
        tmp_path_factory.mktemp("c"), cells=CELLS, edges=[(0, 0, 3), (1, 3, 5), (0, 4, 2)],
        recurrent=[(0, 4, 9), (3, 1, 7), (2, 3, 2)],
        inputs={"drive": poisson(), "late": clamp(0.2, (3, 0)), "early": clamp(0.1, (1, 3))},
    )  # fmt: skip
    return ic.load_simulation(config)


def settings_of(simulation):
    return make_settings(simulation, threads=1, precision="double", integrator="backward-euler")


def told(simulation, ranks, **options):
    """What a rank says that a state is of."""
    part = build_network(simulation, **options, ranks=ranks.size, rank=ranks.rank)
    return identity(part, settings_of(simulation), ranks), bounds_of(part, 10.0, ranks)


def test_it_is_the_same_on_any_number_of_ranks(simulation):
    """It was of one rank's cells, and by the numbers that they have there."""
    expected = told(simulation, Ranks())
    for size in (2, 3, CELLS + 1):
        assert on_threads(size, lambda ranks: told(simulation, ranks)) == [expected] * size


def test_stored_and_drawn_synapses_of_a_cortex_are_the_same_on_ranks(tmp_path):
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3))
    simulation = ic.load_simulation(build_cortex(tmp_path, cortex, materialize=False))
    expected = told(simulation, Ranks(), store_synapses=False)
    for store in (True, False):
        found = on_threads(2, lambda ranks, s=store: told(simulation, ranks, store_synapses=s))
        assert found == [expected] * 2


def test_another_synapse_is_another_network(simulation):
    network, settings = build_network(simulation), settings_of(simulation)
    wiring, slots = network.connections, network.slots
    others = [
        replace(network, connections=replace(wiring, weight=wiring.weight * np.float32(1.5))),
        replace(network, connections=replace(wiring, delays=wiring.delays + 0.1)),
        replace(network, connections=replace(wiring, target=wiring.target[::-1].copy())),
        replace(network, slots=replace(slots, node=slots.node + 1)),
        replace(network, slots=replace(slots, cell=slots.cell[::-1].copy())),
    ]
    found = [identity(each, settings)["synapses"] for each in (network, *others)]
    assert len(set(found)) == len(found)
    assert len({text.split(" ")[0] for text in found}) == 1


def test_the_order_in_which_synapses_are_stored_does_not_matter(simulation):
    """Of one source and delay it follows from who stores them."""
    network, settings = build_network(simulation), settings_of(simulation)
    wiring = network.connections
    order = np.arange(len(wiring.target))
    for begin, end in zip(wiring.first[:-1], wiring.first[1:], strict=True):
        order[begin:end] = order[begin:end][::-1]
    turned = replace(
        wiring, target=wiring.target[order], weight=wiring.weight[order], delay=wiring.delay[order]
    )
    assert identity(replace(network, connections=turned), settings) == identity(network, settings)
