"""The run: from a configuration to spikes and reports, chunk by chunk."""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from isocortex.circuit import Simulation
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Engine, ProbeTable, Settings, check_finite
from isocortex.engine.layout.sizes import sizes_of
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import ConfigError, located
from isocortex.interrupt import interruptible
from isocortex.network.build import build_network
from isocortex.network.network import Network
from isocortex.report.output import (
    check_output,
    log_to,
    prepare_output,
    provenance,
    write_provenance,
)
from isocortex.report.record import Recorder
from isocortex.report.results import Result
from isocortex.report.spikes import SpikeWriter
from isocortex.report.summary import Stopwatch, Summary
from isocortex.sonata.config import load_simulation

logger = logging.getLogger(__name__)

ENGINES: dict[str, Callable[[Network, Settings], Engine]] = {
    "fast": CpuEngine,
    "reference": ReferenceEngine,
}
INTEGRATORS = {"backward-euler": False, "crank-nicolson": True}
FIRST_CHUNK = 100  # steps before the first look at the outside world
LOOK_EVERY = 0.2  # s of wall-clock between later ones
SAMPLES_AT_ONCE = 2**23  # numbers recorded between two looks: 64 MB
#: Stages whose wall-clock time is measured, as :class:`Summary` names them.
READING, BUILDING = "reading circuit and inputs", "building cells and synapses"
LOADING, COMPILING = "laying out the engine's memory", "compiling or loading kernels"
OPENING, STEPPING = "opening the output", "stepping neurons and synapses"
WRITING, CLOSING = "writing spikes and reports", "closing the output"
#: Called at every look with the simulated time and the end (ms), and the spikes so far.
Progress = Callable[[float, float, int], None]


def make_engine(network: Network, settings: Settings, engine: str = "fast") -> Engine:
    """``fast`` (compiled, all cores) or ``reference`` (NumPy)."""
    if engine == "reference" and network.n_drawn:
        raise ConfigError(
            "the reference engine does not draw synapses at spikes", fix="Let them be stored."
        )
    return ENGINES[engine](network, settings)


def make_settings(
    simulation: Simulation, *, threads: int | None, precision: str, integrator: str
) -> Settings:
    """Integration settings of a simulation, checked."""
    if integrator not in INTEGRATORS:
        raise ConfigError(
            f"unknown integrator {integrator!r}", fix=f"Use one of {', '.join(INTEGRATORS)}."
        )
    if precision not in ("double", "single"):
        raise ConfigError(f"unknown precision {precision!r}", fix="Use double or single.")
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads", fix="Use at least 1.")
    return Settings(
        dt=simulation.dt,
        celsius=simulation.celsius,
        v_init=simulation.v_init,
        threshold=simulation.spike_threshold,
        second_order=INTEGRATORS[integrator],
        precision=precision,
        threads=threads or len(os.sched_getaffinity(0)),
    )


def run(
    config: str | os.PathLike[str] | Simulation,
    *,
    dt: float | None = None,
    tstop: float | None = None,
    threads: int | None = None,
    precision: str = "double",
    engine: str = "fast",
    integrator: str = "backward-euler",
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool | None = None,
    skip_unsupported_reports: bool = False,
    store_synapses: bool | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> Result:
    """Simulate a SONATA configuration and write its output.

    Parameters
    ----------
    config : path of the simulation config, or a loaded one.
    dt, tstop : ms; override the config.
    threads : default all cores this process may use; never more.
    precision : ``double`` or ``single``.
    engine : ``fast`` or ``reference``.
    integrator : ``backward-euler`` (NEURON's default) or ``crank-nicolson``.
    output_dir, overwrite : override the config.
    skip_unsupported_reports : leave out, and announce, reports of kinds that do not exist here.
    store_synapses : of a cortex described by its recipe: True draws its synapses once and stores
        them (fast), False draws them again at each spike (little memory), None decides by number.
    progress : called several times a second.
    announce : called with one line for every stage that takes time.

    Returns
    -------
    Result : the output folder, opened; ``result.run_summary`` tells what was done.
    """
    say = announce or (lambda line: None)
    started, clock = datetime.now(UTC), Stopwatch()
    if not isinstance(config, Simulation):
        simulation = load_simulation(
            config, dt=dt, tstop=tstop, output_dir=output_dir,
            skip_unsupported_reports=skip_unsupported_reports,
        )  # fmt: skip
        for report in simulation.skipped:
            say(f"Skipped: report {report} is not supported.")
    else:
        simulation = _changed(config, dt, tstop, output_dir)
    cores = len(os.sched_getaffinity(0))
    if threads is not None and threads > cores:  # they would wait for each other, spinning
        say(f"{threads} threads asked for, but there are {cores} cores: one thread each.")
        threads = cores
    settings = make_settings(
        simulation, threads=threads, precision=precision, integrator=integrator
    )
    if engine == "reference" and store_synapses is None:
        store_synapses = True  # it knows no other
    clock.lap(READING)
    if engine not in ENGINES:
        raise ConfigError(f"unknown engine {engine!r}", fix=f"Use one of {', '.join(ENGINES)}.")
    may_replace = simulation.overwrite_output_dir if overwrite is None else overwrite
    check_output(
        simulation.output_dir, may_replace, _all_files(simulation), simulation.files_read
    )  # now, not after the network was built
    network = build_network(simulation, store_synapses)
    clock.lap(BUILDING)
    # the edges are in the network now, and may be large
    simulation = replace(simulation, circuit=replace(simulation.circuit, projections=[]))
    say(describe(network))
    n_steps = int(round(simulation.tstop / simulation.dt))
    say("Loading the kernels (compiled once, then cached) ...")
    motor = make_engine(network, settings, engine)
    n_synapses, network = network.n_synapses, network.without_wiring()
    clock.lap(LOADING)
    clock.seconds[LOADING] -= motor.compile_seconds
    setup = sum(clock.seconds.values())
    clock.seconds[COMPILING] = motor.compile_seconds
    say(f"Ready: {setup:.1f} s to build, {motor.compile_seconds:.1f} s to compile.")

    spikes_file, report_files = _output_files(simulation)
    config_text = _text(simulation.config_file)
    facts = provenance(
        {"file": str(simulation.config_file), "text": config_text},
        seed=simulation.seed,
        threads=settings.threads,
        citations=["NEURON numerics: Carnevale & Hines 2006", "cells: Gouwens et al. 2018"],
        run={
            "tstop": simulation.tstop,
            "dt": simulation.dt,
            "precision": precision,
            "integrator": integrator,
            "engine": engine,
            "config_file": str(Path(simulation.config_file).resolve()),
            "populations": {
                network.populations[p]: _ranges(network.spiking_nodes(p)) for p in _spiking(network)
            },
            "files": [spikes_file, *report_files.values()],
            "skipped": list(simulation.skipped),
        },
    )
    n_spikes, complete = 0, False

    def finish() -> None:
        """Leave word of what was done, and of how far a run came that was stopped."""
        clock.lap(CLOSING)
        reached = round(motor.step * simulation.dt, 6)
        if not complete:
            facts["run"]["reached"] = reached
        summary = Summary(
            n_cells=network.n_cells,
            n_points=len(network.points),
            n_virtual=network.n_virtual,
            n_compartments=network.n_compartments,
            n_synapses=n_synapses,
            n_spikes=n_spikes,
            n_events=motor.n_events,
            tstop=min(reached, simulation.tstop),
            n_steps=motor.step,
            setup_seconds=setup,
            compile_seconds=motor.compile_seconds,
            run_seconds=clock.seconds.get(STEPPING, 0.0) + clock.seconds.get(WRITING, 0.0),
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            stages=clock.seconds,
            started=started.isoformat(timespec="seconds"),
        )
        logger.info("%s", summary)
        more = {"summary": summary.facts(), "config_text": config_text}
        write_provenance(simulation.output_dir, {**facts, **more})

    with ExitStack() as stack:
        stop_if_asked = stack.enter_context(interruptible())  # first in, last out
        writer, recorders = _open_output(simulation, network, may_replace, facts, stack, finish)
        motor.record(ProbeTable.of([probe for r in recorders for probe in r.probes]))
        ends = np.cumsum([0] + [len(r.probes) for r in recorders])
        clock.lap(OPENING)
        chunk = max(FIRST_CHUNK // motor.window, 1) * motor.window
        while motor.step < n_steps:
            first, moment = motor.step, time.perf_counter()
            sources, times, samples = motor.advance(min(chunk, n_steps - first))
            clock.lap(STEPPING)
            # NEURON looks for spikes as a step begins: one in the last step's end is not seen
            seen = (sources >= network.n_cells) | (times < (n_steps - 0.5) * simulation.dt)
            sources, times = sources[seen], times[seen]
            for population in np.unique(network.source_population[sources]):
                mine = network.source_population[sources] == population
                writer.append(
                    network.populations[population],
                    network.source_node_id[sources[mine]],
                    np.round(times[mine], 6),  # without the clock's accumulated rounding
                )
            n_spikes += len(sources)
            for recorder, a, b in zip(recorders, ends[:-1], ends[1:], strict=True):
                recorder.take(first, samples[:, a:b])
            check_finite(network, motor, simulation.dt)
            if progress is not None:
                progress(motor.step * simulation.dt, simulation.tstop, n_spikes)
            clock.lap(WRITING)
            stop_if_asked()
            chunk = _next_chunk(chunk, time.perf_counter() - moment, samples.shape[1])
            # whole windows: where they begin decides the order in which coincident events add up
            chunk = max(chunk // motor.window, 1) * motor.window
        complete = True
    return Result(simulation.output_dir)


def _changed(
    simulation: Simulation,
    dt: float | None,
    tstop: float | None,
    output_dir: str | os.PathLike[str] | None,
) -> Simulation:
    """A loaded simulation with other times or another output folder."""
    if tstop is not None and tstop > simulation.tstop:
        raise ConfigError(
            f"the inputs were loaded for {simulation.tstop:g} ms, not {tstop:g}",
            field="tstop", fix="Give tstop to load_simulation.",
        )  # fmt: skip
    return replace(
        simulation,
        dt=dt or simulation.dt,
        tstop=tstop or simulation.tstop,
        output_dir=Path(output_dir) if output_dir else simulation.output_dir,
    )


def _next_chunk(chunk: int, seconds: float, n_probes: int) -> int:
    """Steps until the next look, given how long the last ``chunk`` of them took."""
    wanted = min(chunk * LOOK_EVERY / max(seconds, 1e-9), SAMPLES_AT_ONCE / max(n_probes, 1))
    return max(min(int(wanted), 4 * chunk), 1)


def describe(network: Network) -> str:
    """One line: how much there is to simulate."""
    parts = [f"{network.n_cells:,} biophysical cells of {len(network.models)} models"]
    if len(network.points):
        parts.append(f"{len(network.points):,} point neurons")
    if network.n_virtual:
        parts.append(f"{network.n_virtual:,} virtual nodes")
    parts += [f"{network.n_compartments:,} compartments", f"{network.n_synapses:,} synapses"]
    line = ", ".join(parts)
    if network.n_drawn:
        line += f" (about {network.n_drawn:.3g} of them drawn at each spike, not stored)"
    return line + "."


def measure_speed(simulation: Simulation, network: Network, precision: str) -> float:
    """Seconds per simulated second, all cores, from the first steps after some that warm up."""
    settings = make_settings(
        simulation, threads=None, precision=precision, integrator="backward-euler"
    )
    engine = make_engine(network, settings)
    engine.advance(FIRST_CHUNK // 2)
    begun = time.perf_counter()
    engine.advance(FIRST_CHUNK)
    return (time.perf_counter() - begun) / (1e-3 * FIRST_CHUNK * simulation.dt)


def memory_estimate(network: Network, precision: str) -> float:
    """Memory of the running engine, MB: see :func:`isocortex.engine.layout.sizes.sizes_of`."""
    return sizes_of(network, precision).running / 1e6


def _output_files(simulation: Simulation) -> tuple[str, dict[str, str]]:
    """Name of the spike file, and of every report's."""
    reports = {spec.name: spec.file_name or f"{spec.name}.h5" for spec in simulation.reports}
    return simulation.spikes_file or "spikes.h5", reports


def _all_files(simulation: Simulation) -> list[str]:
    """Every file that a run writes."""
    spikes_file, reports = _output_files(simulation)
    optional = [f for f in (simulation.spikes_file_csv, simulation.log_file) if f]
    return [spikes_file, *reports.values(), *optional]


def _ranges(ids: np.ndarray) -> list[list[int]]:
    """Ascending ids as half-open ranges."""
    breaks = np.flatnonzero(np.diff(ids) != 1) + 1
    return [[int(part[0]), int(part[-1]) + 1] for part in np.split(ids, breaks) if len(part)]


def _spiking(network: Network) -> np.ndarray:
    """Populations with cells that can spike."""
    return np.unique(network.source_population[: network.n_cells + len(network.points)])


def _text(path: Path | None) -> str:
    return Path(path).read_text() if path is not None and Path(path).exists() else ""


def _open_output(
    simulation: Simulation,
    network: Network,
    may_replace: bool,
    facts: dict,
    stack: ExitStack,
    finish: Callable[[], None],
) -> tuple[SpikeWriter, list[Recorder]]:
    """Create every output file; all are closed, and so complete, however the run ends.

    ``finish`` is called after that, and only if the output folder is this run's.
    """
    spikes_file, report_files = _output_files(simulation)
    recorders = _recorders(simulation, network)
    prepare_output(
        simulation.output_dir, may_replace, _all_files(simulation), simulation.files_read
    )
    folder = Path(simulation.output_dir)
    if simulation.log_file:
        stack.enter_context(log_to(folder / simulation.log_file))
    write_provenance(folder, facts)
    stack.callback(finish)
    writer = SpikeWriter(
        folder / spikes_file,
        [network.populations[p] for p in _spiking(network)],
        simulation.spikes_sort_order,
        folder / simulation.spikes_file_csv if simulation.spikes_file_csv else None,
        provenance=facts,
    )
    stack.callback(writer.close)
    for name, several in recorders.items():
        for k, recorder in enumerate(several):
            recorder.open(folder / report_files[name], "a" if k else "w", facts)
            stack.callback(recorder.close)
    return writer, [recorder for several in recorders.values() for recorder in several]


def _recorders(simulation: Simulation, network: Network) -> dict[str, list[Recorder]]:
    """The recorders of every report, one per population."""
    cells = np.arange(network.n_cells)
    recorders: dict[str, list[Recorder]] = {}
    for spec in simulation.reports:
        recorders[spec.name] = []
        with located(simulation.config_file, f"reports.{spec.name}"):
            for population, rows in spec.cells:
                index = network.populations.index(population)
                mine = cells[network.source_population[: network.n_cells] == index]
                wanted = simulation.circuit.nodes[population].node_ids[rows]
                chosen = mine[np.isin(network.source_node_id[mine], wanted)]
                chosen = chosen[np.argsort(network.source_node_id[chosen])]
                if len(chosen):
                    recorders[spec.name].append(
                        Recorder(
                            spec,
                            spec.variable,
                            population,
                            chosen,
                            network,
                            dt=simulation.dt,
                            tstop=simulation.tstop,
                            celsius=simulation.celsius,
                        )  # fmt: skip
                    )
            if not recorders[spec.name]:
                raise ConfigError(
                    "no biophysical cell is chosen", field="cells", fix="Choose one or more."
                )
    return recorders
