"""The files of a run: each an observer that is complete however the run ends."""

from __future__ import annotations

import logging
import resource
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.circuit import Simulation
from isocortex.engine.interface import Piece
from isocortex.errors import located
from isocortex.report.netcons import ConnectionRecorder
from isocortex.report.output import (
    CHECKPOINT,
    check_output,
    held,
    log_to,
    prepare_output,
    write_provenance,
)
from isocortex.report.potentials import PotentialRecorder
from isocortex.report.skeleton import Skeleton, put_back, skeleton_of
from isocortex.report.spikes import SpikeWriter
from isocortex.report.summary import Summary
from isocortex.session.facts import spiking
from isocortex.session.loop import STEPPING, WRITING, Observer, Run, Watching
from isocortex.session.recorders import AnyRecorder
from isocortex.session.start import Start
from isocortex.session.statefile import Arrays

logger = logging.getLogger(__name__)
CLOSING = "closing the output"
#: Rooms of a state's file: spikes that were written; what recorders of single synapses stand at.
SPIKES, CONNECTIONS = "written/spikes", "connections"


@dataclass(frozen=True)
class Files:
    """What a simulation writes, and where.

    Attributes
    ----------
    reports : name of the file of every report, by the report's name.
    states : names of the files of states that are asked for.
    """

    folder: Path
    spikes: str
    reports: dict[str, str]
    csv: str | None
    log: str | None
    may_replace: bool
    read: frozenset[Path]
    states: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, simulation: Simulation, overwrite: bool | None, states: tuple[str, ...] = ()
    ) -> Files:
        reports = {spec.name: spec.file_name or f"{spec.name}.h5" for spec in simulation.reports}
        return cls(
            folder=Path(simulation.output_dir),
            spikes=simulation.spikes_file or "spikes.h5",
            reports=reports,
            csv=simulation.spikes_file_csv or None,
            log=simulation.log_file or None,
            may_replace=simulation.overwrite_output_dir if overwrite is None else overwrite,
            read=simulation.files_read,
            states=states,
        )

    @property
    def names(self) -> list[str]:
        optional = [name for name in (self.csv, self.log) if name]
        # an earlier run's checkpoint would be taken for this one's
        return [self.spikes, *self.reports.values(), *optional, *self.states, CHECKPOINT]

    def check(self, goes_on: bool = False) -> None:
        """Refuse what cannot be written; nothing is replaced."""
        check_output(self.folder, self.may_replace or goes_on, self.names, self.read)
        with held(self.folder):
            pass


class Folder(Watching):
    """Makes the output folder ready, keeps others from writing there, and keeps the log.

    Parameters
    ----------
    goes_on : what is there is added to, not replaced.
    """

    def __init__(self, files: Files, goes_on: bool = False) -> None:
        self.files, self.goes_on, self.open = files, goes_on, ExitStack()

    def start(self, run: Run) -> None:
        files = self.files
        self.open.enter_context(held(files.folder))
        if not self.goes_on:
            prepare_output(files.folder, files.may_replace, files.names, files.read)
        if files.log:
            mode = "a" if self.goes_on else "w"
            self.open.enter_context(log_to(files.folder / files.log, mode=mode))
        if self.goes_on:
            logger.info("The run goes on at %g ms.", run.time)

    def finish(self, run: Run, complete: bool) -> None:
        self.open.close()


class Account(Watching):
    """Where the results come from, what was done, and how far a run came that was stopped.

    Parameters
    ----------
    facts : the provenance.
    more : what only the beginning knew: ``n_synapses``, ``setup_seconds``, ``started``,
        ``config_text``.
    begin : ms, when the results begin.
    """

    def __init__(
        self, folder: Path, facts: dict[str, Any], more: dict[str, Any], begin: float = 0.0
    ) -> None:
        self.folder, self.facts, self.more, self.begin = folder, facts, more, begin

    def start(self, run: Run) -> None:
        write_provenance(self.folder, self.facts)
        for change in self.facts["run"].get("changes", ()):
            logger.info("Change: %s", change)

    def kept(self, run: Run) -> dict[str, Any]:
        """What a run that goes on needs to tell what was done in all."""
        return {
            "n_spikes": run.n_spikes, "n_events": run.engine.n_events,
            "seconds": dict(run.clock.seconds), "setup_seconds": self.more["setup_seconds"],
            "started": self.more["started"].isoformat(),
        }  # fmt: skip

    def finish(self, run: Run, complete: bool) -> None:
        run.clock.lap(CLOSING)
        if not complete:
            self.facts["run"]["reached"] = run.time
        network, seconds = run.network, run.clock.seconds
        summary = Summary(
            n_cells=network.circuit_cells,
            n_points=network.circuit_points,
            n_virtual=network.n_virtual,
            n_compartments=network.n_compartments,
            n_synapses=self.more["n_synapses"],
            n_spikes=run.n_spikes,
            n_events=run.engine.n_events,
            tstop=round(min(run.time, self.facts["run"]["tstop"]) - self.begin, 6),
            n_steps=run.step - round(self.begin / run.settings.dt),
            setup_seconds=self.more["setup_seconds"],
            compile_seconds=run.engine.compile_seconds,
            run_seconds=seconds.get(STEPPING, 0.0) + seconds.get(WRITING, 0.0),
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            stages=seconds,
            started=self.more["started"].isoformat(timespec="seconds"),
        )
        logger.info("%s", summary)
        told = {"summary": summary.facts(), "config_text": self.more["config_text"]}
        write_provenance(self.folder, {**self.facts, **told})


class SpikeFile(Watching):
    """Spikes as they come, by population.

    Parameters
    ----------
    begun : what a checkpoint kept of a run that goes on.
    """

    def __init__(
        self, files: Files, order: str | None, facts: dict[str, Any], begun: Arrays | None = None
    ) -> None:
        self.files, self.order, self.facts, self.begun = files, order, facts, begun

    def start(self, run: Run) -> None:
        files, populations = self.files, [run.network.populations[p] for p in spiking(run.network)]
        path = files.folder / files.spikes
        if self.begun is not None and path.is_file():
            path.unlink()  # whoever has it open keeps it
        self.writer = SpikeWriter(
            path, populations, self.order, files.folder / files.csv if files.csv else None,
            provenance=self.facts,
        )  # fmt: skip
        if self.begun is not None:
            for name in populations:
                ids, times = (self.begun[f"{SPIKES}/{name}/{what}"] for what in ("ids", "times"))
                self.writer.append(name, ids, times)
        self.begun = None
        self.writer.reach(run.time)

    def kept(self) -> dict[str, NDArray[Any]]:
        """All that was written, as a checkpoint keeps it."""
        found: dict[str, NDArray[Any]] = {}
        for name, (ids, times) in self.writer.written().items():
            found |= {f"{SPIKES}/{name}/ids": ids, f"{SPIKES}/{name}/times": times}
        return found

    def after(self, run: Run, piece: Piece) -> None:
        network = run.network
        for population in np.unique(network.source_population[piece.source]):
            mine = network.source_population[piece.source] == population
            self.writer.append(
                network.populations[population],
                network.source_node_id[piece.source[mine]],
                np.round(piece.time[mine], 6),  # without the clock's accumulated rounding
            )
        self.writer.reach(run.time)

    def finish(self, run: Run, complete: bool) -> None:
        self.writer.close()


class Sampled(Watching):
    """A report's part on a rank whose samples another writes."""

    def __init__(self, recorder: AnyRecorder) -> None:
        self.recorder = recorder

    def start(self, run: Run) -> None:
        self.columns = run.record(self.recorder.probes)

    def changed(self, run: Run, simulation: Simulation) -> None:
        self.recorder.renew(run.network, simulation)
        run.record_again(self.columns, self.recorder.probes)


class ReportFile(Sampled):
    """One report of one population, or that population's part of a file of several.

    Parameters
    ----------
    place : number of the report and of the population in it.
    begun : what a checkpoint kept of a run that goes on.
    """

    def __init__(
        self,
        recorder: AnyRecorder,
        file: Path,
        place: tuple[int, int],
        facts: dict[str, Any],
        begun: Arrays | None = None,
    ) -> None:
        super().__init__(recorder)
        self.file, self.place, self.facts, self.begun = file, place, facts, begun
        self.name = f"written/reports/{place[0]}"

    @property
    def files(self) -> dict[str, Path]:
        """What it writes, by name in a checkpoint."""
        files = {self.name: self.file}
        if isinstance(self.recorder, PotentialRecorder):
            beside = self.recorder.beside(self.file)
            files |= {f"{self.name}/{path.stem}": path for path in beside}
        return files

    @property
    def is_first(self) -> bool:
        """Whether the file is made, or put back, for this population."""
        return self.place[1] == 0

    def start(self, run: Run) -> None:
        mode = "w" if self.is_first else "a"
        if self.begun is not None:
            mode = "r+"
            for name, file in self.files.items() if self.is_first else ():
                kept = {part: self.begun[f"{name}/{part}"] for part in Skeleton._fields}
                put_back(file, Skeleton(**kept))
        self.begun = None
        self.recorder.open(self.file, mode, self.facts)
        super().start(run)

    def flush(self) -> None:
        self.recorder.flush()

    def kept(self) -> dict[str, NDArray[Any]]:
        """What puts the files back, when all that belongs into them was flushed."""
        found: dict[str, NDArray[Any]] = {}
        for name, file in self.files.items() if self.is_first else ():
            whole = skeleton_of(file)._asdict()
            found |= {f"{name}/{part}": array for part, array in whole.items()}
        return found

    def connections(self) -> dict[str, NDArray[Any]]:
        """What a recorder of single synapses stands at."""
        if not isinstance(self.recorder, ConnectionRecorder):
            return {}
        room = "{}/{}/{}".format(CONNECTIONS, *self.place)
        return {f"{room}/{name}": array for name, array in self.recorder.kept().items()}

    def after(self, run: Run, piece: Piece) -> None:
        first, samples = run.step - len(piece.samples), piece.samples[:, self.columns]
        if isinstance(self.recorder, ConnectionRecorder):
            self.recorder.take(first, samples, piece.source, piece.time)
        else:
            self.recorder.take(first, samples)

    def finish(self, run: Run, complete: bool) -> None:
        self.recorder.close()


@dataclass(frozen=True)
class Writers:
    """Those who write the files of a run, in the order in which they begin."""

    folder: Folder
    account: Account
    spikes: SpikeFile
    reports: tuple[ReportFile, ...]

    @property
    def all(self) -> list[Observer]:
        return [self.folder, self.account, self.spikes, *self.reports]

    def connections(self) -> dict[str, NDArray[Any]]:
        """What recorders of single synapses stand at."""
        return {k: v for report in self.reports for k, v in report.connections().items()}

    def kept(self) -> dict[str, NDArray[Any]]:
        """What is needed to go on with the files as they are now."""
        for report in self.reports:
            report.flush()
        found = self.spikes.kept()
        for report in self.reports:
            found |= report.kept()
        return found


def writers_of(
    files: Files,
    recorders: dict[str, list[AnyRecorder]],
    facts: dict[str, Any],
    beginning: dict[str, Any],
    order: str | None,
    start: Start | None,
) -> Writers:
    """The writers of a run; of one that does not begin at rest they know where it began.

    Parameters
    ----------
    facts, beginning : see :class:`Account`.
    order : of the spikes.

    Raises
    ------
    ConfigError : a recorder cannot go on from the state.
    """
    earlier = start.earlier if start is not None else None
    more = start.saved.more if start is not None else {}
    begun = more if earlier is not None else None
    if start is not None:
        facts["run"] |= start.facts
    if earlier is not None:
        setup = beginning["setup_seconds"] + earlier["setup_seconds"]
        started = datetime.fromisoformat(earlier["started"])
        beginning |= {"setup_seconds": setup, "started": started}
    account = Account(files.folder, facts, beginning, start.begin if start else 0.0)
    reports = []
    for number, (name, several) in enumerate(recorders.items()):
        for k, recorder in enumerate(several):
            if start is not None and isinstance(recorder, ConnectionRecorder):
                with located(facts["run"]["config_file"], f"reports.{name}"):
                    recorder.go_on(start.saved.state.step, _kept_connections(more))
            path = files.folder / files.reports[name]
            reports.append(ReportFile(recorder, path, (number, k), facts, begun))
    spikes = SpikeFile(files, order, facts, begun)
    return Writers(Folder(files, begun is not None), account, spikes, tuple(reports))


def _kept_connections(more: Arrays) -> list[dict[str, NDArray[Any]]]:
    """What each recorder of single synapses kept in a state."""
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in more.items():
        room, _, part = name.rpartition("/")
        if room.startswith(f"{CONNECTIONS}/"):
            found.setdefault(room, {})[part] = array
    return list(found.values())
