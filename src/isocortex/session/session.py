"""A session: a simulation that one can hold, advance and look into."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from isocortex.circuit import ReportSpec, Simulation
from isocortex.circuit.force import require_steady_delays
from isocortex.engine.state import Snapshot, State
from isocortex.errors import ConfigError
from isocortex.interrupt import interruptible
from isocortex.network.network import Network
from isocortex.network.touched import require_touched, summed
from isocortex.report.record import Recorder, Sampling
from isocortex.report.summary import Stopwatch
from isocortex.session.checkpoints import Checkpoints, Plan, about_run
from isocortex.session.course import Course
from isocortex.session.facts import facts_of, text_of, told_of
from isocortex.session.loop import Observer, Run
from isocortex.session.outputs import Files, Sampled, writers_of
from isocortex.session.ranks import Ranks
from isocortex.session.recorders import cells_among, recorders_of, schedules_of
from isocortex.session.recording import Spikes, Trace
from isocortex.session.setup import BUILDING, READING, Options, build, describe, lay_out, load
from isocortex.session.start import Start, bounds_of

if TYPE_CHECKING:
    import pandas as pd


class Session:
    """A simulation that one can hold; made by :func:`open_session` or :func:`prepare`.

    Attributes
    ----------
    simulation : what is simulated, without its synapses.
    run : the loop.
    """

    def __init__(
        self, simulation: Simulation, run: Run, spikes: Spikes | None, writes: bool
    ) -> None:
        self.simulation, self.run, self._spikes = simulation, run, spikes
        self._writes, self._closed = writes, False

    @property
    def time(self) -> float:
        """Simulated time, ms."""
        return self.run.time

    @property
    def network(self) -> Network:
        return self.run.network

    def advance(self, duration: float | None = None) -> None:
        """Simulate ``duration`` ms more, or until the end.

        In pieces of any length the results are those of one run, to the last bit. Ctrl-C stops
        between two steps; the session can go on from there.

        Raises
        ------
        ConfigError : no whole number of steps, beyond the time for which inputs were loaded, or
            after the session was closed.
        """
        self._require_open()
        dt, run = self.run.settings.dt, self.run
        end = run.n_steps if duration is None else run.step + steps_in(duration, dt)
        if end > run.n_steps:
            raise ConfigError(
                f"the session ends at {run.n_steps * dt:g} ms and is at {self.time:g} ms",
                field="tstop", fix="Give open_session a larger tstop.",
            )  # fmt: skip
        with interruptible() as stop_if_asked:
            run.advance_to(end, stop_if_asked)

    @property
    def spikes(self) -> pd.DataFrame:
        """All spikes until now: timestamps (ms), node_ids, population."""
        if self._spikes is None:
            raise ConfigError("this session writes its spikes", fix="Read them from its output.")
        return self._spikes.table(self.run)

    def voltage(self, node_id: int, population: str | None = None) -> float:
        """The voltage of a cell's soma now, mV.

        Raises
        ------
        ConfigError : there is no such biophysical cell, or several and no population was named.
        """
        name, cells = self._cells([node_id], population)
        model = self.network.models[self.network.cell_model[cells[0]]]
        return float(self.run.engine.voltage(int(cells[0]))[model.soma])

    def record(
        self,
        variable: str = "v",
        nodes: Sequence[int] | None = None,
        population: str | None = None,
        sections: str | tuple[str | int, ...] = "soma",
    ) -> Trace:
        """Record a quantity from the next step on; the trace's ``data`` grows with the session.

        Parameters
        ----------
        variable : as reports name it: ``v``, ``cai``, ``g_syn``, ``m_NaTs``, ...
        nodes : node ids, default all biophysical cells of the population.
        sections : as in reports: ``soma``, ``all``, section types or ids.
        """
        self._require_open()
        name, cells = self._cells(nodes, population)
        simulation = self.simulation
        spec = ReportSpec(variable, variable, [], sections)
        sampling = Sampling(simulation.dt, simulation.tstop, self.run.settings.celsius)
        trace = Trace(Recorder(spec, name, cells, self.network, sampling), variable, name)
        self.run.observe(trace)
        return trace

    def _cells(self, nodes: Sequence[int] | None, population: str | None) -> tuple[str, Any]:
        """Population and indices of biophysical cells, in order of node id."""
        network = self.network
        biophysical = np.unique(network.source_population[: network.circuit_cells])
        names = [network.populations[p] for p in biophysical]
        name = names[0] if population is None and len(names) == 1 else population
        if name is None or name not in names:
            raise ConfigError(
                "several populations" if name is None else f"no cells in {name!r}",
                field="population", fix=f"Name one of {', '.join(names) or 'none'}.",
            )  # fmt: skip
        everybody = network.source_node_id[: network.circuit_cells]
        ids = everybody if nodes is None else np.asarray(nodes)
        cells = cells_among(network, name, ids)
        if nodes is not None and len(cells) < len(np.unique(ids)):
            missing = np.setdiff1d(ids, network.source_node_id[cells])
            raise ConfigError(
                f"{name} has no biophysical node {missing[0]}", field="nodes",
                fix="Choose ids that it has.",
            )  # fmt: skip
        return name, cells

    def state(self) -> Snapshot:
        """All that evolves, as it is now; the session goes on unchanged."""
        return self.run.engine.state()

    def restore(self, state: State) -> None:
        """Go on from a state of the same simulation: another session's, or an earlier one of this.

        Spikes and traces of times after that of the state are forgotten, earlier ones kept.

        Raises
        ------
        ConfigError : the state is of another circuit, time step, integrator or temperature, or of
            a time after this session's end; or the session writes files or was closed.
        """
        self._require_open()
        if self._writes:  # files are written in order of time and are read while they are
            raise ConfigError(
                "a session that writes files goes on in order of time", field="output_dir",
                fix="Restore in a session that was opened without it.",
            )  # fmt: skip
        if state.step > self.run.n_steps:
            dt = self.run.settings.dt
            raise ConfigError(
                f"the state is of {state.step * dt:g} ms, the session ends at "
                f"{self.run.n_steps * dt:g} ms", field="tstop",
                fix="Give open_session a larger tstop.",
            )  # fmt: skip
        self.run.restore(state)

    def close(self) -> None:
        """Complete every file that is being written; later calls do nothing.

        What was simulated can still be looked at.
        """
        self._closed = True
        self.run.finish()

    def _require_open(self) -> None:
        if self._closed:
            raise ConfigError("the session was closed", fix="Open another one.")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        end = self.run.n_steps * self.run.settings.dt
        return f"Session({self.time:g} of {end:g} ms, {self.run.n_spikes:,} spikes)"


def steps_in(duration: float, dt: float) -> int:
    """Steps of ``dt`` in a duration, both ms.

    Raises
    ------
    ConfigError : there is no whole number of them, or none at all.
    """
    steps = duration / dt
    n = int(round(steps)) if np.isfinite(steps) else 0
    if n < 1 or abs(n - steps) > 1e-6:
        raise ConfigError(
            f"{duration:g} ms is no multiple of the time step, {dt:g} ms", field="duration",
            fix="Ask for one or more whole steps.",
        )  # fmt: skip
    return n


def open_session(
    config: str | os.PathLike[str] | Simulation,
    *,
    dt: float | None = None,
    tstop: float | None = None,
    threads: int | None = None,
    precision: str = "double",
    engine: str = "fast",
    device: str = "cpu",
    integrator: str = "backward-euler",
    store_synapses: bool | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool | None = None,
) -> Session:
    """Build a simulation and hold it at its beginning.

    Nothing is written unless ``output_dir`` is given; then the spikes and reports of the
    configuration are, as by :func:`isocortex.run`. The other parameters are that function's.

    Examples
    --------
    >>> with open_session("simulation_config.json") as session:  # doctest: +SKIP
    ...     trace = session.record("v", [0, 1])
    ...     session.advance(50.0)
    ...     session.spikes, session.voltage(0), trace.data
    """
    options = Options(
        dt=dt, tstop=tstop, threads=threads, precision=precision, engine=engine,
        device=device, integrator=integrator, store_synapses=store_synapses,
        output_dir=output_dir, overwrite=overwrite, skip_unsupported_reports=output_dir is None,
    )  # fmt: skip
    return prepare(config, options, writes=output_dir is not None, keeps=True)


def prepare(
    config: str | os.PathLike[str] | Simulation,
    options: Options,
    *,
    writes: bool,
    keeps: bool = False,
    more: Sequence[Observer] = (),
    say: Callable[[str], None] = lambda line: None,
    plan: Plan | None = None,
    start: Start | None = None,
    ranks: Ranks | None = None,
) -> Session:
    """Read, check and build everything, or this rank's part of it.

    Parameters
    ----------
    writes : spikes and reports go into the output folder.
    keeps : spikes are kept in memory.
    more : observers told after those that write.
    say : called with one line for every stage that takes time.
    plan : when the state is written, None for never.
    start : a state to begin with, None to begin at rest.
    ranks : those that run the simulation together; the first writes for all.
    """
    started, clock, ranks = datetime.now(UTC), Stopwatch(), ranks or Ranks()
    with ranks.together():
        simulation, settings = load(config, options, say, ranks)
        whole = Course(simulation, options, settings, ranks, say)
        course = whole if len(whole.steps) else None
        clock.lap(READING)
        files = Files.of(simulation, options.overwrite, plan.states if plan else ())
        text = text_of(simulation.config_file)
        require_steady_delays(simulation)
        if plan is not None:
            plan.check(simulation.tstop)
        if start is not None:
            start.check(simulation, text, files.folder)
        if writes and ranks.rank == 0:  # now, not after the network was built
            files.check(goes_on=start is not None and not start.branches)
    with ranks.together():
        step = start.saved.state.step if start else 0
        changes, overrides = simulation.changes, simulation.overrides
        nodes = simulation.circuit.nodes  # as they were read
        simulation = whole.at(step)
        settings = whole.settings_of(simulation)
        del whole  # with its synapses, unless the network is to be built from them again
        network = build(simulation, options, ranks)
        state = start.state(network, settings, ranks) if start else None
        begin = start.begin if start else 0.0
        recorders = recorders_of(simulation, network, begin) if writes else {}
        schedules = schedules_of(simulation, begin) if writes else []
        bound = bounds_of(network, simulation.tstop, ranks) if plan else {}
    stored = network.n_synapses - round(network.n_drawn)
    n_synapses = ranks.sum(stored) + round(network.n_drawn)
    say(describe(network, n_synapses))
    touched = summed(network.touched, ranks)
    require_touched(touched, simulation.config_file)  # a rank alone knows of its synapses only
    for each in touched:
        say(str(each))
    clock.lap(BUILDING)
    # the synapses are in the network now, and may be large
    simulation = replace(simulation, circuit=replace(simulation.circuit, projections=[]))
    say("Loading the kernels (compiled once, then cached) ...")
    with ranks.together():
        task = lay_out(simulation, network, settings, options.engine, clock, ranks)
    del network
    compiling = task.engine.compile_seconds
    setup = sum(clock.seconds.values()) - compiling
    say(f"Ready: {setup:.1f} s to build, {compiling:.1f} s to compile.")
    if state is not None:
        with ranks.together():
            task.engine.restore(state)
        del state
    spikes = Spikes() if keeps else None
    observers: list[Observer] = [*([spikes] if spikes else []), *more]
    if writes and ranks.rank:
        observers += [Sampled(recorder) for several in recorders.values() for recorder in several]
        if plan is not None:
            observers.append(
                Checkpoints(plan, files.folder, bound, schedules, None, lambda line: None)
            )
    elif writes:
        told = ("precision", "integrator", "engine", "device")
        names = {name: getattr(options, name) for name in told}
        names["ranks"] = ranks.size
        facts = facts_of(
            replace(
                simulation, overrides=overrides, circuit=replace(simulation.circuit, nodes=nodes)
            ),
            task.network, settings.threads, files, names,
        )  # fmt: skip
        facts["run"]["changes"] = told_of(changes, touched)
        beginning = {"n_synapses": n_synapses, "setup_seconds": setup, "started": started,
                     "config_text": text}  # fmt: skip
        writers = writers_of(
            files, recorders, facts, beginning, simulation.spikes_sort_order, start
        )
        if plan is not None:
            about = {**bound, **about_run(options, plan, simulation, writers.account)}
            observers.append(Checkpoints(plan, files.folder, about, schedules, writers, say))
        observers = [*writers.all, *observers]
    run = Run(task, observers, clock, ranks, course)
    if start is not None:
        start.take_up(run)
    return Session(simulation, run, spikes, writes)
