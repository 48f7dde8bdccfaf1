"""Axons that an area shares, and that a neuron has a fixed number of synapses of.

Neurons of one kind in one area are dealt into *tiles* of as many as there are axons, in the order
of their ids. The n-th synapses of a tile's neurons are of one axon each, a different one for each:
a permutation that is named by tile and n, and whose inverse is as quickly found. So both whose
synapse is a neuron's n-th and whom an axon reaches are functions of tile and n alone, and neither
is ever stored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.compiling import compiled, leaf
from isocortex.network.drawn.place import (
    HALF,
    LOW_HALF,
    Synapses,
    node_at,
    of_connection,
    of_source,
    two_sites,
)
from isocortex.network.drawn.tables import TRIED_TOGETHER, Axons
from isocortex.streams import inlined

#: Axons of every area and side: a prime, so that multiplying by any number but 0 permutes them.
AXONS = 401
HALF_ONE, PER_AXON = np.float32(0.5), np.float32(1.0 / AXONS)


class Pool(NamedTuple):
    """What the synapses of shared axons follow from.

    Axon a of patch p (an area and side) is the source p * ``AXONS`` + a.
    """

    key: np.uint64
    order: NDArray[np.int32]  # (n), neurons by patch, then kind, then id
    patch_first: IntArray  # (patches + 1), first tile of each
    tile_first: IntArray  # (tiles + 1), first of each in ``order``
    tile_kind: IntArray  # (tiles)
    number: IntArray  # (kinds), synapses of a neuron
    rule: IntArray  # (kinds), whose places these synapses have
    model: IntArray  # (kinds), of the cells
    weight: NDArray[np.float32]  # (kinds), uS
    delay: int  # in steps of ``DELAY_STEP``
    #: (tiles, most synapses of a neuron, to a multiple of ``TRIED_TOGETHER``), of each permutation:
    inverse: NDArray[np.uint16]  # of its factor, modulo ``AXONS``
    shift: NDArray[np.uint16]


def make_pool(
    key: np.uint64, patch: IntArray, n_patches: int, kind: IntArray, *,
    number: IntArray, rule: IntArray, model: IntArray, weight: NDArray[np.float32], delay: int,
) -> Pool:  # fmt: skip
    """A pool for neurons of these patches and kinds; the rest as :class:`Pool` has it."""
    group = patch * len(number) + kind
    order = np.argsort(group, kind="stable")
    groups, sizes = np.unique(group, return_counts=True)
    tiles = -(-sizes // AXONS)
    tile_group = np.repeat(groups, tiles)
    within = np.arange(len(tile_group)) - np.repeat(np.cumsum(tiles) - tiles, tiles)
    first = np.repeat(np.cumsum(sizes) - sizes, tiles) + within * AXONS
    tile_patch, tile_kind = np.divmod(tile_group, len(number))
    inverse, shift = _permutations(key, len(tile_kind), int(number.max()))
    return Pool(
        key=key,
        order=order.astype(np.int32),
        patch_first=np.searchsorted(tile_patch, np.arange(n_patches + 1)),
        tile_first=np.append(first, len(patch)),
        tile_kind=tile_kind,
        number=number,
        rule=rule,
        model=model,
        weight=weight,
        delay=delay,
        inverse=inverse,
        shift=shift,
    )


@inlined
def permutation(key, tile, nth):
    """Random bits of the n-th synapses of a tile; the axon of neuron k is (k factor + shift)."""
    bits = of_connection(of_source(key, tile), nth)
    factor = np.uint64(1) + ((bits & LOW_HALF) * np.uint64(AXONS - 1) >> HALF)
    shift = (bits >> HALF) * np.uint64(AXONS) >> HALF
    return bits, np.int64(factor), np.int64(shift)


@compiled
def _permutations(key, tiles, most):
    """All of them: the inverse of each factor, and each shift."""
    inverse_of = np.zeros(AXONS, np.uint16)
    for a in range(1, AXONS):
        power = 1  # a ** (AXONS - 2), by Fermat
        for _ in range(AXONS - 2):
            power = power * a % AXONS
        inverse_of[a] = power
    width = (most + TRIED_TOGETHER - 1) // TRIED_TOGETHER * TRIED_TOGETHER
    inverse, shifts = np.empty((tiles, width), np.uint16), np.empty((tiles, width), np.uint16)
    for tile in range(tiles):
        for nth in range(width):
            _, factor, shift = permutation(key, tile, nth)
            inverse[tile, nth], shifts[tile, nth] = inverse_of[factor], shift
    return inverse, shifts


@inlined
def member(which, inverse, shift):
    """Who in a tile, were it full, has a synapse of its axon ``which``; all whole float32 numbers.

    SIMD units do not divide integers; half is added so that no quotient is near a whole number.
    """
    x = (which + np.float32(AXONS) - np.float32(shift)) * np.float32(inverse)  # below 2^19
    return x - np.floor((x + HALF_ONE) * PER_AXON) * np.float32(AXONS)


@inlined
def pool_key(tile, nth, pool):
    """Key of the connection that the n-th synapse of someone in a tile is."""
    bits, _, _ = permutation(pool.key, tile, nth)
    return np.uint32(bits & LOW_HALF)


@leaf
def _try_synapses(which, size, inverse, shift, n, found):
    """Whether the axon has each of the first ``n`` synapses of anyone in a tile of this size."""
    for nth in range(n):
        found[nth] = member(which, inverse[nth], shift[nth]) < size


@leaf
def draw_from_pool(axon, begin, end, pool, out, n, trials):
    """Append the connections of an axon onto neurons ``begin:end``; returns their number.

    Each is one synapse, its rule the kind of its target. Returns -1 if ``out`` is too small.
    """
    patch, which = axon // AXONS, np.float32(axon % AXONS)
    found, seen = trials.found, trials.seen
    for tile in range(pool.patch_first[patch], pool.patch_first[patch + 1]):
        first, last = pool.tile_first[tile], pool.tile_first[tile + 1]
        if pool.order[first] >= end or pool.order[last - 1] < begin:
            continue
        kind, inverse, shift = pool.tile_kind[tile], pool.inverse[tile], pool.shift[tile]
        number = pool.number[kind]
        if n + number > len(out.target):
            return -1
        words = (number + TRIED_TOGETHER - 1) // TRIED_TOGETHER
        size = np.float32(last - first)
        _try_synapses(which, size, inverse, shift, words * TRIED_TOGETHER, found)
        for word in range(words):
            if seen[word] == 0:
                continue
            for nth in range(word * TRIED_TOGETHER, min((word + 1) * TRIED_TOGETHER, number)):
                if found[nth] == 0:
                    continue
                target = pool.order[first + np.int64(member(which, inverse[nth], shift[nth]))]
                if begin <= target < end:
                    out.target[n], out.rule[n], out.synapses[n] = target, kind, 1
                    out.delay[n], out.key[n] = pool.delay, pool_key(tile, nth, pool)
                    n += 1
    return n


@inlined
def place_from_pool(axon, key, kind, pool, sites, n_models):
    """The compartment of a connection."""
    state = of_connection(of_source(pool.key, axon), key)
    _, bits, _ = two_sites(state)
    return node_at(bits, pool.rule[kind] * n_models + pool.model[kind], sites)


@compiled
def synapses_of_pool(targets, rank, tile_of, pool, axons: Axons, n_models) -> Synapses:
    """The synapses onto some neurons, one after the other.

    ``rank`` and ``tile_of`` are of every neuron: its place in ``pool.order``, and its tile.
    """
    total = 0
    for target in targets:
        total += pool.number[pool.tile_kind[tile_of[target]]]
    made = Synapses(
        np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int32),
        np.empty(total, np.int16), np.empty(total, np.float32),
        np.full(total, pool.delay, np.uint8),
    )  # fmt: skip
    _fill(made, targets, rank, tile_of, pool, axons, n_models)
    return made


@leaf
def _fill(made, targets, rank, tile_of, pool, axons, n_models):
    """Put the synapses onto some neurons where there is room for them."""
    at = 0
    for target in targets:
        tile = tile_of[target]
        k, kind = rank[target] - pool.tile_first[tile], pool.tile_kind[tile]
        patch = np.searchsorted(pool.patch_first, tile, side="right") - 1
        for nth in range(pool.number[kind]):
            bits, factor, shift = permutation(pool.key, tile, nth)
            axon, key = patch * AXONS + (k * factor + shift) % AXONS, np.uint32(bits & LOW_HALF)
            made.source[at], made.target[at] = axon, target
            made.node[at] = place_from_pool(axon, key, kind, pool, axons.sites, n_models)
            made.rule[at], made.strength[at] = pool.rule[kind], pool.weight[kind]
            at += 1
