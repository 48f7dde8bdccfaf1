"""Straight-line kernels: how trees are shared out, which models get one, and what it is."""

import ast
from dataclasses import replace

import numpy as np
import pytest
from on_gpu import straight_network

from isocortex.cells.library import library_cells, load_cell
from isocortex.engine.interface import Settings
from isocortex.engine.layout.arrangement import arrange
from isocortex.engine.layout.kinetics import KineticsTables
from isocortex.engine.straight import choice
from isocortex.engine.straight.plan import Plan
from isocortex.engine.straight.text import WARPS
from isocortex.mechanisms.synapses import exp1syn, nmda
from straight import blocks_of

SINGLE = Settings(dt=0.1, precision="single", device="cuda")
MIXED = replace(SINGLE, precision="mixed")


def _perisomatic():
    cells = library_cells()
    return cells.index[cells.channels.str.startswith("perisomatic")]


def straight(network, settings=SINGLE, *, window=9, shared=2**18):
    """Kernels by model."""
    dtype = np.dtype(np.float64 if settings.precision == "double" else np.float32)
    laid = arrange(network, settings, 32, dtype, alike=True)
    kinetics = KineticsTables(network.kinetics, settings, dtype, on_device=True).over(0, 0)
    return choice.straight_kernels(network, laid, settings, kinetics, window, shared)


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setenv(choice.ASKED, "1")
    return straight_network()


@pytest.mark.parametrize("k", range(0, 70, 10))
def test_every_node_has_one_warp_that_handles_its_parent_first(k):
    model = load_cell(_perisomatic()[k])
    plan = Plan(model, 4)
    np.testing.assert_array_equal(np.sort(plan.order), np.arange(model.n_nodes))
    owner = np.empty(plan.n, int)
    for group in range(plan.warps + 1):
        owner[plan.nodes(group)] = group
    for place in range(1, plan.n):
        parent = plan.new[model.parent[plan.order[place]]]
        assert parent < place
        assert owner[parent] in (0, owner[place])
    branches = np.bincount(owner, minlength=5)[1:]
    assert branches.max() < 0.6 * plan.n


def test_a_kernel_is_python_with_every_node_and_row_in_it(network):
    (kernel,) = straight(network).values()
    tree = ast.parse(kernel.source)
    names = {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}
    assert names >= {f"{what}_{warp}" for what in ("take", "up", "down") for warp in range(4)}
    assert names >= {"advance_blocks", "take_core", "solve", "deliver", "publish", "find"}
    n, lanes = network.models[0].n_nodes, 32
    assert all(f"load(own, {lanes * node})" in kernel.source for node in range(n))
    assert kernel.source.count("inverse = ") == n
    assert kernel.shared > 2 * lanes * 4 * len(np.unique(network.slots.node))


def test_rows_of_halves_take_half_of_the_memory_and_leave_it_to_more_blocks(network):
    (single,), (mixed,) = (straight(network, s).values() for s in (SINGLE, MIXED))
    n_rows = np.ptp([single.shared, mixed.shared]) / 128
    assert n_rows == single.source.count("load_pair(H") - 1  # one is of publishing
    assert mixed.registers < single.registers
    names = {f.name for f in ast.parse(mixed.source).body if isinstance(f, ast.FunctionDef)}
    assert names >= {"held", "renew"}
    assert "decayed" not in names


@pytest.mark.parametrize(("registers", "blocks"), [(choice.REGISTERS, 3), (choice.FEWER, 4)])
def test_registers_let_so_many_blocks_share_a_multiprocessor(registers, blocks):
    assert blocks_of(registers, 0, WARPS) == blocks
    assert blocks_of(registers, 2**16, WARPS) == 3  # by memory
    assert blocks_of(registers, 2**17, WARPS) == 1


def test_who_gets_none(network, monkeypatch):
    assert straight(network)
    assert not straight(network, replace(SINGLE, second_order=True))
    assert not straight(network, replace(SINGLE, precision="double"))
    assert not straight(network, window=100)
    assert not straight(network, shared=1000)
    for kinetics in (exp1syn(4.0, 0.0), nmda(2.0, 60.0, 0.0, 0.28, 0.062)):
        other = replace(network, kinetics=[kinetics.conductance] * 2)
        for settings in (SINGLE, MIXED):
            assert bool(straight(other, settings)) == (kinetics.conductance.block is None)
    monkeypatch.delenv(choice.ASKED)
    assert not straight(network)
