"""`isocortex experiment`: studies of what follows from a change, and presets of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isocortex.cli.terminal import err, in_pieces, out
from isocortex.text import exact

if TYPE_CHECKING:
    from isocortex.experiment import Study, StudyResult

app = typer.Typer(
    help="Change the cortex, compare with statistics, write a page.", no_args_is_help=True
)

What = Annotated[str, typer.Argument(help="A preset (`isocortex experiment list`), or a file.")]


@app.command("list")
def list_() -> None:
    """Say which experiments there are."""
    from isocortex.experiment import preset, preset_names

    for name in preset_names():
        about = preset(name).about
        out.print(f"{name}: {about.title if about else ''}")


@app.command()
def show(what: What) -> None:
    """Say what an experiment asks, changes and expects."""
    study = _study(what)
    about = study.about
    if about is not None:
        out.print(about.title or about.name)
        if about.question:
            out.print(about.question)
        for source in about.sources:
            where = f" (https://doi.org/{source.doi})" if source.doi else ""
            out.print(f"  source: {source.text}{where}: {source.says}")
    out.print(
        f"{len(study.seeds)} seeds at scale {exact(study.scale)}, {exact(study.tstop)} ms each; "
        f"not compared before {exact(study.settle)} ms."
    )
    for name in study.arms:
        out.print(f"arm {name}" + (" (control)" if name == study.control else ""))
        for piece in study.pieces(name):
            out.print(f"  from {exact(piece.start)} ms: {dict(piece.sections)}")
    for name in study.late:
        err.print(
            f"Arm {name} begins to differ when the runs have ended, at {exact(study.tstop)} ms: it "
            "is as if nothing were changed."
        )
    for each in about.expected if about else ():
        reason = f"cannot be asked: {each.cannot}" if each.cannot else each.range
        out.print(f"expected: {each.what}: {reason}" + (f" ({each.source})" if each.source else ""))
    for line in about.lacks if about else ():
        out.print(f"the model lacks: {line}")


@app.command()
def run(
    what: What,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of runs and page; a later call goes on "
                           "from what it holds.")
    ],
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many animals. [default: the experiment's]")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Share of the 9 million neurons.")] = None,
    tstop: Annotated[float | None, typer.Option(help="Of every run, ms.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Runs side by side. [default: by cores and memory]")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="In all. [default: all cores]")] = None,
) -> None:  # fmt: skip
    """Run an experiment, compare its arms and write its page."""
    study = _study(what, scale=scale, tstop=tstop, seeds=seeds)
    with in_pieces("Running", output) as progress:
        result = study.run(output, processes=processes, threads=threads, progress=progress,
                           announce=out.print)  # fmt: skip
    _tell(result)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Of `isocortex experiment run`.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Page to write. Default: report.html.")
    ] = None,
) -> None:
    """Write the page of an experiment again, of those seeds that are done."""
    from isocortex.experiment import open_study

    _tell(open_study(folder), output)


@app.command()
def view(
    folder: Annotated[Path, typer.Argument(help="Of `isocortex experiment run`.")],
    arm: Annotated[str | None, typer.Argument(help="Default: the first after control.")] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the first that is done.")] = None,
    *,
    export: Annotated[
        Path | None, typer.Option(help="Write one HTML file that needs no server.")
    ] = None,
) -> None:
    """Look at one run of an experiment in the browser."""
    from isocortex.cli.view import view as look
    from isocortex.experiment import open_study

    study = open_study(folder)
    name = arm if arm is not None else study.arms[min(1, len(study.arms) - 1)]
    look(study.run(name, study.seeds[0] if seed is None else seed).folder, export=export)


def _study(what: str, **other: Any) -> Study:
    """A preset or a file, with what is asked in place of its own."""
    from isocortex.experiment import preset, preset_names, read_study

    given = {name: value for name, value in other.items() if value is not None}
    if "seeds" in given:
        given["seeds"] = range(1, given["seeds"] + 1)
    if what not in preset_names() and Path(what).suffix in (".toml", ".json"):
        return read_study(what, **given)
    return preset(what, **given)


def _tell(result: StudyResult, page: Path | None = None) -> None:
    """What was found, in a few lines, and where the page is."""
    from rich.table import Table

    from isocortex.experiment import judge
    from isocortex.experiment.statistics import few_seeds

    if len(result.arms) > 1:
        found = result.compare("rate", "sign", warn=False)
        table = Table("arm", "neurons", "Hz", "difference", "95 %", "p (t)", "p (signs)", box=None)
        for (arm, sign), row in found.iterrows():
            table.add_row(
                str(arm), str(sign), f"{row['arm_mean']:.2f}", f"{row['difference']:+.2f}",
                _interval(row["low"], row["high"], "+.2f"), f"{row['p_t']:.3g}",
                f"{row['p_flip']:.3g}",
            )  # fmt: skip
        out.print(f"Rates against {result.study.control}, within seeds:")
        out.print(table)
    for each in judge(result):
        value = f" {each.mean:.3g} ({_interval(each.low, each.high, '.3g')})," if each.seeds else ""
        if each.seeds < each.of:
            value += f" in {each.seeds} of {each.of} seeds,"
        out.print(f"{each.verdict}: {each.expected.what}:{value} expected {each.expected.range}")
    said = few_seeds(len(result.seeds))
    if said:
        err.print(said)
    out.print(f"Page: {result.report(page)}")


def _interval(low: float, high: float, form: str) -> str:
    """Its ends, or that nothing bounds it."""
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:{form}} to {high:{form}}"
    return "no interval"
