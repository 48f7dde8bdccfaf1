"""What was expected of a study, and what came out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from isocortex.experiment.about import MEAN, RECRUITMENT, Expected
from isocortex.experiment.results import StudyResult
from isocortex.experiment.statistics import Paired, paired

AGREES, DIFFERS, UNTOLD, CANNOT = "agrees", "differs", "cannot be told", "cannot be asked"
RULE = (
    "Agrees: the mean over seeds lies in the expected range and, where that is open to one side, "
    "so does its whole 95 % interval. Differs: the whole interval lies outside. Cannot be told: "
    "neither. Cannot be asked: the model lacks what it takes."
)
#: What is made of an arm and the control of the same seed.
MADE = {
    "value": lambda arm, control: arm,
    "difference": lambda arm, control: arm - control,
    "ratio": lambda arm, control: arm / control,
    "percent": lambda arm, control: 100.0 * (arm - control) / control,
}


@dataclass(frozen=True)
class Judged:
    """What was expected with what came out: mean over seeds and its 95 % interval."""

    expected: Expected
    mean: float
    low: float
    high: float
    seeds: int
    verdict: str


def judge(result: StudyResult) -> list[Judged]:
    """What was expected of a study, each with what came out of it."""
    about = result.study.about
    return [judged(result, each) for each in (about.expected if about else ())]


def judged(result: StudyResult, expected: Expected) -> Judged:
    """One thing that was expected, with what came out."""
    if expected.cannot:
        return Judged(expected, *3 * (float("nan"),), 0, CANNOT)
    values = values_of(result, expected)
    found = paired(values[np.isfinite(values)])
    return Judged(expected, found.mean, found.low, found.high, found.n, _verdict(expected, found))


def _verdict(expected: Expected, found: Paired) -> str:
    if found.n == 0:
        return UNTOLD
    if found.low > expected.high or found.high < expected.low:
        return DIFFERS
    if math.isinf(expected.low) or math.isinf(expected.high):  # a direction must be certain
        holds = expected.low <= found.low and found.high <= expected.high
    else:
        holds = expected.low <= found.mean <= expected.high
    return AGREES if holds else UNTOLD


def values_of(result: StudyResult, expected: Expected) -> np.ndarray:
    """float[seeds]; NaN where it is not defined."""
    if expected.measure == RECRUITMENT:
        area, side = expected.by.split()
        found = result.recruitment(expected.arm, area, side)
        key = f"focus.{area}.{expected.group}"
        return np.array([each.values.get(key, np.nan) for each in found.values()])
    start = result.study.differs_from(expected.arm, result.study.control)
    groups = [expected.group] if isinstance(expected.group, str) else list(expected.group)

    def table(arm: str) -> pd.Series:
        every = result.table(expected.measure, expected.by, arm=arm, start=start)
        return every.mean() if groups == [MEAN] else every.reindex(groups).mean()

    with np.errstate(divide="ignore", invalid="ignore"):
        made = MADE[expected.as_](table(expected.arm), table(result.study.control))
    return made.to_numpy(float)
