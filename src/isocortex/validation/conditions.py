"""The runs that gates need, as plain data: how long, what is changed, what is put in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from isocortex.cortex.projection import POPULATION

#: Areas in which Pvalb cells are lit (Sanzeni et al. 2020: V1, S1, M1).
SOMATOSENSORY = tuple(
    f"SSp-{part}" for part in ("n", "bfd", "ll", "m", "ul", "tr", "un")
)  # fmt: skip
LIT: dict[str, tuple[str, ...]] = {"VISp": ("VISp",), "SSp": SOMATOSENSORY, "MOp": ("MOp",)}
#: Areas in which GABA-A is blocked alone, on one side.
FOCI, SIDE = ("VISp", "MOs"), "right"
#: The area whose output is cut, and whose layer 4 gets pulses.
LESIONED = PULSED = "VISp"
#: A run of the network as it is, as long as that of the lesion.
UNCUT = "uncut"

Query = dict[str, Any]
EVERY: Query = {"population": POPULATION}
INHIBITORY: Query = {"population": POPULATION, "ei": "i"}


@dataclass(frozen=True)
class Change:
    """A factor on the weights of the synapses from some neurons onto some.

    Attributes
    ----------
    source, target : node sets, as queries.
    """

    source: Query
    target: Query
    factor: float


@dataclass(frozen=True)
class Current:
    """Current pulses into the somata of some neurons.

    Attributes
    ----------
    into : node set, as a query.
    amp : nA, or a share of each cell's rheobase.
    of_rheobase : which.
    times : ms, when pulses begin.
    width : ms.
    """

    into: Query
    amp: float
    of_rheobase: bool
    times: tuple[float, ...]
    width: float


@dataclass(frozen=True)
class Condition:
    """One run of one network.

    Attributes
    ----------
    name : also of its folder.
    duration : ms, with ``settle``, which is not judged, at its beginning.
    dose : of what is changed, where there are several.
    """

    name: str
    duration: float
    settle: float
    changes: tuple[Change, ...] = ()
    currents: tuple[Current, ...] = ()
    dose: float = 0.0


@dataclass(frozen=True)
class Plan:
    """How long everything is run: ms of each condition, ``settle`` not among them.

    Attributes
    ----------
    settle : at the beginning of every run, not judged.
    doses : of GABA-A blocker, up to 1; none is what rest begins with.
    lights : doses of light, shares of the rheobase.
    lesion : also of the network uncut, if rest is shorter: it takes that long to see a few percent.
    pulses : number of them, ``pulse_gap`` ms apart; ``pulse_nA`` for ``pulse_ms``.
    gates : names of those that the plan serves; none for all.
    """

    settle: float = 500.0
    rest: float = 5000.0
    cut: float = 1500.0
    doses: tuple[float, ...] = (0.1, 0.2, 0.5, 0.75, 1.0)
    dose: float = 1000.0
    focus: float = 2500.0
    lights: tuple[float, ...] = (0.1, 0.2, 0.3)
    light: float = 2000.0
    lesion: float = 20000.0
    pulses: int = 10
    pulse_gap: float = 400.0
    pulse_ms: float = 5.0
    pulse_nA: float = 1.0  # noqa: N815
    gates: tuple[str, ...] = ()


FULL = Plan()
#: A minute or two at scale 0.001 on two cores.
SHORT = Plan(
    rest=1500.0, cut=750.0, doses=(1.0,), dose=1000.0,
    gates=("rates", "recurrence", "synapses", "irregular", "correlated", "balance", "seizure"),
)  # fmt: skip


def conditions(plan: Plan, gates: Iterable[str]) -> list[Condition]:
    """The runs that some gates need, rest first; each once."""
    wanted = set(gates)
    found = [Condition("rest", plan.settle + plan.rest, plan.settle)]
    for name, make in MAKERS.items():
        if name in wanted:
            found += make(plan)
    return found


def _no_recurrence(plan: Plan) -> Iterator[Condition]:
    yield _run("no_recurrence", plan, plan.cut, Change(EVERY, EVERY, 0.0))


def _doses(plan: Plan) -> Iterator[Condition]:
    for dose in plan.doses:
        block = Change(INHIBITORY, EVERY, 1.0 - dose)
        made = _run(f"gaba_block_{100 * dose:03.0f}", plan, plan.dose, block)
        yield replace(made, dose=dose)


def _foci(plan: Plan) -> Iterator[Condition]:
    for area in FOCI:
        there = {"population": POPULATION, "area": area, "hemisphere": SIDE}
        yield _run(f"focus_{area}", plan, plan.focus, Change(INHIBITORY, there, 0.0))


def _lights(plan: Plan) -> Iterator[Condition]:
    areas = [area for several in LIT.values() for area in several]
    cells = {"population": POPULATION, "area": areas, "cell_class": "Pvalb"}
    for dose in plan.lights:
        made = _run(f"light_{100 * dose:02.0f}", plan, plan.light)
        lamp = Current(cells, dose, True, (0.0,), made.duration)
        yield replace(made, dose=dose, currents=(lamp,))


def _lesion(plan: Plan) -> Iterator[Condition]:
    if plan.lesion > plan.rest:
        yield _run(UNCUT, plan, plan.lesion)
    area = {"population": POPULATION, "area": LESIONED}
    # of several changes of one synapse the last holds: within the area nothing is cut
    cut, kept = Change(area, EVERY, 0.0), Change(area, area, 1.0)
    yield _run(f"lesion_{LESIONED}", plan, plan.lesion, cut, kept)


def _pulses(plan: Plan) -> Iterator[Condition]:
    made = _run(f"pulse_{PULSED}", plan, 100.0 + plan.pulses * plan.pulse_gap)
    into = {"population": POPULATION, "area": PULSED, "hemisphere": SIDE, "layer": "L4", "ei": "e"}
    times = tuple(made.settle + at for at in pulse_times(plan))
    yield replace(made, currents=(Current(into, plan.pulse_nA, False, times, plan.pulse_ms),))


def pulse_times(plan: Plan) -> list[float]:
    """When pulses begin in the time that is judged, ms."""
    return [100.0 + k * plan.pulse_gap for k in range(plan.pulses)]


def _run(name: str, plan: Plan, judged: float, *changes: Change) -> Condition:
    return Condition(name, plan.settle + judged, plan.settle, changes)


#: Gate -> the runs it needs beside rest.
MAKERS = {
    "recurrence": _no_recurrence,
    "seizure": _doses,
    "focus": _foci,
    "stabilised": _lights,
    "lesion": _lesion,
    "evoked": _pulses,
}
