"""How threads meet: by spinning on each other's counters."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from isocortex.compiling import compiled
from isocortex.engine.layout.arrays import Ints

LINE = 8  # int64 in a cache line
PATIENCE = 1000  # how often one looks before others get the core


def _pointer(context, builder, sig, args):
    array = context.make_array(sig.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@intrinsic
def publish(typingctx, array, index, value):
    """Store so that whoever sees the value sees all that was written before it."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[2], _pointer(context, builder, sig, args), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def peek(typingctx, array, index):
    """Load what another thread has published."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(_pointer(context, builder, sig, args), "acquire", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def take(typingctx, array, index):
    """Add one to what others add to, too; returns what it was."""

    def codegen(context, builder, sig, args):
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", _pointer(context, builder, sig, args), one, "monotonic")

    return types.int64(array, types.int64), codegen


let_others = types.ExternalFunction("sched_yield", types.int32())


def meeting_place(n_parts: int) -> Ints:
    """Shared memory of ``meet``: one counter per part, and a flag that lets all go."""
    return np.zeros((n_parts + 1) * LINE, np.int64)


def dismiss(meeting: Ints) -> None:
    """Let everybody go who waits, or will."""
    meeting[-LINE] = 1


def dismissed(meeting: Ints) -> bool:
    """Whether somebody did."""
    return bool(meeting[-LINE])


@compiled
def meet(meeting, me, n_parts):
    """Wait until every part has come here as often as this one."""
    turn = meeting[me * LINE] + 1
    publish(meeting, me * LINE, turn)
    for other in range(n_parts):
        tries = 0
        while peek(meeting, other * LINE) < turn:
            if peek(meeting, n_parts * LINE):
                return
            tries += 1
            if tries > PATIENCE:
                let_others()
