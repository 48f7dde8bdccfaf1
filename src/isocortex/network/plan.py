"""Who owns what: the cells and point neurons of a circuit, dealt out to ranks.

A rank builds, holds and advances its own cells and every synapse onto them, and nothing of the
others'. Threads of a rank divide its blocks of cells among themselves when these are laid out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    from isocortex.network.sources import Sources


@dataclass(frozen=True)
class Plan:
    """What every rank owns.

    Attributes
    ----------
    first_cell, first_point : int64[ranks + 1]; rank r owns the cells
        ``first_cell[r]:first_cell[r + 1]``, counted among all cells, and the point neurons
        likewise. Neighbours in the circuit, such as those of a column, stay together.
    """

    first_cell: IntArray
    first_point: IntArray

    @property
    def ranks(self) -> int:
        return len(self.first_cell) - 1

    def cells(self, rank: int) -> range:
        """The cells of a rank."""
        return range(int(self.first_cell[rank]), int(self.first_cell[rank + 1]))

    def points(self, rank: int) -> range:
        """The point neurons of a rank."""
        return range(int(self.first_point[rank]), int(self.first_point[rank + 1]))


@dataclass(frozen=True)
class Rank:
    """One of the ranks that share a circuit, and what it knows of the whole.

    Attributes
    ----------
    number : which one, from 0.
    cell_model : int64[cells of the circuit], index into the network's models.
    """

    number: int
    plan: Plan
    cell_model: IntArray

    @classmethod
    def alone(cls, cell_model: IntArray, n_points: int) -> Rank:
        """The only one."""
        return cls(0, Plan(np.array([0, len(cell_model)]), np.array([0, n_points])), cell_model)

    @property
    def cells(self) -> range:
        return self.plan.cells(self.number)

    @property
    def points(self) -> range:
        return self.plan.points(self.number)


def plan(
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    ranks: int = 1,
    starts: IntArray | None = None,
    receives: FloatArray | None = None,
) -> Plan:
    """Deal cells out in ranges of equal cost: a cell costs as much as it has compartments.

    Where it is known how much each receives, that is half of the cost.

    Parameters
    ----------
    cell_model : int64[n_cells], index into ``models``.
    starts : int64[k], cells at which a range may begin, ascending, such as the first of every
        column of a cortex; any cell may where None is given.
    receives : float64[n_cells], 1 on average.

    Raises
    ------
    ConfigError : fewer than one rank.
    """
    if ranks < 1:
        raise ConfigError(f"{ranks} ranks", field="ranks", fix="Use at least 1.")
    nodes = np.array([model.n_nodes for model in models], np.int64)
    cost = nodes[cell_model] if len(models) else np.zeros(0, np.int64)
    if receives is not None:
        cost = cost + np.rint(cost.mean() * receives).astype(np.int64)
    cost = np.cumsum(cost)
    total = int(cost[-1]) if len(cost) else 0
    shares = np.array([total * rank // ranks for rank in range(ranks)], np.int64)
    first_cell = np.append(np.searchsorted(cost, shares, side="right"), len(cost))
    if starts is not None and len(starts):
        first_cell[:-1] = _nearest(starts, np.concatenate([[0], cost])[starts], shares)
    first_cell[0] = 0
    first_point = np.array([sources.n_points * rank // ranks for rank in range(ranks + 1)])
    return Plan(first_cell, first_point)


def _nearest(starts: IntArray, before: IntArray, shares: IntArray) -> IntArray:
    """The start that has the cost before it (``before``, ascending) nearest to each share."""
    above = np.clip(np.searchsorted(before, shares), 1, max(len(starts) - 1, 1))
    above = np.minimum(above, len(starts) - 1)
    below = np.maximum(above - 1, 0)
    nearer = shares - before[below] <= before[above] - shares
    return starts[np.where(nearer, below, above)]
