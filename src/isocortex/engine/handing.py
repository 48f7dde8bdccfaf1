"""The events of a window on a GPU: room for them, and those that threads have sorted."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from isocortex.engine.deal import Share
from isocortex.engine.interface import IntArray
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.parts import Events, event_of
from isocortex.targets.gpu import Machine


class Handing:
    """Where the events of all blocks are, and how they get there from the threads.

    Parameters
    ----------
    outbox : of every part, the address of its events.
    """

    def __init__(
        self, where: Machine, shares: list[Share], laid: Arrangement, outbox: IntArray
    ) -> None:
        self._machine, self._shares, self._laid, self._outbox = where, shares, laid, outbox
        none = np.zeros(len(laid.blocks), np.int64)
        self.events = Events(
            where.put(none), where.put(none), where.room(1024, np.int32),
            where.room(1024, np.int32), where.room(1024, laid.dtype),
        )  # fmt: skip

    def make_room(self, n: int) -> Events:
        """Arrays of the GPU that hold so many events: those there are, or others in their place."""
        there = self.events
        if n > there.step.shape[0]:
            room = with_room(self._machine, there[2:], n * 5 // 4)
            self.events = Events(there.first, there.last, *room)
        return self.events

    def sorted(self) -> list[np.ndarray]:
        """Of every part, what its thread has sorted for this window."""
        kind = event_of(self._laid.dtype)
        return [
            memory(address, int(s.part.events.last[s.part.blocks[-1:]].sum()), kind)
            for s, address in zip(self._shares, self._outbox.tolist(), strict=True)
        ]

    def hand_over(self) -> None:
        """Take these there."""
        due = self.sorted()
        there = self.make_room(sum(map(len, due)))
        first, last = np.zeros((2, len(self._laid.blocks)), np.int64)
        at = 0
        for share, mine in zip(self._shares, due, strict=True):
            blocks, events = share.part.blocks, share.part.events
            first[blocks], last[blocks] = events.first[blocks] + at, events.last[blocks] + at
            for field, array in zip(there._fields[2:], there[2:], strict=True):
                self._machine.write(array, mine[field], at)
            at += len(mine)
        self._machine.write(there.first, first)
        self._machine.write(there.last, last)


def with_room(machine: Machine, arrays: tuple[Any, ...], n: int) -> tuple[Any, ...]:
    """Arrays there, or others in their place that have room for so many numbers."""
    if arrays[0].shape[0] >= n:
        return arrays
    for array in arrays:
        machine.free(array)
    return tuple(machine.room(n, array.dtype) for array in arrays)


def memory(address: int, n: int, dtype: np.dtype) -> np.ndarray:
    """An array of which compiled code has told the address."""
    raw = (ctypes.c_char * (n * dtype.itemsize)).from_address(address)
    return np.ndarray(n, dtype, memoryview(raw))
