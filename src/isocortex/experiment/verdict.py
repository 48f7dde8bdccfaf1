"""What was expected of a study, and what came out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from isocortex.arrays import FloatArray
from isocortex.errors import ConfigError
from isocortex.experiment.about import MADE, MEAN, NO_EFFECT, RECRUITMENT, SPREAD, Expected
from isocortex.experiment.results import StudyResult
from isocortex.experiment.statistics import ENOUGH_SEEDS, Paired, paired

AGREES, DIFFERS, UNTOLD, CANNOT = "agrees", "differs", "cannot be told", "cannot be asked"
RULE = (
    "Agrees: the whole 95 % interval over seeds lies in the expected range, of which no effect at "
    "all (a difference of 0, a ratio of 1) is no part where it ends there. Differs: the whole "
    "interval lies outside. Cannot be told: neither, as of one seed, or there are seeds in which "
    "it is not defined. An area that never joins in a seed joins there after an infinite time. "
    "Where all seeds give the same number, the interval is that of the sign-flip test. Cannot be "
    "asked: the model lacks what it takes."
)
#: Quantities of recruitment that are times until something happens, which may never do so.
TIMES = ("partner_ms",)


@dataclass(frozen=True)
class Judged:
    """What was expected with what came out.

    Attributes
    ----------
    mean, low, high : over the seeds in which it is finite, and its 95 % interval.
    seeds, of : in how many it is finite, and how many there are.
    """

    expected: Expected
    mean: float
    low: float
    high: float
    seeds: int
    of: int
    verdict: str


def judge(result: StudyResult) -> list[Judged]:
    """What was expected of a study, each with what came out of it.

    Raises
    ------
    ConfigError : it is expected of a group that there is not.
    """
    about = result.study.about
    return [judged(result, each) for each in (about.expected if about else ())]


def judged(result: StudyResult, expected: Expected) -> Judged:
    """One thing that was expected, with what came out."""
    if expected.cannot:
        return Judged(expected, *3 * (float("nan"),), 0, 0, CANNOT)
    values = values_of(result, expected)
    found = paired(values[np.isfinite(values)])
    low, high = interval_of(found)
    verdict = _verdict(expected, values, low, high)
    return Judged(expected, found.mean, low, high, found.n, len(values), verdict)


def interval_of(found: Paired) -> tuple[float, float]:
    """Student's interval; where all differences are the same, that of the sign-flip test.

    Infinite where neither bounds anything, as of one seed.
    """
    if np.isfinite([found.low, found.high]).all():
        return found.low, found.high
    return (found.flip_low, found.flip_high) if found.n else (-math.inf, math.inf)


def _verdict(expected: Expected, values: FloatArray, low: float, high: float) -> str:
    if not len(values) or np.isnan(values).any():
        return UNTOLD
    finite = np.isfinite(values).all()
    if not finite:
        if len(np.unique(values)) == 1 and len(values) >= ENOUGH_SEEDS:  # as of equal numbers
            low = high = float(values[0])
        else:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if finite and _agrees(expected, low) and _agrees(expected, high):
        return AGREES
    below = high <= expected.low and not _agrees(expected, high)
    above = low >= expected.high and not _agrees(expected, low)
    return DIFFERS if below or above else UNTOLD


def _agrees(expected: Expected, value: float) -> bool:
    """Whether a value lies in the range; no effect at all, at its end, does not."""
    ends = (expected.low, expected.high)
    return ends[0] <= value <= ends[1] and not (
        value in ends and value == NO_EFFECT.get(expected.as_)
    )


def values_of(result: StudyResult, expected: Expected) -> FloatArray:
    """float[seeds]; NaN where it is not defined, infinite for what never happens.

    Raises
    ------
    ConfigError : there is no such group in any seed.
    """
    if expected.measure in SPREAD:
        return _spread(result, expected)
    against = expected.against or result.study.control
    apart = result.study.differs_from(expected.arm, against)
    start = apart if expected.start is None else expected.start
    last = result.study.tstop if expected.stop is None else expected.stop
    if start >= last or last > result.study.tstop:  # runs are shorter than what is asked of them
        return np.full(len(result.seeds), np.nan)
    groups = [expected.group] if isinstance(expected.group, str) else list(expected.group)

    def table(arm: str) -> pd.DataFrame:
        every = result.table(expected.measure, expected.by, arm=arm, start=start, stop=last)
        if groups == [MEAN]:
            return every
        unknown = [name for name in groups if name not in every.index]
        if unknown:
            raise ConfigError(
                f"there is no group {unknown[0]!r} by {expected.by!r}, of which is expected: "
                f"{expected.what}", field="expected.group",
                fix="Name one that there is; small cortices lack rare ones.",
            )  # fmt: skip
        return every.loc[groups]

    arm, control = table(expected.arm), table(against)
    if expected.as_ != "value":  # both are means over the same groups
        both = arm.notna() & control.notna()
        arm, control = arm.where(both), control.where(both)
    with np.errstate(divide="ignore", invalid="ignore"):
        made = MADE[expected.as_](arm.mean().to_numpy(float), control.mean().to_numpy(float))
    return np.asarray(made, float)


def _spread(result: StudyResult, expected: Expected) -> FloatArray:
    if not result.differ(expected.arm):  # runs end before
        return np.full(len(result.seeds), np.nan)
    area, side = expected.by.split()
    recruits = expected.measure == RECRUITMENT
    spread = result.recruitment if recruits else result.evoked
    found = spread(expected.arm, area, side).values()
    if not any(each.values for each in found):
        raise ConfigError(
            f"there is no area {expected.by!r}, of which is expected: {expected.what}",
            field="expected.by", fix="Name one that there is, with its side.",
        )  # fmt: skip
    never = math.inf if expected.group in TIMES else math.nan
    key = f"focus.{area}.{expected.group}" if recruits else f"pulse.{expected.group}"
    return np.array([each.values.get(key, never) for each in found], float)
