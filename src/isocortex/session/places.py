"""Whether the synapses that are open in a state have places in a network that may be another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.engine.state import CellStates, State
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.session.statefile import Meaning


def kinds_here(meaning: Meaning, network: Network) -> IntArray:
    """int64[kinetics of the state], their numbers here, -1 for those that are not."""
    known = {(k.tau_rise, k.tau_decay, k.reversal): n for n, k in enumerate(network.kinetics)}
    return np.array([known.get(tuple(k), -1) for k in meaning.kinetics], np.int64)


def require_places(state: State, meaning: Meaning, network: Network, kind: IntArray) -> None:
    """Refuse a state in which a synapse is open that one of this rank's cells has no place for.

    Parameters
    ----------
    kind : int64[kinetics of the state], their numbers here.

    Raises
    ------
    ConfigError : how many there are, and the first.
    """
    places = _Places(network)
    first, lost = network.first_cell, 0
    found: tuple[int, int, int] | None = None
    for piece in state.pieces(range(first, first + network.n_cells)):
        cell = piece.first - first + np.repeat(np.arange(len(piece)), piece.synapses)
        here = (cell >= 0) & (cell < network.n_cells)
        gone = np.flatnonzero(here & ~places.there(piece, first, kind))
        lost += len(gone)
        if len(gone) and found is None:
            at = gone[0]
            found = int(first + cell[at]), int(piece.node[at]), int(piece.kind[at])
    if found is not None:
        rise, decay, reversal = meaning.kinetics[found[2]]
        raise ConfigError(
            f"the state has {lost:,} open conductances without a synapse here, the first on "
            f"{network.label(found[0])} (compartment {found[1]}, {rise:g} and {decay:g} "
            f"ms, {reversal:g} mV)", field="networks.edges",
            fix="Keep edges, their places and kinetics, and give those that are cut weight 0.",
        )  # fmt: skip


class _Places:
    """Where a rank's cells have synapses or may be given them."""

    def __init__(self, network: Network) -> None:
        self.network, self.slots = network, network.slots
        self.nodes = max((m.n_nodes for m in network.models), default=1)
        self.kinds = max(len(network.kinetics), 1)
        #: of each model, kinetics and node, whether synapses are drawn there
        self.drawn: NDArray[np.bool_] | None = None
        if network.drawn is not None:
            self.drawn = np.zeros((len(network.models), self.kinds, self.nodes), bool)
            for of_axons, model in network.models_of_drawn():
                allowed = network.drawn.allowed[of_axons]
                self.drawn[model, : allowed.shape[0], : allowed.shape[1]] = allowed
        bounds = np.searchsorted(self.slots.kind, np.arange(self.kinds + 1))
        self.of_kind = [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]

    def there(self, piece: CellStates, first: int, kind: IntArray) -> NDArray[np.bool_]:
        """bool[synapses of a piece], whether there is a place; those of others' cells have none.

        ``first`` is the first cell of this rank.
        """
        begin, node, here = piece.first - first, piece.node.astype(np.int64), kind[piece.kind]
        known = (here >= 0) & (node < self.nodes)
        found = np.zeros(len(node), bool)
        if self.drawn is not None and self.network.n_cells:
            number = np.clip(begin + np.arange(len(piece)), 0, self.network.n_cells - 1)
            model = np.repeat(self.network.cell_model[number], piece.synapses)
            found = known & self.drawn[model, here, np.minimum(node, self.nodes - 1)]
        rest = np.flatnonzero(known & ~found)
        cell = np.repeat(np.arange(len(piece)), piece.synapses)[rest]
        key = (cell * self.kinds + here[rest]) * self.nodes + node[rest]
        found[rest] = np.isin(key, self._keys(begin, begin + len(piece)))
        return found

    def _keys(self, begin: int, end: int) -> IntArray:
        """Keys of the slots of some cells; slots are by kinetics, then cell."""
        keys = [np.zeros(0, np.int64)]
        for of_kind in self.of_kind:
            cells = self.slots.cell[of_kind]
            some = slice(*(of_kind.start + np.searchsorted(cells, [begin, end])))
            cell = self.slots.cell[some].astype(np.int64) - begin
            keys.append((cell * self.kinds + self.slots.kind[some]) * self.nodes
                        + self.slots.node[some])  # fmt: skip
        return np.concatenate(keys)
