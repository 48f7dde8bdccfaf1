"""What synapses of users' own files release: their functions compiled, and called by address.

Which functions a network's terminals need is known when it is built, long after the code that
delivers events is compiled: that code finds them by where they are in memory.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from isocortex.arrays import FloatArray, IntArray
from isocortex.compiling import leaf
from isocortex.mechanisms import maths
from isocortex.mechanisms.point import MOST_HELD, OwnRelease, Synapse
from isocortex.mechanisms.release import Release
from isocortex.streams import exp, log
from isocortex.targets.words import bound

_POINTER = types.CPointer(types.float64)
#: State, numbers, time of the spike (ms), steps since the last one, dt (ms), whether it acts again;
#: returns the share.
_SIGNATURE = types.float64(
    _POINTER, _POINTER, types.float64, types.int64, types.float64, types.int64
)
#: Where numbers of a release have its conductance, what it begins with, and its parameters.
PART, BEGIN, PARAMETERS = 0, 1, 1 + MOST_HELD


class Programs(NamedTuple):
    """Of each release of a network.

    ``address`` of what it does at a spike, 0 where it is a form of the package's; ``numbers``,
    float64[releases, n], with as many columns as the longest needs.
    """

    address: IntArray
    numbers: FloatArray


def programs_of(releases: Sequence[Release]) -> Programs:
    """The functions of some releases, compiled."""
    own = {k: each for k, each in enumerate(releases) if isinstance(each, OwnRelease)}
    width = PARAMETERS + max((len(each.values) for each in own.values()), default=0)
    made = Programs(np.zeros(len(releases), np.int64), np.zeros((len(releases), width)))
    for k, each in own.items():
        begin = each.begin
        made.address[k] = _compiled(each.module, each.synapse)
        made.numbers[k, PART] = each.part
        made.numbers[k, BEGIN : BEGIN + len(begin)] = begin
        made.numbers[k, PARAMETERS : PARAMETERS + len(each.values)] = each.values
    return made


@intrinsic
def _call(
    typingctx: Any, address: Any, state: Any, numbers: Any, time: Any, steps: Any, dt: Any,
    again: Any,
) -> Any:  # fmt: skip
    """Call the function at an address with where two arrays begin, and numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointers = [
            context.make_array(kind)(context, builder, value=value).data
            for kind, value in zip(sig.args[1:3], args[1:3], strict=True)
        ]
        double, whole = ir.DoubleType(), ir.IntType(64)
        arguments = [each.type for each in pointers] + [double, whole, double, whole]
        program = ir.FunctionType(double, arguments).as_pointer()
        return builder.call(builder.inttoptr(args[0], program), [*pointers, *args[3:]])

    given = (types.float64, types.int64, types.float64, types.int64)
    return types.float64(types.int64, state, numbers, *given), codegen


@leaf
def released_by(
    address: int, state: FloatArray, numbers: FloatArray, time: float, steps: int, dt: float,
    again: int,
) -> float:  # fmt: skip
    """Share that a spike at some time (ms) releases; steps since the last one come before."""
    share: float = _call(  # type: ignore[call-arg]
        address, state, numbers, time, steps, dt, again
    )
    return share


@leaf
def _where(condition: bool, a: float, b: float) -> float:
    return a if condition else b


@leaf
def _absolute(x: float) -> float:
    return abs(x)


MEANINGS: dict[Any, Any] = {
    maths.exp: exp, maths.log: log, maths.where: _where, maths.absolute: _absolute,
}  # fmt: skip


def _jit(function: Any) -> Any:
    return leaf(bound(function, MEANINGS, _jit))


@cache
def _compiled(module: str, name: str) -> int:
    """Address of what a synapse's terminals do at a spike."""
    synapse: type[Synapse] = getattr(sys.modules[module], name)
    held = {name: f"held_{k}" for k, name in enumerate(synapse.held)}
    known = held | {p: f"numbers[{PARAMETERS + k}]" for k, p in enumerate(synapse.parameters)}

    def call(function: str) -> str:
        arguments = inspect.signature(getattr(synapse, function)).parameters
        return f"{function}({', '.join(known.get(each, each) for each in arguments)})"

    targets = "".join(f"{each}, " for each in held.values())
    given_back = f"({targets})" if held else "_"
    lines = [
        "def program(state_, numbers_, t, steps, dt, acts_again):",
        f"    state, numbers = carray(state_, {MOST_HELD}),"
        f" carray(numbers_, {PARAMETERS + len(synapse.parameters)})",
        *(f"    {each} = state[{k}]" for k, each in enumerate(held.values())),
    ]
    names: dict[str, Any] = {"carray": numba.carray, "spike": _jit(synapse.spike)}
    if synapse.in_steps():
        names["step"] = _jit(synapse.step)
        lines += ["    for _ in range(steps):", f"        {given_back} = {call('step')}"]
    acts = [f"shares, {given_back} = {call('spike')}"]
    if synapse.acts_again():
        names["again"] = _jit(synapse.again)
        acts = ["if acts_again:", f"    shares, {given_back} = {call('again')}",
                "else:", f"    {acts[0]}"]  # fmt: skip
    lines += [
        *(f"    {line}" for line in acts),
        *(f"    state[{k}] = {each}" for k, each in enumerate(held.values())),
        f"    return shares[int(numbers[{PART}])]",
    ]
    exec("\n".join(lines), names)
    made = numba.cfunc(_SIGNATURE, error_model="numpy")(names["program"])
    _kept.append(made)
    return made.address  # type: ignore[return-value]


#: Compiled functions; their machine code lives as long as they do.
_kept: list[object] = []
