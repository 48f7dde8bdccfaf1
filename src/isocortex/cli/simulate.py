"""`isocortex run`, `continue` and `demo`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isocortex.cli.terminal import Config, err, out, progress_bar, stopped
from isocortex.session.launcher import launched

if TYPE_CHECKING:
    from isocortex.report.results import Result


class Precision(StrEnum):
    """Floating-point precision of the state."""

    double = "double"
    single = "single"
    mixed = "mixed"


class EngineName(StrEnum):
    """Which engine."""

    fast = "fast"
    reference = "reference"


class Device(StrEnum):
    """What computes."""

    cpu = "cpu"
    cuda = "cuda"


class Integrator(StrEnum):
    """How the voltage is integrated."""

    backward_euler = "backward-euler"
    crank_nicolson = "crank-nicolson"


Every = Annotated[
    str | None,
    typer.Option(
        help="Write a checkpoint whenever so many ms were simulated; 10min: whenever so many "
        "minutes have passed."
    ),
]


def _simulate(run_simulation: Callable[..., Result], what: Path, **options: Any) -> Result:
    """Run, or go on with a run, with progress on the terminal, and say what was done."""
    reached = 0.0
    bar = progress_bar("{task.fields[spikes]:,} spikes")
    out.print(f"Reading {what} ...")
    with bar:
        task = bar.add_task("Simulating", total=None, spikes=0)

        def progress(t: float, tstop: float, spikes: int) -> None:
            nonlocal reached
            reached = t
            bar.update(task, completed=t, total=tstop, spikes=spikes)

        try:
            result = run_simulation(what, progress=progress, announce=out.print, **options)
        except KeyboardInterrupt as stop:
            bar.stop()
            ended, status = stopped(stop)
            err.print(
                f"{ended} at {reached:g} ms. What was computed until then has been written."
                if reached
                else f"{ended} before the first step: nothing was written."
            )
            raise typer.Exit(status) from None
    done = result.run_summary
    assert done is not None  # the run has just left it
    out.print(
        f"Simulated {done.tstop:g} ms in {done.run_seconds:.2f} s: "
        f"{done.seconds_per_second:.2f} s per simulated second, "
        f"{done.ns_per_compartment_step:.1f} ns per compartment and step. "
        f"{done.n_spikes:,} spikes, {done.n_events:,} synaptic events, "
        f"{done.peak_memory_mb:.0f} MB."
    )
    out.print(f"Results: {result.directory}")
    return result


def run(
    config: Config,
    *,
    dt: Annotated[float | None, typer.Option(help="Time step, ms.")] = None,
    tstop: Annotated[float | None, typer.Option(help="Duration, ms.")] = None,
    threads: Annotated[int | None, typer.Option(help="Default: all cores.")] = None,
    precision: Precision = Precision.double,
    engine: EngineName = EngineName.fast,
    device: Annotated[Device, typer.Option(help="cuda: an NVIDIA GPU.")] = Device.cpu,
    integrator: Integrator = Integrator.backward_euler,
    output_dir: Annotated[Path | None, typer.Option(help="Where results go.")] = None,
    overwrite: Annotated[
        bool | None, typer.Option("--overwrite/--no-overwrite", help="Replace earlier results.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Also draw what was recorded.")] = False,
    skip_unsupported_reports: Annotated[
        bool, typer.Option(help="Leave out reports of kinds that are not supported.")
    ] = False,
    store_synapses: Annotated[
        bool | None,
        typer.Option(
            "--store-synapses/--draw-synapses",
            help="Of a cortex: keep synapses in memory, or draw them at each spike. Default: "
            "keep up to 100 million.",
        ),
    ] = None,
    checkpoint_every: Every = None,
    save_at: Annotated[
        list[float] | None,
        typer.Option(help="Keep the state at this time, ms, to branch from; may be repeated."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option("--from", help="Begin with a saved state, or the checkpoint of results."),
    ] = None,
) -> None:
    """Simulate a SONATA configuration.

    With --checkpoint-every a run that was stopped or killed goes on with `isocortex continue`.
    With --from a branch begins where a state was saved: the same cells, and other weights, inputs
    or reports if the configuration has others.
    """
    from isocortex import run as run_simulation

    result = _simulate(
        run_simulation, config, dt=dt, tstop=tstop, threads=threads, precision=precision.value,
        engine=engine.value, device=device.value, integrator=integrator.value,
        output_dir=output_dir, overwrite=overwrite,
        skip_unsupported_reports=skip_unsupported_reports,
        store_synapses=store_synapses, checkpoint_every=checkpoint_every, save_at=save_at,
        start_from=start_from,
    )  # fmt: skip
    if pictures:
        _draw_all(result)


def continue_(
    results: Annotated[Path, typer.Argument(help="Output folder of a run with checkpoints.")],
    *,
    tstop: Annotated[
        float | None, typer.Option(help="New end, ms. Default: the one asked for before.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Default: all cores.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The configuration, if it has moved since.")
    ] = None,
    checkpoint_every: Every = None,
    pictures: Annotated[bool, typer.Option(help="Also draw what was recorded.")] = False,
) -> None:
    """Go on with a run that was stopped or killed, from its last checkpoint.

    The results are those of a run that was never interrupted, to the last bit, on any number of
    threads. With a later --tstop a run that came to its end goes on too.
    """
    from isocortex import continue_run

    result = _simulate(
        continue_run, results, tstop=tstop, threads=threads, config=config,
        checkpoint_every=checkpoint_every,
    )  # fmt: skip
    if pictures:
        _draw_all(result)


def _draw_all(result: Result) -> None:
    """Draw what was recorded; of ranks that ran together the first does."""
    if launched()[0]:
        return
    from isocortex.pictures import save_all

    for path in save_all(result):
        out.print(f"Picture: {path}")


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the circuit goes.")] = Path("demo"),
    cells: Annotated[int, typer.Option(help="Number of cells.")] = 300,
    seed: int = 1,
    tstop: Annotated[float, typer.Option(help="Duration, ms.")] = 1000.0,
) -> None:
    """Write a small cortical circuit of Allen cells, simulate it and draw it."""
    from isocortex.examples.microcircuit import write_microcircuit

    out.print(f"Writing a SONATA circuit of {cells} Allen cells to {folder} ...")
    config = write_microcircuit(folder, cells=cells, seed=seed, tstop=tstop)
    from isocortex import run as run_simulation

    options = dict.fromkeys(("dt", "tstop", "threads", "output_dir"))
    _draw_all(_simulate(run_simulation, config, overwrite=True, **options))
    out.print(f"Run it again: isocortex run {config}")
