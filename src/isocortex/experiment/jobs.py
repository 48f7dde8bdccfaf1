"""One job of a study: build the circuit of a seed, or run a configuration; what is done is kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isocortex import __version__
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import disk_errors
from isocortex.report.output import CHECKPOINT
from isocortex.session.checkpoints import state_name
from isocortex.simulate import continue_run, run
from isocortex.text import read_json, read_text

CONFIG, OUTPUT, CIRCUIT = "simulation_config.json", "output", "circuit"
#: Say, in a job's folder, what it was begun with and what it is of once it is whole.
ASKED, DONE = "asked.json", "done.json"
#: Areas that have electrodes on the skull over them, on both sides.
ELECTRODES = ("MOs", "SSp-bfd", "VISp")
#: Wall-clock between states from which a run that was stopped goes on.
EVERY = "10min"

#: Told how much a job has simulated, ms.
Told = Callable[[float], None]


@dataclass(frozen=True)
class Job:
    """Something to do in one folder; plain data, for other processes.

    Attributes
    ----------
    name : for people.
    folder : absolute; of a circuit that is built, or with the configuration that is run.
    recipe : of the circuit to build; None for a run.
    duration : ms that are simulated.
    needs : folder of the job that must be done before; None for none.
    begins_at : ms, the state that the needed job leaves and this one begins with; None for rest.
    saves_at : ms, when a state is kept for others; None for never.
    precision, threads : of the run.
    """

    name: str
    folder: str
    recipe: dict[str, Any] | None = None
    duration: float = 0.0
    needs: str | None = None
    begins_at: float | None = None
    saves_at: float | None = None
    precision: str = "single"
    threads: int = 1

    @property
    def mark(self) -> dict[str, Any]:
        """All that its results follow from, as JSON reads it."""
        here = Path(self.folder)
        facts: dict[str, Any] = {"isocortex": __version__}
        if self.recipe is not None:
            facts |= {"recipe": self.recipe, "electrodes": electrodes_of(self.recipe)}
            return dict(json.loads(json.dumps(facts)))
        circuit = here.parent / CIRCUIT
        files = {"config": here / CONFIG, "circuit": circuit / "circuit_config.json",
                 "node_sets": circuit / "node_sets.json"}  # fmt: skip
        facts |= {name: _digest(read_text(file)) for name, file in files.items()}
        facts |= {"precision": self.precision, "saves_at": self.saves_at, "begins_with": None}
        if self.begins_at is not None and self.needs is not None:
            facts["begins_with"] = _digest(read_text(Path(self.needs) / DONE))
        return facts

    @property
    def done(self) -> bool:
        """Whether its folder holds the whole of just its results, of this version."""
        saved = self.saves_at is None or self._state(self.folder, self.saves_at).is_file()
        return saved and _told(Path(self.folder) / DONE) == self.mark

    @property
    def whole(self) -> bool:
        """The same of any version: what can be looked at, if not gone on with."""
        told = _told(Path(self.folder) / DONE)
        return told is not None and {**told, "isocortex": __version__} == self.mark

    @staticmethod
    def _state(folder: str, moment: float) -> Path:
        return Path(folder) / OUTPUT / state_name(moment)

    def perform(self, told: Told = lambda done: None) -> float:
        """Do it, unless it is done; go on where it was stopped. Returns seconds, 0 for nothing."""
        here, begun = Path(self.folder), time.perf_counter()
        if self.done:
            return 0.0
        mark = self.mark
        goes_on = (here / OUTPUT / CHECKPOINT).is_file() and _told(here / ASKED) == mark
        (here / DONE).unlink(missing_ok=True)
        if self.recipe is not None:
            made, over = CortexModel.make(Recipe(**self.recipe)), electrodes_of(self.recipe)
            build_cortex(here, made, eeg=over)
        else:
            write_json(here / ASKED, mark)
            self._run(goes_on, told)
            (here / OUTPUT / CHECKPOINT).unlink(missing_ok=True)
        write_json(here / DONE, mark)
        return time.perf_counter() - begun

    def _run(self, goes_on: bool, told: Told) -> None:
        here = Path(self.folder)
        begin = self.begins_at or 0.0
        options: dict[str, Any] = {
            "threads": self.threads, "checkpoint_every": EVERY,
            "progress": lambda t, end, spikes: told(max(t - begin, 0.0)),
        }  # fmt: skip
        if goes_on:
            continue_run(here / OUTPUT, config=here / CONFIG, **options)
            return
        start = None
        if self.begins_at is not None and self.needs is not None:
            start = self._state(self.needs, self.begins_at)
        run(here / CONFIG, precision=self.precision, overwrite=True, start_from=start,
            save_at=self.saves_at, **options)  # fmt: skip

    @property
    def command(self) -> str:
        """What repeats it, in its folder."""
        if self.recipe is not None:
            changed = {name: value for name, value in self.recipe.items()
                       if value != Recipe.__dataclass_fields__[name].default}  # fmt: skip
            told = [*changed.items(), *(("eeg", area) for area in electrodes_of(self.recipe))]
            options = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in told)
            return f"isocortex build cortex -o . {options}"
        more = f" --save-at {self.saves_at:g}" if self.saves_at is not None else ""
        if self.begins_at is not None and self.needs is not None:
            more = f" --from ../{Path(self.needs).name}/{OUTPUT}/{state_name(self.begins_at)}"
        return f"isocortex run {CONFIG} --precision {self.precision}{more}"


def electrodes_of(recipe: dict[str, Any]) -> tuple[str, ...]:
    """Areas with electrodes over them; none where areas, or the head, are not the atlas' own."""
    own = recipe.get("annotation") or recipe.get("area_layer")
    return () if own else ELECTRODES


def perform(job: dict[str, Any]) -> float:
    """Do a job that came as plain data, as clusters send it."""
    return Job(**job).perform()


def plain(job: Job) -> dict[str, Any]:
    """A job as plain data."""
    return asdict(job)


def write_json(file: Path, value: Any) -> None:
    """In one step: what is there is whole."""
    with disk_errors(file, "write"):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.tmp")
        draft.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)


def _told(file: Path) -> dict[str, Any] | None:
    return read_json(file) if file.is_file() else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
