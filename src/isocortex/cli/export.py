"""`isocortex export`: results and circuits in formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isocortex.cli.terminal import ConfigOption, out, tell_if_unfinished
from isocortex.errors import ConfigError


def export(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="WHAT",
            help="Output folder of a run, or its configuration; of a circuit its simulation "
            "configuration.",
        ),
    ],
    nwb: Annotated[
        Path | None,
        typer.Option(help="File of Neurodata Without Borders to write: spikes and reports."),
    ] = None,
    neulite: Annotated[
        Path | None, typer.Option(help="Folder to write the circuit to, for the simulator Neulite.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write results, or a circuit, in a format of another tool."""
    if (nwb is None) == (neulite is None):
        raise ConfigError(
            "one format is needed", field="export", fix="Give --nwb FILE or --neulite FOLDER."
        )
    if neulite is not None:
        from isocortex.neulite import write_neulite

        if config is not None:
            raise ConfigError(
                "is for results", field="--config", fix="Give the configuration in its place."
            )
        file = what / "simulation_config.json" if what.is_dir() else what
        out.print(f"Written: {write_neulite(file, neulite)}")
    if nwb is not None:
        from isocortex.export import write_nwb
        from isocortex.report.results import Result

        result = Result(what)
        tell_if_unfinished(result)
        out.print(f"Written: {write_nwb(result, nwb, config)}")
