"""How a tree is split over the warps of a block: a core at the root, whole branches for each warp.

The tree is renumbered: first the core, then each warp's branches, all in *runs*, unbranched pieces
whose nodes follow each other, parents first.
"""

from __future__ import annotations

import numpy as np

from isocortex.cells.compiled import CompiledCell

#: What a soma's channels cost, in nodes.
CHANNELS = 27
#: Nodes of a core at most: they are advanced by one warp while the others wait.
MOST_CORE = 60


def children(parent) -> list[list[int]]:
    """Of every node."""
    kids: list[list[int]] = [[] for _ in parent]
    for i in range(1, len(parent)):
        kids[parent[i]].append(i)
    return kids


def split(parent, warps: int, ahead: int = 0) -> tuple[list[int], list[list[int]]]:
    """The core, and the roots of each warp's branches: the shortest longest path of all splits.

    Parameters
    ----------
    ahead : what warp 0 has to do besides, in nodes.
    """
    n, kids = len(parent), children(parent)
    size = np.ones(n, int)
    for i in range(n - 1, 0, -1):
        size[parent[i]] += size[i]
    core, subtrees = [0], sorted((-size[c], c) for c in kids[0])
    best: tuple[int, list[int], list[list[int]]] | None = None
    while True:
        load = [ahead] + [0] * (warps - 1)
        branches: list[list[int]] = [[] for _ in range(warps)]
        for negative, c in sorted(subtrees):
            warp = int(np.argmin(load))
            load[warp] -= negative
            branches[warp].append(c)
        cost = max(load) + len(core)
        if best is None or cost < best[0]:
            best = (cost, list(core), branches)
        if not subtrees or len(core) > MOST_CORE:
            return best[1], best[2]
        largest = min(subtrees)
        subtrees.remove(largest)
        core.append(largest[1])
        subtrees += [(-size[c], c) for c in kids[largest[1]]]


class Plan:
    """A tree over warps.

    Attributes (n nodes, r runs)
    ----------
    order : int64[n], the model's node at each place; ``new`` is its inverse.
    table : int32[(r + 1), 4]: first and last node of a run, the parent of the first, and where the
        runs that begin at its last node are in ``joins``. Run r stands for the soma's channels.
    row : int64[n], which of the rows a compartment's are; -1 without membrane.
    slot : of runs whose first node's parent is in the core, and of the channels: where they leave
        their part.
    owner : int64[r], 0 for the core, 1 + warp.
    warp_run : int32[warps + 2], where the runs of the core, then of each warp begin.
    """

    def __init__(self, model: CompiledCell, warps: int, balanced: bool = False) -> None:
        parent, self.warps, self._soma = model.parent, warps, model.soma
        core, branches = split(parent, warps, CHANNELS if balanced else 0)
        self._kids = children(parent)
        self._runs: list[tuple[int, int, int]] = []
        order: list[int] = []
        inside = set(core)
        self._walk(0, inside.__contains__, order)
        first_run = [0, len(self._runs)]
        for roots in branches:
            for root in roots:
                self._walk(root, lambda _: True, order)
            first_run.append(len(self._runs))
        self.order, self.n, self.n_core = np.array(order), len(parent), len(core)
        self.new = np.empty(self.n, int)
        self.new[self.order] = np.arange(self.n)
        if self.new[model.soma] != 0:
            raise ValueError("the soma is not the root")
        self.n_runs = len(self._runs)
        self.table, self.joins = self._tables(model)
        self.owner = np.repeat(np.arange(warps + 1), np.diff(first_run))
        self.warp_run = np.array(first_run, np.int32)
        membrane = model.area[self.order] > 0
        self.row = np.where(membrane, np.cumsum(membrane) - 1, -1)
        self.n_rows = int(membrane.sum())
        handed = [r for r in range(self.n_runs) if self.owner[r] and self.table[r][2] < len(core)]
        self.slot = {r: k for k, r in enumerate([*handed, self.n_runs])}

    def _walk(self, root: int, inside, order: list[int]) -> None:
        stack = [root]
        while stack:
            run = [stack.pop()]
            while run[-1] != self._soma and len(self._kids[run[-1]]) == 1:
                if not inside(self._kids[run[-1]][0]):
                    break
                run.append(self._kids[run[-1]][0])
            self._runs.append((len(order), len(order) + len(run), run[0]))
            order.extend(run)
            stack += [c for c in self._kids[run[-1]] if inside(c)][::-1]

    def _tables(self, model: CompiledCell):
        run_of = {first: r for r, (_, _, first) in enumerate(self._runs)}
        table: list[tuple[int, int, int, int]] = []
        joins: list[int] = []
        for begin, end, first in self._runs:
            parent = self.new[model.parent[first]] if first else 0
            table.append((begin, end, parent, len(joins)))
            tip = self.order[end - 1]
            joins += [run_of[c] for c in self._kids[tip] if c in run_of]
            if tip == model.soma:
                joins.append(self.n_runs)
        table.append((0, 0, 0, len(joins)))
        return np.array(table, np.int32), np.array([*joins, 0], np.int32)

    def nodes(self, owner: int) -> list[int]:
        """Places of the core's (0) or of a warp's (1 + warp) nodes."""
        runs = np.flatnonzero(self.owner == owner)
        return [i for r in runs for i in range(self.table[r][0], self.table[r][1])]
