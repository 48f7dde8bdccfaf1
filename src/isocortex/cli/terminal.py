"""What the commands share: consoles, arguments, how a duration is said."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from isocortex.interrupt import Terminated
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


class Lines:
    """A line now and then, for logs: where the output goes to a file, or a launcher has it."""

    EVERY = 30.0  # s
    UNSURE = 0.005  # a share so small says little of the speed: the machine's code may just be made

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def add_task(self, description: str, total: float | None = None, **fields: Any) -> Any:
        """As rich's bars do, but for the last one added alone."""
        self.description, self.total, self.completed = description, total, 0.0
        self.first: tuple[float, float] | None = None  # when what had been done, at the first word

    def update(
        self, task: Any, *, completed: float | None = None, advance: float = 0.0,
        total: float | None = None, description: str | None = None, **what: Any,
    ) -> None:  # fmt: skip
        """As rich's bars do; a line every half minute."""
        self.description = description or self.description
        self.total = total or self.total
        self.completed = self.completed + advance if completed is None else completed
        now = time.monotonic()
        if self.first is None:  # what came before is no measure of speed: a run was set up
            self.first, self.told = (now, self.completed), now
            return
        passed, done = now - self.first[0], self.completed - self.first[1]
        if now - self.told >= self.EVERY and done > 0.0 and self.total:
            self.told = now
            left = passed * (self.total - self.completed) / done
            share = self.completed / self.total
            sure = done >= self.UNSURE * self.total or passed >= 4 * self.EVERY
            to_go = f", {in_words(left)} to go" if sure else ""
            err.print(f"{self.description}: {share:.0%}{to_go}.")

    def stop(self) -> None:
        """As rich's bars do."""


def progress_bar(*more: str) -> Progress | Lines:
    """A bar on the terminal's error stream that leaves nothing behind; ``more`` are columns.

    Where there is no terminal, a line every half minute.
    """
    if not err.is_terminal:
        return Lines()
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


def stopped(stop: KeyboardInterrupt) -> tuple[str, int]:
    """How a command that was asked to stop says so, and its exit status, as shells have it."""
    return ("Ended by SIGTERM", 143) if isinstance(stop, Terminated) else ("Stopped", 130)


@contextmanager
def in_pieces(doing: str, folder: Path) -> Iterator[Callable[[float, float, str], None]]:
    """A bar for work whose finished pieces are kept in a folder, however it is stopped.

    Gives what is told how much is done of how much, and what is being done now.
    """
    bar = progress_bar()
    with bar:
        task = bar.add_task(doing, total=None)

        def progress(done: float, total: float, now: str) -> None:
            bar.update(task, completed=done, total=total, description=now)

        try:
            yield progress
        except KeyboardInterrupt as stop:
            bar.stop()
            ended, status = stopped(stop)
            err.print(f"{ended}. What was finished is kept in {folder}: call again to go on.")
            raise typer.Exit(status) from None
