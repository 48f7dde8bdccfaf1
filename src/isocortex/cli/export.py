"""`isocortex export`: results in formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isocortex.cli.terminal import ConfigOption, Results, out, tell_if_unfinished


def export(
    results: Results,
    nwb: Annotated[
        Path,
        typer.Option(help="File of Neurodata Without Borders: spikes and reports."),
    ],
    config: ConfigOption = None,
) -> None:
    """Write results in a format of another tool."""
    from isocortex.export import write_nwb
    from isocortex.report.results import Result

    result = Result(results)
    tell_if_unfinished(result)
    out.print(f"Written: {write_nwb(result, nwb, config)}")
