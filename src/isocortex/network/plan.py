"""Who owns what: the cells and point neurons of a circuit, dealt out to ranks.

A rank builds, holds and advances its own cells and every synapse onto them, and nothing of the
others'. Threads of a rank divide its blocks of cells among themselves when these are laid out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.errors import ConfigError
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


def plan(
    sources: Sources, models: list[CompiledCell], cell_model: IntArray, ranks: int = 1
) -> Plan:
    """Deal cells out in ranges of equal cost: a cell costs as much as it has compartments.

    Parameters
    ----------
    cell_model : int64[n_cells], index into ``models``.

    Raises
    ------
    ConfigError : fewer than one rank.
    """
    if ranks < 1:
        raise ConfigError(f"{ranks} ranks", field="ranks", fix="Use at least 1.")
    nodes = np.array([model.n_nodes for model in models], np.int64)
    cost = np.cumsum(nodes[cell_model]) if len(models) else np.zeros(0, np.int64)
    total = int(cost[-1]) if len(cost) else 0
    shares = [total * rank // ranks for rank in range(ranks)]
    first_cell = np.append(np.searchsorted(cost, shares, side="right"), len(cost))
    first_cell[0] = 0
    first_point = np.array([sources.n_points * rank // ranks for rank in range(ranks + 1)])
    return Plan(first_cell, first_point)
