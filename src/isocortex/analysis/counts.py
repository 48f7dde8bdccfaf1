"""Spikes of many cells as counts of groups, samples of cells, and shuffles of their spikes.

Groups are given as group -> node ids, silent cells included; a cell belongs to one group at most.
Whatever is random is a function of the seed and the node's id: the order of spikes never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.random import keys, uniform

#: Group -> node ids. Keys of any kind: mappings are invariant in theirs.
Groups = Mapping[Any, NDArray[np.int64]]


def by_group(groups: Iterable[Any]) -> pd.Index:
    """Index of a table with a row per group."""
    return pd.Index(list(groups), name="group", tupleize_cols=False)


def group_of(ids: ArrayLike, groups: Groups) -> IntArray:
    """Place in ``groups`` of the group that each id belongs to; -1 for none.

    By a table over the range of the groups' ids, 4 bytes each: SONATA counts nodes from 0 on.

    Raises
    ------
    ValueError if a cell is in two groups.
    """
    ids = np.asarray(ids, dtype=np.int64)
    members = [np.asarray(nodes, dtype=np.int64).ravel() for nodes in groups.values()]
    nodes = np.concatenate([np.zeros(0, np.int64), *members])
    if not len(nodes):
        return np.full(len(ids), -1)
    first, last = int(nodes.min()), int(nodes.max())
    table = np.full(last - first + 1, -1, np.int32)
    table[nodes - first] = np.repeat(np.arange(len(members)), [len(each) for each in members])
    if np.count_nonzero(table >= 0) < len(nodes):
        known, times = np.unique(nodes, return_counts=True)
        raise ValueError(f"cell {known[times > 1][0]} is listed twice: groups must not overlap")
    found = np.full(len(ids), -1)
    inside = (ids >= first) & (ids <= last)
    found[inside] = table[ids[inside] - first]
    return found


def whole_bins(duration: float, bin_width: float) -> int:
    """Number of bins of ``bin_width`` that fit into ``duration`` (ms both)."""
    return int(np.floor(duration / bin_width + 1e-9))


def bin_of(times: ArrayLike, bin_width: float) -> IntArray:
    """Bin that each time (ms) lies in: from k ``bin_width`` on, before (k + 1) ``bin_width``."""
    return np.floor(np.asarray(times, dtype=float) / bin_width + 1e-9).astype(np.int64)


def group_counts(
    times: ArrayLike, ids: ArrayLike, groups: Groups, duration: float, bin_width: float = 10.0
) -> pd.DataFrame:
    """Spikes of each group in each bin.

    Parameters
    ----------
    times, ids : float[spikes], ms, and int[spikes], in any order.
    groups : group -> node ids; spikes of other cells are not counted.
    duration, bin_width : ms; what is left of the last bin is not counted.

    Returns
    -------
    int[groups, bins], with the groups as index and the starts of the bins (ms) as columns.
    """
    n = whole_bins(duration, bin_width)
    bins, group = bin_of(times, bin_width), group_of(ids, groups)
    inside = (bins >= 0) & (bins < n) & (group >= 0)
    flat = np.bincount(group[inside] * n + bins[inside], minlength=len(groups) * n)
    return pd.DataFrame(
        flat.reshape(len(groups), n),
        index=by_group(groups),
        columns=pd.Index(np.arange(n) * bin_width, name="ms"),
    )


def sampled(nodes: ArrayLike, n: int, seed: int = 0) -> IntArray:
    """At most ``n`` of ``nodes``, chosen by their own keys; ascending.

    A node's key depends on the seed and its id alone: a smaller sample is part of a larger one,
    and samples from a subset of the nodes are what the subset holds of the sample from all.
    """
    nodes = np.asarray(nodes, dtype=np.int64)
    if len(nodes) > n:
        key = keys(f"{seed}:sampled cells", nodes)
        nodes = nodes[np.argpartition(key, n)[:n]] if n > 0 else nodes[:0]
    return np.sort(nodes)


def shifted(
    times: ArrayLike, ids: ArrayLike, duration: float, seed: int = 0, repeat: int = 0
) -> FloatArray:
    """Times with each cell's spikes moved around the circle of ``duration`` by a time of its own.

    It keeps each cell's rate and intervals (but the one that is cut) and takes away what cells
    share in time.

    Parameters
    ----------
    times, ids : float[spikes], ms, from 0 to ``duration``, and int[spikes].
    repeat : number of the shuffle.
    """
    ids = np.asarray(ids, dtype=np.int64)
    by = uniform(seed, "circular shift", ids, np.full_like(ids, repeat))
    moved: FloatArray = np.mod(np.asarray(times, dtype=float) + by * duration, duration)
    return moved
