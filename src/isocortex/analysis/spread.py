"""What a population event does: how many cells it takes, how fast it spreads, what it leaves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from isocortex.analysis.counts import Groups, bin_of, group_counts, whole_bins
from isocortex.analysis.events import PopulationEvent


def active_share(
    times: ArrayLike, ids: ArrayLike, groups: Groups, duration: float, window: float = 50.0
) -> pd.DataFrame:
    """Share of each group's cells that fire at least once in each window: how many are recruited.

    Independent Poisson cells of r Hz show 1 - exp(-r window / 1000): 0.1 at 2 Hz in 50 ms.

    Parameters
    ----------
    times, ids : float[spikes], ms, and int[spikes], in any order.
    groups : group -> node ids, silent cells included.
    duration, window : ms; what is left of the last window is not counted.

    Returns
    -------
    float[groups, windows], with the starts of the windows (ms) as columns; NaN for an empty group.
    """
    n, bins = whole_bins(duration, window), bin_of(times, window)
    inside = (bins >= 0) & (bins < n)
    nodes, cell = np.unique(np.asarray(ids, dtype=np.int64)[inside], return_inverse=True)
    cell, bins = np.divmod(np.unique(cell * n + bins[inside]), max(n, 1))  # each cell once a window
    active = group_counts(bins * window, nodes[cell], groups, duration, window)
    size = np.array([len(nodes) for nodes in groups.values()], dtype=float)
    return active.div(np.where(size > 0, size, np.nan), axis=0)


@dataclass(frozen=True)
class Spread:
    """How fast an event spread.

    Attributes
    ----------
    speed : mm/s, slope of the regression of distance on latency. Noise in the latencies lowers it.
    r2 : share of the variance of distance that latency explains.
    n : groups.
    """

    speed: float
    r2: float
    n: int


def spread_speed(latency: pd.Series, centroids: pd.DataFrame, origin: Sequence[Hashable]) -> Spread:
    """Speed at which an event spread from where it began, by linear regression with an intercept.

    Parameters
    ----------
    latency : by group, ms, such as ``event.recruitment["latency_ms"]``.
    centroids : by group, um, a column for each axis. Distances are straight; positions on a
        flattened cortex give those along it.
    origin : groups; the distance is that from the mean of their centroids.

    Returns
    -------
    NaN for fewer than three groups or equal latencies.
    """
    places = centroids.loc[latency.index].to_numpy(float)
    start = centroids.loc[list(origin)].to_numpy(float).mean(axis=0)
    distance = np.linalg.norm(places - start, axis=1)
    after = latency.to_numpy(float)
    known = np.isfinite(after) & np.isfinite(distance)
    distance, after = distance[known], after[known]
    n = len(after)
    if n < 3 or np.ptp(after) == 0:
        return Spread(float("nan"), float("nan"), n)
    x, y = after - after.mean(), distance - distance.mean()
    slope = float(x @ y / (x @ x))  # um/ms are mm/s
    varies = float(y @ y)
    return Spread(slope, float((x @ y) ** 2 / (x @ x) / varies) if varies else float("nan"), n)


@dataclass(frozen=True)
class Silence:
    """What follows an event.

    Attributes
    ----------
    duration : ms, whole windows; NaN where the baseline is too low to tell silence from chance.
    complete : activity came back before the recording ended.
    """

    duration: float
    complete: bool


def silence_after(
    event: PopulationEvent,
    counts: pd.DataFrame,
    bin_width: float,
    level: pd.DataFrame,
    *,
    window: float = 100.0,
    fraction: float = 0.2,
) -> Silence:
    """Postictal silence: how long the groups that took part stay quiet after an event's end.

    They are quiet while all of them together fire less than ``fraction`` of their mean baseline in
    a window. A Poisson process that expects ten spikes fires fewer than two in 0.05 % of windows;
    where fewer than ten are expected nothing is told.

    Parameters
    ----------
    counts : int[groups, bins].
    bin_width, window : ms.
    level : from :func:`baseline`.
    """
    groups = event.recruitment.index
    together = counts.loc[groups].sum(axis=0).to_numpy(float)
    per_window = max(round(window / bin_width), 1)
    expected = float(level.loc[groups, "mean"].sum()) * per_window
    rest = together[round(event.end / bin_width) :]
    n = len(rest) // per_window
    if expected < 10.0 or n == 0:
        return Silence(float("nan"), False)
    active = rest[: n * per_window].reshape(n, per_window).sum(axis=1) >= fraction * expected
    quiet = int(np.argmax(active)) if active.any() else n
    return Silence(quiet * per_window * bin_width, bool(active.any()))
