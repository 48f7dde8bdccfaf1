"""`isocortex compare`: two results beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isocortex.cli.terminal import ConfigOption, Results, out


def compare(
    first: Results,
    second: Results,
    by: Annotated[
        str, typer.Option(help="Groups: all, area, side, layer, class or sign, or several.")
    ] = "area",
    measure: Annotated[str, typer.Option(help="rate, silent, cv, correlation, ...")] = "rate",
    start: Annotated[
        float | None, typer.Option(min=0.0, help="Leave out what is before, ms.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write.")] = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Compare two results of a cortex, group by group, and say until when they are the same.

    One run of each says nothing of chance: `isocortex experiment` does, with several seeds.
    """
    import numpy as np
    from rich.table import Table

    from isocortex.analysis.rates import settled
    from isocortex.errors import disk_errors
    from isocortex.experiment.pair import compare_results
    from isocortex.report.results import Result

    results = Result(first), Result(second)
    found = compare_results(*results, measure, by, start=start, config=config)
    if np.isinf(found.same_until):
        out.print("All spikes are the same.")
    else:
        out.print(f"The same spikes until {found.same_until:g} ms.")
    table = Table(by, "first", "second", "difference", "%", box=None)
    for name, row in found.table.iterrows():
        table.add_row(str(name), *(f"{row[column]:.3g}" for column in found.table.columns))
    unit = f" ({found.unit})" if found.unit else ""
    out.print(f"{found.what}{unit}, {found.start:g} to {found.stop:g} ms:")
    late = settled(found.start, found.stop)
    if late > found.start:
        out.print(f"  The onset counts, too; without it: --start {late:g}")
    out.print(table)
    if output is not None:
        with disk_errors(output, "write the table"):
            found.table.to_csv(output)
