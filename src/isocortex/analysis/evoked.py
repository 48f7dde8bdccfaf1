"""What a repeated pulse or discharge evokes: how many spikes more, how surely, and how late."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from isocortex.analysis.counts import Groups, by_group, group_counts

#: Standard deviations of chance that a response must exceed to have a latency.
CERTAIN = 3.0
#: Bins together in which a rise is looked for.
RISE = 3


def evoked_responses(
    times: ArrayLike,
    ids: ArrayLike,
    groups: Groups,
    pulses: ArrayLike,
    *,
    window: float = 100.0,
    before: float = 100.0,
    bin_width: float = 1.0,
) -> pd.DataFrame:
    """Response of each group to a pulse that is repeated.

    Parameters
    ----------
    times, ids : float[spikes], ms, and int[spikes], in any order.
    groups : group -> node ids.
    pulses : float[pulses], ms, when each begins; further apart than ``before`` and ``window``.
    window, before : ms after a pulse that are looked at, and before it that are compared.
    bin_width : ms, to which latencies are told.

    Returns
    -------
    By group: ``expected`` and ``spikes``, in all windows; ``z``, their difference in standard
    deviations, of which the variance is that of counts from pulse to pulse before it, at least a
    Poisson process'; ``latency_ms``, when half of the spikes in excess have come, NaN where ``z``
    is not above ``CERTAIN``.
    """
    times, ids = np.asarray(times, dtype=float), np.asarray(ids, dtype=np.int64)
    pulses = np.sort(np.asarray(pulses, dtype=float))
    if not len(pulses) or (len(pulses) > 1 and np.diff(pulses).min() < window + before):
        raise ValueError(f"pulses must be {window + before:g} ms apart or more, and there be one")
    quiet = np.array([_counts(times, ids, groups, at - before, before, before) for at in pulses])
    after = np.sum([_counts(times, ids, groups, at, window, bin_width) for at in pulses], axis=0)
    quiet, scale = quiet[:, :, 0], window / before
    expected = quiet.sum(axis=0) * scale
    varies = quiet.var(axis=0, ddof=1) if len(pulses) > 1 else np.zeros(len(groups))
    variance = np.maximum(len(pulses) * varies * scale, np.maximum(expected, 1.0))
    spikes = after.sum(axis=1)
    z = (spikes - expected) / np.sqrt(variance * (1.0 + scale))
    latency = np.full(len(groups), np.nan)
    for k in np.flatnonzero(z > CERTAIN):
        latency[k] = _half_way(after[k] - expected[k] / after[k].size, bin_width)
    return pd.DataFrame(
        {"expected": expected, "spikes": spikes, "z": z, "latency_ms": latency},
        index=by_group(groups),
    )


def triggered_responses(
    counts: pd.DataFrame,
    rest: pd.DataFrame,
    moments: ArrayLike,
    *,
    before: float,
    after: float,
    bin_width: float,
) -> pd.DataFrame:
    """What each group does around some moments, against windows of a run at rest.

    Parameters
    ----------
    counts, rest : int[groups, bins], of the run that the moments are of and of one at rest.
    moments : float[moments], ms; those whose window is not in the run are left out.
    before, after : ms, ends of the window.
    bin_width : ms, of the counts.

    Returns
    -------
    By group: ``expected`` and ``spikes``, in all windows; ``z``, their difference in standard
    deviations of the counts of windows at rest, at least those of a Poisson process;
    ``latency_ms``, from the moment, of the middle of the first ``RISE`` bins in which its counts,
    summed over moments, exceed those at rest by ``CERTAIN`` deviations (a strong response is told
    a bin early); NaN where none do or ``z`` does not.
    All is NaN without a moment, or with fewer than two windows at rest.
    """
    lead, length = round(before / bin_width), round((before + after) / bin_width)
    first = np.rint(np.asarray(moments, dtype=float) / bin_width).astype(np.int64) - lead
    first = first[(first >= 0) & (first + length <= counts.shape[1])]
    n, windows = len(first), rest.shape[1] // length
    names = ["expected", "spikes", "z", "latency_ms"]
    if n == 0 or windows < 2:
        return pd.DataFrame(np.nan, counts.index, names)
    rows = counts.to_numpy(float)
    summed = np.sum([rows[:, k : k + length] for k in first], axis=0)
    still = rest.to_numpy(float)[:, : windows * length].reshape(len(rest), windows, length)
    still = still.sum(axis=2)
    expected = n * still.mean(axis=1)
    variance = n * np.maximum(still.var(axis=1, ddof=1), np.maximum(still.mean(axis=1), 1.0))
    spikes = summed.sum(axis=1)
    z = (spikes - expected) / np.sqrt(variance * (1.0 + n / windows))
    rises = sliding_window_view(summed, RISE, axis=1).sum(axis=2)
    calm = sliding_window_view(rest.to_numpy(float), RISE, axis=1).sum(axis=2)
    level, varies = calm.mean(axis=1), np.maximum(calm.var(axis=1), calm.mean(axis=1))
    high = n * level + CERTAIN * np.sqrt(n * np.maximum(varies, 1.0))
    above = (rises > high[:, None]) & (z > CERTAIN)[:, None]
    middle = bin_width * (above.argmax(axis=1) + RISE // 2) - before
    latency = np.where(above.any(axis=1), middle, np.nan)
    table = pd.DataFrame(
        dict(zip(names, (expected, spikes, z, latency), strict=True)), counts.index
    )
    return table


def _half_way(excess: np.ndarray, bin_width: float) -> float:
    """When half of the largest excess so far has come, ms: the end of that bin."""
    so_far = np.cumsum(excess)
    return bin_width * (1 + int(np.argmax(so_far >= 0.5 * so_far.max())))


def _counts(
    times: np.ndarray, ids: np.ndarray, groups: Groups, start: float, length: float, width: float
) -> np.ndarray:
    """int[groups, bins] of the time from ``start`` on."""
    near = (times >= start) & (times < start + length)
    return group_counts(times[near] - start, ids[near], groups, length, width).to_numpy()
