"""The command line. Every command is a few lines around the Python API."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from isocortex.cli import build, cells, plot
from isocortex.cli.results import data, rates, report
from isocortex.cli.simulate import demo, info, run
from isocortex.cli.terminal import err, out
from isocortex.cli.view import view
from isocortex.errors import IsocortexError

app = typer.Typer(
    help="Build and simulate a mouse cortex, or any SONATA circuit of biophysical neurons, with "
    "NEURON's results.\n\n"
    "Add --debug to any command to see Python tracebacks instead of one-line errors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (run, info, view, rates, report, demo, data):
    app.command()(command)
app.add_typer(build.app, name="build")
app.add_typer(plot.app, name="plot")
app.add_typer(cells.app, name="cells")


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
