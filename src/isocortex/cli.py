"""The command line. Every command is a few lines around the Python API."""

from __future__ import annotations

import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from isocortex.errors import ConfigError, IsocortexError

app = typer.Typer(
    help="Simulate SONATA circuits of biophysical neurons, with NEURON's results.\n\n"
    "Add --debug to any command to see Python tracebacks instead of one-line errors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
plot_app = typer.Typer(help="Draw results.", no_args_is_help=True)
cells_app = typer.Typer(help="The embedded Allen cells.", no_args_is_help=True)
build_app = typer.Typer(help="Build circuits.", no_args_is_help=True)
app.add_typer(plot_app, name="plot")
app.add_typer(build_app, name="build")
app.add_typer(cells_app, name="cells")
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


class Precision(StrEnum):
    """Floating-point precision of the state."""

    double = "double"
    single = "single"


class EngineName(StrEnum):
    """Which engine."""

    fast = "fast"
    reference = "reference"


class Integrator(StrEnum):
    """How the voltage is integrated."""

    backward_euler = "backward-euler"
    crank_nicolson = "crank-nicolson"


Config = Annotated[Path, typer.Argument(help="Simulation configuration (JSON).")]
Results = Annotated[Path, typer.Argument(help="Output folder of a run, or its configuration.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Picture to write.")]


def _simulate(config: Path, **options):
    """Run with progress on the terminal and say what was done."""
    from isocortex.simulate import run as run_simulation

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(), TextColumn("{task.fields[spikes]:,} spikes"),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    out.print(f"Reading {config} ...")
    with bar:
        task = bar.add_task("Simulating", total=None, spikes=0)

        def progress(t: float, tstop: float, spikes: int) -> None:
            bar.update(task, completed=t, total=tstop, spikes=spikes)

        try:
            result = run_simulation(config, progress=progress, announce=out.print, **options)
        except KeyboardInterrupt:
            bar.stop()
            err.print("Stopped. What was computed until now has been written.")
            raise typer.Exit(130) from None
    done = result.run_summary
    out.print(
        f"Simulated {done.tstop:g} ms in {done.run_seconds:.2f} s: "
        f"{done.seconds_per_second:.2f} s per simulated second, "
        f"{done.ns_per_compartment_step:.1f} ns per compartment and step. "
        f"{done.n_spikes:,} spikes, {done.n_events:,} synaptic events, "
        f"{done.peak_memory_mb:.0f} MB."
    )
    out.print(f"Results: {result.directory}")
    return result


def _show_version(wanted: bool) -> None:
    if wanted:
        from isocortex import __version__

        out.print(f"isocortex {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Config,
    dt: Annotated[float | None, typer.Option(help="Time step, ms.")] = None,
    tstop: Annotated[float | None, typer.Option(help="Duration, ms.")] = None,
    threads: Annotated[int | None, typer.Option(help="Default: all cores.")] = None,
    precision: Precision = Precision.double,
    engine: EngineName = EngineName.fast,
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
) -> None:
    """Simulate a SONATA configuration."""
    result = _simulate(
        config, dt=dt, tstop=tstop, threads=threads, precision=precision.value,
        engine=engine.value, integrator=integrator.value, output_dir=output_dir,
        overwrite=overwrite, skip_unsupported_reports=skip_unsupported_reports,
        store_synapses=store_synapses,
    )  # fmt: skip
    if pictures:
        _draw_all(result)


def _draw_all(result) -> None:
    from isocortex.pictures import save_all, simulation_of

    for path in save_all(result, simulation_of(result)):
        out.print(f"Picture: {path}")


@app.command()
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
    options = dict.fromkeys(("dt", "tstop", "threads", "output_dir"))
    _draw_all(_simulate(config, overwrite=True, **options))
    out.print(f"Run it again: isocortex run {config}")


@app.command()
def info(
    config: Config,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time some steps in both precisions.")
    ] = False,
) -> None:
    """Say what is in a circuit, and what a run will take; writes nothing."""
    from isocortex.network.build import build_network
    from isocortex.simulate import describe, measure_speed, memory_estimate
    from isocortex.sonata.config import load_simulation

    simulation = load_simulation(config, skip_unsupported_reports=True)
    network = build_network(simulation)
    out.print(describe(network))
    table = Table("cell model", "cells", "compartments", "channels", box=None)
    for m, model in enumerate(network.models):
        count = int(np.count_nonzero(network.cell_model == m))
        channels = ", ".join(sorted(model.mechanisms))
        table.add_row(model.name, str(count), str(model.n_compartments), channels)
    out.print(table)
    for name, population in simulation.circuit.nodes.items():
        out.print(f"nodes {name}: {len(population.node_ids):,} ({population.file})")
    for edges in simulation.circuit.edges:
        out.print(f"edges {edges.name}: {len(edges.weight):,}, {edges.source} to {edges.target}")
    out.print(
        f"{simulation.tstop:g} ms at dt {simulation.dt:g} ms; "
        f"{len(network.trains.time):,} input spikes, {len(network.currents)} electrodes, "
        f"reports: {', '.join(r.name for r in simulation.reports) or 'none'}."
    )
    for report in simulation.skipped:
        out.print(f"Not supported: report {report}.")
    for precision in ("double", "single"):
        needed = memory_estimate(network, precision)
        out.print(f"Memory in {precision}: about {needed:.0f} MB, beside some 250 MB for Python.")
        if measure:
            seconds = measure_speed(simulation, network, precision)
            total = 1e-3 * simulation.tstop * seconds
            out.print(
                f"Time in {precision}: {seconds:.2f} s per simulated second on this machine, so "
                f"{_duration(total)} for {simulation.tstop:g} ms. Measured from rest: synaptic "
                "events of an active network come on top."
            )


def _duration(seconds: float) -> str:
    """In words fit for a plan."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


@build_app.command("cortex")
def build_cortex(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the circuit goes.")],
    scale: Annotated[float, typer.Option(help="Share of the 9 million neurons.")] = 0.001,
    seed: int = 1,
    density: Annotated[str, typer.Option(help="published or rodarie.")] = "published",
    tstop: Annotated[float, typer.Option(help="Duration of the simulation, ms.")] = 1000.0,
    materialize: Annotated[
        bool, typer.Option("--materialize", help="Write every synapse to a SONATA edge file.")
    ] = False,
    drive: Annotated[
        Path | None, typer.Option(help="Background, from `isocortex build calibrate`.")
    ] = None,
) -> None:
    """Write a model of the mouse cortex: 86 areas, six layers, at any scale."""
    from isocortex.cortex import build
    from isocortex.cortex.drive import load_drive
    from isocortex.cortex.model import Recipe

    recipe = Recipe(seed=seed, scale=scale, density=density)
    config = build.build_cortex(
        output, recipe, tstop=tstop, materialize=materialize, drive=load_drive(drive),
        progress=lambda what: out.print(f"{what[0].upper()}{what[1:]} ..."),
    )  # fmt: skip
    out.print(f"Run it: isocortex run {config}")


@build_app.command("calibrate")
def calibrate_cortex(
    output: Annotated[Path, typer.Option("-o", "--output", help="Table that is written, CSV.")],
    scale: Annotated[float, typer.Option(help="Share of the 9 million neurons.")] = 0.001,
    seed: int = 1,
    in_degree: Annotated[
        float | None, typer.Option(help="Share of its synapses that a neuron keeps.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Begin with this table.")] = None,
    rounds: Annotated[int, typer.Option(help="1 only tells the rates.")] = 30,
    tstop: Annotated[float, typer.Option(help="Duration of each round, ms.")] = 1000.0,
    threads: Annotated[int | None, typer.Option(help="Default: all cores.")] = None,
) -> None:
    """Calibrate the background of a cortex model so that its rates come near their targets."""
    from isocortex.calibrate import calibrate, write_drive
    from isocortex.cortex.drive import TOLERANCE, load_drive
    from isocortex.cortex.model import Recipe

    recipe = Recipe(seed=seed, scale=scale, in_degree=in_degree)
    drive = load_drive(start)
    least = np.inf

    def tell(number: int, done) -> None:
        nonlocal least
        mean = np.average(done.table["Hz"], weights=done.table["neurons"])
        out.print(
            f"Round {number}: {mean:.2f} Hz, off target by a factor of {np.exp(done.error):.2f}."
        )
        if done.error < least:  # written at once: a stopped calibration keeps its best
            least = done.error
            write_drive(done, drive, output)

    best = calibrate(
        recipe, drive, rounds=rounds, tstop=tstop, progress=tell,
        threads=threads or len(os.sched_getaffinity(0)),
    )  # fmt: skip
    table = Table("layer", "class", "neurons", "Hz", "target", "", box=None)
    for row in best.by_class().to_dict("records"):
        low, high = (factor * row["target"] for factor in TOLERANCE)
        note = "" if low <= row["Hz"] <= high else "out of range"
        table.add_row(
            row["layer"], row["class"], f"{row['neurons']:,}", f"{row['Hz']:.2f}",
            f"{row['target']:g}", note,
        )  # fmt: skip
    out.print(table)
    out.print(f"Written: {output}. Use it: isocortex build cortex --drive {output}")


@app.command()
def view(
    results: Results,
    config: Annotated[
        Path | None, typer.Option(help="The configuration, if the results do not name it.")
    ] = None,
    port: Annotated[int, typer.Option(help="On this machine; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    export: Annotated[
        Path | None, typer.Option(help="Write one HTML file that needs no server.")
    ] = None,
    movie: Annotated[
        Path | None, typer.Option(help="Render a flight through the run: .mp4 or .gif.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the cortex, a column and a neuron as a picture.")
    ] = None,
) -> None:
    """Look at a finished or running simulation: cortex, column and neuron, with time."""
    from isocortex.viewer import open_session
    from isocortex.viewer.export import write_page
    from isocortex.viewer.server import ViewServer

    if figure is not None:
        _draw("cortex", results, figure, config)
    if figure is not None and export is None and movie is None:
        return
    session = open_session(results, config)
    if export is not None:
        path = write_page(session, export)
        out.print(f"Page: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if movie is not None:
        _render(session, movie)
    if export is not None or movie is not None:
        return
    server = ViewServer(session, port)
    out.print(f"{len(session.scene):,} neurons of {session.result.directory}")
    out.print(f"Open {server.url}", soft_wrap=True)
    out.print("Only this machine can reach it. Ctrl-C ends it.")
    if browser:
        import webbrowser

        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        out.print("Closed.")
    finally:
        server.server_close()


def _render(session, path: Path) -> None:
    """Write a movie with progress on the terminal."""
    from isocortex.viewer.movie import write_movie

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("Rendering", total=None)
        write_movie(session, path, progress=lambda k, n: bar.update(task, completed=k, total=n))
    out.print(f"Movie: {path} ({path.stat().st_size / 1e6:.1f} MB)")


@app.command()
def data() -> None:
    """Say where the embedded atlas comes from, under which licence, and what to cite."""
    from isocortex.cortex.atlas import load_atlas

    for row in load_atlas().provenance():
        out.print(f"[bold]{row['table']}[/bold]: {row['what']}")
        for key in ("source", "licence", "citation"):
            out.print(f"  {key}: {row[key]}", markup=False)


# --- plot -------------------------------------------------------------------------------------


def _draw(kind: str, results: Path, output: Path | None, config: Path | None, **options) -> None:
    from isocortex import pictures
    from isocortex.report.results import Result
    from isocortex.sonata.config import load_simulation

    result = Result(results)
    simulation = None
    try:
        if config is not None:
            simulation = load_simulation(config, skip_unsupported_reports=True)
        else:
            simulation = pictures.simulation_of(result)
    except IsocortexError:
        if kind == "morphology" or config is not None:
            raise
    figure = getattr(pictures, kind)(result, simulation=simulation, **options)
    path = output or result.directory / "pictures" / f"{kind}.png"
    out.print(f"Picture: {pictures.save(figure, path)}")


ConfigOption = Annotated[
    Path | None, typer.Option(help="The configuration, if the results do not name it.")
]


@plot_app.command("raster")
def plot_raster(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """All spikes and the rate over time."""
    _draw("raster", results, output, config)


@plot_app.command("rates")
def plot_rates(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """Firing rates by class, and over time."""
    _draw("rates", results, output, config)


@plot_app.command("traces")
def plot_traces(
    results: Results,
    node: Annotated[list[int] | None, typer.Option(help="Node id; may be repeated.")] = None,
    output: Output = None,
) -> None:
    """Voltage (and calcium) of recorded cells."""
    _draw("traces", results, output, None, node_ids=node)


@plot_app.command("morphology")
def plot_morphology(
    results: Results,
    node: Annotated[int | None, typer.Option(help="Node id.")] = None,
    time: Annotated[float | None, typer.Option(help="ms; default: a spike.")] = None,
    output: Output = None,
    config: ConfigOption = None,
) -> None:
    """A cell coloured by voltage."""
    _draw("morphology", results, output, config, node_id=node, time=time)


# --- cells ------------------------------------------------------------------------------------

CellId = Annotated[str, typer.Argument(help="Cell id, see `isocortex cells list`.")]


@cells_app.command("list")
def cells_list() -> None:
    """All embedded cells."""
    from isocortex.cells.library import library_cells

    table = library_cells()
    shown = ["ei", "cre", "layer", "n_compartments", "channels"]
    view = Table("id", *shown, box=None)
    for cell_id, row in table.iterrows():
        view.add_row(str(cell_id), *(str(row[c]) for c in shown))
    out.print(view)


@cells_app.command("run")
def cells_run(
    cell_id: CellId,
    amp: Annotated[float, typer.Option(help="Current step, nA.")] = 0.2,
    delay: Annotated[float, typer.Option(help="ms")] = 100.0,
    duration: Annotated[float, typer.Option(help="ms")] = 800.0,
    tstop: Annotated[float, typer.Option(help="ms")] = 1000.0,
    dt: Annotated[float, typer.Option(help="ms")] = 0.025,
    output: Output = None,
) -> None:
    """Simulate one cell under a current step and draw its voltage and calcium."""
    from isocortex import cell, step
    from isocortex.analysis import traces
    from isocortex.pictures import save

    response = step(cell(cell_id), amp, delay=delay, duration=duration, tstop=tstop, dt=dt)
    out.print(f"{len(response.spikes[0])} spikes, {response.rates[0]:.1f} Hz during the step.")
    figure = traces(
        response.time, response.v, response.cai, labels=[f"{cell_id}, {amp:g} nA"],
        spikes=response.spikes,
    )  # fmt: skip
    out.print(f"Picture: {save(figure, output or Path(f'{cell_id}_step.png'))}")


@cells_app.command("fi")
def cells_fi(
    cell_id: CellId,
    amp_max: Annotated[float, typer.Option(help="Largest current, nA.")] = 0.5,
    points: Annotated[int, typer.Option(help="Number of currents from 0.")] = 16,
    dt: Annotated[float, typer.Option(help="ms")] = 0.025,
    output: Output = None,
) -> None:
    """Firing rate against injected current."""
    from isocortex import cell, step
    from isocortex.analysis import fi_curve
    from isocortex.pictures import save

    if points < 2 or amp_max <= 0:
        raise ConfigError("an f-I curve needs two points and a positive current", fix="Mend them.")
    response = step(cell(cell_id), np.linspace(0.0, amp_max, points).tolist(), dt=dt)
    for amp, rate in zip(response.amps, response.rates, strict=True):
        out.print(f"{amp:6.3f} nA  {rate:6.1f} Hz")
    figure = fi_curve(response.amps, response.rates, title=cell_id)
    out.print(f"Picture: {save(figure, output or Path(f'{cell_id}_fi.png'))}")


def main() -> None:
    """Entry point: errors a user can mend are one line and exit status 1."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except IsocortexError as error:
        if debug:
            traceback.print_exc()
        err.print(f"Error: {error}", markup=False)
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        err.print(f"Error: {type(error).__name__}: {error}. This is a bug: please report it, with "
                  "the output of --debug.", markup=False)  # fmt: skip
        sys.exit(2)
