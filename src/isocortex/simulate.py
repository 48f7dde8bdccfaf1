"""The run: from a configuration to spikes and reports."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from isocortex.circuit import Simulation
from isocortex.engine.layout.sizes import sizes_of
from isocortex.errors import ConfigError, InputError
from isocortex.interrupt import interruptible
from isocortex.network.network import Network
from isocortex.report.output import CHECKPOINT
from isocortex.report.results import Result
from isocortex.session.checkpoints import Plan
from isocortex.session.engines import make_engine, make_settings
from isocortex.session.loop import FIRST_PIECE, Observer
from isocortex.session.progress import Progress, Told, line_for_people
from isocortex.session.ranks import Ranks, ranks_of_launch
from isocortex.session.session import prepare
from isocortex.session.setup import Options, describe
from isocortex.session.start import Start
from isocortex.session.statefile import read_state, state_file

#: Machine code of the kernels, and what Numba needs to load it, bytes.
KERNELS = 5e7

__all__ = ["continue_run", "describe", "measure_speed", "memory_estimate", "run"]


def run(
    config: str | os.PathLike[str] | Simulation,
    *,
    dt: float | None = None,
    tstop: float | None = None,
    threads: int | None = None,
    precision: str = "double",
    engine: str = "fast",
    device: str = "cpu",
    integrator: str = "backward-euler",
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool | None = None,
    skip_unsupported_reports: bool = False,
    store_synapses: bool | None = None,
    checkpoint_every: float | str | None = None,
    save_at: float | Sequence[float] | None = None,
    start_from: str | os.PathLike[str] | None = None,
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
    precision : ``double``, ``single`` or ``mixed`` (single, with synapses' numbers in half).
    engine : ``fast`` or ``reference``.
    device : ``cpu``, or ``cuda``: the first NVIDIA GPU, in one process.
    integrator : ``backward-euler`` (NEURON's default) or ``crank-nicolson``.
    output_dir, overwrite : override the config.
    skip_unsupported_reports : leave out, and announce, reports of kinds that do not exist here.
    store_synapses : of a cortex described by its recipe: True draws its synapses once and stores
        them (fast), False draws them again at each spike (little memory), None decides by number.
    checkpoint_every : ms of simulated time after which the state is written again to
        ``checkpoint.h5`` in the output folder, from where :func:`continue_run` goes on; a text such
        as ``10min`` is wall-clock.
    save_at : ms, one or several, at which the state is kept as ``state_<ms>ms.h5``: that of the
        last end of a window until then.
    start_from : such a state, or results with a checkpoint: a branch begins there. Weights,
        parameters of channels, inputs and reports may be others than in the run that it is of.
    progress : called several times a second. True shows a line, on a terminal or in a notebook,
        once the steps take longer than two seconds; False or None shows nothing.
    announce : called with one line for every stage that takes time.

    Returns
    -------
    Result : the output folder, opened; ``result.run_summary`` tells what was done.
    """
    plan = Plan.of(checkpoint_every, save_at)
    start = None if start_from is None else Start(read_state(state_file(start_from)), branches=True)
    options = Options(
        dt=dt, tstop=tstop, threads=threads, precision=precision, engine=engine,
        device=device, integrator=integrator, output_dir=output_dir, overwrite=overwrite,
        skip_unsupported_reports=skip_unsupported_reports, store_synapses=store_synapses,
    )  # fmt: skip
    return _run_to_the_end(config, options, plan, start, progress, announce)


def continue_run(
    results: str | os.PathLike[str],
    *,
    tstop: float | None = None,
    threads: int | None = None,
    config: str | os.PathLike[str] | Simulation | None = None,
    checkpoint_every: float | str | None = None,
    progress: Progress | bool | None = True,
    announce: Callable[[str], None] | None = None,
) -> Result:
    """Go on with a run from its last checkpoint: one results folder, as if it had never stopped.

    What was written after the checkpoint is cut away and computed again, to the last bit.

    Parameters
    ----------
    results : its output folder.
    tstop : ms, default what was asked for; later, if the run came to its end.
    threads : default all cores this process may use.
    config : the configuration, if it has moved, or the simulation, if it was made in memory.
    checkpoint_every : as in :func:`run`, default as before.
    progress, announce : as in :func:`run`.

    Raises
    ------
    ConfigError : configuration, circuit or inputs have changed since.
    InputError : there is no checkpoint, or it or a report was damaged.
    """
    path = state_file(results)
    saved = read_state(path)
    if path.name != CHECKPOINT:
        raise InputError(
            "is a state to branch from: it does not hold what the run had written", file=path,
            fix="Give the results folder to continue its run, or use run --from.",
        )  # fmt: skip
    end = tstop or saved.about["tstop"]
    then = Plan(**saved.about["plan"])
    then = replace(then, at=tuple(moment for moment in then.at if moment <= end))
    if checkpoint_every is not None:
        asked = Plan.of(checkpoint_every, None) or then
        then = replace(then, every=asked.every, minutes=asked.minutes)
    options = replace(
        Options(**saved.about["options"]), tstop=end,
        dt=saved.about["dt"], threads=threads, output_dir=path.parent,
    )  # fmt: skip
    start = Start(saved, branches=False)
    config = config or saved.about["facts"]["config_file"]
    return _run_to_the_end(config, options, then, start, progress, announce)


def _run_to_the_end(
    config: str | os.PathLike[str] | Simulation,
    options: Options,
    plan: Plan | None,
    start: Start | None,
    progress: Progress | bool | None,
    announce: Callable[[str], None] | None,
) -> Result:
    ranks = ranks_of_launch()
    watching: Observer | None = Told(progress) if callable(progress) else None
    if progress is True:
        watching = line_for_people()
    if ranks.rank:
        watching = announce = None
    with ranks.together():
        asked = config.config_file if isinstance(config, Simulation) else config
        where = None if start is None else start.saved.path
        _require_same(f"{asked} {options} {plan} {where}", ranks)
        session = prepare(
            config, options, writes=True, more=[watching] if watching else [],
            say=announce or (lambda line: None), plan=plan, start=start, ranks=ranks,
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
