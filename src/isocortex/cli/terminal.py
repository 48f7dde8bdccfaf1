"""What the commands share: consoles, arguments, how a duration is said."""

from __future__ import annotations

import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from isocortex.printable import printable
from isocortex.session.launcher import launched
from isocortex.text import in_words

if TYPE_CHECKING:
    from rich.progress import Progress

    from isocortex.cli.console import PlainConsole
    from isocortex.report.results import Result


class Stream:
    """Standard output or error: lines whose names are text, tables drawn by rich."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def file(self) -> TextIO:
        """The stream as it is now: a bar puts its own in its place."""
        return getattr(sys, self.name)

    @property
    def is_terminal(self) -> bool:
        return self.file.isatty() and not launched()[0]

    @cached_property
    def console(self) -> PlainConsole:
        from isocortex.cli.console import PlainConsole

        return PlainConsole(stderr=self.name == "stderr")

    def print(self, what: Any) -> None:
        """Print a line, or a table; of ranks that run together the first speaks for all."""
        if launched()[0]:
            return
        if isinstance(what, str):
            print(printable(what), file=self.file, flush=True)
        else:
            self.console.print(what)


out, err = Stream("stdout"), Stream("stderr")

Config = Annotated[Path, typer.Argument(help="Simulation configuration (JSON).")]
Results = Annotated[Path, typer.Argument(help="Output folder of a run, or its configuration.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Picture to write.")]
ConfigOption = Annotated[
    Path | None, typer.Option(help="The configuration, if the results do not name it.")
]


class Unseen:
    """A bar where nobody looks."""

    def __enter__(self) -> Unseen:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def add_task(self, description: str, total: float | None = None, **fields: Any) -> Any:
        """As rich's bars do."""

    def update(self, task: Any, **what: Any) -> None:
        """As rich's bars do."""

    def stop(self) -> None:
        """As rich's bars do."""


class Lines(Unseen):
    """A line now and then, for the log of processes that a launcher has started."""

    EVERY = 30.0  # s

    def add_task(self, description: str, total: float | None = None, **fields: Any) -> Any:
        self.description, self.begun = description, time.monotonic()
        self.told = self.begun

    def update(self, task: Any, *, completed: float = 0.0, total: float = 0.0, **what: Any) -> None:
        now = time.monotonic()
        if now - self.told >= self.EVERY and completed:
            self.told = now
            left = (now - self.begun) * (total - completed) / completed
            done = f"{completed / total:.0%}"
            err.print(f"{self.description}: {done}, {in_words(left)} to go.")


def progress_bar(*more: str) -> Progress | Unseen:
    """A bar on the terminal's error stream that leaves nothing behind; ``more`` are columns."""
    if not err.is_terminal:
        return Lines() if launched()[1] > 1 else Unseen()
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(), *map(TextColumn, more), console=err.console, transient=True,
    )  # fmt: skip


def tell_if_unfinished(result: Result) -> None:
    """Say so where what is looked at is a part of what was asked for."""
    if result.unfinished:
        err.print(
            f"The run was killed, or goes on: this is what it has written, {result.duration:g} ms."
        )
        if result.can_go_on:
            err.print(f"If it was killed: isocortex continue {result.directory}")


def duration(seconds: float) -> str:
    """In words fit for a plan."""
    return in_words(seconds, decimals=1)
