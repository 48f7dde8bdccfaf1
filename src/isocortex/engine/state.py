"""States: all that evolves, in the order cell, node, mechanism, which is no engine's own.

Of cells there may be more than memory has room for twice. So a state offers them piece by piece,
and whoever writes one to a file or goes on from it holds one piece at a time. A :class:`Snapshot`
is a state whose cells are one piece, in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray


class Extent(NamedTuple):
    """Numbers of cells, and of their compartments, channels' states and synapses that are heard."""

    cells: int
    nodes: int
    channels: int
    synapses: int


@dataclass(frozen=True, kw_only=True)
class CellStates:
    """What some cells stand at that follow each other.

    Attributes (n cells)
    ----------
    first : the first of them, counted in the whole circuit.
    above : bool[n], whether the soma was above the threshold.
    nodes, channels, synapses : uint32[n], of each cell how many of the numbers below are its own.
    voltage : float[sum of nodes], mV.
    channel : float[sum of channels], by node, then mechanism, then state.
    node, kind : unsigned[sum of synapses], compartment and kinetics of synapses that are not
        silent, in this order.
    terms : float[sum of synapses, 2], the two terms of their conductance, in ``State.unit``.
    """

    first: int
    above: NDArray[np.bool_]
    nodes: NDArray[np.uint32]
    channels: NDArray[np.uint32]
    synapses: NDArray[np.uint32]
    voltage: NDArray[np.floating]
    channel: NDArray[np.floating]
    node: NDArray[np.unsignedinteger]
    kind: NDArray[np.unsignedinteger]
    terms: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.above)

    @property
    def size(self) -> Extent:
        """How much it holds."""
        return Extent(len(self), len(self.voltage), len(self.channel), len(self.terms))


@dataclass(frozen=True, kw_only=True)
class State(ABC):
    """All that evolves: what cells stand at piece by piece, and the rest.

    Attributes (p point neurons, r Poisson sources)
    ----------
    of : what it is a state of, see :func:`isocortex.engine.identity.identity`.
    step : steps done.
    extent : how much its cells are in all, those of all ranks.
    unit : float64[kinetics, 2], uS that 1 of the two terms of a conductance stands for.
    points : float64[3, p], m, when it was that (ms), the end of refractoriness (ms).
    source, time, due : of spikes with events to come, by time, then source: when they happened
        and when their next event is due, ms.
    stream, next : uint64[r] and float64[r], of every Poisson source the position in its stream
        and its next spike, ms.
    terminals : float64[t, 11], of all terminals of sources that have used one: source, delay (ms),
        number of the release, key, and what they stand at (:mod:`isocortex.network.terminals`).
    """

    of: dict[str, str]
    step: int
    extent: Extent
    unit: FloatArray
    points: FloatArray
    source: IntArray
    time: FloatArray
    due: FloatArray
    stream: NDArray[np.uint64]
    next: FloatArray
    terminals: FloatArray

    @abstractmethod
    def pieces(self, cells: range) -> Iterator[CellStates]:
        """What cells stand at, in their order: pieces that hold all of these, and maybe others."""


@dataclass(frozen=True, kw_only=True)
class Snapshot(State, CellStates):
    """A state whose cells are one piece: all of them, or those of one rank."""

    def pieces(self, cells: range) -> Iterator[CellStates]:
        yield self

    @property
    def synapse(self) -> IntArray:
        """int64[s, 3], cell, node and kinetics of synapses that are not silent."""
        cell = self.first + np.repeat(np.arange(len(self)), self.synapses)
        return np.column_stack([cell, self.node, self.kind]).astype(np.int64)

    @classmethod
    def of_cells(cls, state: State, cells: range) -> Snapshot:
        """What a state holds of these cells and maybe others, all in memory."""
        pieces = list(state.pieces(cells))
        names = [item.name for item in fields(CellStates) if item.name != "first"]
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(p, name) for p in pieces]) for name in names
        }
        rest = {item.name: getattr(state, item.name) for item in fields(State)}
        return cls(first=pieces[0].first, **joined, **rest)
