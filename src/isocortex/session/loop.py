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
from isocortex.engine.interface import (
    Engine,
    Piece,
    ProbeTable,
    Settings,
    check_finite,
)
from isocortex.engine.state import State
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

    def finish(self, run: Run, complete: bool) -> None:
        pass


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
    ) -> None:
        self.ranks = ranks or Ranks()
        self.network, self.engine = task.network, task.engine
        self.settings, self.n_steps = task.settings, task.n_steps
        self.clock = clock or Stopwatch()
        self.n_spikes, self.failed, self.stopped = 0, False, False
        self.pauses: IntArray = np.zeros(0, np.int64)
        self._observers: list[Observer] = []
        self._closing = ExitStack()
        self._waiting = list(observers)
        self._probes: list[ProbeTable] = []
        self._n_columns = self._n_sums = self._recorded = 0
        self._piece = max(FIRST_PIECE // self.engine.window, 1) * self.engine.window

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

    def restore(self, state: State) -> None:
        """Go on from a state, and tell the observers.

        Raises
        ------
        ConfigError : it is of another network or time step; nothing has changed then.
        """
        self.engine.restore(state)
        for observer in self._observers:
            observer.restored(self)

    def record(self, probes: ProbeTable) -> slice:
        """Sample what a table asks for from the next step on; the columns of the samples."""
        first = self._n_columns
        self._probes.append(probes)
        self._n_columns += probes.n_columns
        self._n_sums += probes.n_sums
        return slice(first, self._n_columns)

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
                self._look(look)
                if not begin and n == wanted:
                    self._choose_piece(n, seconds)
        except BaseException:
            self.failed = True
            raise

    def _until_pause(self) -> int:
        """Steps to the next pause, or more than anyone asks for."""
        ahead = np.searchsorted(self.pauses, self.step, side="right")
        return int(self.pauses[ahead]) - self.step if ahead < len(self.pauses) else sys.maxsize

    def _look(self, look: Callable[[], None]) -> None:
        try:
            with self.ranks.together():
                look()
        except KeyboardInterrupt:  # one rank's is all ranks'
            self.stopped = True
            raise

    def _choose_piece(self, n_steps: int, seconds: float) -> None:
        """Steps until the next look, given how long ``n_steps`` took."""
        samples = SAMPLES_AT_ONCE / max(self._n_sums, 1)
        wanted = int(min(n_steps * LOOK_EVERY / max(seconds, 1e-9), samples, 4 * n_steps))
        piece = max(wanted // self.engine.window, 1) * self.engine.window
        self._piece = self.ranks.share(piece)  # each has a clock of its own

    def _advance(self, n_steps: int) -> float:
        """Advance one piece; seconds that it took, without what came before it."""
        with self.ranks.together():
            if self._recorded < len(self._probes):
                self.engine.record(ProbeTable.joined(self._probes))
                self._recorded = len(self._probes)
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
