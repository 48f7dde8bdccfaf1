"""Synaptic rows: which (block, node, kinetics) hold state, and how synapses name them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.engine import cable
from isocortex.engine.layout.blocks import Blocks
from isocortex.engine.layout.models import ModelTables, parent_words
from isocortex.network.network import FEW, Network

PIECE = 1 << 20  # slots laid out at a time: temporary arrays stay small


class Rows(NamedTuple):
    """One row (A, B) for every (block, node, kinetics) at which a cell of it has a synapse.

    Blocks have the same *pattern* of rows where synapses are drawn: those of one model.

    Attributes
    ----------
    pattern : int64[blocks].
    key : int64[rows of patterns], ``(pattern * most_nodes + node) * kinds + kind``, ascending.
    kind, node : int32[rows of patterns].
    first_of : int64[patterns + 1], where the rows of each begin in these.
    first : int64[blocks + 1], rows of each block.
    most_nodes, kinds : what keys are counted with.
    shift : a synapse's target is ``block << shift | element of the block's rows``,
    first_point : or this plus the index of a point neuron.
    """

    pattern: IntArray
    key: IntArray
    kind: NDArray[np.int32]
    node: NDArray[np.int32]
    first_of: IntArray
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
        pattern = self.pattern[block]
        wanted = (pattern * self.most_nodes + node) * self.kinds + kind
        at = np.minimum(np.searchsorted(self.key, wanted), max(len(self.key) - 1, 0))
        if not len(self.key):
            return np.full(len(wanted), -1)
        row = self.first[block] + at - self.first_of[pattern]
        return np.where(self.key[at] == wanted, row, -1)

    def of_block(self, block: int) -> slice:
        """Where the rows of a block's pattern are in ``kind`` and ``node``."""
        pattern = self.pattern[block]
        return slice(int(self.first_of[pattern]), int(self.first_of[pattern + 1]))

    def in_pattern(self, row: IntArray) -> IntArray:
        """Where rows are in ``kind`` and ``node``."""
        block = np.searchsorted(self.first, row, side="right") - 1
        return row - self.first[block] + self.first_of[self.pattern[block]]


def rows_of(network: Network, blocks: Blocks, alike: bool = False) -> Rows:
    """The rows a network needs, equal in all blocks of a model where synapses may be drawn.

    Parameters
    ----------
    alike : blocks of every model are to have the same rows.
    """
    slots = network.slots
    kinds = max(len(network.kinetics), 1)
    most_nodes = max((m.n_nodes for m in network.models), default=1)
    pattern, n_patterns = _patterns(network, blocks, alike)
    if network.drawn is None and len(slots) < n_patterns * most_nodes * kinds // FEW:
        block = blocks.cell_block[slots.cell]
        key = np.unique((pattern[block] * most_nodes + slots.node) * kinds + slots.kind)
    else:
        key = _marked(network, blocks, pattern, (n_patterns, most_nodes, kinds))
    first_of = np.searchsorted(key // kinds // most_nodes, np.arange(n_patterns + 1))
    sizes = np.diff(first_of)[pattern]
    first = np.concatenate([[0], np.cumsum(sizes)])
    shift = int(sizes.max(initial=0) * blocks.lanes).bit_length()
    return Rows(
        pattern=pattern,
        key=key,
        kind=(key % kinds).astype(np.int32),
        node=(key // kinds % most_nodes).astype(np.int32),
        first_of=first_of,
        first=first,
        most_nodes=most_nodes,
        kinds=kinds,
        shift=shift,
        first_point=len(blocks) << shift,
    )


def _marked(
    network: Network, blocks: Blocks, pattern: IntArray, sizes: tuple[int, int, int]
) -> IntArray:
    """Keys of rows, found without sorting; ``sizes`` are numbers of patterns, nodes and kinds."""
    present, slots = np.zeros(sizes, bool), network.slots
    for k in range(0, len(slots), PIECE):
        piece = slice(k, k + PIECE)
        block = blocks.cell_block[slots.cell[piece]]
        present[pattern[block], slots.node[piece], slots.kind[piece]] = True
    if network.drawn is not None:
        pairs = np.array(network.models_of_drawn(), np.int64).reshape(-1, 2)
        for a in np.unique(pairs[:, 0]).tolist():
            allowed = network.drawn.allowed[a]
            models = pairs[pairs[:, 0] == a, 1]  # drawing knows one table of rows for all of them
            alike = [pattern[np.flatnonzero(blocks.model == m)[0]] for m in models]
            present[alike] = present[alike].any(axis=0)
            present[alike, : allowed.shape[1], : len(allowed)] |= allowed.T
    return np.flatnonzero(present)


def _patterns(network: Network, blocks: Blocks, alike: bool) -> tuple[IntArray, int]:
    """Pattern of rows of every block, and how many there are: of models, then of other blocks."""
    shared = np.full(len(network.models), -1)
    models = [model for _, model in network.models_of_drawn()]
    if alike:
        models += np.setdiff1d(blocks.model, models).tolist()
    shared[models] = np.arange(len(models))
    pattern = shared[blocks.model]
    alone = np.flatnonzero(pattern < 0)
    pattern[alone] = len(models) + np.arange(len(alone))
    return pattern, len(models) + len(alone)


def targets_of_slots(network: Network, blocks: Blocks, rows: Rows) -> NDArray[np.integer]:
    """int[n_slots], each slot as synapses name it; in 32 bits where these are enough."""
    slots, lanes = network.slots, blocks.lanes
    narrow = rows.first_point + len(network.points) < 2**31
    target: NDArray[np.integer] = np.empty(len(slots), np.int32 if narrow else np.int64)
    for k in range(0, len(slots), PIECE):
        piece = slice(k, k + PIECE)
        cell = slots.cell[piece]
        block = blocks.cell_block[cell].astype(np.int64)
        row = rows.find(block, slots.node[piece], slots.kind[piece]) - rows.first[block]
        target[piece] = (block << rows.shift) + row * lanes + blocks.cell_lane[cell]
    return target


def node_words(
    network: Network, tables: ModelTables, blocks: Blocks, rows: Rows, gathers: list[NDArray]
) -> tuple[IntArray, IntArray]:
    """What every node of every pattern is, as :mod:`isocortex.engine.cable` reads it.

    Returns the words, and where those of each block begin.
    """
    patterns, example = np.unique(rows.pattern, return_index=True)
    model = np.zeros(len(rows.first_of) - 1, np.int64)
    model[patterns] = blocks.model[example]
    sizes = np.zeros(len(model), np.int64)
    sizes[patterns] = np.diff(tables.first_node)[model[patterns]]
    first = np.cumsum(sizes) - sizes
    words = np.empty(int(sizes.sum()), np.int64)
    conducting = network.electrodes(conductances=True)
    for m, cell in enumerate(network.models):
        parent = np.maximum(cell.parent, 0).astype(np.int64)
        constant = parent_words(cell) + gathers[m] * cable.GATHERS
        mine = patterns[model[patterns] == m]
        count = np.zeros((cell.n_nodes, len(mine)), np.int64)
        for k, p in enumerate(mine):
            here = rows.node[rows.first_of[p] : rows.first_of[p + 1]]
            count[:, k] = np.bincount(here, minlength=cell.n_nodes)
        steady = count == 0
        for region in tables.regions[m]:
            steady[region.nodes] = False
        steady[conducting[m]] = False
        for i in range(cell.n_nodes - 1, 0, -1):
            steady[parent[i]] &= steady[i]
        word = constant[:, None] + (count << cable.ROW_SHIFT) + steady * cable.STEADY
        words[first[mine][:, None] + np.arange(cell.n_nodes)] = word.T
    return words, first[rows.pattern]
