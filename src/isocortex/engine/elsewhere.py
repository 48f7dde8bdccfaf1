"""The part that other ranks are to the threads of this one: it passes spikes on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.engine.exchange import FULL, LOST, SPIKE, Exchange
from isocortex.engine.gaps import Told
from isocortex.engine.meeting import dismissed, meet
from isocortex.engine.parts import Found, Shared


def pass_spikes_on(
    shared: Shared, n_windows: int, exchange: Exchange, told: Told | None = None
) -> None:
    """Once per window, wait until every thread has found its spikes, and exchange them.

    What other ranks have found is written down as found by the last part; then the threads go on.
    With gap junctions (``told``) the voltages at them are exchanged too.
    """
    meeting, found = shared.meeting, shared.found
    n_parts, turn = len(found.begin) - 1, 0
    me = n_parts - 1
    for _ in range(n_windows):
        meet(meeting, me, n_parts)
        if dismissed(meeting):  # a thread has failed: what it raised is reported
            return
        spikes, word = _found_here(found, turn)
        others, word = exchange.spikes(spikes, word)
        if told is not None:
            told.pass_on(1 - turn)
        begin, room = found.begin[me], found.begin[me + 1] - found.begin[me]
        found.source[turn, begin : begin + len(others)] = others["source"]
        found.time[turn, begin : begin + len(others)] = others["time"]
        found.counts[turn, me] = room + 1 if word & FULL else len(others)
        found.lost[turn, me] = bool(word & LOST)
        meet(meeting, me, n_parts)
        if word:
            return
        turn = 1 - turn


def _found_here(found: Found, turn: int) -> tuple[NDArray[np.void], int]:
    """What the threads of this rank have found, and what else is to be said."""
    begin, end = found.begin[:-2], found.begin[1:-1]
    counts = found.counts[turn, :-1]
    word = LOST if found.lost[turn, :-1].any() else 0
    if (counts > end - begin).any():
        return np.zeros(0, SPIKE), word | FULL
    spikes = np.empty(int(counts.sum()), SPIKE)
    at = 0
    for first, n in zip(begin.tolist(), counts.tolist(), strict=True):
        spikes["source"][at : at + n] = found.source[turn, first : first + n]
        spikes["time"][at : at + n] = found.time[turn, first : first + n]
        at += n
    return spikes, word
