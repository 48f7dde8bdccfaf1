"""Events made on a GPU, from synapses that are stored there.

What one spike makes act at one time is a *run*: synapses of one source and one delay, which follow
each other in a part's wiring. A thread is given a wiring of runs in place of synapses, so that it
hears of spikes and takes what is due as always, but per run. The GPU makes the events of the
synapses of a window's runs in whatever order its threads come, and then puts those of each block
in the order in which the CPU makes them: by step, run and synapse. So what a block receives is the
same to the last bit, and the same as on the CPU.
"""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isocortex.engine.assembly import Kernel, assemblies
from isocortex.engine.deal import Share
from isocortex.engine.interface import IntArray
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.parts import Events, Wiring
from isocortex.targets.gpu import Machine

#: Events are made on the GPU if this is set to 1.
ASKED = "ISOCORTEX_DEVICE_EVENTS"
#: Their kernels.
TEXT = Path(__file__).parent / "spread.py.txt"
#: In a wiring of runs all are of one block.
ONE_BLOCK = 31


class Stored(NamedTuple):
    """Synapses on the GPU: those of run r are ``begin[r]:begin[r + 1]``; see :class:`Wiring`."""

    begin: Any
    target: Any
    weight: Any
    shift: int


class Due(NamedTuple):
    """Runs of a window, by part, then step: and the turn of the first event of each."""

    run: Any
    step: Any
    turn: Any


class Made(NamedTuple):
    """Events as they are made, and how many of each block are ``waiting`` for a place."""

    waiting: Any
    turn: Any
    step: Any
    element: Any
    weight: Any


def events_asked() -> bool:
    """Whether a GPU is to make events, if it can."""
    return os.environ.get(ASKED) == "1"


def spreadable(shares: list[Share]) -> bool:
    """Whether it is asked for, and all synapses are stored and none is plastic."""
    wirings = [share.part.wiring for share in shares]
    return events_asked() and all(
        share.drawn is None and wiring.terminals is None
        for share, wiring in zip(shares, wirings, strict=True)
    )


def in_runs(wiring: Wiring) -> tuple[Wiring, IntArray]:
    """A wiring whose synapses are the runs of another, and where each run begins and the last ends.

    Synapses onto point neurons, which the CPU advances, are runs of their own.
    """
    n = len(wiring.target)
    onto_point = wiring.target >= wiring.first_point
    begins = np.zeros(n + 1, bool)
    begins[wiring.first] = True
    begins[1:n] |= (wiring.delay[1:] != wiring.delay[:-1]) | onto_point[1:] | onto_point[:-1]
    begins[n] = True
    begin = np.flatnonzero(begins)
    at = begin[:-1]
    target = np.arange(len(at), dtype=wiring.target.dtype)
    points = onto_point[at]
    target[points] = len(at) + (wiring.target[at[points]] - wiring.first_point)
    runs = wiring._replace(
        first=np.searchsorted(begin, wiring.first), target=target, delay=wiring.delay[at],
        weight=np.where(points, wiring.weight[at], 1).astype(wiring.weight.dtype),
        shift=ONE_BLOCK, first_point=len(at),
    )  # fmt: skip
    return runs, begin


class Spreading:
    """The synapses of all parts on a GPU, and what makes their events.

    The parts have wirings of runs from then on.

    Attributes
    ----------
    n_more : events made, less the runs that the threads have counted.
    """

    def __init__(self, where: Machine, shares: list[Share], laid: Arrangement) -> None:
        self._machine, self._laid, self.n_more = where, laid, 0
        wirings = [share.part.wiring for share in shares]
        self._first_run, begins, synapses, n_runs = list[int](), list[IntArray](), 0, 0
        for share, wiring in zip(shares, wirings, strict=True):
            runs, begin = in_runs(wiring)
            self._first_run.append(n_runs)
            begins.append(begin[:-1] + synapses)
            n_runs, synapses = n_runs + len(runs.target), synapses + len(wiring.target)
            first, last, blocks = np.zeros((3, 1), np.int64)
            events = share.part.events._replace(first=first, last=last)
            share.part = share.part._replace(wiring=runs, blocks=blocks, events=events)
        self._begin = np.concatenate([*begins, [synapses]])
        self._stored = Stored(
            where.put(self._begin), where.put(np.concatenate([w.target for w in wirings])),
            where.put(np.concatenate([w.weight for w in wirings]).astype(laid.dtype)),
            wirings[0].shift,
        )  # fmt: skip
        self._waiting = where.put(np.zeros(len(laid.blocks), np.int32))
        self._due, self._made = self._room_for_runs(1024), self._room(1024)
        self._bound: tuple[Any, ...] = ()

    def _room_for_runs(self, n: int) -> Due:
        room = self._machine.room
        return Due(room(n, np.int64), room(n, np.int32), room(n, np.int32))

    def _room(self, n: int) -> Made:
        room = self._machine.room
        return Made(
            self._waiting, room(n, np.int32), room(n, np.int32), room(n, np.int32),
            room(n, self._laid.dtype),
        )  # fmt: skip

    def bind(self, events: Events, processes: int) -> None:
        """Give kernels their arguments, if these are others now; they are compiled if need be."""
        asked = (self._due, self._made, events)
        if len(self._bound) == len(asked) and all(map(operator.is_, self._bound, asked)):
            return
        self._bound = asked
        kernels = [Kernel(TEXT.read_text(), name=name) for name in ("count", "spread", "arrange")]
        arguments = (self._stored, self._due, self._made, events)
        files: list[Path | None] = [None] * len(kernels)
        if not self._machine.simulated:
            files = [*assemblies(kernels, arguments, self._machine.capability, processes)]
        self._count, self._spread, self._arrange = (
            self._machine.bind(kernel, file, arguments)
            for kernel, file in zip(kernels, files, strict=True)
        )

    def make_room(self, due: list[np.ndarray]) -> int:
        """Take the runs of every part to the GPU; returns how many events they make.

        Parameters
        ----------
        due : of every part, as its thread has sorted them: runs in place of elements.
        """
        run = np.concatenate(
            [
                mine["element"].astype(np.int64) + first
                for mine, first in zip(due, self._first_run, strict=True)
            ]
        )
        step = np.concatenate([mine["step"] for mine in due])
        n_events = self._begin[run + 1] - self._begin[run]
        after = np.cumsum(n_events)
        total = int(after[-1]) if len(run) else 0
        self.n_more += total - len(run)
        self._n_runs = len(run)
        if len(run) > self._due.run.shape[0]:
            self._free(self._due)
            self._due = self._room_for_runs(len(run) * 5 // 4)
        if total > self._made.step.shape[0]:
            self._free(self._made[1:])
            self._made = self._room(total * 5 // 4)
        turn = after - n_events
        for array, values in zip(self._due, (run, step, turn), strict=True):
            self._machine.write(array, values)
        return total

    def _free(self, arrays: tuple[Any, ...]) -> None:
        for array in arrays:
            self._machine.free(array)

    def make(self, events: Events) -> None:
        """The events of the runs that were taken there."""
        if self._n_runs:  # a GPU starts nothing of no blocks
            self._count(self._n_runs, 0, 0)
        last = np.cumsum(self._machine.read(self._waiting).astype(np.int64))
        self._machine.write(events.first, np.append(0, last)[:-1])
        self._machine.write(events.last, last)
        if self._n_runs:
            self._spread(self._n_runs, 0, 0)
            self._machine.wait()
            self._arrange(len(last), 0, 0)
            self._machine.wait()
