"""`isocortex plot`: pictures of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isocortex.cli.terminal import ConfigOption, Output, Results, err, out, tell_if_unfinished
from isocortex.errors import IsocortexError

app = typer.Typer(help="Draw results.", no_args_is_help=True)


def draw(
    kind: str, results: Path, output: Path | None, config: Path | None, **options: Any
) -> None:
    """Draw one of ``pictures.PICTURES`` and say where it is."""
    from isocortex import pictures
    from isocortex.report.origin import simulation_of
    from isocortex.report.results import Result

    result = Result(results)
    tell_if_unfinished(result)
    simulation = None
    try:
        if kind not in ("lfp", "eeg"):  # contacts are told by the results
            simulation = simulation_of(result, config)
    except IsocortexError as error:
        if kind in pictures.OF_CIRCUITS or config is not None:
            raise
        err.print(f"Drawn without the circuit: {error}")
    figure = pictures.PICTURES[kind](result, simulation=simulation, **options)
    path = output or result.directory / "pictures" / f"{kind}.png"
    out.print(f"Picture: {pictures.save(figure, path)}")


@app.command("raster")
def plot_raster(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """All spikes and the rate over time."""
    draw("raster", results, output, config)


@app.command("rates")
def plot_rates(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """Firing rates by class, and over time."""
    draw("rates", results, output, config)


@app.command("traces")
def plot_traces(
    results: Results,
    node: Annotated[list[int] | None, typer.Option(help="Node id; may be repeated.")] = None,
    output: Output = None,
    config: ConfigOption = None,
) -> None:
    """Voltage (and calcium) of recorded cells."""
    draw("traces", results, output, config, node_ids=node)


@app.command("morphology")
def plot_morphology(
    results: Results,
    node: Annotated[int | None, typer.Option(help="Node id.")] = None,
    time: Annotated[float | None, typer.Option(help="ms; default: a spike.")] = None,
    output: Output = None,
    config: ConfigOption = None,
) -> None:
    """A cell coloured by voltage."""
    draw("morphology", results, output, config, node_id=node, time=time)


@app.command("areas")
def plot_areas(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """Spikes of a cortex by area."""
    draw("areas", results, output, config)


@app.command("views")
def plot_views(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """The neurons of a cortex from three sides."""
    draw("views", results, output, config)


@app.command("cortex")
def plot_cortex(results: Results, output: Output = None, config: ConfigOption = None) -> None:
    """Three zooms: a cortex, a column of it and a neuron at its first spike."""
    draw("cortex", results, output, config)


@app.command("lfp")
def plot_lfp(
    results: Results,
    report: Annotated[str | None, typer.Option(help="Its name, if there are several.")] = None,
    output: Output = None,
) -> None:
    """Potential along a probe, with sources, sinks and spectra by depth."""
    draw("lfp", results, output, None, report=report)


@app.command("eeg")
def plot_eeg(
    results: Results,
    report: Annotated[str | None, typer.Option(help="Its name, if there are several.")] = None,
    output: Output = None,
) -> None:
    """Potential at electrodes of a head over time, with spectra."""
    draw("eeg", results, output, None, report=report)
