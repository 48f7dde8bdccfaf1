"""What connection overrides make of the weights of a projection: a small table of factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray, compact

if TYPE_CHECKING:
    from isocortex.circuit import ConnectionOverride, Projection, Synapses


class Factors(NamedTuple):
    """What overrides make of the weights of a projection.

    Attributes
    ----------
    source, target : unsigned integer[n], group of every node: of those that have the same factors.
    factor : float64[groups of sources, groups of targets].
    """

    source: NDArray[np.unsignedinteger]
    target: NDArray[np.unsignedinteger]
    factor: FloatArray

    def of(self, source: NDArray[np.integer], target: NDArray[np.integer]) -> FloatArray:
        """float64[m], factors of synapses between these rows."""
        return self.factor[self.source[source], self.target[target]]

    def changed(self, made: Synapses) -> Synapses:
        """Synapses with their new weights: products in double precision, kept to the last bit."""
        weight = made.weight * self.of(made.source, made.target)
        return made._replace(weight=compact(weight))

    @property
    def exact(self) -> bool:
        """Whether products of any single precision weight are single precision too."""
        mantissa, _ = np.frexp(self.factor)
        return bool(np.isin(mantissa, (0.0, 0.5)).all())  # 0 and powers of two


def factors_of(
    overrides: Sequence[ConnectionOverride],
    projection: Projection,
    sizes: tuple[int, int],
) -> Factors | None:
    """The factors on a projection's weights; None where they stay as they are.

    Parameters
    ----------
    sizes : number of nodes of the two populations.
    """
    here = [override for override in overrides if override.touches(projection)]
    if not here:
        return None
    sent, senders = _groups([_mask(o.source, projection.source, sizes[0]) for o in here])
    received, receivers = _groups([_mask(o.target, projection.target, sizes[1]) for o in here])
    factor = np.ones((len(senders), len(receivers)))
    for k, override in enumerate(here):
        factor[np.ix_(senders[:, k], receivers[:, k])] = override.weight
    # what comes to the same is the same, whichever overrides it is of
    factor, source = _merged(factor, sent)
    turned, target = _merged(factor.T, received)
    if (factor == 1.0).all():
        return None
    return Factors(source, target, np.ascontiguousarray(turned.T))


def _mask(chosen: list[tuple[str, IntArray]], population: str, n: int) -> NDArray[np.bool_]:
    mask = np.zeros(n, bool)
    for name, rows in chosen:
        if name == population:
            mask[rows] = True
    return mask


def _groups(masks: list[NDArray[np.bool_]]) -> tuple[IntArray, NDArray[np.bool_]]:
    """Group of every node, int64[n], and which masks each group is in, bool[groups, masks]."""
    columns = np.stack(masks, axis=1)
    words = np.packbits(columns, axis=1)  # many times faster to sort
    words = words.view(f"V{words.shape[1]}").reshape(-1)
    first, group = _by_first(*np.unique(words, return_index=True, return_inverse=True)[1:])
    return group, columns[first]


def _merged(factor: FloatArray, group: IntArray) -> tuple[FloatArray, NDArray[np.unsignedinteger]]:
    """Groups of the same factors as one."""
    first, same = _by_first(*np.unique(factor, axis=0, return_index=True, return_inverse=True)[1:])
    merged: NDArray[np.unsignedinteger] = same.astype(np.min_scalar_type(len(first)))[group]
    return factor[first], merged


def _by_first(first: IntArray, group: IntArray) -> tuple[IntArray, IntArray]:
    """Groups, and the first member of each, numbered in order of these."""
    order = np.argsort(first)
    return first[order], np.argsort(order)[group.reshape(-1)]
