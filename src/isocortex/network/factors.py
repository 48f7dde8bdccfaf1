"""What overrides and changes make of the weights of a projection: small tables of factors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray, compact
from isocortex.mechanisms.synapses import Pace
from isocortex.random import keys_after, name_of, unit

if TYPE_CHECKING:
    from isocortex.circuit import ConnectionOverride, Projection, Synapses


class Factors(NamedTuple):
    """What overrides make of the weights of a projection.

    Attributes
    ----------
    source, target : unsigned integer[n], group of every node: of those that have the same factors.
    factor : float64[groups of sources, groups of targets].
    removed : the same of the shares of connections that weigh nothing; None where there are none.
    key : names the random numbers that say which connections these are.
    pace : the same of which of the ``paces`` the synapses have; None where all are as they were.
    paces : ascending.
    law : the same of which of the ``laws`` the delays follow; None where all are as they were.
    laws : float64[laws, 2], a factor on delays, and ms that they all are before, NaN for none.
    """

    source: NDArray[np.unsignedinteger]
    target: NDArray[np.unsignedinteger]
    factor: FloatArray
    removed: FloatArray | None = None
    key: np.uint64 = np.uint64(0)
    pace: IntArray | None = None
    paces: tuple[Pace, ...] = (Pace(),)
    law: IntArray | None = None
    laws: FloatArray | None = None

    def of(self, source: NDArray[np.integer], target: NDArray[np.integer]) -> FloatArray:
        """float64[m], factors of synapses between these rows."""
        factor = self.factor[self.source[source], self.target[target]]
        if self.removed is not None:
            share = self.removed[self.source[source], self.target[target]]
            factor = np.where(place_of(self.key, source, target) < share, 0.0, factor)
        return factor

    def changed(self, made: Synapses) -> Synapses:
        """Synapses as they are changed.

        Weights are products in double precision, kept to the last bit. Kinds count kinetics and,
        within each, the ``paces``, and delays those of the projection and, within each, the laws.
        """
        made = made._replace(weight=compact(made.weight * self.of(made.source, made.target)))
        if self.law is not None and self.laws is not None:
            law = self.law[self.source[made.source], self.target[made.target]]
            made = made._replace(delay=made.delay.astype(np.int64) * len(self.laws) + law)
        if self.pace is None:
            return made
        of = self.pace_of(made.source, made.target)
        return made._replace(kind=np.where(made.kind < 0, -1, made.kind * len(self.paces) + of))

    def pace_of(
        self, source: NDArray[np.integer], target: NDArray[np.integer]
    ) -> NDArray[np.integer]:
        """int64[m], which of the ``paces`` synapses between these rows have."""
        if self.pace is None:
            return np.zeros(len(source), np.int64)
        found: NDArray[np.integer] = self.pace[self.source[source], self.target[target]]
        return found

    def delays_of(self, delays: FloatArray) -> FloatArray:
        """float64[delays * laws], ms, what laws make of delays, as :meth:`changed` counts them."""
        if self.laws is None:
            return delays
        factor, held = self.laws.T
        return (np.where(np.isnan(held), delays[:, None], held) * factor).reshape(-1)

    def late(
        self, source: NDArray[np.integer], target: NDArray[np.integer], delay: FloatArray
    ) -> FloatArray:
        """float64[m], ms, what is made of the delays (float64[m]) of synapses between rows."""
        if self.law is None or self.laws is None:
            return delay
        factor, held = self.laws[self.law[self.source[source], self.target[target]]].T
        late: FloatArray = np.where(np.isnan(held), delay, held) * factor
        return late

    @property
    def exact(self) -> bool:
        """Whether products of any single precision weight are single precision too."""
        mantissa, _ = np.frexp(self.factor)
        return bool(np.isin(mantissa, (0.0, 0.5)).all())  # 0 and powers of two


def removal_key(source: str, target: str) -> np.uint64:
    """What names the places of the connections from one population to another."""
    return name_of(f"removed from {source} to {target}")


def place_of(
    key: np.uint64, source: NDArray[np.integer], target: NDArray[np.integer]
) -> FloatArray:
    """float64[m], numbers in [0, 1) that connections have: of those below a share it consists."""
    return unit(keys_after(np.full(np.shape(source), key), source, target))


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
    sent, senders = _groups([mask_of(o.source, projection.source, sizes[0]) for o in here])
    received, receivers = _groups([mask_of(o.target, projection.target, sizes[1]) for o in here])
    # factor, share removed, slowness of delays, delays that are set (-1: none), and the pace
    table = np.ones((len(senders), len(receivers), 4 + len(Pace._fields)))
    table[..., 1], table[..., 3] = 0.0, -1.0
    for k, override in enumerate(here):
        both = np.ix_(senders[:, k], receivers[:, k])
        factor, removed, slower, held = (table[..., column] for column in range(4))
        factor[both] = override.weight * (factor[both] if override.multiplies else 1.0)
        removed[both] = np.maximum(removed[both], override.removed)
        table[..., 4:][both] *= override.pace
        if override.delay is not None:
            held[both], slower[both] = override.delay, 1.0
        slower[both] *= override.slower
    # what comes to the same is the same, whichever overrides it is of
    table, source = _merged(table, sent)
    table, target = _merged(table.transpose(1, 0, 2), received)
    factor, removed, slower, held = (np.ascontiguousarray(table[..., k].T) for k in range(4))
    pace = table[..., 4:].transpose(1, 0, 2)
    steady = bool((pace == 1.0).all())
    timely = bool((slower == 1.0).all() and (held < 0.0).all())
    if (factor == 1.0).all() and not removed.any() and steady and timely:
        return None
    found = Factors(
        source, target, factor, removed if removed.any() else None,
        removal_key(projection.source, projection.target),
    )  # fmt: skip
    if not steady:
        paces, of = np.unique(pace.reshape(-1, len(Pace._fields)), axis=0, return_inverse=True)
        found = found._replace(
            pace=of.reshape(factor.shape), paces=tuple(starmap(Pace, paces.tolist()))
        )
    if timely:
        return found
    pairs = np.column_stack([slower.ravel(), held.ravel()])
    laws, law = np.unique(pairs, axis=0, return_inverse=True)
    laws[laws[:, 1] < 0.0, 1] = np.nan
    return found._replace(law=law.reshape(slower.shape), laws=laws)


def mask_of(chosen: list[tuple[str, IntArray]], population: str, n: int) -> NDArray[np.bool_]:
    """bool[n], the chosen nodes of a population."""
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


def _merged(table: FloatArray, group: IntArray) -> tuple[FloatArray, NDArray[np.unsignedinteger]]:
    """Groups of the same factors and shares as one."""
    first, same = _by_first(*np.unique(table, axis=0, return_index=True, return_inverse=True)[1:])
    merged: NDArray[np.unsignedinteger] = same.astype(np.min_scalar_type(len(first)))[group]
    return table[first], merged


def _by_first(first: IntArray, group: IntArray) -> tuple[IntArray, IntArray]:
    """Groups, and the first member of each, numbered in order of these."""
    order = np.argsort(first)
    return first[order], np.argsort(order)[group.reshape(-1)]
