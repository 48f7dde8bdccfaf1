"""Differences between paired arms of a study: seeds are replicates, cells never.

A seed is an animal: both arms have its positions, models, wiring and background, and what is
compared is the difference within it. Two tests stand beside each other: Student's t of the
differences, and the exact sign-flip test (Fisher 1935), which asks only that without an effect a
difference is as often below as above zero. With few seeds the second can say little, and says so.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from isocortex.arrays import FloatArray

#: Seeds up to which all patterns of signs are gone through; of more, this many at random.
EXACT, DRAWN = 16, 100_000
#: Share of true effects that the smallest visible difference is to be found with.
POWER = 0.8
#: Differences that vary by no more than this share of the largest are the same but for rounding.
SAME = 1e-12
#: Seeds from which on the sign-flip test can go below 0.05: 2 / 2^6.
ENOUGH_SEEDS = 6
#: Columns of a comparison, in their order; those of the seeds come behind.
COLUMNS = (
    "control_mean", "arm_mean", "difference", "low", "high", "percent", "d", "p_t", "p_flip",
    "p_holm", "flip_low", "flip_high", "smallest", "seeds",
)  # fmt: skip


class FewSeedsWarning(UserWarning):
    """There are too few seeds for what is asked."""


@dataclass(frozen=True)
class Paired:
    """What paired differences say.

    Attributes
    ----------
    n : pairs.
    mean, low, high : of the differences, and its interval by Student's t. That, ``d``, ``p_t`` and
        ``smallest`` are NaN for one pair, and where all differences are the same: what can be said
        then, the sign-flip test does.
    d : mean over standard deviation of the differences (Cohen's d of pairs).
    p_t, p_flip : two-sided, of Student's t and of the sign-flip test.
    flip_low, flip_high : the interval that the sign-flip test does not refuse; infinite where so
        few pairs cannot bound it.
    smallest : the difference that a t test, before Holm's correction, would find in ``POWER`` of
        all studies with so many pairs and this standard deviation.
    """

    n: int
    mean: float
    low: float
    high: float
    d: float
    p_t: float
    p_flip: float
    flip_low: float
    flip_high: float
    smallest: float


def paired(differences: ArrayLike, level: float = 0.95) -> Paired:
    """Judge paired differences; NaN are left out.

    Parameters
    ----------
    differences : float[pairs].
    level : of the intervals.
    """
    from scipy import stats

    x = np.asarray(differences, dtype=float)
    x = x[~np.isnan(x)]
    n, nan = len(x), float("nan")
    if n == 0:
        return Paired(0, *9 * (nan,))
    mean = float(x.mean())
    if n == 1:
        return Paired(1, mean, nan, nan, nan, nan, 1.0, -np.inf, np.inf, nan)
    signs = (sign_flip(x), *sign_flip_interval(x, level))
    sd = float(x.std(ddof=1))
    if sd <= SAME * np.abs(x).max():  # Student's t asks for differences that vary
        return Paired(n, mean, nan, nan, nan, nan, *signs, nan)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / np.sqrt(n)
    d = mean / sd
    p_t = float(2 * stats.t.sf(abs(d) * np.sqrt(n), n - 1))
    smallest = smallest_visible(sd, n, 1 - level)
    return Paired(n, mean, mean - half, mean + half, d, p_t, *signs, smallest)


def sign_flip(differences: ArrayLike, seed: int = 0) -> float:
    """Two-sided p of the sign-flip test: share of all patterns of signs that are as extreme.

    Exact up to ``EXACT`` pairs; of more, ``DRAWN`` random patterns stand for all, with the one that
    was found among them.
    """
    x = np.asarray(differences, dtype=float)
    n = len(x)
    if n <= EXACT:
        signs = _all_signs(n)
    else:
        signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(DRAWN, n))
        signs[0] = 1.0
    reach = abs(x.sum())
    # sums that differ by rounding alone are the same
    return float(np.mean(np.abs(signs @ x) >= reach - 1e-9 * np.abs(x).sum()))


def sign_flip_interval(differences: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Values of the mean that the sign-flip test does not refuse.

    The means of all subsets of n differences cut the line into 2^n pieces, each of which holds the
    true value with the same probability where differences lie symmetrically about it (Hartigan
    1969, J. Am. Stat. Assoc. 64, 1303). Infinite for fewer than ``ENOUGH_SEEDS`` pairs at 95
    %.
    """
    x = np.asarray(differences, dtype=float)
    n = len(x)
    if n > EXACT:
        rng = np.random.default_rng(0)
        chosen = rng.integers(0, 2, size=(DRAWN, n)).astype(float)
        chosen = chosen[chosen.any(axis=1)]
    else:
        chosen = (_all_signs(n)[1:] + 1.0) / 2.0  # the first is the empty subset
    means = np.sort(chosen @ x / chosen.sum(axis=1))
    outside = int(np.floor((1 - level) / 2 * (len(means) + 1) + 1e-9))
    if outside < 1:
        return -np.inf, np.inf
    return float(means[outside - 1]), float(means[-outside])


def _all_signs(n: int) -> FloatArray:
    signs: FloatArray = np.array(list(itertools.product((-1.0, 1.0), repeat=n)), dtype=float)
    return signs


def smallest_visible(sd: float, n: int, alpha: float = 0.05, power: float = POWER) -> float:
    """The true difference that a t test of n pairs would find with this probability.

    Of one test alone: held against a family of groups (Holm) it must be larger.

    Parameters
    ----------
    sd : of the differences; NaN is returned where they do not vary.
    """
    if n < 2 or not np.isfinite(sd) or sd <= 0:
        return float("nan")
    return sd * _smallest_effect(n, alpha, power)


@cache
def _smallest_effect(n: int, alpha: float, power: float) -> float:
    """The same in standard deviations: of these alone, while a page asks thousands of times."""
    from scipy import optimize, stats

    edge = stats.t.ppf(1 - alpha / 2, n - 1)

    def missing(effect: float) -> float:  # beyond the other edge lies nothing at such a power
        return float(stats.nct.sf(edge, n - 1, effect * np.sqrt(n)) - power)

    top = 1.0
    while missing(top) < 0:
        top *= 2.0
    return float(optimize.brentq(missing, 0.0, top))


def holm(p: ArrayLike) -> FloatArray:
    """P values that hold for all of a family together (Holm 1979, Scand. J. Stat. 6, 65).

    NaN are not of the family.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def comparison(control: pd.DataFrame, arm: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Compare two arms, group by group.

    Parameters
    ----------
    control, arm : float[groups, seeds], with the same index and columns.
    level : of the intervals.

    Returns
    -------
    By group, the columns of ``COLUMNS``: means of both arms; the mean difference within seeds with
    its interval; the same in per cent of the control's mean; see :class:`Paired` for the others;
    ``p_holm`` is ``p_t`` held against all groups of the table. Then a column for the difference of
    each seed, by its number.
    """
    differences = arm - control
    rows = []
    for group, found in differences.iterrows():
        judged = paired(found.to_numpy(), level)
        both = found.notna()
        base = control.loc[group][both].mean()
        rows.append(
            {
                "control_mean": base,
                "arm_mean": arm.loc[group][both].mean(),
                "difference": judged.mean,
                "low": judged.low,
                "high": judged.high,
                "percent": 100.0 * judged.mean / abs(base) if base else np.nan,
                **{name: getattr(judged, name) for name in ("d", "p_t", "p_flip", "flip_low",
                                                           "flip_high", "smallest")},
                "seeds": judged.n,
            }
        )  # fmt: skip
    table = pd.DataFrame(rows, index=differences.index)
    if len(table):
        table["p_holm"] = holm(table["p_t"])
    return table.reindex(columns=list(COLUMNS)).join(differences)


def few_seeds(n: int) -> str:
    """What to say of so many seeds; nothing of enough."""
    if n >= ENOUGH_SEEDS:
        return ""
    if n < 2:
        return "One seed is one animal: no difference can be told from chance. Take six or more."
    return (
        f"{n} seeds are few: the sign-flip test cannot go below p = {2 / 2**n:.3g}, and intervals "
        f"rest on the normal distribution. Take {ENOUGH_SEEDS} or more."
    )


def warn_of_few(n: int) -> None:
    """Warn whoever asked for a comparison, if there is something to say."""
    said = few_seeds(n)
    if said:
        warnings.warn(said, FewSeedsWarning, stacklevel=3)
