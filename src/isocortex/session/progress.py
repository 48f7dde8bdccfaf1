"""How far a run is, for people and programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from isocortex.engine.interface import Piece
from isocortex.session.loop import Run, Watching
from isocortex.text import in_words

#: Called at every look with the simulated time and the end (ms), and the spikes so far.
Progress = Callable[[float, float, int], None]
PATIENCE = 2.0  # s before a line appears


class Told(Watching):
    """Tells a function."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def after(self, run: Run, piece: Piece) -> None:
        dt = run.settings.dt
        self.progress(run.step * dt, run.n_steps * dt, run.n_spikes)


class Line(Watching):
    """One line that is written over again, once a run takes longer than two seconds.

    Parameters
    ----------
    stream : where it goes.
    now : seconds of a clock.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.now, self.width = stream, now, 0

    def start(self, run: Run) -> None:
        self.begun, self.first = self.now(), run.step

    def restored(self, run: Run) -> None:
        self.start(run)

    def after(self, run: Run, piece: Piece) -> None:
        elapsed, done = self.now() - self.begun, run.step - self.first
        left = elapsed * (run.n_steps - run.step) / done
        if elapsed < PATIENCE or (not self.width and left < 1.0):
            return
        dt = run.settings.dt
        line = (
            f"{run.step * dt:.4g} of {run.n_steps * dt:g} ms, {run.n_spikes:,} spikes, "
            f"{in_words(left)} to go"
        )
        self.stream.write("\r" + line.ljust(self.width))
        self.stream.flush()
        self.width = max(self.width, len(line))

    def finish(self, run: Run, complete: bool) -> None:
        if self.width:
            self.stream.write("\r" + " " * self.width + "\r")
            self.stream.flush()


def line_for_people(stream: TextIO | None = None) -> Line | None:
    """A line on a terminal's error stream or in a notebook; None where nobody looks."""
    stream = stream or sys.stderr
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    in_notebook = shell is not None and hasattr(shell, "kernel")
    return Line(stream) if in_notebook or stream.isatty() else None
