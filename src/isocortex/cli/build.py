"""`isocortex build`: circuits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isocortex.cli.terminal import duration, err, out, progress_bar
from isocortex.errors import ConfigError, disk_errors
from isocortex.session.launcher import usable_cores

if TYPE_CHECKING:
    from isocortex.calibrate import Round
    from isocortex.cortex.census import Census
    from isocortex.cortex.model import CortexModel

app = typer.Typer(help="Build circuits.", no_args_is_help=True)


@app.command("cortex")
def build_cortex(
    *,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the circuit goes.")
    ] = None,
    scale: Annotated[float, typer.Option(help="Share of the 9 million neurons.")] = 0.001,
    seed: int = 1,
    density: Annotated[str, typer.Option(help="published or rodarie.")] = "published",
    tstop: Annotated[float, typer.Option(min=0.1, help="Of the simulation, ms.")] = 1000.0,
    materialize: Annotated[
        bool, typer.Option("--materialize", help="Write every synapse to a SONATA edge file.")
    ] = False,
    dL: Annotated[
        float, typer.Option("--dL", help="How finely cells are divided, um: 20 or 40.")
    ] = 20.0,
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
    excitation: Annotated[
        float, typer.Option(help="Factor on all synapses of excitatory cells; 0 blocks them.")
    ] = 1.0,
    inhibition: Annotated[
        float, typer.Option(help="Factor on all synapses of inhibitory cells; 0 blocks them.")
    ] = 1.0,
    drive: Annotated[
        Path | None, typer.Option(help="Background, from `isocortex build calibrate`.")
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(help="An area, e.g. VISp: record the potential at a laminar probe there."),
    ] = None,
    eeg: Annotated[
        list[str] | None,
        typer.Option(help="An area with electrodes on the skull over it; may be repeated."),
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
    cores: Annotated[
        int | None, typer.Option(min=1, help="Of a machine to run on: say the time.")
    ] = None,
    memory: Annotated[float | None, typer.Option(min=0.0, help="Of that machine, GB.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count and estimate; write nothing.")
    ] = False,
) -> None:
    """Write a model of the mouse cortex: 86 areas, six layers, at any scale."""
    from isocortex.analysis.connectivity import census_figure
    from isocortex.cortex import build
    from isocortex.cortex.census import take_census
    from isocortex.cortex.counts import FEWEST
    from isocortex.cortex.model import CortexModel
    from isocortex.cortex.recipe import Recipe
    from isocortex.pictures import save

    if output is None and not dry_run:
        raise ConfigError(
            "is missing", field="--output", fix="Say where the circuit goes: -o FOLDER."
        )

    def named(file: Path | None) -> str | None:
        return None if file is None else str(file.resolve())

    recipe = Recipe(
        seed=seed, scale=scale, density=density, dL=dL, in_degree=in_degree, synapses=synapses,
        local=local, contra=contra, annotation=named(annotation), area_layer=named(area_layer),
        connectome=named(connectome), wiring=named(wiring), drive=named(drive),
        excitation=excitation, inhibition=inhibition,
    )  # fmt: skip
    if scale < FEWEST:
        out.print(
            f"Below scale {FEWEST:g} areas lack classes: numbers are not those of the tables."
        )
    try:
        out.print("Placing neurons ...")
        cortex = CortexModel.make(recipe)
        config = None
        if output is not None and not dry_run:
            config = build.build_cortex(
                output, cortex, tstop=tstop, materialize=materialize, probe=probe, eeg=eeg or (),
                progress=lambda what: out.print(f"{what[0].upper()}{what[1:]} ..."),
            )  # fmt: skip
        with progress_bar() as bar:
            task = bar.add_task("Counting synapses", total=None)
            census = take_census(
                cortex, progress=lambda k, n: bar.update(task, completed=k, total=n)
            )
        _tell_census(cortex, census, cores, memory)
        if output is None or config is None:
            return
        census.write(output / "census", list(cortex.atlas.areas.index))
        picture = output / "census" / "census.png"
        save(census_figure(census, cortex.atlas.areas), picture)
        out.print(f"Tables: {output / 'census'}. Picture: {picture}")
    except KeyboardInterrupt:
        there = output is not None and output.exists()
        err.print(f"Stopped. {output} is not complete: build it again." if there else "Stopped.")
        raise typer.Exit(130) from None
    out.print(f"Run it: isocortex run {config}")
    out.print(f"See it, run or not yet: isocortex view {output}")


def _tell_census(
    cortex: CortexModel, census: Census, cores: int | None, memory: float | None
) -> None:
    """Say how many there are of what, and what a run takes."""
    from rich.table import Table

    from isocortex.cortex.cost import STEP_NS, cost_of

    table = Table("layer", "class", "neurons", "synapses made", "expected", "received",
                  "expected", box=None)  # fmt: skip
    for row in census.degrees.to_dict("records"):
        numbers = [row[key] for key in ("makes", "makes_expected", "receives", "receives_expected")]
        table.add_row(
            row["layer"], row["class"], f"{row['neurons']:,}", *(f"{x:,.0f}" for x in numbers)
        )
    out.print(table)
    out.print(
        f"{len(cortex):,} neurons in {len(cortex.layout.columns):,} columns of "
        f"{2 * len(cortex.atlas.areas)} areas; {census.total:.4g} synapses, "
        f"{cortex.recipe.expected_synapses:.4g} expected"
        + (f" (standard error {census.error:.1g}, " if census.error else " (")
        + f"counted on {census.n_sampled:,} neurons), {100 * census.delays['local'].sum():.0f} % "
        f"within areas; correlation with the connectome {census.correlation:.4f}."
    )
    where = f"on {cores} cores" if cores else f"on this machine's {usable_cores()} cores"
    for precision in STEP_NS:
        cost = cost_of(cortex, census, precision)
        ways = [
            f"{way} {duration(seconds / (cores or usable_cores()))} per simulated second, "
            f"{_size(gb)} at the most" + _fits(gb, memory)
            for way, seconds, gb in (
                ("stored", cost.stored_seconds, cost.stored_gb),
                ("drawn at spikes", cost.drawn_seconds, cost.drawn_gb),
            )
        ]
        out.print(f"A run in {precision} {where}: synapses {'; '.join(ways)}.")
    out.print(
        "Times are estimates, at the speed that an AMD EPYC with AVX-512 has per core; `isocortex "
        "info --measure` measures the machine at hand. The first run compiles its kernels: a "
        "minute or two, and up to 0.6 GB more."
    )


def _size(gb: float) -> str:
    return f"{gb:,.0f} GB" if gb >= 10.0 else f"{gb:.1f} GB"


def _fits(gb: float, memory: float | None) -> str:
    if memory is None:
        return ""
    return " (fits)" if gb < 0.9 * memory else " (does not fit)"


@app.command("neulite")
def build_neulite(
    folder: Annotated[Path, typer.Argument(help="Folder that bionetlite wrote for Neulite.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the circuit goes.")],
    tstop: Annotated[float, typer.Option(min=0.1, help="Of the simulation, ms.")] = 1000.0,
    dt: Annotated[float, typer.Option(help="ms")] = 0.1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a circuit that is there.")
    ] = False,
) -> None:
    """Read a circuit of the simulator Neulite: the same cells and synapses as SONATA files."""
    from isocortex.neulite import read_neulite

    config = read_neulite(folder, output, tstop=tstop, dt=dt, overwrite=overwrite)
    out.print(f"Circuit: {output}. It has no inputs yet: add them to {config}")


@app.command("calibrate")
def calibrate_cortex(
    circuit: Annotated[
        Path, typer.Argument(help="Folder or configuration of a built cortex, whose recipe it is.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Table that is written, CSV.")],
    start: Annotated[Path | None, typer.Option(help="Begin with this table.")] = None,
    rounds: Annotated[
        int, typer.Option(min=0, help="In open loop: inputs of neurons fire at target rates.")
    ] = 14,
    closed: Annotated[int, typer.Option(min=0, help="Rounds of the whole network after.")] = 3,
    tstop: Annotated[
        float, typer.Option(help="Duration of each round, ms; the first 300 do not count.")
    ] = 1300.0,
    gains: Annotated[
        bool, typer.Option(help="Say how far the result is from running away.")
    ] = True,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all cores.")] = None,
) -> None:
    """Calibrate the background of a cortex model so that its rates come near their targets.

    --rounds 0 --closed 1 only tells the rates.
    """
    import numpy as np
    from rich.table import Table

    from isocortex.calibrate import AWAY, calibrate, margin, write_drive
    from isocortex.cortex.drive import TOLERANCE, load_drive
    from isocortex.cortex.recipe import Recipe
    from isocortex.sonata.config import load_recipe

    recipe = Recipe.read(
        *load_recipe(circuit / "circuit_config.json" if circuit.is_dir() else circuit)
    )
    drive = load_drive(recipe.drive if start is None else start, recipe.scale, recipe.kept)
    with disk_errors(output, "make the folder"):
        output.parent.mkdir(parents=True, exist_ok=True)

    def tell(number: int, done: Round) -> None:
        mean = np.average(done.table["Hz"], weights=done.table["neurons"])
        loop = "closed" if done.closed else "open"
        out.print(
            f"Round {number}, {loop} loop: {mean:.2f} Hz, off target by a factor of "
            f"{np.exp(done.error):.2f}."
        )
        write_drive(done, drive, output)  # at once: a stopped calibration keeps what it has

    threads = threads or usable_cores()
    done = calibrate(
        recipe, drive, rounds=(rounds, closed), tstop=tstop, threads=threads, progress=tell
    )
    table = Table("layer", "class", "neurons", "Hz", "target", "", box=None)
    for row in done.by_class().to_dict("records"):
        low, high = (factor * row["target"] for factor in TOLERANCE)
        note = "" if low <= row["Hz"] <= high else "out of range"
        table.add_row(
            row["layer"], row["class"], f"{row['neurons']:,}", f"{row['Hz']:.2f}",
            f"{row['target']:g}", note,
        )  # fmt: skip
    out.print(table)
    out.print(
        f"Written: {output}. To use it, build the circuit again as {circuit} was built, with "
        f"--drive {output}"
    )
    if not gains:
        return
    rest = gain = hz = 0.0
    for gain, hz in margin(recipe, load_drive(output), tstop=tstop, threads=threads):
        rest = rest or hz
        out.print(f"All recurrent excitation times {gain:g}: excitatory neurons at {hz:.2f} Hz.")
    away = f"runs away (more than {AWAY:g} times the rate) at {gain:g}"
    out.print(f"It {away if hz > AWAY * rest else f'does not run away up to {gain:g}'}.")
