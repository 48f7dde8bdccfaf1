"""A study that was run: its spikes, tables of measures, comparisons of its arms."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex.cortex.projection import POPULATION
from isocortex.errors import ConfigError, InputError
from isocortex.experiment.about import EVOKED, RECRUITMENT, SPREAD
from isocortex.experiment.jobs import CONFIG, OUTPUT
from isocortex.experiment.measures import MEASURES, Look, groups_of, measure_named
from isocortex.experiment.statistics import comparison, few_seeds, warn_of_few
from isocortex.experiment.study import STUDY, Study
from isocortex.report.results import Result
from isocortex.sonata.config import load_nodes
from isocortex.text import read_json
from isocortex.validation.measure import higher_than
from isocortex.validation.measured import Measured
from isocortex.validation.neurons import Neurons, Spikes, on
from isocortex.validation.perturbed import BEFORE, EVENT_BIN, focus, pulse

#: ms between pulses of which responses are told.
APART = 200.0


class StudyRun:
    """One arm of one seed.

    Attributes
    ----------
    folder : of its configuration.
    result : what it wrote; of a branch from where it began.
    stem : what it has in common with others until there, or None.
    """

    def __init__(self, folder: Path, stem: Path | None) -> None:
        self.folder = folder
        self.result = Result(folder / OUTPUT)
        self.stem = None if stem is None else Result(stem / OUTPUT)

    @property
    def parts(self) -> list[Result]:
        """The stem, if there is one, and the result."""
        return [self.result] if self.stem is None else [self.stem, self.result]

    @cached_property
    def table(self) -> pd.DataFrame:
        """All spikes from 0 on, as results have them."""
        if self.stem is None:
            return self.result.spikes
        early = self.stem.spikes
        # a spike of the step that the state ends with is the stem's
        edge = self.result.begin + 0.5 * float(self.result.provenance["run"]["dt"])
        late = self.result.spikes
        parts = [early[early["timestamps"] < edge], late[late["timestamps"] >= edge]]
        return pd.concat(parts, ignore_index=True)

    def spikes(self, start: float, stop: float) -> Spikes:
        """Those of the neurons in a stretch of time, ms, which becomes the time from 0 on."""
        return Spikes.of(self.table, start, stop)

    @property
    def changed(self) -> dict[str, Any]:
        """What the provenance tells of its changes."""
        return dict(self.result.provenance.get("run", {}))


class StudyResult:
    """Everything that a study gave; :func:`open_study` opens one of a folder.

    Parameters
    ----------
    study : what was asked.
    folder : of its runs.
    """

    def __init__(self, study: Study, folder: str | os.PathLike[str]) -> None:
        self.study, self.folder = study, Path(folder)
        self._runs: dict[tuple[str, int], StudyRun] = {}
        self._neurons: dict[int, Neurons] = {}

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of which all arms are done.

        Raises
        ------
        InputError : there is none.
        """
        parts: dict[str, bool] = {}
        for job in self.study.jobs(self.folder):
            home = Path(job.folder).parent.name
            parts[home] = parts.get(home, True) and job.whole
        seeds = tuple(seed for seed in self.study.seeds if parts[f"seed_{seed}"])
        if not seeds:
            raise InputError("no seed has all its arms", file=self.folder, fix="Run the study.")
        return seeds

    @property
    def arms(self) -> tuple[str, ...]:
        """All of them, the control first."""
        control = self.study.control
        return (control, *(name for name in self.study.arms if name != control))

    def run(self, arm: str, seed: int) -> StudyRun:
        """One run."""
        self._known(arm)
        if seed not in self.study.seeds:
            told = ", ".join(map(str, self.study.seeds))
            raise ConfigError(f"there is no seed {seed}", field="seed", fix=f"There are {told}.")
        if (arm, seed) not in self._runs:
            stem = self.study.stem_of(self.folder, seed)
            branches = arm in self.study.branching
            folder = self.study.folder_of(self.folder, seed, arm)
            self._runs[arm, seed] = StudyRun(folder, stem if branches else None)
        return self._runs[arm, seed]

    def _known(self, arm: str) -> None:
        if arm not in self.study.arms:
            raise ConfigError(
                f"there is no arm {arm!r}", field="arm", fix=f"There are {', '.join(self.arms)}."
            )

    def neurons(self, seed: int) -> Neurons:
        """Labels of the neurons of an animal."""
        if seed not in self._neurons:
            config = self.study.folder_of(self.folder, seed, self.study.control) / CONFIG
            self._neurons[seed] = Neurons.of(load_nodes(config)[POPULATION])
        return self._neurons[seed]

    # --- tables ----------------------------------------------------------------------------------

    def table(
        self,
        measure: str,
        by: str | Sequence[str] = "area",
        *,
        arm: str | None = None,
        start: float | None = None,
        stop: float | None = None,
    ) -> pd.DataFrame:
        """A measure of every group and seed.

        Parameters
        ----------
        measure : one of :data:`isocortex.experiment.measures.MEASURES`.
        by : what groups are made of, see :func:`isocortex.experiment.measures.groups_of`.
        arm : default the control.
        start, stop : ms; by default from when the arm differs from the control, to the end.

        Returns
        -------
        float[groups, seeds].
        """
        arm = arm or self.study.control
        of = measure_named(measure).of
        begin, end = self._window(arm, self.study.control, start, stop)
        columns = {}
        for seed in self.seeds:
            spikes = self.run(arm, seed).spikes(begin, end)
            rest = self.run(self.study.control, seed).spikes(begin, end)
            groups = groups_of(self.neurons(seed), by)
            columns[seed] = of(Look(spikes, rest, groups))
        return pd.DataFrame(columns).rename_axis(index=_named(by), columns="seed")

    def compare(
        self,
        measure: str = "rate",
        by: str | Sequence[str] = "area",
        *,
        arm: str | None = None,
        against: str | None = None,
        start: float | None = None,
        stop: float | None = None,
        level: float = 0.95,
        warn: bool = True,
    ) -> pd.DataFrame:
        """Arms against the control, group by group, paired by seed.

        Parameters
        ----------
        measure, by, start, stop : see :meth:`table`; by default from when two arms differ.
        arm : one arm; by default all but the control, of those that differ before the runs end.
        against : what is compared with, default the control.
        level : of the intervals.
        warn : say with a :class:`FewSeedsWarning` if there are few seeds; who does not want it
            tells it otherwise.

        Returns
        -------
        By arm and group, the columns of :func:`isocortex.experiment.statistics.comparison`; Holm's
        correction is over the groups of an arm. ``attrs`` hold measure, unit and, where there are
        few seeds, what to say of them.
        """
        if warn:
            warn_of_few(len(self.seeds))
        control = against or self.study.control
        arms = [arm] if arm else [name for name in self.arms if name != control]
        parts = {}
        for name in arms:
            if arm is None and start is None and not self.differ(name, control):
                continue  # the runs end before
            begin, end = self._window(name, control, start, stop)
            theirs, mine = (
                self.table(measure, by, arm=each, start=begin, stop=end) for each in (control, name)
            )
            parts[name] = comparison(theirs, mine, level)
        if not parts:
            raise ConfigError(
                "there is only one arm" if not arms else "the runs end before arms differ",
                field="arms", fix="Compare two or more, over longer runs.",
            )  # fmt: skip
        table = pd.concat(parts, names=["arm", _named(by)])
        table.attrs = {
            "measure": measure, "unit": MEASURES[measure].unit, "control": control,
            "level": level, "note": few_seeds(len(self.seeds)),
        }  # fmt: skip
        return table

    def recruitment(
        self, arm: str, area: str, side: str = "right", *, start: float | None = None
    ) -> dict[int, Measured]:
        """By seed, where activity goes from an area: order, latency, speed.

        See :func:`isocortex.validation.perturbed.focus`; the control of the seed is its rest, from
        ``start`` on. Of the arm a little before that is looked at too: what a first discharge at
        once is told against.
        """
        begin, end = self._window(arm, self.study.control, start, None)
        if end - begin < EVENT_BIN:
            return dict.fromkeys(self.seeds, _undefined(f"focus.{area}", RECRUITMENT))
        lead, found = min(BEFORE, begin), {}
        for seed in self.seeds:
            spikes = self.run(arm, seed).spikes(begin - lead, end)
            rest = self.run(self.study.control, seed).spikes(begin, end)
            found[seed] = focus(spikes, rest, self.neurons(seed), area, side, since=lead)
        return found

    def evoked(self, arm: str, area: str, side: str = "right") -> dict[int, Measured]:
        """By seed, when higher visual areas follow an area that is driven in pulses.

        See :func:`isocortex.validation.perturbed.pulse`; all is NaN where runs end before a first
        response does.

        Raises
        ------
        ConfigError : see :meth:`pulses`; or no area that is looked at is higher.
        """
        control, higher = self.study.control, higher_than(area)
        begin, end = self._window(arm, control, None, None)
        pulses = [at - begin + BEFORE for at in self.pulses(arm)]
        found = {}
        for seed in self.seeds:
            neurons = self.neurons(seed)
            if on(area, side) not in neurons.by_area:
                found[seed] = Measured()
            elif not pulses:
                found[seed] = _undefined("pulse", EVOKED)
            else:
                spikes, rest = (
                    self.run(each, seed).spikes(begin - BEFORE, end) for each in (arm, control)
                )
                found[seed] = pulse(spikes, rest, neurons, pulses, higher, source=area, side=side)
        return found

    def pulses(self, arm: str) -> list[float]:
        """When pulses begin, ms, of which the response ends before the runs do.

        A pulse is whatever begins in the arm and not in the control; they are 200 ms apart or more.

        Raises
        ------
        ConfigError : pulses follow each other faster, or begin too early.
        """
        theirs, end = self.study.pieces(self.study.control), self.study.tstop
        begin = self.study.differs_from(arm, self.study.control)
        mine = [piece for piece in self.study.pieces(arm) if piece not in theirs]
        starts = np.unique([at for piece in mine for at in piece.starts])
        gap = float(np.diff(starts).min()) if len(starts) > 1 else max(end - begin, APART)
        if not len(starts) or starts[0] < max(begin, BEFORE) or gap < APART:
            raise ConfigError(
                f"{arm} has no pulses that begin after {self.study.settle:g} and {BEFORE:g} ms, "
                f"{APART:g} ms apart or more", field="arms", fix="Let them begin so.",
            )  # fmt: skip
        return [float(at) for at in starts[starts + gap <= end]]

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the page of the study, default ``report.html`` in its folder."""
        from isocortex.experiment.page import write_study

        return write_study(self, path)

    def differ(self, arm: str, control: str | None = None) -> bool:
        """Whether an arm differs from another, the control, before the runs end."""
        return self.study.differs_from(arm, control or self.study.control) < self.study.tstop

    def _window(
        self, arm: str, control: str, start: float | None, stop: float | None
    ) -> tuple[float, float]:
        for name in (arm, control):
            self._known(name)
        end = self.study.tstop if stop is None else stop
        begin = self.study.differs_from(arm, control) if start is None else start
        if not 0.0 <= begin < end <= self.study.tstop:
            raise ConfigError(
                f"{begin:g} to {end:g} ms are no time of runs of {self.study.tstop:g} ms",
                field="start", fix="Choose others.",
            )  # fmt: skip
        return begin, end

    def __repr__(self) -> str:
        return (
            f"StudyResult({str(self.folder)!r}: {len(self.arms)} arms, seeds "
            f"{', '.join(map(str, self.seeds))})"
        )


def _named(by: str | Sequence[str]) -> str:
    """What an index by these attributes is called."""
    return by if isinstance(by, str) else " ".join(by)


def _undefined(prefix: str, measure: str) -> Measured:
    """What runs that are too short tell of where activity goes."""
    return Measured({f"{prefix}.{name}": np.nan for name in SPREAD[measure]})


def seconds_of(result: StudyResult) -> float:
    """Wall-clock of all runs together, s; what arms have in common counts once."""
    runs = [result.run(arm, seed) for arm in result.arms for seed in result.seeds]
    parts = {part.directory: part for run in runs for part in run.parts}
    done = [part.run_summary for part in parts.values()]
    return sum(sum(each.stages.values()) for each in done if each)


def open_study(folder: str | os.PathLike[str]) -> StudyResult:
    """A study that was run, or a part of it.

    Raises
    ------
    InputError : the folder holds none.
    """
    file = Path(folder) / STUDY
    if not file.is_file():
        raise InputError("holds no study", file=folder, fix="Give the folder of `experiment run`.")
    try:
        study = Study.read(read_json(file))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"is not of a study ({error})", file=file, fix="Run it again.") from error
    return StudyResult(study, folder)
