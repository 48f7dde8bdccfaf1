"""`isocortex report`, `rates` and `data`: tables and text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from isocortex.cli.terminal import ConfigOption, Results, out


def report(
    results: Results,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page to write. Default: report.html.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write an HTML report of a finished run: one file, to read, print or send."""
    from isocortex.html_report import write_report
    from isocortex.report.results import Result

    out.print(f"Report: {write_report(Result(results), output, config)}")


def rates(
    results: Results,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Attribute of the nodes; may be repeated. [default: area, layer]"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write.")] = None,
    config: ConfigOption = None,
) -> None:
    """Say how fast cells fire, by attributes of theirs such as area and layer."""
    from isocortex.analysis.groups import group_rates
    from isocortex.errors import InputError, disk_errors
    from isocortex.pictures import simulation_of
    from isocortex.report.results import Result
    from isocortex.sonata.config import load_simulation

    result = Result(results)
    simulation = (
        simulation_of(result)
        if config is None
        else load_simulation(config, skip_unsupported_reports=True)
    )
    every = result.rates()
    for name, rate in every.groupby("population"):
        nodes = simulation.circuit.nodes[str(name)]
        wanted = by or [key for key in ("area", "layer") if key in nodes.table] or ["model_type"]
        for key in wanted:
            if key not in nodes.table:
                raise InputError(
                    f"has no attribute {key!r}", file=nodes.file,
                    fix=f"There are: {', '.join(nodes.table.columns)}.",
                )  # fmt: skip
        at = nodes.index_of(rate["node_id"].to_numpy(), file=result.directory, field=str(name))
        cells = nodes.table[wanted].iloc[at].astype(str).assign(rate_hz=rate["rate_hz"].to_numpy())
        if len(wanted) == 1:
            made = group_rates(cells, wanted, result.duration).set_index(wanted[0])
            made = made[["n", "mean", "median", "p5", "p95", "silent"]]
        else:
            made = cells.pivot_table("rate_hz", wanted[:-1], wanted[-1], margins=True,
                                     margins_name="all")  # fmt: skip
        table = Table(", ".join(wanted[:-1] or wanted), *map(str, made.columns), box=None)
        for key, row in made.iterrows():
            label = key if isinstance(key, str) else ", ".join(filter(None, key))
            table.add_row(label, *("" if np.isnan(x) else f"{x:.4g}" for x in row))
        out.print(f"{name}, {result.duration:g} ms, Hz:")
        out.print(table)
        if output is not None:
            with disk_errors(output, "write the table"):
                made.to_csv(output, float_format="%.4g")


def data(
    export: Annotated[
        Path | None,
        typer.Option(help="Copy the tables there, to change and give to `build cortex`."),
    ] = None,
) -> None:
    """Say where the embedded atlas comes from, under which licence, and what to cite."""
    from isocortex.cortex.atlas import load_atlas
    from isocortex.cortex.export import export_tables

    for row in load_atlas().provenance():
        out.print(f"[bold]{row['table']}[/bold]: {row['what']}")
        for key in ("source", "licence", "citation"):
            out.print(f"  {key}: {row[key]}", markup=False)
    if export is not None:
        for path, option in export_tables(export):
            out.print(f"Written: {path}, for --{option}")
