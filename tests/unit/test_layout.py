"""Sizes told before anything is allocated are those of what is allocated."""

import numpy as np
import pytest
from neurons import random_tree, wire

from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.engine.layout.sizes import BASE, sizes, sizes_of
from isocortex.mechanisms.synapses import exp1syn, exp2syn
from isocortex.network.memory import SORTED


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_sizes_are_those_of_the_arrays(precision, second_order):
    models, n = [random_tree(1, mechanisms=("Im",)), random_tree(2)], 20
    synapses = [(cell, (cell + 1) % n, 1 + cell % 4, cell % 2, 1e-3, 1.0) for cell in range(n)]
    network = wire(models, np.arange(n) % 2, synapses, [exp2syn(0.5, 2.0, 0.0), exp1syn(4.0, -80)])
    settings = Settings(dt=0.1, precision=precision, second_order=second_order)
    told = sizes_of(network, precision, second_order)
    states = CpuEngine(network, settings).states
    assert told.states == states.V.nbytes + states.S.nbytes
    assert told.rows == states.A.nbytes + states.B.nbytes
    wiring = network.connections
    assert told.wiring >= wiring.target.nbytes + wiring.weight.nbytes + wiring.delay.nbytes
    assert told.peak > BASE + told.running


def test_the_peak_is_while_synapses_are_sorted():
    model = random_tree(1, mechanisms=())
    nowhere = [np.zeros((1, model.n_nodes), bool)]
    few = sizes([model], np.array([1]), nowhere, precision="single")
    many = sizes([model], np.array([1]), nowhere, precision="single", synapses=1e9)
    assert many.peak - few.peak == pytest.approx(SORTED * 1e9, rel=1e-3)
