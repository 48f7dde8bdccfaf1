"""What cells and groups share in time: pair correlations, Fano factors, latencies.

Pair correlations are those of spike counts (de la Rocha et al. 2007, doi:10.1038/nature06028;
Ecker et al. 2014, doi:10.1016/j.neuron.2014.02.006). They grow with the rate and the width of the
bin: compare them at equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from isocortex.analysis.counts import (
    Groups,
    bin_of,
    by_group,
    group_of,
    sampled,
    shifted,
    whole_bins,
)
from isocortex.arrays import FloatArray, IntArray
from isocortex.random import uniform


def pair_correlation_matrix(
    times: ArrayLike,
    ids: ArrayLike,
    groups: Groups,
    duration: float,
    bin_width: float = 50.0,
    *,
    max_cells: int = 1000,
    min_spikes: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean correlation of the spike counts of two cells, within and between groups.

    Pearson's, over bins, averaged over all pairs of different cells. The mean over pairs is had
    from the sum over cells of standardised counts, without the pairs: memory grows with the spikes
    of the sample and with groups times bins, never with cells times bins.

    Parameters
    ----------
    times, ids : float[spikes], ms, and int[spikes], in any order.
    groups : group -> node ids.
    duration, bin_width : ms; what is left of the last bin is not counted.
    max_cells : cells that stand for a group, see :func:`isocortex.analysis.counts.sampled`.
    min_spikes : cells with fewer in all bins are left out; so are those whose count never varies,
        whose correlation is not defined.

    Returns
    -------
    float[groups, groups]; NaN where there is no pair.
    """
    chosen = {name: sampled(nodes, max_cells, seed) for name, nodes in groups.items()}
    times, ids = _within(times, ids, chosen, duration, bin_width)
    total, n = _standardised(times, ids, chosen, whole_bins(duration, bin_width), bin_width,
                             min_spikes)  # fmt: skip
    return pd.DataFrame(_pair_means(total, n), list(groups), list(groups))


def pair_correlations(
    times: ArrayLike,
    ids: ArrayLike,
    groups: Groups,
    duration: float,
    bin_width: float = 50.0,
    *,
    max_cells: int = 1000,
    min_spikes: int = 1,
    n_shuffles: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean correlation of the spike counts of two cells of a group, beside that of shuffled data.

    Parameters
    ----------
    times, ids, groups, duration, bin_width, max_cells, min_spikes : see
        :func:`pair_correlation_matrix`.
    n_shuffles : times that every cell's spikes are shifted circularly by a random time of its own.

    Returns
    -------
    By group: ``cells`` that were used; ``correlation``; ``shuffled`` and ``shuffled_sd``, mean and
    standard deviation over shuffles of the same figure: what chance alone gives.
    """
    n_bins = whole_bins(duration, bin_width)
    chosen = {name: sampled(nodes, max_cells, seed) for name, nodes in groups.items()}
    times, ids = _within(times, ids, chosen, duration, bin_width)

    def within(moments: FloatArray) -> tuple[FloatArray, IntArray]:
        total, n = _standardised(moments, ids, chosen, n_bins, bin_width, min_spikes)
        return _own_means(total, n), n

    found, n = within(times)
    chance = np.array(
        [within(shifted(times, ids, n_bins * bin_width, seed, k))[0] for k in range(n_shuffles)]
    ).reshape(n_shuffles, len(groups))
    several = n_shuffles > 1
    return pd.DataFrame(
        {
            "cells": n,
            "correlation": found,
            "shuffled": chance.mean(axis=0) if n_shuffles else np.nan,
            "shuffled_sd": chance.std(axis=0, ddof=1) if several else np.nan,
        },
        index=by_group(groups),
    )


def fano_factors(counts: pd.DataFrame) -> pd.Series:
    """Variance over mean of each group's counts (Fano 1947, doi:10.1103/PhysRev.72.26).

    1 for independent Poisson cells. It grows with the number of cells as soon as they share
    anything: n equal cells of pair correlation r, each with factor f, have f (1 + (n - 1) r).

    Parameters
    ----------
    counts : int[groups, bins], from :func:`isocortex.analysis.counts.group_counts`.

    Returns
    -------
    By group; NaN without spikes or with fewer than two bins.
    """
    mean = counts.mean(axis=1)
    return (counts.var(axis=1, ddof=1) / mean.where(mean > 0)).rename("fano")


def rate_correlations(counts: pd.DataFrame) -> pd.DataFrame:
    """Pearson's correlation of the rates of every two groups.

    Parameters
    ----------
    counts : int[groups, bins].

    Returns
    -------
    float[groups, groups]; NaN for a group whose count never varies.
    """
    z = _standard_rows(counts)
    matrix = z @ z.T / (z.shape[1] or np.nan)
    return pd.DataFrame(matrix, counts.index, counts.index)


@dataclass(frozen=True)
class Coupling:
    """How much groups' rates go together, against chance.

    Attributes
    ----------
    correlation : mean over pairs of groups.
    shuffled : float[shuffles], the same with each group's counts shifted circularly as a whole,
        which keeps the slow changes within each.
    p : share of shuffles (the data among them) that reach the data's.
    """

    correlation: float
    shuffled: FloatArray
    p: float


def coupling(counts: pd.DataFrame, n_shuffles: int = 100, seed: int = 0) -> Coupling:
    """Mean correlation between groups' rates, and that of rates shifted against each other.

    Parameters
    ----------
    counts : int[groups, bins]; groups whose count never varies are left out.
    """
    z = _standard_rows(counts)
    z = z[~np.isnan(z).any(axis=1)]
    n, bins = z.shape
    if n < 2:
        return Coupling(float("nan"), np.full(n_shuffles, np.nan), float("nan"))

    def mean(rows: FloatArray) -> float:
        return float((np.sum(rows.sum(axis=0) ** 2) / bins - n) / (n * (n - 1)))

    found, row = mean(z), np.arange(n)
    chance = np.empty(n_shuffles)
    for k in range(n_shuffles):
        by = (uniform(seed, "shift of groups", row, np.full(n, k)) * bins).astype(np.int64)
        chance[k] = mean(np.take_along_axis(z, (np.arange(bins) - by[:, None]) % bins, axis=1))
    return Coupling(found, chance, (1 + int(np.sum(chance >= found))) / (1 + n_shuffles))


def homotopic(matrix: pd.DataFrame, partners: Mapping[Any, Any]) -> pd.DataFrame:
    """Correlation of each group with its partner in the other hemisphere, against the others there.

    Parameters
    ----------
    matrix : float[groups, groups], from :func:`rate_correlations`.
    partners : group of one side -> that of the other.

    Returns
    -------
    By group of the first side: ``homotopic``, with its partner; ``heterotopic``, mean over the
    other groups of the second side; ``rank`` of the partner among all of these, 1 the highest;
    ``of``, how many there are.
    """
    across = matrix.loc[list(partners), list(partners.values())].to_numpy(float)
    own = np.diag(across).copy()
    known = ~np.isnan(across)
    others = known.sum(axis=1) - ~np.isnan(own)
    rest = np.nansum(across, axis=1) - np.nan_to_num(own)
    return pd.DataFrame(
        {
            "homotopic": own,
            "heterotopic": np.where(others > 0, rest / np.maximum(others, 1), np.nan),
            "rank": np.where(np.isnan(own), np.nan, 1 + np.sum(across > own[:, None], axis=1)),
            "of": known.sum(axis=1),
        },
        index=by_group(partners),
    )


def peak_lags(
    counts: pd.DataFrame, bin_width: float, max_lag: float = 100.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Latency between groups: the lag at which the cross-correlation of their rates is highest.

    The cross-correlation at a lag is the mean, over the bins that overlap, of the product of the
    standardised counts; of equal maxima the one nearest to 0 counts. It is told to a bin.

    Parameters
    ----------
    counts : int[groups, bins].
    bin_width, max_lag : ms; at most half of the recording is looked at.

    Returns
    -------
    lag : float[groups, groups], ms, from row to column: positive where the column follows.
    height : float[groups, groups], the cross-correlation there. Of white and independent rates it
        has a standard deviation of 1 / sqrt(bins) at each lag. NaN where a count never varies.
    """
    z = _standard_rows(counts)
    n, bins = z.shape
    height, lag = np.full((n, n), -np.inf), np.zeros((n, n))
    last = min(whole_bins(max_lag, bin_width), bins // 2)
    for k in range(last + 1 if bins else 0):
        product = z[:, : bins - k] @ z[:, k:].T / (bins - k)
        for value, moved in ((product, k), (product.T, -k)):
            higher = value > height + 1e-12
            height[higher], lag[higher] = value[higher], moved * bin_width
    undefined = np.isinf(height)
    height[undefined], lag[undefined] = np.nan, np.nan
    names = counts.index
    return pd.DataFrame(lag, names, names), pd.DataFrame(height, names, names)


def _within(
    times: ArrayLike, ids: ArrayLike, groups: Groups, duration: float, bin_width: float
) -> tuple[FloatArray, IntArray]:
    """Spikes of the groups' cells within the whole bins, in the order of cells and times."""
    times, ids = np.asarray(times, dtype=float), np.asarray(ids, dtype=np.int64)
    bins = bin_of(times, bin_width)
    mine = group_of(ids, groups) >= 0
    inside = np.flatnonzero((bins >= 0) & (bins < whole_bins(duration, bin_width)) & mine)
    # in order, so that sums are rounded alike whatever the order was
    inside = inside[np.lexsort((times[inside], ids[inside]))]
    moments: FloatArray = times[inside]
    owners: IntArray = ids[inside]
    return moments, owners


def _standardised(
    times: FloatArray, ids: IntArray, groups: Groups, n_bins: int, bin_width: float, min_spikes: int
) -> tuple[FloatArray, IntArray]:
    """Sum over each group's cells of their standardised counts, float[groups, bins]; cells in it.

    From the bins that hold a spike: the empty ones all have the same standardised count.
    """
    nodes, cell = np.unique(ids, return_inverse=True)
    group = group_of(nodes, groups)
    bins = np.clip(bin_of(times, bin_width), 0, n_bins - 1)
    place, count = np.unique(cell * n_bins + bins, return_counts=True)
    cell, bins = place // max(n_bins, 1), place % max(n_bins, 1)
    total = np.bincount(cell, count, len(nodes))
    squares = np.bincount(cell, count * count, len(nodes))
    variance = n_bins * squares - total**2  # times n_bins^2; whole numbers, so that 0 is 0
    used = (variance > 0) & (total >= min_spikes)
    scale = np.zeros(len(nodes))
    scale[used] = n_bins / np.sqrt(variance[used])
    rows = np.bincount(group[cell] * n_bins + bins, count * scale[cell], len(groups) * n_bins)
    below = np.bincount(group, total * scale / max(n_bins, 1), len(groups))
    summed: FloatArray = (rows.reshape(len(groups), n_bins) - below[:, None]).astype(np.float64)
    return summed, np.bincount(group[used], minlength=len(groups)).astype(np.int64)


def _own_means(total: FloatArray, n: IntArray) -> FloatArray:
    squares = np.sum(total**2, axis=1) / max(total.shape[1], 1)  # with each cell against itself, 1
    pairs = n * (n - 1.0)
    return np.divide(squares - n, pairs, np.full(len(n), np.nan), where=pairs > 0)


def _pair_means(total: FloatArray, n: IntArray) -> FloatArray:
    pairs = np.outer(n, n).astype(float)
    product = total @ total.T / max(total.shape[1], 1)
    means = np.divide(product, pairs, np.full(pairs.shape, np.nan), where=pairs > 0)
    np.fill_diagonal(means, _own_means(total, n))
    return means


def _standard_rows(counts: pd.DataFrame) -> FloatArray:
    rows = counts.to_numpy(float)
    if not rows.shape[1]:
        return rows
    centred = rows - rows.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    varies = np.ptp(rows, axis=1, keepdims=True) > 0
    return np.divide(centred, spread, np.full(rows.shape, np.nan), where=varies)
