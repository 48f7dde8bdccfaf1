"""What a study asks and expects: question, sources, what the model lacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from isocortex.arrays import FloatArray
from isocortex.cortex.counts import HEMISPHERES
from isocortex.errors import ConfigError, located
from isocortex.experiment.measures import attributes_of, measure_named
from isocortex.sonata.schema import unknown_key

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
#: Their quantities, and how they are told.
SPREAD = {
    RECRUITMENT: {
        "ratio": "rate of the focus over the control's",
        "first": "share of areas that join later",
        "nearer": "probability that a neighbour joins before another area",
        "partner_ms": "latency of the same area of the other side, ms",
        "reached": "share of areas that join",
        "speed": "speed along the flattened cortex, mm/s",
    },
    EVOKED: {
        "source": "response of the area itself, standard deviations",
        "respond": "share of higher visual areas that respond",
        "order": "rank correlation of their latency with their place in the hierarchy",
        "return": "rate before the next pulse, over the control's",
    },
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
    arm, measure, by, group : where to find it; several groups are averaged, ``mean`` is the mean of
        all. Of the measures ``recruitment`` and ``evoked`` ``by`` is an area and its side,
        ``group`` a quantity such as ``speed`` or ``order``.
    as_ : one of ``MADE``: what is made of the arm and the control of the same seed.
    against : an arm in place of the control.
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
    against: str = ""
    low: float = -math.inf
    high: float = math.inf
    start: float | None = None
    stop: float | None = None
    source: str = ""
    cannot: str = ""

    @property
    def compared(self) -> str:
        """The arm, in words, and what it is held against unless that is the control."""
        return f"{self.arm}, against {self.against}" if self.against else self.arm

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
            expected=tuple(
                _expected(each, number) for number, each in enumerate(told.get("expected", ()))
            ),
            lacks=tuple(told.get("lacks", ())),
        )


def _expected(told: Mapping[str, Any], number: int) -> Expected:
    known = [("as" if each.name == "as_" else each.name) for each in fields(Expected)]
    with located(None, f"expected[{number}]"):
        for key in told:
            if key not in (*known, "as_"):
                raise unknown_key(key, known, None, "")
        return _checked(told)


def _checked(told: Mapping[str, Any]) -> Expected:
    values = {("as_" if key == "as" else key): value for key, value in told.items()}
    if isinstance(values.get("group"), list):
        values["group"] = tuple(values["group"])
    made = Expected(**values)
    if made.as_ not in MADE:
        raise ConfigError(f"{made.as_!r} is none of {', '.join(MADE)}", field="as")
    if made.start is not None and made.stop is not None and made.start >= made.stop:
        raise ConfigError(f"{made.start:g} ms is not before {made.stop:g} ms",
                          field="start", fix="Begin earlier, or end later.")  # fmt: skip
    if made.measure in SPREAD and not made.cannot:
        _spread_exists(made)
    return made


def _spread_exists(made: Expected) -> None:
    """Refuse what cannot be asked of where activity goes, before anything is run for it."""
    if (made.start, made.stop) != (None, None):
        raise ConfigError(f"{made.measure} is of the whole time in which arms differ",
                          field="start", fix="Leave start and stop out.")  # fmt: skip
    if made.as_ != "value" or made.against:
        raise ConfigError(f"{made.measure} is told against the control as it is",
                          field="as", fix="Leave as and against out.")  # fmt: skip
    words = made.by.split()
    if len(words) != 2 or words[1] not in HEMISPHERES:
        raise ConfigError(f"{made.by!r} is no area with its side", field="by",
                          fix='Write it as "VISp right".')  # fmt: skip
    if made.group not in SPREAD[made.measure]:
        raise ConfigError(f"{made.measure} has no {made.group!r}", field="group",
                          fix=f"There are {', '.join(SPREAD[made.measure])}.")  # fmt: skip


def measure_exists(expected: Expected) -> None:
    """Refuse what asks for a measure, or for groups, that there are not."""
    if expected.cannot:
        return
    if expected.measure == EVOKED:
        from isocortex.validation.measure import higher_than  # takes long to import

        higher_than(expected.by.split()[0])
    elif expected.measure not in SPREAD:
        measure_named(expected.measure)
        attributes_of(expected.by)
