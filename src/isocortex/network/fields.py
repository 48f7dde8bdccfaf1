"""Fields: what potentials outside cells drive inside them, by cell and term."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit.fields import Potentials


@dataclass(frozen=True)
class Fields:
    """What the fields of a circuit drive into cells of a rank.

    Attributes
    ----------
    potentials : of each field.
    cell : int64[n], ascending, of this rank, those that a field drives something into.
    current : of each of them float64[n_nodes, terms], nA per unit of each term's course.
    of : hash of the cells of each field, of all ranks, and of where they are.
    """

    potentials: tuple[Potentials, ...] = ()
    cell: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    current: tuple[FloatArray, ...] = ()
    of: str = ""

    @property
    def n_terms(self) -> int:
        return sum(one.n_terms for one in self.potentials)

    def courses(self, step: IntArray, dt: float) -> FloatArray:
        """float64[terms, n], of all terms in steps of ``dt`` ms."""
        each = [one.courses(step, dt) for one in self.potentials]
        return np.concatenate([np.zeros((0, len(step))), *each])

    def nodes(self, cell_model: IntArray) -> set[tuple[int, int]]:
        """(model, node) where a field drives something into some cell."""
        found: set[tuple[int, int]] = set()
        for cell, current in zip(self.cell.tolist(), self.current, strict=True):
            nodes = np.flatnonzero(current.any(axis=1)).tolist()
            found |= {(int(cell_model[cell]), node) for node in nodes}
        return found


NO_FIELDS = Fields()
