"""Conditions as simulations, and their results on disk: what is finished is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isocortex import __version__
from isocortex.circuit import CurrentInput, Simulation
from isocortex.circuit.overrides import ConnectionOverride
from isocortex.circuit.signals import Pulses
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.digest import digests
from isocortex.cortex.model import CortexModel
from isocortex.cortex.projection import LIBRARY_PREFIX, POPULATION
from isocortex.errors import disk_errors
from isocortex.hashes import sha256
from isocortex.report.results import Result
from isocortex.simulate import run
from isocortex.text import in_words, read_json
from isocortex.validation.conditions import Condition, Current
from isocortex.validation.neurons import Spikes
from isocortex.validation.rheobase import rheobase

#: Says, in a finished condition's folder, what it is of.
MARK = "condition.json"
PRECISION = "single"

#: Told of simulated time, ms: what is done of all, and what there is; and what is being run.
Progress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class Network:
    """The cortex of one seed.

    Attributes
    ----------
    cortex : the model.
    digest : of it; results of another are not taken for its own.
    """

    cortex: CortexModel
    digest: str

    @classmethod
    def of(cls, cortex: CortexModel) -> Network:
        """With its digest."""
        inputs = simulation_of(cortex, tstop=1.0).inputs
        return cls(cortex, sha256({**digests(cortex), "inputs": inputs}))

    @property
    def seed(self) -> int:
        return self.cortex.recipe.seed

    def simulation(self, condition: Condition) -> Simulation:
        """What a condition is, ready to run."""
        rest = simulation_of(self.cortex, tstop=condition.duration)
        overrides = [
            ConnectionOverride.between(
                rest.circuit, each.source, each.target, each.factor, name=condition.name
            )
            for each in condition.changes
        ]
        currents = [c for each in condition.currents for c in currents_of(each, rest)]
        return replace(rest, overrides=overrides, inputs=[*rest.inputs, *currents])


def currents_of(current: Current, simulation: Simulation) -> Iterator[CurrentInput]:
    """The electrodes of a current, those of each cell model together."""
    chosen = dict(simulation.circuit.select(current.into, "currents")).get(POPULATION)
    if chosen is None:
        return
    table = simulation.circuit.nodes[POPULATION].table
    models = table["model_template"].astype(str).to_numpy(str)[chosen]
    times = np.array(current.times)
    for model in np.unique(models):
        amp = current.amp
        if current.of_rheobase:
            amp *= rheobase(str(model).removeprefix(LIBRARY_PREFIX), simulation.dL)
        yield CurrentInput(
            POPULATION, chosen[models == model],
            Pulses(np.full(len(times), amp), times, np.full(len(times), current.width)),
            name=f"{current.amp:g}",
        )  # fmt: skip


class Runs:
    """The conditions of a validation, run one after the other in one folder.

    Parameters
    ----------
    folder : of all; every seed and condition has one inside.
    threads : default all cores.
    progress, announce : told how far it is, and a line per condition.
    """

    def __init__(
        self,
        folder: Path,
        *,
        threads: int | None = None,
        progress: Progress | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        self.folder, self.threads = folder, threads
        self.progress = progress or (lambda done, total, what: None)
        self.announce = announce or (lambda line: None)
        self.done = self.total = 0.0  # ms
        self.simulated = self.seconds = 0.0  # ms that were not found done, and how long they took

    def plan(self, conditions: Sequence[Condition], seeds: int) -> None:
        """Say what is to come."""
        self.total = seeds * sum(each.duration for each in conditions)

    def place(self, network: Network, condition: Condition) -> Path:
        """Folder of a condition."""
        return self.folder / f"seed-{network.seed}" / condition.name

    def run(self, network: Network, condition: Condition) -> Result:
        """Results of a condition: run now, or before if it was of the same network."""
        place = self.place(network, condition)
        mark = _mark(network, condition)
        what = f"seed {network.seed}, {condition.name}, {condition.duration:g} ms"
        if _finished(place, mark):
            self.done += condition.duration
            self.announce(f"{what}: found finished.")
            self.progress(self.done, self.total, what)
            return Result(place)
        (place / MARK).unlink(missing_ok=True)
        begun = time.perf_counter()
        result = run(
            network.simulation(condition), precision=PRECISION, threads=self.threads,
            output_dir=place, overwrite=True,
            progress=lambda t, end, spikes: self.progress(self.done + t, self.total, what),
        )  # fmt: skip
        _write_mark(place / MARK, mark)
        seconds = time.perf_counter() - begun
        once = result.run_summary.compile_seconds if result.run_summary else 0.0
        self._count(condition, what, seconds, once)
        return result

    def _count(self, condition: Condition, what: str, seconds: float, once: float) -> None:
        """Note what a run took; what was compiled for it (s) will not take time again."""
        self.done += condition.duration
        self.simulated += condition.duration
        self.seconds += seconds - once
        left = (self.total - self.done) * self.seconds / self.simulated
        more = f"; about {in_words(left)} to go" if self.done < self.total - 1e-6 else ""
        self.announce(f"{what}: {in_words(seconds)}{more}.")
        self.progress(self.done, self.total, what)


def spikes_of(result: Result, condition: Condition) -> Spikes:
    """Spikes of the neurons in the time of a condition that is judged."""
    return Spikes.of(result.spikes, condition.settle, condition.duration)


def _mark(network: Network, condition: Condition) -> dict[str, Any]:
    """What results are of: as JSON reads it."""
    facts = {
        "isocortex": __version__, "network": network.digest, "precision": PRECISION,
        "condition": asdict(condition),
    }  # fmt: skip
    return dict(json.loads(json.dumps(facts)))


def _finished(place: Path, mark: dict[str, Any]) -> bool:
    """Whether a folder holds the whole of just these results."""
    return (place / MARK).is_file() and read_json(place / MARK) == mark


def _write_mark(file: Path, mark: dict[str, Any]) -> None:
    """Last of all, in one step: what has it is whole."""
    with disk_errors(file, "say that the condition is finished"):
        draft = file.with_name(f".{file.name}.tmp")
        draft.write_text(json.dumps(mark, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
