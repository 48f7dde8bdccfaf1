"""`isocortex build`: circuits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from isocortex.cli.terminal import duration, out

app = typer.Typer(help="Build circuits.", no_args_is_help=True)


@app.command("cortex")
def build_cortex(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the circuit goes.")],
    scale: Annotated[float, typer.Option(help="Share of the 9 million neurons.")] = 0.001,
    seed: int = 1,
    density: Annotated[str, typer.Option(help="published or rodarie.")] = "published",
    tstop: Annotated[float, typer.Option(help="Duration of the simulation, ms.")] = 1000.0,
    materialize: Annotated[
        bool, typer.Option("--materialize", help="Write every synapse to a SONATA edge file.")
    ] = False,
    in_degree: Annotated[
        float | None,
        typer.Option(
            help="Share of its synapses that a neuron keeps. [default: 0.1, or the scale]"
        ),
    ] = None,
    synapses: Annotated[float, typer.Option(help="Of the whole cortex at scale 1.")] = 26e9,
    local: Annotated[
        float | None, typer.Option(help="Share of synapses within areas. [default: 0.43]")
    ] = None,
    contra: Annotated[
        float | None,
        typer.Option(help="Share of long-range synapses across the midline. [default: 0.25]"),
    ] = None,
    drive: Annotated[
        Path | None, typer.Option(help="Background, from `isocortex build calibrate`.")
    ] = None,
    annotation: Annotated[
        Path | None, typer.Option(help="CCFv3 annotation (NRRD) for the embedded one.")
    ] = None,
    area_layer: Annotated[
        Path | None, typer.Option(help="Densities by area and layer (CSV) for the embedded ones.")
    ] = None,
    connectome: Annotated[
        Path | None, typer.Option(help="Connectome (NPZ) for the embedded one.")
    ] = None,
    wiring: Annotated[
        Path | None, typer.Option(help="Folder of wiring tables for the embedded ones.")
    ] = None,
    cores: Annotated[int | None, typer.Option(help="Of a machine to run on: say the time.")] = None,
    memory: Annotated[float | None, typer.Option(help="Of that machine, GB.")] = None,
) -> None:
    """Write a model of the mouse cortex: 86 areas, six layers, at any scale."""
    from isocortex.cortex import build
    from isocortex.cortex.census import take_census
    from isocortex.cortex.drive import load_drive
    from isocortex.cortex.model import CortexModel, Recipe

    def named(file: Path | None) -> str | None:
        return None if file is None else str(file.resolve())

    recipe = Recipe(
        seed=seed, scale=scale, density=density, in_degree=in_degree, synapses=synapses,
        local=local, contra=contra, annotation=named(annotation), area_layer=named(area_layer),
        connectome=named(connectome), wiring=named(wiring),
    )  # fmt: skip
    out.print("Placing neurons ...")
    cortex = CortexModel.make(recipe)
    config = build.build_cortex(
        output, cortex, tstop=tstop, materialize=materialize, drive=load_drive(drive),
        progress=lambda what: out.print(f"{what[0].upper()}{what[1:]} ..."),
    )  # fmt: skip
    out.print("Counting synapses ...")
    census = take_census(cortex)
    _tell_census(cortex, census, output, cores, memory)
    out.print(f"Run it: isocortex run {config}")


def _tell_census(cortex, census, folder: Path, cores: int | None, memory: float | None) -> None:
    """Say how many there are of what, and what a run takes; tables go to the census folder."""
    from isocortex.analysis.connectivity import census_figure
    from isocortex.cortex.cost import cost_of
    from isocortex.pictures import save

    table = Table("layer", "class", "neurons", "synapses made", "expected", "received",
                  "expected", box=None)  # fmt: skip
    for row in census.degrees.to_dict("records"):
        numbers = [row[key] for key in ("makes", "makes_expected", "receives", "receives_expected")]
        table.add_row(
            row["layer"], row["class"], f"{row['neurons']:,}", *(f"{x:,.0f}" for x in numbers)
        )
    out.print(table)
    areas = list(cortex.atlas.areas.index)
    census.write(folder / "census", areas)
    out.print(
        f"{len(cortex):,} neurons in {len(cortex.layout.columns):,} columns of {2 * len(areas)} "
        f"areas; {census.total:.4g} synapses, {cortex.expected_synapses:.4g} expected"
        + (f" (standard error {census.error:.1g}, " if census.error else " (")
        + f"counted on {census.n_sampled:,} neurons), {100 * census.delays['local'].sum():.0f} % "
        f"within areas; correlation with the connectome {census.correlation:.4f}."
    )
    seen = os.sched_getaffinity(0)
    cores, named = cores or len(seen), cores is not None
    for precision in ("double", "single"):
        cost = cost_of(cortex, census, precision)
        fits = [f"{gb:.3g} GB" + ("" if memory is None else " (fits)" if gb < 0.9 * memory
                else " (does not fit)") for gb in (cost.stored_gb, cost.drawn_gb)]  # fmt: skip
        out.print(
            f"A run in {precision} on {cores} cores{'' if named else ' (this machine)'}: synapses "
            f"stored, {fits[0]}, {duration(cost.stored_seconds / cores)} per simulated second; "
            f"drawn at spikes, {fits[1]}, {duration(cost.drawn_seconds / cores)}. Estimated."
        )
    picture = save(census_figure(census, cortex.atlas.areas), folder / "census" / "census.png")
    out.print(f"Tables: {folder / 'census'}. Picture: {picture}")


@app.command("calibrate")
def calibrate_cortex(
    output: Annotated[Path, typer.Option("-o", "--output", help="Table that is written, CSV.")],
    scale: Annotated[float, typer.Option(help="Share of the 9 million neurons.")] = 0.001,
    seed: int = 1,
    in_degree: Annotated[
        float | None, typer.Option(help="Share of its synapses that a neuron keeps.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Begin with this table.")] = None,
    rounds: Annotated[int, typer.Option(help="1 only tells the rates.")] = 30,
    tstop: Annotated[float, typer.Option(help="Duration of each round, ms.")] = 1500.0,
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
