"""Synaptic rows: which (block, node, kinetics) hold state, and how synapses name them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.engine import cable
from isocortex.engine.layout.blocks import Blocks
from isocortex.engine.layout.models import ModelTables, parent_words
from isocortex.network.network import Network

PIECE = 1 << 20  # slots laid out at a time: temporary arrays stay small


class Rows(NamedTuple):
    """One row (A, B) for every (block, node, kinetics) at which a cell of it has a synapse.

    Attributes
    ----------
    key : int64[n rows], ``(block * most_nodes + node) * kinds + kind``, ascending.
    kind, node : int32[n rows].
    first : int64[blocks + 1], rows of each block.
    most_nodes, kinds : what keys are counted with.
    shift : a synapse's target is ``block << shift | element of the block's rows``,
    first_point : or this plus the index of a point neuron.
    """

    key: IntArray
    kind: NDArray[np.int32]
    node: NDArray[np.int32]
    first: IntArray
    most_nodes: int
    kinds: int
    shift: int
    first_point: int

    def find(
        self,
        block: NDArray[np.integer],
        node: NDArray[np.integer],
        kind: NDArray[np.integer],
    ) -> IntArray:
        """int64, the row of each (block, node, kinetics), or -1."""
        wanted = (block * self.most_nodes + node) * self.kinds + kind
        at = np.minimum(np.searchsorted(self.key, wanted), max(len(self.key) - 1, 0))
        if not len(self.key):
            return np.full(len(wanted), -1)
        return np.where(self.key[at] == wanted, at, -1)


def rows_of(network: Network, blocks: Blocks) -> Rows:
    """The rows a network needs, equal in all blocks of a model where synapses may be drawn."""
    slots = network.slots
    kinds = max(len(network.kinetics), 1)
    most_nodes = max((m.n_nodes for m in network.models), default=1)
    present = np.zeros((len(blocks), most_nodes, kinds), bool)
    for k in range(0, len(slots), PIECE):
        piece = slice(k, k + PIECE)
        present[blocks.cell_block[slots.cell[piece]], slots.node[piece], slots.kind[piece]] = True
    if network.drawn is not None:
        for a, m in network.models_of_drawn():
            allowed = network.drawn.allowed[a]
            mine = blocks.model == m
            of_model = present[mine].any(axis=0)
            of_model[: allowed.shape[1], : len(allowed)] |= allowed.T
            present[mine] = of_model
    key = np.flatnonzero(present)
    first = np.searchsorted(key // kinds // most_nodes, np.arange(len(blocks) + 1))
    shift = int(np.diff(first).max(initial=0) * blocks.lanes).bit_length()
    return Rows(
        key=key,
        kind=(key % kinds).astype(np.int32),
        node=(key // kinds % most_nodes).astype(np.int32),
        first=first,
        most_nodes=most_nodes,
        kinds=kinds,
        shift=shift,
        first_point=len(blocks) << shift,
    )


def targets_of_slots(network: Network, blocks: Blocks, rows: Rows) -> NDArray[np.integer]:
    """int[n_slots], each slot as synapses name it; in 32 bits where these are enough."""
    slots, lanes = network.slots, blocks.lanes
    narrow = rows.first_point + len(network.points) < 2**31
    target: NDArray[np.integer] = np.empty(len(slots), np.int32 if narrow else np.int64)
    for k in range(0, len(slots), PIECE):
        piece = slice(k, k + PIECE)
        cell = slots.cell[piece]
        block = blocks.cell_block[cell]
        row = rows.find(block, slots.node[piece], slots.kind[piece]) - rows.first[block]
        target[piece] = (block << rows.shift) + row * lanes + blocks.cell_lane[cell]
    return target


def node_words(
    network: Network, tables: ModelTables, blocks: Blocks, rows: Rows, gathers: list[NDArray]
) -> IntArray:
    """What every node of every block is, as :mod:`isocortex.engine.cable` reads it."""
    words = []
    for m, model in enumerate(network.models):
        parent = np.maximum(model.parent, 0).astype(np.int64)
        constant = parent_words(model) + gathers[m] * cable.GATHERS
        mine = np.flatnonzero(blocks.model == m)
        count = np.zeros((model.n_nodes, len(mine)), np.int64)
        for k, b in enumerate(mine):
            here = rows.node[rows.first[b] : rows.first[b + 1]]
            count[:, k] = np.bincount(here, minlength=model.n_nodes)
        steady = count == 0
        for region in tables.regions[m]:
            steady[region.nodes] = False
        for i in range(model.n_nodes - 1, 0, -1):
            steady[parent[i]] &= steady[i]
        word = constant[:, None] + (count << cable.ROW_SHIFT) + steady * cable.STEADY
        words.append(word.T.ravel())
    return np.concatenate([*words, np.zeros(0, np.int64)])
