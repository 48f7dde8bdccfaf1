"""The run: from a configuration to spikes and reports."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from isocortex.circuit import Simulation
from isocortex.engine.layout.sizes import sizes_of
from isocortex.errors import ConfigError
from isocortex.interrupt import interruptible
from isocortex.network.network import Network
from isocortex.report.results import Result
from isocortex.session.engines import make_engine, make_settings
from isocortex.session.loop import FIRST_PIECE, Observer
from isocortex.session.progress import Progress, Told, line_for_people
from isocortex.session.ranks import Ranks, ranks_of_launch
from isocortex.session.session import prepare
from isocortex.session.setup import Options, describe

#: Machine code of the kernels, and what Numba needs to load it, bytes.
KERNELS = 5e7

__all__ = ["describe", "measure_speed", "memory_estimate", "run"]


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
    progress: Progress | bool | None = True,
    announce: Callable[[str], None] | None = None,
) -> Result:
    """Simulate a SONATA configuration and write its output.

    Processes that an MPI launcher has started (``mpirun -n 4``) share the circuit, and give the
    same spikes and reports to the last bit; the first writes, announces and shows progress.

    Parameters
    ----------
    config : path of the simulation config, or a loaded one.
    dt, tstop : ms; override the config.
    threads : default all cores this process may use, divided among ranks that share them; never
        more.
    precision : ``double`` or ``single``.
    engine : ``fast`` or ``reference``.
    integrator : ``backward-euler`` (NEURON's default) or ``crank-nicolson``.
    output_dir, overwrite : override the config.
    skip_unsupported_reports : leave out, and announce, reports of kinds that do not exist here.
    store_synapses : of a cortex described by its recipe: True draws its synapses once and stores
        them (fast), False draws them again at each spike (little memory), None decides by number.
    progress : called several times a second. True shows a line, on a terminal or in a notebook,
        once the steps take longer than two seconds; False or None shows nothing.
    announce : called with one line for every stage that takes time.

    Returns
    -------
    Result : the output folder, opened; ``result.run_summary`` tells what was done.
    """
    options = Options(
        dt=dt, tstop=tstop, threads=threads, precision=precision, engine=engine,
        integrator=integrator, output_dir=output_dir, overwrite=overwrite,
        skip_unsupported_reports=skip_unsupported_reports, store_synapses=store_synapses,
    )  # fmt: skip
    ranks = ranks_of_launch()
    watching: Observer | None = Told(progress) if callable(progress) else None
    if progress is True:
        watching = line_for_people()
    if ranks.rank:
        watching = announce = None
    with ranks.together():
        asked = config.config_file if isinstance(config, Simulation) else config
        _require_same(f"{asked} {options}", ranks)
        session = prepare(
            config, options, writes=True, more=[watching] if watching else [],
            say=announce or (lambda line: None), ranks=ranks,
        )  # fmt: skip
        with interruptible() as stop_if_asked, session:
            session.run.advance_to(session.run.n_steps, stop_if_asked)
    return Result(session.simulation.output_dir)


def _require_same(asked: str, ranks: Ranks) -> None:
    """Refuse to share one simulation where every process was asked for another."""
    if len(set(ranks.all(asked))) > 1:
        raise ConfigError(
            "the processes of an MPI launch run one simulation, and were asked for several",
            fix="Give all the same configuration and options, or start them without MPI.",
        )


def measure_speed(simulation: Simulation, network: Network, precision: str) -> float:
    """Seconds per simulated second, all cores, from the first steps after some that warm up."""
    settings = make_settings(
        simulation, threads=None, precision=precision, integrator="backward-euler"
    )
    engine = make_engine(network, settings)
    engine.advance(FIRST_PIECE // 2)
    begun = time.perf_counter()
    engine.advance(FIRST_PIECE)
    return (time.perf_counter() - begun) / (1e-3 * FIRST_PIECE * simulation.dt)


def memory_estimate(network: Network, precision: str) -> tuple[float, float]:
    """Memory of a run, MB: what the engine holds, and the most of this process while it runs.

    The first is told by the engine's layout before anything is allocated
    (:func:`isocortex.engine.layout.sizes.sizes_of`). The second is measured as far as it can be:
    the network has been built by now, which may have taken more than it keeps.
    """
    sizes = sizes_of(network, precision)
    used = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    most = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return sizes.running / 1e6, max(most, used + KERNELS + sizes.running) / 1e6
