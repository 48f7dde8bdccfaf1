"""What the ranks of a run tell each other: spikes once per window, samples at every look.

A rank is a process that owns some cells and points of the circuit
(:class:`isocortex.network.plan.Plan`). Every rank hears of every spike; who has no synapse of its
source lets it go. What is heard is sorted by time, then source, so it does not matter in which
order it came.
"""

from __future__ import annotations

from typing import NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray

T = TypeVar("T")

#: A spike on its way to other ranks: the number of its source, and when it happened, ms.
SPIKE = np.dtype([("source", "<u4"), ("time", "<f8")])
#: What a rank may have to say besides, or-ed together.
LOST, FULL = 1, 2  # a voltage is no longer a number; more spikes than there is room for


class Exchange(Protocol):
    """How an engine speaks to those on other ranks; all call its methods in the same order.

    Attributes
    ----------
    rank, size : which this is, and of how many.
    """

    rank: int
    size: int

    def spikes(self, spikes: NDArray[np.void], word: int) -> tuple[NDArray[np.void], int]:
        """The spikes (:data:`SPIKE`) of all other ranks, and the words of all, or-ed together."""

    def gather(self, samples: FloatArray) -> list[FloatArray] | None:
        """What every rank has recorded, flat, on rank 0; None on others."""

    def sum(self, number: int) -> int:
        """Of the numbers of all ranks."""

    def all(self, value: T) -> list[T]:
        """The values of all ranks, in their order."""

    def abort(self, error: BaseException) -> NoReturn:
        """End all ranks at once, as others wait for this one, which cannot go on."""


class Alone:
    """The exchange of the only rank."""

    rank, size = 0, 1

    def spikes(self, spikes: NDArray[np.void], word: int) -> tuple[NDArray[np.void], int]:
        return spikes[:0], word

    def gather(self, samples: FloatArray) -> list[FloatArray] | None:
        return [samples]

    def sum(self, number: int) -> int:
        return number

    def all(self, value: T) -> list[T]:
        return [value]

    def abort(self, error: BaseException) -> NoReturn:
        raise error
