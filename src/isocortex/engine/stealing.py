"""Threads that are done advance what others have left: work stealing.

Cores are not alike, nor are they ours alone: dealt out equally, a window takes as long as its
slowest thread. So a part *offers* its blocks once the events of the window are sorted, its own
thread takes one after the other, and so does whoever has none left (Blumofe & Leiserson 1999).
Nothing follows from who advances a block.

Nobody comes to the meeting that ends a window before all blocks are taken and those it took are
advanced: so what is offered holds until all have met. Where all are let go, as a part has failed,
nobody waits: then a part stops there, and its offer holds until the threads of all have ended.
"""

from __future__ import annotations

import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.numpy_support import as_dtype

from isocortex.arrays import IntArray
from isocortex.compiling import leaf
from isocortex.engine.meeting import LINE, PATIENCE, let_others, peek, publish, take
from isocortex.engine.parts import Events, Offers, event_of

#: What a part says in its line: the window (meetings are counted), how many blocks are taken, and
#: where its events are: their ranges by block, themselves, and how many there are.
WINDOW, TAKEN, RANGES, EVENTS, NUMBER = range(5)


def offers_of(blocks: list[IntArray]) -> Offers:
    """Of parts that own these."""
    first = np.cumsum([0, *map(len, blocks)])
    return Offers(first, np.concatenate(blocks), np.zeros(len(blocks) * LINE, np.int64))


@leaf
def offer(offers, me, window, events):
    """Let all advance the blocks of part ``me``, which have these events."""
    line = me * LINE
    offers.line[line + TAKEN] = 0
    offers.line[line + RANGES] = events.first.ctypes.data  # ``last`` follows it
    offers.line[line + EVENTS] = events.step.ctypes.data  # the first of three fields
    offers.line[line + NUMBER] = len(events.step)
    publish(offers.line, line + WINDOW, window)


@leaf
def next_block(offers, part):
    """A block of this part that nobody has taken yet, or -1."""
    at = offers.first[part] + take(offers.line, part * LINE + TAKEN)
    return offers.block[at] if at < offers.first[part + 1] else -1


@leaf
def next_part(offers, me, window, meeting):
    """Another part that has blocks left, as soon as there is one; or -1, if none will."""
    n, tries = len(offers.first) - 1, 0
    while True:
        all_there = True
        for k in range(1, n):
            part = (me + k) % n
            if peek(offers.line, part * LINE + WINDOW) < window:
                all_there = False
            elif (
                peek(offers.line, part * LINE + TAKEN) < offers.first[part + 1] - offers.first[part]
            ):
                return part
        if all_there or peek(meeting, len(meeting) - LINE):  # or somebody has let all go
            return -1
        tries += 1
        if tries > PATIENCE:
            let_others()


@intrinsic
def _pointer_to(typingctx, address):
    """An address, as a pointer."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


def events_of(offers, part, weight):
    """Events that a part has offered, whose weights are as these."""


@overload(events_of)
def _compiled_events_of(offers, part, weight):
    kind = event_of(as_dtype(weight.dtype))

    def events_of(offers, part, weight):
        line, ranges = part * LINE, (2, len(offers.block))
        of_block = carray(_pointer_to(offers.line[line + RANGES]), ranges, np.int64)
        due = carray(_pointer_to(offers.line[line + EVENTS]), offers.line[line + NUMBER], kind)
        return Events(of_block[0], of_block[1], due["step"], due["element"], due["weight"])

    return events_of
