"""What a repeated pulse evokes: how many spikes more, how surely, and how late."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from isocortex.analysis.counts import Groups, by_group, group_counts

#: Standard deviations of chance that a response must exceed to have a latency.
CERTAIN = 3.0


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
        n = after[k].size
        excess = np.cumsum(after[k] - expected[k] / n)
        half = 0.5 * excess.max()
        latency[k] = bin_width * (1 + int(np.argmax(excess >= half)))
    return pd.DataFrame(
        {"expected": expected, "spikes": spikes, "z": z, "latency_ms": latency},
        index=by_group(groups),
    )


def _counts(
    times: np.ndarray, ids: np.ndarray, groups: Groups, start: float, length: float, width: float
) -> np.ndarray:
    """int[groups, bins] of the time from ``start`` on."""
    near = (times >= start) & (times < start + length)
    return group_counts(times[near] - start, ids[near], groups, length, width).to_numpy()
