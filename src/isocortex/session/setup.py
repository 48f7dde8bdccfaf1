"""From a configuration to a run that can begin."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from isocortex.circuit import Simulation
from isocortex.engine.interface import Settings
from isocortex.errors import ConfigError
from isocortex.network.build import build_network
from isocortex.network.network import Network
from isocortex.report.summary import Stopwatch
from isocortex.session.engines import (
    ENGINES,
    INTEGRATORS,
    make_engine,
    make_settings,
    require_device,
)
from isocortex.session.launcher import usable_cores
from isocortex.session.loop import Task
from isocortex.session.ranks import Ranks
from isocortex.session.room import room_for
from isocortex.sonata.config import Run as RunSection
from isocortex.sonata.config import check_steps, load_simulation
from isocortex.sonata.schema import validated

#: Stages whose wall-clock time is measured, as :class:`Summary` names them.
READING, BUILDING = "reading circuit and inputs", "building cells and synapses"
LOADING, COMPILING = "laying out the engine's memory", "compiling or loading kernels"


@dataclass(frozen=True)
class Options:
    """How a configuration is run; see :func:`isocortex.run`."""

    dt: float | None = None
    tstop: float | None = None
    threads: int | None = None
    precision: str = "double"
    engine: str = "fast"
    device: str = "cpu"
    integrator: str = "backward-euler"
    output_dir: str | os.PathLike[str] | None = None
    overwrite: bool | None = None
    skip_unsupported_reports: bool = False
    store_synapses: bool | None = None


def load(
    config: str | os.PathLike[str] | Simulation,
    options: Options,
    say: Callable[[str], None],
    ranks: Ranks,
) -> tuple[Simulation, Settings]:
    """The simulation as the options change it, and its settings; all choices are checked."""
    if not isinstance(config, Simulation):
        simulation = load_simulation(
            config, dt=options.dt, tstop=options.tstop, output_dir=options.output_dir,
            skip_unsupported_reports=options.skip_unsupported_reports,
        )  # fmt: skip
        for report in simulation.skipped:
            say(f"Skipped: report {report} is not supported.")
    else:
        simulation = _changed(config, options)
    threads = ranks.threads if options.threads is None else options.threads
    if threads > usable_cores():  # they would wait for each other, spinning
        say(f"{threads} threads asked for, but there are {usable_cores()} cores: one thread each.")
        threads = usable_cores()
    if options.engine not in ENGINES:
        raise ConfigError(
            f"unknown engine {options.engine!r}", fix=f"Use one of {', '.join(ENGINES)}."
        )
    settings = make_settings(
        simulation, threads=threads, precision=options.precision, integrator=options.integrator,
        device=options.device,
    )  # fmt: skip
    require_device(settings, options.engine, ranks.size)
    return simulation, settings


def _changed(simulation: Simulation, options: Options) -> Simulation:
    """A loaded simulation with other times or another output folder.

    Raises
    ------
    ConfigError : a time that no configuration could have, or that inputs were not loaded for.
    """
    asked = {"dt": options.dt, "tstop": options.tstop}
    times = {"dt": simulation.dt, "tstop": simulation.tstop}
    times |= {name: float(value) for name, value in asked.items() if value is not None}
    file = simulation.config_file
    check_steps(validated(RunSection, times, file, "run"), file)
    if times["tstop"] > simulation.tstop:
        raise ConfigError(
            f"the inputs were loaded for {simulation.tstop:g} ms, not {times['tstop']:g}",
            field="tstop", fix="Give tstop to load_simulation.",
        )  # fmt: skip
    folder = options.output_dir
    return replace(
        simulation,
        dt=times["dt"],
        tstop=times["tstop"],
        output_dir=Path(folder) if folder else simulation.output_dir,
    )


def build(simulation: Simulation, options: Options, ranks: Ranks | None = None) -> Network:
    """A rank's network of a simulation, its synapses stored if the engine draws none."""
    ranks = ranks or Ranks()
    store = options.store_synapses
    if options.engine == "reference" and store is None:
        store = True  # it knows no other
    fits = room_for(
        simulation,
        precision=options.precision,
        second_order=INTEGRATORS[options.integrator],
        builders=ranks.here,
    )
    return build_network(simulation, store, ranks=ranks.size, rank=ranks.rank, fits=fits)


def lay_out(
    simulation: Simulation,
    network: Network,
    settings: Settings,
    engine: str,
    clock: Stopwatch,
    ranks: Ranks,
) -> Task:
    """The network in an engine's memory; its wiring is the engine's from here on."""
    motor = make_engine(network, settings, engine, ranks)
    clock.lap(LOADING)
    clock.seconds[LOADING] -= motor.compile_seconds
    clock.seconds[COMPILING] = motor.compile_seconds
    n_steps = int(round(simulation.tstop / simulation.dt))
    return Task(network.without_wiring(), motor, settings, n_steps)


def describe(network: Network, n_synapses: int | None = None) -> str:
    """One line: how much there is to simulate; ``n_synapses`` of all ranks."""
    n_synapses = network.n_synapses if n_synapses is None else n_synapses
    parts = [f"{network.circuit_cells:,} biophysical cells of {len(network.models)} models"]
    if network.circuit_points:
        parts.append(f"{network.circuit_points:,} point neurons")
    if network.n_virtual:
        parts.append(f"{network.n_virtual:,} virtual nodes")
    parts += [f"{network.n_compartments:,} compartments", f"{n_synapses:,} synapses"]
    if len(network.gaps):
        parts.append(f"{len(network.gaps):,} gap junctions")
    line = ", ".join(parts)
    if network.n_drawn:
        line += f" (about {network.n_drawn:.3g} of them drawn at each spike, not stored)"
    return line + "."
