"""The loop: a network advanced piece by piece, and everyone who watches told of each piece."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from isocortex.arrays import IntArray
from isocortex.circuit import Simulation
from isocortex.engine.interface import (
    Engine,
    Piece,
    ProbeTable,
    Settings,
    Snapshot,
    check_finite,
)
from isocortex.network.network import Network
from isocortex.report.summary import Stopwatch
from isocortex.session.ranks import Ranks

FIRST_PIECE = 100  # steps before the first look at the outside world
LOOK_EVERY = 0.2  # s of wall-clock between later ones
SAMPLES_AT_ONCE = 2**23  # numbers recorded between two looks: 64 MB
#: Stages of a loop whose wall-clock time is measured.
OPENING, STEPPING = "opening the output", "stepping neurons and synapses"
WRITING = "writing spikes and reports"


class Observer(Protocol):
    """Someone who watches a run: a writer, a recorder, a progress bar."""

    def start(self, run: Run) -> None:
        """Before the first step; those that follow in the list have not been started yet."""

    def before(self, run: Run, n_steps: int) -> None:
        """Before the next piece, of ``n_steps`` at most."""

    def after(self, run: Run, piece: Piece) -> None:
        """After every piece, in the order of the list."""

    def restored(self, run: Run) -> None:
        """After the run was put to another time: what is known of later times is forgotten."""

    def changed(self, run: Run, simulation: Simulation) -> None:
        """After the network was built anew from a simulation that has changed."""

    def finish(self, run: Run, complete: bool) -> None:
        """However the run ended, in reverse order, if ``start`` came through."""


class Watching:
    """An observer that does nothing: what others need not say again."""

    def start(self, run: Run) -> None:
        pass

    def before(self, run: Run, n_steps: int) -> None:
        pass

    def after(self, run: Run, piece: Piece) -> None:
        pass

    def restored(self, run: Run) -> None:
        pass

    def changed(self, run: Run, simulation: Simulation) -> None:
        pass

    def finish(self, run: Run, complete: bool) -> None:
        pass


class Changing(Protocol):
    """Who gives a run another network on its way; see :class:`isocortex.session.course.Course`."""

    steps: IntArray

    def part(self, step: int) -> int:
        """Which of its networks a run has at a step."""

    def take_over(self, run: Run) -> None:
        """Give a run the network of its step, and the state that it is in."""

    def put_to(self, run: Run, step: int) -> None:
        """Give a run the network of a step, at rest."""


@dataclass(frozen=True)
class Task:
    """What a run is to do: a network, its engine, and how far."""

    network: Network
    engine: Engine
    settings: Settings
    n_steps: int


class Run:
    """A network on its way.

    Whatever pieces are asked for, windows begin at the same steps, so results are the same to the
    last bit.

    Attributes
    ----------
    network : without its wiring, if the engine has its own.
    n_steps : steps until the end.
    n_spikes : spikes so far, those after the end not counted.
    failed : a step or an observer has raised an exception.
    stopped : it was asked to stop between two pieces: all that it holds is sound.
    pauses : ascending steps, ends of windows, that a piece does not go beyond.
    """

    def __init__(
        self,
        task: Task,
        observers: Sequence[Observer] = (),
        clock: Stopwatch | None = None,
        ranks: Ranks | None = None,
        course: Changing | None = None,
    ) -> None:
        self.ranks, self.course = ranks or Ranks(), course
        self.network, self.engine = task.network, task.engine
        self.settings, self.n_steps = task.settings, task.n_steps
        self.clock = clock or Stopwatch()
        self.n_spikes, self.failed, self.stopped = 0, False, False
        self.pauses: IntArray = np.zeros(0, np.int64) if course is None else course.steps
        self._part = 0 if course is None else course.part(self.step)
        self._observers: list[Observer] = []
        self._closing = ExitStack()
        self._waiting = list(observers)
        self._probes: dict[int, ProbeTable] = {}  # by their first column
        self._n_columns, self._recorded = 0, True
        self._piece = FIRST_PIECE
        self._whole_windows()

    def _whole_windows(self) -> None:
        self._piece = max(self._piece // self.engine.window, 1) * self.engine.window

    @property
    def step(self) -> int:
        return self.engine.step

    @property
    def time(self) -> float:
        """Simulated time, ms."""
        return round(self.step * self.settings.dt, 6)

    @property
    def complete(self) -> bool:
        return not self.failed and self.step >= self.n_steps

    def start(self) -> None:
        """Start the observers that were given; once."""
        waiting, self._waiting = self._waiting, []
        with self.ranks.together():
            for observer in waiting:
                self.observe(observer)
        if waiting:
            self.clock.lap(OPENING)

    def observe(self, observer: Observer) -> None:
        """Let one more watch, from the next piece on."""
        try:
            observer.start(self)
        except BaseException:
            self.failed = True
            raise
        self._observers.append(observer)
        self._closing.callback(lambda: observer.finish(self, self.complete))

    def finish(self) -> None:
        """Let all observers finish, the last started first; each does, whatever others raise."""
        self._closing.close()

    def restore(self, state: Snapshot) -> None:
        """Go on from a state, and tell the observers.

        Raises
        ------
        ConfigError : it is of another network or time step; nothing has changed then.
        """
        if self.course is not None and self.course.part(state.step) != self._part:
            self.course.put_to(self, state.step)
            self._part = self.course.part(state.step)
        self.engine.restore(state)
        for observer in self._observers:
            observer.restored(self)

    def record(self, probes: ProbeTable) -> slice:
        """Sample what a table asks for from the next step on; the columns of the samples."""
        first = self._n_columns
        self._n_columns += probes.n_columns
        self.record_again(slice(first, self._n_columns), probes)
        return slice(first, self._n_columns)

    def record_again(self, columns: slice, probes: ProbeTable) -> None:
        """Let columns of the samples be of another table, from the next step on."""
        self._probes[columns.start] = probes
        self._recorded = False

    def pause_at(self, steps: Sequence[int]) -> None:
        """Let no piece go beyond these steps, which are ends of windows."""
        self.pauses = np.unique([*self.pauses, *steps]).astype(np.int64)

    def changed(self, simulation: Simulation) -> None:
        """Tell everyone that the network was built anew from this simulation."""
        self._whole_windows()
        self._recorded = False
        for observer in self._observers:
            observer.changed(self, simulation)

    def advance_to(self, step: int, look: Callable[[], None] = lambda: None) -> None:
        """Advance until ``step`` steps are done; ``look`` is called after every piece."""
        self.start()
        try:
            while self.step < step:
                window = self.engine.window
                begin = self.step % window  # whole windows: where they begin decides the order in
                wanted = window - begin if begin else self._piece  # which coincident events add up
                n = min(wanted, step - self.step, self._until_pause())
                seconds = self._advance(n)
                self._follow_course()  # first: a state that is saved now is of what comes
                with self.ranks.together():
                    self._look(look)
                if not begin and n == wanted:
                    self._choose_piece(n, seconds)
        except BaseException:
            self.failed = True
            raise

    def _follow_course(self) -> None:
        """Take over the network of the next step, if it is another."""
        if self.course is None or self.step >= self.n_steps:
            return
        part = self.course.part(self.step)
        if part != self._part:
            self.course.take_over(self)
            self._part = part

    def _until_pause(self) -> int:
        """Steps to the next pause, or more than anyone asks for."""
        ahead = np.searchsorted(self.pauses, self.step, side="right")
        return int(self.pauses[ahead]) - self.step if ahead < len(self.pauses) else sys.maxsize

    def _look(self, look: Callable[[], None]) -> None:
        try:
            look()
        except KeyboardInterrupt:
            self.stopped = True
            raise

    def _choose_piece(self, n_steps: int, seconds: float) -> None:
        """Steps until the next look, given how long ``n_steps`` took."""
        samples = SAMPLES_AT_ONCE / max(self._n_columns, 1)
        wanted = int(min(n_steps * LOOK_EVERY / max(seconds, 1e-9), samples, 4 * n_steps))
        piece = max(wanted // self.engine.window, 1) * self.engine.window
        self._piece = self.ranks.share(piece)  # each has a clock of its own

    def _advance(self, n_steps: int) -> float:
        """Advance one piece; seconds that it took, without what came before it."""
        with self.ranks.together():
            if not self._recorded:
                tables = [self._probes[first] for first in sorted(self._probes)]
                self.engine.record(ProbeTable.joined(tables))
                self._recorded = True
            for observer in self._observers:
                observer.before(self, n_steps)
        begun = time.perf_counter()
        found = self.engine.advance(n_steps)
        self.clock.lap(STEPPING)
        # NEURON looks for spikes as a step begins: one in the last step's end is not seen
        end = (self.n_steps - 0.5) * self.settings.dt
        seen = (found.source >= self.network.circuit_cells) | (found.time < end)
        piece = found._replace(source=found.source[seen], time=found.time[seen])
        self.n_spikes += len(piece.source)
        with self.ranks.together():
            for observer in self._observers:
                observer.after(self, piece)
            check_finite(self.network, self.engine, self.settings.dt)
            self.clock.lap(WRITING)
        return time.perf_counter() - begun
