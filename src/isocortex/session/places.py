"""Where the synapses that are open in a state go on, in a network that may be another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.engine.state import CellStates, State
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.session.statefile import Meaning, numbers_of, unchanged_of


class Places:
    """Where a rank's cells have synapses or may be given them, for those that a state has open.

    A synapse goes on with its own kinetics if its cell has such a place; else it has been made
    slower or faster by a change, and goes on with the kinetics that come of the same without it.

    Parameters
    ----------
    unit : float64[kinetics of the state, 2], see :class:`State`.

    Attributes
    ----------
    unit : float64[kinetics here, 2], what 1 of the terms of moved synapses stands for: the same as
        in the state, so that these are the same to the last bit.
    """

    def __init__(self, meaning: Meaning, unit: FloatArray, network: Network) -> None:
        self.network, self.slots, self.meaning = network.without_wiring(), network.slots, meaning
        self.nodes = max((m.n_nodes for m in network.models), default=1)
        self.kinds = max(len(network.kinetics), 1)
        self.candidates = _candidates(meaning, network)
        wanted = [number for of_one in self.candidates.T for number in set(of_one.tolist()) - {-1}]
        #: whether synapses of different kinetics may become one
        self.may_meet = len(set(wanted)) < len(wanted)
        self.unit, self.before = np.ones((len(network.kinetics), 2)), unit
        own = np.flatnonzero(self.candidates[0] >= 0)
        self.unit[self.candidates[0, own]] = unit[own]
        self._drawn = _drawn_places(network, self.kinds, self.nodes)
        bounds = np.searchsorted(network.slots.kind, np.arange(self.kinds + 1))
        self._of_kind = [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]

    def require(self, state: State) -> None:
        """Refuse a state in which a synapse is open that one of this rank's cells cannot have.

        Raises
        ------
        ConfigError : how many there are, and the first.
        """
        first, lost = self.network.first_cell, 0
        found: tuple[int, int, int] | None = None
        for piece in state.pieces(range(first, first + self.network.n_cells)):
            cell = piece.first - first + np.repeat(np.arange(len(piece)), piece.synapses)
            here = (cell >= 0) & (cell < self.network.n_cells)
            gone = np.flatnonzero(here & (self._numbers(piece) < 0))
            lost += len(gone)
            if len(gone) and found is None:
                at = gone[0]
                found = int(first + cell[at]), int(piece.node[at]), int(piece.kind[at])
        if found is not None:
            rise, decay, reversal = self.meaning.kinetics[found[2], :3]
            raise ConfigError(
                f"the state has {lost:,} open conductances without a synapse here, the first on "
                f"{self.network.label(found[0])} (compartment {found[1]}, {rise:g} and {decay:g} "
                f"ms, {reversal:g} mV)", field="networks.edges",
                fix="Keep edges, their places and kinetics, and give those that are cut weight 0.",
            )  # fmt: skip

    def moved(self, piece: CellStates) -> CellStates:
        """A piece of the state as it goes on here; of other ranks' cells, anyhow."""
        kind = np.maximum(self._numbers(piece), 0)
        then, now = self.before[piece.kind], self.unit[kind]
        terms = piece.terms if np.array_equal(then, now) else piece.terms * (then / now)
        moved = replace(piece, kind=kind.astype(np.min_scalar_type(self.kinds)), terms=terms)
        return self._met(moved, piece.kind) if self.may_meet else moved

    def _met(self, piece: CellStates, before: NDArray[np.unsignedinteger]) -> CellStates:
        """The same with one entry for all that is now of one kinetics at one place: their sum.

        ``before`` are the kinetics of the state, in whose order is added.
        """
        cell = np.repeat(np.arange(len(piece)), piece.synapses)
        order = np.lexsort((before, piece.kind, piece.node, cell))
        place = np.stack([cell, piece.node, piece.kind])[:, order]
        is_new = np.ones(len(order), bool)
        is_new[1:] = (place[:, 1:] != place[:, :-1]).any(axis=0)
        begin = np.flatnonzero(is_new)
        if len(begin) == len(order):
            return piece
        cell, node, kind = place[:, begin]
        return replace(
            piece, node=node.astype(piece.node.dtype), kind=kind.astype(piece.kind.dtype),
            terms=np.add.reduceat(piece.terms[order].astype(float), begin, axis=0),
            synapses=np.bincount(cell, minlength=len(piece)).astype(np.uint32),
        )  # fmt: skip

    def _numbers(self, piece: CellStates) -> IntArray:
        """int64[synapses of a piece], their kinetics here; -1 where there is no place for one."""
        number = np.full(len(piece.node), -1, np.int64)
        there = self._there(piece)
        for candidate in self.candidates:
            wanted = np.where(number < 0, candidate[piece.kind], -1)
            number = np.where(there(wanted), wanted, number)
        return number

    def _there(self, piece: CellStates) -> Callable[[IntArray], NDArray[np.bool_]]:
        """Who says of the synapses of a piece whether there are places of some kinetics for them.

        Of -1 there is none, nor has a cell of another rank any.
        """
        n_cells = self.network.n_cells
        begin, node = piece.first - self.network.first_cell, piece.node.astype(np.int64)
        of = np.repeat(np.arange(len(piece)), piece.synapses)
        keys = np.sort(self._keys(begin, begin + len(piece)))
        number = np.clip(begin + np.arange(len(piece)), 0, max(n_cells - 1, 0))

        def there(kind: IntArray) -> NDArray[np.bool_]:
            known = (kind >= 0) & (node < self.nodes)
            found = np.zeros(len(node), bool)
            if self._drawn is not None and n_cells:
                model = np.repeat(self.network.cell_model[number], piece.synapses)
                found = known & self._drawn[model, kind, np.minimum(node, self.nodes - 1)]
            rest = np.flatnonzero(known & ~found)
            wanted = (of[rest] * self.kinds + kind[rest]) * self.nodes + node[rest]
            at = np.searchsorted(keys, wanted)  # np.isin goes by hashes: seconds for millions
            within = at < len(keys)
            found[rest[within]] = keys[at[within]] == wanted[within]
            return found

        return there

    def _keys(self, begin: int, end: int) -> IntArray:
        """Keys of the slots of some cells; slots are by kinetics, then cell."""
        keys, slots = [np.zeros(0, np.int64)], self.slots
        for of_kind in self._of_kind:
            some = slice(*(of_kind.start + np.searchsorted(slots.cell[of_kind], [begin, end])))
            cell = slots.cell[some].astype(np.int64) - begin
            keys.append((cell * self.kinds + slots.kind[some]) * self.nodes + slots.node[some])
        return np.concatenate(keys)


def _candidates(meaning: Meaning, network: Network) -> IntArray:
    """int64[n, kinetics of the state], their numbers here, the best first; -1 where no more is.

    The first is of the same kinetics; then come those that are the same without changes.
    """
    here, unchanged = numbers_of(network.kinetics), unchanged_of(network)
    goes_on = [(meaning.kinetics == kinetics).all(axis=1).any() for kinetics in here]
    found: list[list[int]] = []
    for k, kinetics in enumerate(meaning.kinetics):
        before = meaning.unchanged[meaning.unchanged[:, 0] == k, 1:]
        alike = (unchanged[:, None, 1:] == before).all(axis=2).any(axis=1)
        own = np.flatnonzero((here == kinetics).all(axis=1)).tolist() or [-1]
        others = np.unique(unchanged[alike, 0]).astype(int).tolist()
        # those that others of the state go on with come last: a change made theirs of what is new
        others.sort(key=lambda n: (goes_on[n], n))
        found.append([*own, *(n for n in others if n not in own)])
    n = max(map(len, found), default=1)
    return np.array([each + [-1] * (n - len(each)) for each in found], np.int64).reshape(-1, n).T


def _drawn_places(network: Network, kinds: int, nodes: int) -> NDArray[np.bool_] | None:
    """Of each model, kinetics and node, whether synapses are drawn there; None if none are."""
    if network.drawn is None:
        return None
    places = np.zeros((len(network.models), kinds, nodes), bool)
    for of_axons, model in network.models_of_drawn():
        allowed = network.drawn.allowed[of_axons]
        places[model, : allowed.shape[0], : allowed.shape[1]] = allowed
    return places
