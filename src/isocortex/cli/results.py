"""`isocortex report`, `rates` and `data`: tables and text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isocortex.cli.terminal import ConfigOption, Results, out, tell_if_unfinished


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
    start: Annotated[float, typer.Option(min=0.0, help="Leave out what is before, ms.")] = 0.0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write.")] = None,
    config: ConfigOption = None,
) -> None:
    """Say how fast cells fire, by attributes of theirs such as area and layer."""
    import numpy as np
    import pandas as pd
    from rich.table import Table

    from isocortex.analysis.groups import column_named, rates_by
    from isocortex.analysis.rates import cell_rates, settled
    from isocortex.errors import ConfigError, InputError, disk_errors
    from isocortex.report.origin import nodes_of
    from isocortex.report.results import Result

    result = Result(results)
    start = max(start, result.begin)
    if start >= result.duration:
        raise ConfigError(
            f"{start:g} ms is not before the end, {result.duration:g} ms", field="start",
            fix="Begin earlier.",
        )  # fmt: skip
    every = nodes_of(result, config)
    tell_if_unfinished(result)
    late = result.spikes[result.spikes["timestamps"] >= start]
    tables = {}
    for name, ids in result.nodes.items():
        nodes = every[name]
        words = by or [key for key in ("area", "layer") if key in nodes.table] or ["model_type"]
        wanted = []
        for word in words:
            column = column_named(word, nodes.table)
            if column is None:
                raise InputError(
                    f"has no attribute {word!r}", file=nodes.file,
                    fix=f"There are: {', '.join(nodes.table.columns)}.",
                )  # fmt: skip
            if column not in wanted:
                wanted.append(column)
        cells = nodes.table[wanted].iloc[nodes.index_of(ids, file=result.directory, field=name)]
        rate = cell_rates(
            late["node_ids"][late["population"] == name], ids, result.duration - start
        )
        made = tables[name] = rates_by(cells.astype(str).assign(rate_hz=rate), wanted)
        table = Table(", ".join(made.index.names), box=None)
        for column in made.columns:
            table.add_column(str(column), justify="right")
        for key, row in made.iterrows():
            label = key if isinstance(key, str) else ", ".join(filter(None, key))
            digits = [0 if column == "n" else 2 for column in made.columns]
            table.add_row(
                label,
                *("" if np.isnan(x) else f"{x:,.{d}f}" for x, d in zip(row, digits, strict=True)),
            )
        out.print(f"{name}, {start:g} to {result.duration:g} ms, Hz:")
        late = settled(start, result.duration)
        if late > start:
            out.print(f"  The onset counts, too; without it: --start {late:g}")
        out.print(table)
    if output is not None:
        written = pd.concat(
            [made.reset_index().assign(population=name) for name, made in tables.items()]
        )
        with disk_errors(output, "write the table"):
            written.to_csv(output, float_format="%.4g", index=False)


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
        out.print(f"{row['table']}: {row['what']}")
        for key in ("source", "licence", "citation"):
            out.print(f"  {key}: {row[key]}")
    if export is not None:
        for path, option in export_tables(export):
            out.print(f"Written: {path}, for --{option}")
