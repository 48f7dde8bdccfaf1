"""What a study asks and expects: question, sources, what the model lacks, and the verdict."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex.errors import ConfigError, InputError
from isocortex.experiment import changes
from isocortex.experiment.results import StudyResult
from isocortex.experiment.statistics import paired
from isocortex.experiment.study import Study
from isocortex.text import read_json, read_text

AGREES, DIFFERS, UNTOLD, CANNOT = "agrees", "differs", "cannot be told", "cannot be asked"
RULE = (
    "Agrees: the mean over seeds lies in the expected range. Differs: its whole 95 % interval lies "
    "outside. Cannot be told: the mean lies outside and a part of the interval does not. Cannot be "
    "asked: the model lacks what it takes."
)
#: What is made of an arm and the control of the same seed.
AS = {
    "value": lambda arm, control: arm,
    "difference": lambda arm, control: arm - control,
    "ratio": lambda arm, control: arm / control,
    "percent": lambda arm, control: 100.0 * (arm - control) / control,
}
#: Measure of how an area recruits others, see :meth:`StudyResult.recruitment`.
RECRUITMENT = "recruitment"
#: Functions that the arms of a file may name.
MAKERS = {
    name: getattr(changes, name)
    for name in ("background", "channel", "current", "lesion", "lose", "synapses")
}


@dataclass(frozen=True)
class Source:
    """What was published.

    Attributes
    ----------
    text : for people; doi : may be empty.
    says : what is taken from it.
    """

    text: str
    doi: str = ""
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Something that ought to come out.

    Attributes
    ----------
    what : in words.
    arm, measure, by, group : where to find it; several groups are averaged. Of the measure
        ``recruitment`` ``by`` is an area and its side, ``group`` a quantity such as ``speed``.
    as_ : one of ``AS``.
    low, high : range that agrees.
    source : where from.
    cannot : why the model cannot be asked; then nothing is measured.
    """

    what: str
    arm: str = ""
    measure: str = ""
    by: str = "all"
    group: str | tuple[str, ...] = "all"
    as_: str = "value"
    low: float = -math.inf
    high: float = math.inf
    source: str = ""
    cannot: str = ""

    @property
    def range(self) -> str:
        """In words."""
        if math.isinf(self.low) and math.isinf(self.high):
            return "–"
        if math.isinf(self.high):
            return f"{self.low:g} or more"
        if math.isinf(self.low):
            return f"{self.high:g} or less"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Judged:
    """What was expected with what came out: mean over seeds and its 95 % interval."""

    expected: Expected
    mean: float
    low: float
    high: float
    seeds: int
    verdict: str


@dataclass(frozen=True, kw_only=True)
class About:
    """What a study is about.

    Attributes
    ----------
    name, title, question : for people.
    sources, expected : published, and what follows for the model.
    lacks : what the model does not have for it.
    """

    name: str = ""
    title: str = ""
    question: str = ""
    sources: tuple[Source, ...] = ()
    expected: tuple[Expected, ...] = ()
    lacks: tuple[str, ...] = ()

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> About:
        """From plain data, as JSON or TOML has it."""
        values = {name: told[name] for name in ("name", "title", "question") if name in told}
        return cls(
            **values,
            sources=tuple(Source(**each) for each in told.get("sources", ())),
            expected=tuple(_expected(each) for each in told.get("expected", ())),
            lacks=tuple(told.get("lacks", ())),
        )


def _expected(told: Mapping[str, Any]) -> Expected:
    values = {("as_" if key == "as" else key): value for key, value in told.items()}
    if isinstance(values.get("group"), list):
        values["group"] = tuple(values["group"])
    made = Expected(**values)
    if made.as_ not in AS:
        raise ConfigError(f"{made.as_!r} is none of {', '.join(AS)}", field="expected.as")
    return made


def judge(result: StudyResult) -> list[Judged]:
    """What was expected of a study, each with what came out of it."""
    about = result.study.about
    return [_judge(result, each) for each in (about.expected if about else ())]


def _judge(result: StudyResult, expected: Expected) -> Judged:
    if expected.cannot:
        return Judged(expected, *3 * (float("nan"),), 0, CANNOT)
    values = _values(result, expected)
    found = paired(values[np.isfinite(values)])
    return Judged(expected, found.mean, found.low, found.high, found.n, _verdict(expected, found))


def _verdict(expected: Expected, found: Any) -> str:
    if found.n == 0:
        return UNTOLD
    if expected.low <= found.mean <= expected.high:
        return AGREES
    return DIFFERS if found.low > expected.high or found.high < expected.low else UNTOLD


def _values(result: StudyResult, expected: Expected) -> np.ndarray:
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
        return every.reindex(groups).mean(axis=0)

    with np.errstate(divide="ignore", invalid="ignore"):
        made = AS[expected.as_](table(expected.arm), table(result.study.control))
    return made.to_numpy(float)


# --- files ------------------------------------------------------------------------------------

#: What a file says of the study itself.
OF_STUDY = ("scale", "seeds", "tstop", "settle", "control", "precision", "recipe")
OF_ABOUT = ("name", "title", "question", "sources", "expected", "lacks")


def read_study(path: str | Path, **other: Any) -> Study:
    """A study from a TOML or JSON file.

    ``arms`` are a list of objects with ``name`` and ``changes``; a change names a function of
    :mod:`isocortex.experiment` with its arguments, ``{lose = {node_set = "Pvalb", share = 0.5}}``,
    or is sections of a simulation's configuration.

    Parameters
    ----------
    other : values in place of the file's, such as ``scale`` or ``seeds``.

    Raises
    ------
    InputError, ConfigError : with the file and field at fault.
    """
    file = Path(path)
    if file.suffix == ".json":
        told = read_json(file)
    else:
        try:
            told = tomllib.loads(read_text(file))
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"not valid TOML ({error})", file=file, fix="Mend it.") from error
    return study_of(told, file, **other)


def study_of(told: Mapping[str, Any], file: Path | None = None, **other: Any) -> Study:
    """A study from plain data, see :func:`read_study`."""
    for name in told:
        if name not in (*OF_STUDY, *OF_ABOUT, "arms"):
            raise ConfigError(
                "is unknown", file=file, field=name,
                fix=f"There are arms, {', '.join((*OF_STUDY, *OF_ABOUT))}.",
            )  # fmt: skip
    try:
        arms = {
            each["name"]: [_change(change, file) for change in each.get("changes", ())]
            for each in told["arms"]
        }
        about = About.read({"name": file.stem if file else "", **told})
        values = {name: told[name] for name in OF_STUDY if name in told}
        study = Study(arms=arms, about=about, **{**values, **other})
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"is no study ({error})", file=file, fix="See `experiment show`."
        ) from error
    for number, each in enumerate(about.expected):
        if not each.cannot and each.arm not in arms:
            raise ConfigError(f"there is no arm {each.arm!r}", file=file,
                              field=f"expected[{number}].arm", fix="Name one of them.")  # fmt: skip
    return study


def _change(told: Mapping[str, Any], file: Path | None) -> Any:
    if len(told) == 1:
        ((name, values),) = told.items()
        if name in MAKERS:
            try:
                return MAKERS[name](**values)
            except TypeError as error:
                raise ConfigError(f"{error}", file=file, field=f"arms.{name}") from error
    return told
