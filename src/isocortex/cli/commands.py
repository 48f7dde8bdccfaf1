"""All commands of the command line, gathered."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from isocortex.cli import build, cells, experiment, mechanisms, plot
from isocortex.cli.compare import compare
from isocortex.cli.compile import compile_
from isocortex.cli.export import export
from isocortex.cli.info import info
from isocortex.cli.results import data, rates, report
from isocortex.cli.simulate import continue_, demo, run
from isocortex.cli.terminal import err, out, stopped
from isocortex.cli.validate import validate
from isocortex.cli.view import view


class Stoppable(TyperGroup):
    """Commands that Ctrl-C ends with one line and the status of a process that was interrupted."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            ended, status = stopped(stop)
            err.print(f"{ended}.")
            raise typer.Exit(status) from None


app = typer.Typer(
    cls=Stoppable,
    help="Build and simulate a mouse cortex, or any SONATA circuit of biophysical neurons, with "
    "NEURON's results.\n\n"
    "Add --debug to any command to see Python tracebacks instead of one-line errors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(run)
app.command("continue")(continue_)
app.command("compile")(compile_)
for command in (info, view, rates, compare, report, export, validate, demo, data):
    app.command()(command)
app.add_typer(build.app, name="build")
app.add_typer(plot.app, name="plot")
app.add_typer(cells.app, name="cells")
app.add_typer(mechanisms.app, name="mechanisms")
app.add_typer(experiment.app, name="experiment")


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
