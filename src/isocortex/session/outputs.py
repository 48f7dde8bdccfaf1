"""The files of a run: each an observer that is complete however the run ends."""

from __future__ import annotations

import logging
import resource
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit import Simulation
from isocortex.engine.interface import Piece
from isocortex.errors import ConfigError, located
from isocortex.hashes import sha256 as hash_of
from isocortex.network.network import Network
from isocortex.report.netcons import ConnectionRecorder
from isocortex.report.output import (
    check_output,
    log_to,
    prepare_output,
    provenance,
    write_provenance,
)
from isocortex.report.record import Recorder, Sampling
from isocortex.report.spikes import SpikeWriter
from isocortex.report.summary import Summary
from isocortex.session.loop import STEPPING, WRITING, Run, Watching
from isocortex.text import read_text

logger = logging.getLogger(__name__)
AnyRecorder = Recorder | ConnectionRecorder
CLOSING = "closing the output"


@dataclass(frozen=True)
class Files:
    """What a simulation writes, and where.

    Attributes
    ----------
    reports : name of the file of every report, by the report's name.
    """

    folder: Path
    spikes: str
    reports: dict[str, str]
    csv: str | None
    log: str | None
    may_replace: bool
    read: frozenset[Path]

    @classmethod
    def of(cls, simulation: Simulation, overwrite: bool | None) -> Files:
        reports = {spec.name: spec.file_name or f"{spec.name}.h5" for spec in simulation.reports}
        return cls(
            folder=Path(simulation.output_dir),
            spikes=simulation.spikes_file or "spikes.h5",
            reports=reports,
            csv=simulation.spikes_file_csv or None,
            log=simulation.log_file or None,
            may_replace=simulation.overwrite_output_dir if overwrite is None else overwrite,
            read=simulation.files_read,
        )

    @property
    def names(self) -> list[str]:
        optional = [name for name in (self.csv, self.log) if name]
        return [self.spikes, *self.reports.values(), *optional]

    def check(self) -> None:
        """Refuse what cannot be written; nothing is replaced."""
        check_output(self.folder, self.may_replace, self.names, self.read)


class Folder(Watching):
    """Makes the output folder ready, and keeps the log."""

    def __init__(self, files: Files) -> None:
        self.files, self.log = files, ExitStack()

    def start(self, run: Run) -> None:
        files = self.files
        prepare_output(files.folder, files.may_replace, files.names, files.read)
        if files.log:
            self.log.enter_context(log_to(files.folder / files.log))

    def finish(self, run: Run, complete: bool) -> None:
        self.log.close()


class Account(Watching):
    """Where the results come from, what was done, and how far a run came that was stopped.

    Parameters
    ----------
    facts : the provenance.
    more : what only the beginning knew: ``n_synapses``, ``setup_seconds``, ``started``,
        ``config_text``.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], more: dict[str, Any]) -> None:
        self.folder, self.facts, self.more = folder, facts, more

    def start(self, run: Run) -> None:
        write_provenance(self.folder, self.facts)

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
            tstop=min(run.time, self.facts["run"]["tstop"]),
            n_steps=run.step,
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
    """Spikes as they come, by population."""

    def __init__(self, files: Files, order: str | None, facts: dict[str, Any]) -> None:
        self.files, self.order, self.facts = files, order, facts

    def start(self, run: Run) -> None:
        files = self.files
        self.writer = SpikeWriter(
            files.folder / files.spikes,
            [run.network.populations[p] for p in spiking(run.network)],
            self.order,
            files.folder / files.csv if files.csv else None,
            provenance=self.facts,
        )

    def after(self, run: Run, piece: Piece) -> None:
        network = run.network
        for population in np.unique(network.source_population[piece.source]):
            mine = network.source_population[piece.source] == population
            self.writer.append(
                network.populations[population],
                network.source_node_id[piece.source[mine]],
                np.round(piece.time[mine], 6),  # without the clock's accumulated rounding
            )

    def finish(self, run: Run, complete: bool) -> None:
        self.writer.close()


class ReportFile(Watching):
    """One report of one population, or that population's part of a file of several."""

    def __init__(self, recorder: AnyRecorder, file: Path, mode: str, facts: dict[str, Any]) -> None:
        self.recorder, self.file, self.mode, self.facts = recorder, file, mode, facts

    def start(self, run: Run) -> None:
        self.recorder.open(self.file, self.mode, self.facts)
        self.columns = run.record(self.recorder.probes)

    def after(self, run: Run, piece: Piece) -> None:
        first, samples = run.step - len(piece.samples), piece.samples[:, self.columns]
        if isinstance(self.recorder, ConnectionRecorder):
            self.recorder.take(first, samples, piece.source, piece.time)
        else:
            self.recorder.take(first, samples)

    def finish(self, run: Run, complete: bool) -> None:
        self.recorder.close()


class Sampled(Watching):
    """A report's part on a rank whose samples another writes."""

    def __init__(self, recorder: AnyRecorder) -> None:
        self.recorder = recorder

    def start(self, run: Run) -> None:
        run.record(self.recorder.probes)


def facts_of(
    simulation: Simulation, network: Network, threads: int, files: Files, names: dict[str, Any]
) -> dict[str, Any]:
    """What the provenance tells before the run; ``names``: precision, integrator, engine, ranks."""
    return provenance(
        {"file": str(simulation.config_file), "text": text_of(simulation.config_file)},
        seed=simulation.seed,
        threads=threads,
        citations=["NEURON numerics: Carnevale & Hines 2006", "cells: Gouwens et al. 2018"],
        run={
            "tstop": simulation.tstop,
            "dt": simulation.dt,
            **names,
            "config_file": str(Path(simulation.config_file).resolve()),
            "populations": {
                network.populations[p]: _ranges(network.spiking_nodes(p)) for p in spiking(network)
            },
            "nodes": {
                network.populations[p]: simulation.circuit.nodes[network.populations[p]].digests()
                for p in spiking(network)
            },
            "mechanisms": {
                str(file): sha256(file.read_bytes()).hexdigest()
                for file in simulation.circuit.mechanisms
            },
            "files": [files.spikes, *files.reports.values()],
            "skipped": list(simulation.skipped),
            "connection_overrides": [
                {
                    "name": override.name, "weight": float(override.weight),
                    "source": _about(override.source, simulation),
                    "target": _about(override.target, simulation),
                }
                for override in simulation.overrides
            ],
        },
    )  # fmt: skip


def _about(chosen: list[tuple[str, IntArray]], simulation: Simulation) -> dict[str, Any]:
    """How many nodes of which populations, and a hash of their ids: of some there are millions."""
    nodes = simulation.circuit.nodes
    return {
        name: {"nodes": len(rows), "sha256": hash_of(np.sort(nodes[name].node_ids[rows]))}
        for name, rows in chosen
    }


def recorders_of(simulation: Simulation, network: Network) -> dict[str, list[AnyRecorder]]:
    """The recorders of every report, one per population."""
    sampling = Sampling(simulation.dt, simulation.tstop, simulation.celsius)
    recorders: dict[str, list[AnyRecorder]] = {}
    for spec in simulation.reports:
        mine: list[AnyRecorder] = []
        recorders[spec.name] = mine
        with located(simulation.config_file, f"reports.{spec.name}"):
            for population, rows in spec.cells:
                ids = simulation.circuit.nodes[population].node_ids[rows]
                chosen = cells_among(network, population, ids)
                if len(chosen) and spec.connections is None:
                    mine.append(Recorder(spec, population, chosen, network, sampling))
                elif len(chosen):
                    found = ConnectionRecorder(
                        spec, population, chosen, network, simulation, sampling
                    )
                    mine += [found] if found.n_connections else []
            if not mine and spec.connections is None:
                raise ConfigError(
                    "no biophysical cell is chosen", field="cells", fix="Choose one or more."
                )
            if not mine:
                raise ConfigError(
                    f"no connection onto the chosen cells has a synapse of type "
                    f"{spec.connections or 'Exp2Syn or ExpSyn'}", field="syn_type",
                    fix="Choose other cells, or Exp2Syn, ExpSyn or null.",
                )  # fmt: skip
    return recorders


def cells_among(network: Network, population: str, ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """The biophysical cells among some nodes of a population, in order of node id."""
    index = network.populations.index(population)
    mine = np.flatnonzero(network.source_population[: network.circuit_cells] == index)
    chosen = mine[np.isin(network.source_node_id[mine], ids)]
    return chosen[np.argsort(network.source_node_id[chosen])]


def spiking(network: Network) -> NDArray[np.int64]:
    """Populations with cells that can spike."""
    return np.unique(network.source_population[: network.n_reacting])


def text_of(path: Path | None) -> str:
    """The configuration's text; empty if it was made in memory."""
    return read_text(Path(path)) if path is not None and Path(path).is_file() else ""


def _ranges(ids: NDArray[np.int64]) -> list[list[int]]:
    """Ascending ids as half-open ranges."""
    breaks = np.flatnonzero(np.diff(ids) != 1) + 1
    return [[int(part[0]), int(part[-1]) + 1] for part in np.split(ids, breaks) if len(part)]
