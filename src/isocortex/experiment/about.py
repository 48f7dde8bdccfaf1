"""What a study asks and expects: question, sources, what the model lacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isocortex.arrays import FloatArray
from isocortex.errors import ConfigError
from isocortex.experiment.measures import measure_named

#: What is made of an arm and the control of the same seed; ``as`` names one.
MADE: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "value": lambda arm, control: arm,
    "difference": lambda arm, control: arm - control,
    "ratio": lambda arm, control: arm / control,
    "percent": lambda arm, control: 100.0 * (arm - control) / control,
}
#: What of it is no effect at all.
NO_EFFECT = {"difference": 0.0, "ratio": 1.0, "percent": 0.0}
#: Group that is the mean of all.
MEAN = "mean"
#: Measures of where activity goes from an area that discharges, or that is driven in pulses; see
#: :meth:`StudyResult.recruitment` and :meth:`StudyResult.evoked`.
RECRUITMENT, EVOKED = "recruitment", "evoked"
SPREAD = (RECRUITMENT, EVOKED)


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
    arm, measure, by, group : where to find it; several groups are averaged, ``mean`` is the mean of
        all. Of the measures ``recruitment`` and ``evoked`` ``by`` is an area and its side,
        ``group`` a quantity such as ``speed`` or ``order``.
    as_ : one of ``MADE``: what is made of the arm and the control of the same seed.
    low, high : range that agrees.
    start, stop : ms, of the time that is looked at; by default from when the arm differs, to the
        end.
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
    start: float | None = None
    stop: float | None = None
    source: str = ""
    cannot: str = ""

    @property
    def range(self) -> str:
        """In words."""
        if math.isinf(self.low) and math.isinf(self.high):
            return "–"
        none = NO_EFFECT.get(self.as_)
        if math.isinf(self.high):
            return f"more than {self.low:g}" if self.low == none else f"{self.low:g} or more"
        if math.isinf(self.low):
            return f"less than {self.high:g}" if self.high == none else f"{self.high:g} or less"
        return f"{self.low:g} to {self.high:g}"


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
    if made.as_ not in MADE:
        raise ConfigError(f"{made.as_!r} is none of {', '.join(MADE)}", field="expected.as")
    if made.measure in SPREAD and (made.start, made.stop) != (None, None):
        raise ConfigError(f"{made.measure} is of the whole time in which arms differ",
                          field="expected.start", fix="Leave start and stop out.")  # fmt: skip
    return made


def measure_exists(expected: Expected) -> None:
    """Refuse what asks for a measure that there is not."""
    if not expected.cannot and expected.measure not in SPREAD:
        measure_named(expected.measure)
