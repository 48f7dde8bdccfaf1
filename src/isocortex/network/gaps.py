"""Gap junctions of a circuit, by cell and node.

Each of the two cells has a current g (v_other - v), nA, as from a half gap of NEURON: implicit in
its own voltage, with the other's held for a step at what it was when the step began. So voltages
are exchanged after every step where there are any.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isocortex.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class GapJunctions:
    """Those of the whole circuit: every rank knows all, in the same order.

    Attributes (n gap junctions)
    ----------
    cell : int64[n, 2], counted in the whole circuit.
    node : int64[n, 2], of the cells' models.
    conductance : float64[n], uS.
    """

    cell: IntArray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    node: IntArray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    conductance: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.conductance)

    def nodes(self, cell_model: IntArray) -> set[tuple[int, int]]:
        """(model, node) where some cell of the circuit has one; ``cell_model`` is of all cells."""
        models = cell_model[self.cell.ravel()].tolist()
        return set(zip(models, self.node.ravel().tolist(), strict=True))


NO_GAPS = GapJunctions()
