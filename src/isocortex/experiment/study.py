"""A study: arms and seeds, paired by seed; every run of it is a folder that repeats it."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from isocortex.circuit.changes import is_number, is_whole
from isocortex.cortex.build import simulation_config
from isocortex.cortex.head import TABLE, report_of_eeg
from isocortex.cortex.recipe import Recipe
from isocortex.engine.precision import require_precision
from isocortex.errors import ConfigError, located
from isocortex.experiment.changes import Change
from isocortex.experiment.jobs import CIRCUIT, CONFIG, Job, electrodes_of, write_json
from isocortex.experiment.pieces import Piece, with_pieces
from isocortex.experiment.refused import as_written, check_of_arms, require_in_time
from isocortex.experiment.running import Progress, alone_in, perform_all, processes_for
from isocortex.session.launcher import usable_cores

if TYPE_CHECKING:
    from isocortex.experiment.about import About
    from isocortex.experiment.results import StudyResult

#: What describes a study, in its folder.
STUDY = "study.json"
#: Reports of a built cortex that runs of studies keep: the rest is the larger part of the disk.
KEPT_REPORTS = ("membrane_potential", "calcium")
REPORT_STEP = 0.5  # ms
#: Report of what electrodes on the skull see.
EEG = "eeg"
#: Names that arms may not have: they are folders beside those of arms.
TAKEN = (CIRCUIT, "until")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Arms and seeds.

    Attributes
    ----------
    arms : name -> changes, as :mod:`isocortex.experiment` makes them, or sections of a simulation's
        configuration. The first is the control, unless ``control`` names another.
    scale : of the cortex; ``recipe`` is all else that :class:`isocortex.Recipe` takes.
    seeds : of the networks. A seed is an animal: all arms have its neurons, wiring and background.
    tstop : ms, of every run.
    settle : ms at the beginning that are not compared.
    precision : of the runs.
    about : question, sources and what is expected, for the page.
    """

    arms: Mapping[str, Sequence[Change | Mapping[str, Any] | Piece]]
    scale: float = 0.001
    seeds: Sequence[int] = (1, 2, 3, 4)
    tstop: float = 2000.0
    settle: float = 500.0
    control: str = ""
    precision: str = "single"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    about: About | None = None

    def __post_init__(self) -> None:
        for name in ("scale", "tstop", "settle"):
            value = getattr(self, name)
            if not is_number(value) or not math.isfinite(value):
                _refuse(name, f"must be a number, found {value!r}")
        if self.tstop <= 0:
            _refuse("tstop", f"must be above 0 ms, found {self.tstop:g}")
        if self.settle < 0:
            _refuse("settle", f"must be 0 ms or more, found {self.settle:g}")
        arms = _pieces_of(self.arms)
        if not arms:
            _refuse("arms", "there are none", "Give one or more, the control first.")
        object.__setattr__(self, "arms", arms)
        object.__setattr__(self, "seeds", _seeds_of(self.seeds))
        object.__setattr__(self, "control", self.control or next(iter(arms), ""))
        for name in arms:
            if not name or name.strip() != name or set(name) & set('/\\:"') or name[0] == ".":
                _refuse("arms", f"{name!r} is no name of a folder")
            if name.split("_")[0] in TAKEN:
                _refuse("arms", f"an arm cannot be called {name!r}")
        if self.control not in arms:
            _refuse("control", f"there is no arm {self.control!r}")
        if not self.seeds:
            _refuse("seeds", "there are none")
        if self.settle >= self.tstop:
            _refuse("settle", f"{self.settle:g} ms are not before the end, {self.tstop:g} ms",
                    "Give less of it, or a later tstop.")  # fmt: skip
        require_precision(self.precision)
        self.recipe_of(self.seeds[0])  # refuses what no recipe has
        for name in arms:
            with_pieces({}, self.pieces(name))

    def pieces(self, arm: str) -> tuple[Piece, ...]:
        """What an arm changes."""
        return tuple(Piece.of(each) for each in self.arms[arm])

    def recipe_of(self, seed: int) -> Recipe:
        """The recipe of one animal."""
        known = Recipe.__dataclass_fields__
        for name in self.recipe:
            if name not in known or name in ("seed", "scale"):
                _refuse("recipe", f"has {name!r}, which it cannot")
        return Recipe(seed=seed, scale=self.scale, **self.recipe)

    # --- what is compared, and from when on ------------------------------------------------------

    def differs_from(self, arm: str, control: str) -> float:
        """When two arms begin to differ and are settled, ms."""
        return max(self.settle, min((p.start for p in self.apart(arm, control)), default=0.0))

    def apart(self, arm: str, control: str) -> list[Piece]:
        """What only one of two arms changes."""
        mine, theirs = self.pieces(arm), self.pieces(control)
        return [p for p in (*mine, *theirs) if not (p in mine and p in theirs)]

    @property
    def late(self) -> tuple[str, ...]:
        """Arms that begin to differ when the runs have ended: they are the control again."""
        return tuple(
            name for name in self.arms if self.differs_from(name, self.control) >= self.tstop
        )

    @property
    def branching(self) -> tuple[str, ...]:
        """Arms that are alike until the first change of any of them."""
        return tuple(
            name for name in self.arms if all(piece.start > 0 for piece in self.pieces(name))
        )

    @property
    def branch_at(self) -> float | None:
        """Until when these are alike, ms; None where it spares nothing."""
        names = self.branching
        starts = [piece.start for name in names for piece in self.pieces(name)]
        first = min(starts, default=self.tstop)
        return first if len(names) > 1 and first < self.tstop else None

    # --- folders and jobs ------------------------------------------------------------------------

    def folder_of(self, folder: Path, seed: int, arm: str) -> Path:
        """Where an arm of a seed is run."""
        return folder / f"seed_{seed}" / arm

    def stem_of(self, folder: Path, seed: int) -> Path | None:
        """Where what arms of a seed have in common is run."""
        at = self.branch_at
        return None if at is None else folder / f"seed_{seed}" / f"until_{at:.10g}ms"

    def config_of(self, seed: int, pieces: Sequence[Piece], tstop: float) -> dict[str, Any]:
        """The SONATA configuration of a run."""
        recipe = self.recipe_of(seed)
        config = simulation_config(recipe, tstop)
        config["network"] = f"$BASE_DIR/../{CIRCUIT}/circuit_config.json"
        config["node_sets_file"] = f"$BASE_DIR/../{CIRCUIT}/node_sets.json"
        config["reports"] = {
            name: {**config["reports"][name], "dt": REPORT_STEP} for name in KEPT_REPORTS
        }
        clamped = any(piece.clamps for arm in self.arms for piece in self.pieces(arm))
        if electrodes_of(asdict(recipe)) and not clamped:  # of a clamp no field is known
            config["reports"][EEG] = report_of_eeg(f"$BASE_DIR/../{CIRCUIT}/{TABLE}")
        return with_pieces(config, pieces)

    def jobs(self, folder: Path, threads: int = 1) -> Iterator[Job]:
        """Everything there is to do, what others need before them."""
        at = self.branch_at
        for seed in self.seeds:
            home = (folder / f"seed_{seed}").absolute()
            of = f"seed {seed}"
            common: dict[str, Any] = {"precision": self.precision, "threads": threads}
            recipe = asdict(self.recipe_of(seed))
            yield Job(f"circuit of {of}", str(home / CIRCUIT), recipe=recipe)
            stem = self.stem_of(folder.absolute(), seed)
            if stem is not None and at is not None:
                yield Job(f"all arms until {at:g} ms, {of}", str(stem), duration=at, saves_at=at,
                          needs=str(home / CIRCUIT), **common)  # fmt: skip
            for name in self.arms:
                branches = stem is not None and name in self.branching
                yield Job(
                    f"{name}, {of}", str(home / name),
                    duration=self.tstop - (at if branches and at else 0.0),
                    needs=str(stem if branches else home / CIRCUIT),
                    begins_at=at if branches else None, **common,
                )  # fmt: skip

    def write(self, folder: Path) -> None:
        """The folders of all runs with their configurations, and what the study is."""
        for seed in self.seeds:
            for arm in self.arms:
                config = self.config_of(seed, self.pieces(arm), self.tstop)
                write_json(self.folder_of(folder, seed, arm) / CONFIG, config)
            stem, at = self.stem_of(folder, seed), self.branch_at
            if stem is not None and at is not None:
                write_json(stem / CONFIG, self.config_of(seed, (), at))
        write_json(folder / STUDY, self.as_json())

    def run(
        self,
        output: str | os.PathLike[str] = "study",
        *,
        processes: int | None = None,
        threads: int | None = None,
        client: Any = None,
        progress: Progress | None = None,
        announce: Callable[[str], None] | None = print,
    ) -> StudyResult:
        """Run what is not done yet.

        Parameters
        ----------
        output : folder of everything; a later call goes on from what it holds.
        processes : runs side by side, default as many as this machine has cores and memory for.
        threads : cores in all, default all; they are shared out among the processes.
        client : of dask.distributed, or an executor, that does the jobs instead, each on
            ``threads`` cores (default 1); it sees the same file system.
        progress : told of simulated time, ms: what is done, what there is, and what is run.
        announce : called with a line for every run.

        Raises
        ------
        ConfigError : another process works there, a change is wrong, or an arm differs only after
            the end.
        """
        from isocortex.experiment.results import StudyResult

        require_in_time(self)
        folder = Path(output)
        cores = threads or (1 if client is not None else usable_cores())
        side_by_side = len(self.seeds) * len(self.arms)
        if processes is None:
            recipe = self.recipe_of(self.seeds[0])
            processes = processes_for(recipe, self.precision, side_by_side, cores)
        if not 1 <= processes <= max(cores, 1):
            _refuse("processes", f"{processes} processes do not go into {cores} cores")
        each = cores if client is not None else cores // processes
        with alone_in(folder), as_written(self, folder):
            self.write(folder)
            perform_all(list(self.jobs(folder, each)), processes=processes, client=client,
                        progress=progress, announce=announce,
                        check=check_of_arms(self, folder))  # fmt: skip
        return StudyResult(self, folder)

    # --- as JSON ---------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        told["arms"] = {name: [p.as_json() for p in self.pieces(name)] for name in self.arms}
        told["about"] = None if self.about is None else asdict(self.about)
        return dict(json.loads(json.dumps(told)))

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Study:
        """The same from plain data."""
        from isocortex.experiment.about import About

        values = dict(told)
        values["arms"] = {
            name: [Piece.read(each) for each in pieces] for name, pieces in told["arms"].items()
        }
        values["about"] = None if told["about"] is None else About.read(told["about"])
        return cls(**values)


def _pieces_of(arms: Any) -> dict[str, tuple[Piece, ...]]:
    """What arms change, checked."""
    if not isinstance(arms, Mapping):
        _refuse("arms", f"must be changes by name of an arm, found {_kind(arms)}",
                'Write {"control": [], "lost": [...]}.')  # fmt: skip
    for name, changes in arms.items():
        if not isinstance(changes, list | tuple):
            _refuse("arms", f"{name!r} must be a list of changes, found {_kind(changes)}",
                    "Put it in brackets.")  # fmt: skip
    return {
        name: tuple(_piece(change, f"arms[{name!r}][{k}]") for k, change in enumerate(changes))
        for name, changes in arms.items()
    }


def _piece(change: Any, place: str) -> Piece:
    with located(None, place):
        piece = Piece.of(change)
    return piece if piece.place else replace(piece, place=place)


def _seeds_of(seeds: Any) -> tuple[int, ...]:
    """Seeds, each once, checked."""
    given = tuple(seeds) if isinstance(seeds, Iterable) else (None,)
    if not all(map(is_whole, given)):
        _refuse("seeds", f"must be a list of whole numbers, found {seeds!r}",
                "Write [1, 2, 3, 4].")  # fmt: skip
    for seed, times in Counter(given).items():
        if times > 1:
            _refuse("seeds", f"{seed} is there {times} times, and a seed is one animal",
                    "Give each once.")  # fmt: skip
    return tuple(map(int, given))


def _refuse(name: str, what: str, fix: str = "Change it.") -> NoReturn:
    raise ConfigError(what, field=name, fix=fix)


def _kind(value: Any) -> str:
    """What something is, for messages."""
    return f"a {type(value).__name__}"
