"""What the commands share: consoles, arguments, how a duration is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from isocortex.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from isocortex.report.results import Result


class _Console(Console):
    """Prints text as it is: names and paths may hold brackets, colons and control characters."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text that is printed by itself or in a table."""
        return super().render_str(printable(text), **options)


out, err = _Console(), _Console(stderr=True)

Config = Annotated[Path, typer.Argument(help="Simulation configuration (JSON).")]
Results = Annotated[Path, typer.Argument(help="Output folder of a run, or its configuration.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Picture to write.")]
ConfigOption = Annotated[
    Path | None, typer.Option(help="The configuration, if the results do not name it.")
]


def progress_bar(*more: str) -> Progress:
    """A bar on the terminal's error stream that leaves nothing behind; ``more`` are columns."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(), *map(TextColumn, more), console=err, transient=True,
        disable=not err.is_terminal,
    )  # fmt: skip


def tell_if_unfinished(result: Result) -> None:
    """Say so where what is looked at is a part of what was asked for."""
    if result.unfinished:
        err.print(
            f"The run was killed, or goes on: this is what it has written, {result.duration:g} ms."
        )


def duration(seconds: float) -> str:
    """In words fit for a plan."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
