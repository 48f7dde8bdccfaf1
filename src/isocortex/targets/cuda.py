"""What the words of kernels mean on a GPU: a value is one thread's, a thread is a lane of a block.

A *block* of cells is a block of threads, one cell a thread. In single precision a text's numbers
are narrowed, since one double among them makes an expression double and a GPU has few units for
that. Needs numba-cuda (the extra ``[cuda]``), but no GPU: :func:`ptx` compiles for
one that is elsewhere, and ``NUMBA_ENABLE_CUDASIM=1`` runs kernels in Python.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dis import get_instructions
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, files
from shutil import which
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic

from isocortex import streams
from isocortex.mechanisms import maths
from isocortex.targets import words
from isocortex.targets.gpu import LANES
from isocortex.targets.half import by_chance, rounded_by_chance

SIMULATED = bool(config.ENABLE_CUDASIM)

# numba-cuda looks the name up whenever it compiles; NumPy 2.5 has it no more.
if not hasattr(np, "row_stack"):
    np.row_stack = np.vstack  # noqa: NPY201

if SIMULATED:
    from numba.core import types
    from numba.cuda.simulator.kernelapi import FakeCUDAShared
    from numba.np.numpy_support import as_dtype

    def element(array, index):
        """See :func:`isocortex.targets.words.element`; Python would count from the end."""
        if index < 0:
            raise IndexError(f"element {index}")
        return np.float32(array[index]) if of_halves(array) else array[index]

    def of_halves(array):
        """Whether an array's numbers are halves."""
        return array.dtype == np.float16

    def _write(array, index, value):
        if index < 0:
            raise IndexError(f"element {index}")
        array[index] = value

    def add(array, index, value, step):
        """See :func:`isocortex.targets.words.add`."""
        total = element(array, index) + value
        _write(array, index, by_chance(total, step) if of_halves(array) else total)

    device = cuda.jit(device=True)
    _shared_array = FakeCUDAShared.array

    def _array_of_all(self, shape, dtype, alignment=None):
        """One for all threads: the simulator's may give two that come at once one each."""
        if shape == 0:
            return _shared_array(self, shape, dtype, alignment)
        line, kind = sys._getframe(1), as_dtype(dtype) if isinstance(dtype, types.Type) else dtype
        name = line.f_code.co_filename, line.f_lineno
        return self._allocations.setdefault(name, np.empty(shape, kind))

    FakeCUDAShared.array = _array_of_all

    def _told(value):
        """What each thread of a block tells all others."""
        words = cuda.shared.array(LANES, np.int64)
        cuda.syncthreads()  # what was told before has been heard
        words[cuda.threadIdx.x] = value
        cuda.syncthreads()
        return [int(word) for word in words]

    @device
    def ballot(flag):
        """32 bits: in which threads of a block of 32 the flag is set."""
        return sum(1 << k for k, told in enumerate(_told(bool(flag))) if told)

    @device
    def match(value):
        """32 bits: which threads have the same value."""
        words = _told(value)
        return sum(1 << k for k, told in enumerate(words) if told == value)

    @device
    def sums(value):
        """The sum of the values of the threads before this one, and that of all."""
        words = _told(value)
        return sum(words[: cuda.threadIdx.x]), sum(words)

else:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.cuda import types, ufuncs
    from numba.cuda.extending import intrinsic

    def _call(name: str) -> Callable[..., Any]:
        """A call of NVIDIA's function of one number."""

        def codegen(context, builder, sig, args):
            kind = ir.FunctionType(args[0].type, [args[0].type])
            return builder.call(
                cgutils.get_or_insert_function(builder.module, kind, f"__nv_{name}"), args
            )

        return codegen

    # numba-cuda does not know these of a GPU
    for ufunc, name in ((np.rint, "rint"), (np.floor, "floor"), (np.sqrt, "sqrt")):
        both = {"f->f": _call(f"{name}f"), "d->d": _call(name)}
        ufuncs.ufunc_db().setdefault(ufunc, both)

    def _own(written: _Intrinsic) -> Any:
        """What is written for LLVM, for this target's compiler."""
        return intrinsic(written._defn)

    # Numba has no arithmetic of halves here without a compiler of C++, nor need there be any.
    SINGLE, HALF, WORD = ir.FloatType(), ir.HalfType(), ir.IntType(16)

    def _pointer(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    @intrinsic
    def element(typingctx, array, index):
        """See :func:`isocortex.targets.words.element`; without Python's counting from the end."""

        def codegen(context, builder, sig, args):
            pointer = _pointer(context, builder, sig, args)
            value = context.unpack_value(builder, array.dtype, pointer)
            return _of_half(builder, value) if _is_half(array) else value

        return _read(array)(array, index), codegen

    @intrinsic
    def of_halves(typingctx, array):
        """Whether an array's numbers are halves, as a constant of the compiled code."""

        def codegen(context, builder, sig, args):
            return context.get_constant(types.boolean, _is_half(array))

        return types.boolean(array), codegen

    @intrinsic
    def _write(typingctx, array, index, value):
        def codegen(context, builder, sig, args):
            number = context.cast(builder, args[2], sig.args[2], _read(array))
            pointer = _pointer(context, builder, sig, args)
            kept = _to_half(builder, number) if _is_half(array) else number
            context.pack_value(builder, array.dtype, kept, pointer)
            return context.get_dummy_value()

        return types.void(array, index, value), codegen

    @intrinsic
    def add(typingctx, array, index, value, step):
        """See :func:`isocortex.targets.words.add`.

        Of halves the sum is rounded as the CPU does, not together with a product: what is left of
        it depends on all its bits.
        """

        def codegen(context, builder, sig, args):
            more = context.cast(builder, args[2], sig.args[2], _read(array))
            pointer = _pointer(context, builder, sig, args)
            value = context.unpack_value(builder, array.dtype, pointer)
            if _is_half(array):
                kind = ir.FunctionType(SINGLE, [SINGLE, SINGLE])
                rounded = builder.module.declare_intrinsic("llvm.nvvm.add.rn.f", (), kind)
                total = builder.call(rounded, [_of_half(builder, value), more])
                now = context.cast(builder, args[3], sig.args[3], types.int32)
                total = _to_half(builder, rounded_by_chance(builder, total, now))
            else:
                total = builder.fadd(value, more)
            context.pack_value(builder, array.dtype, total, pointer)
            return context.get_dummy_value()

        return types.void(array, index, value, step), codegen

    def _is_half(array):
        return array.dtype == types.float16

    def _read(array):
        """What numbers of an array are when they have been read."""
        return types.float32 if _is_half(array) else array.dtype

    def _of_half(builder, half):
        return builder.fpext(builder.bitcast(half, HALF), SINGLE)

    def _to_half(builder, single):
        return builder.bitcast(builder.fptrunc(single, HALF), WORD)

    device = cuda.jit(device=True, forceinline=True)

    @device
    def ballot(flag):
        """32 bits: in which threads of a block of 32 the flag is set."""
        return np.uint32(cuda.ballot_sync(0xFFFFFFFF, flag))

    @device
    def match(value):
        """32 bits: which threads have the same value."""
        return np.uint32(cuda.match_any_sync(0xFFFFFFFF, value))

    @device
    def sums(value):
        """The sum of the values of the threads before this one, and that of all."""
        total = value
        for distance in (1, 2, 4, 8, 16):
            before = cuda.shfl_up_sync(0xFFFFFFFF, total, distance)
            if cuda.threadIdx.x >= distance:
                total += before
        return total - value, cuda.shfl_sync(0xFFFFFFFF, total, LANES - 1)


@device
def load(array, index):
    """Read the row's element in the lane of this thread."""
    return element(array, index + cuda.threadIdx.x)


@device
def load_wide(array, index):
    """The same in double precision."""
    return np.float64(element(array, index + cuda.threadIdx.x))


@device
def store(array, index, value):
    """Write the row's element in the lane of this thread."""
    _write(array, index + cuda.threadIdx.x, value)


@device
def store_due(array, index, value, due):
    """The same if that is due; of numbers that are no halves it always is."""
    if due or not of_halves(array):
        _write(array, index + cuda.threadIdx.x, value)


@device
def scaled(array, value, power):
    """What the number stands for: ``value`` times ``power``, which is 1 but for halves."""
    return value * power if of_halves(array) else value


@device
def load_pair(array, index):
    """Read both numbers in the lane of this thread."""
    at = index + 2 * cuda.threadIdx.x
    return element(array, at), element(array, at + 1)


@device
def store_pair(array, index, a, b):
    """Write both numbers in the lane of this thread."""
    at = index + 2 * cuda.threadIdx.x
    _write(array, at, a)
    _write(array, at + 1, b)


@device
def broadcast(value, like):
    """A thread has one lane."""
    return np.float32(value)


@device
def row_length(array):
    """Cells of a block."""
    return LANES


@device
def broadcast_double(value, like):
    """A thread has one lane."""
    return np.float64(value)


@device
def own_list():
    """Each lane reads its own."""
    return cuda.threadIdx.x


@device
def owns(index, lanes):
    """Whether the element is in this thread's lane."""
    return index % lanes == cuda.threadIdx.x


@device
def exp(x):
    """Exponential."""
    return np.float32(math.exp(x))


@device
def exp_double(x):
    """Exponential."""
    return math.exp(x)


@device
def log(x):
    """Natural logarithm."""
    return np.float32(math.log(x))


@device
def log_double(x):
    """Natural logarithm."""
    return math.log(x)


@device
def absolute(x):
    """Absolute value."""
    return abs(x)


@device
def where(condition, a, b):
    """One of two numbers."""
    return a if condition else b


#: In single precision; what is recorded is in double.
MEANINGS: dict[Any, Any] = {
    words.load: load, words.load_wide: load_wide, words.store: store,
    words.store_due: store_due, words.scaled: scaled,
    words.load_pair: load_pair, words.store_pair: store_pair,
    words.add: add, words.element: element, words.broadcast: broadcast,
    words.row_length: row_length, words.owns: owns, words.own_list: own_list,
    maths.exp: exp, maths.log: log, maths.absolute: absolute, maths.where: where,
    streams.exp: exp_double,
}  # fmt: skip
IN_DOUBLE = MEANINGS | {
    words.broadcast: broadcast_double,
    maths.exp: exp_double,
    maths.log: log_double,
}


def _narrowed(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_narrowed(part) for part in value)
    return np.float32(value) if type(value) is float else value


def single(function: FunctionType) -> FunctionType:
    """A text with this target's words, and its numbers in single precision."""
    copy = words.bound(function, MEANINGS, jit)
    code = copy.__code__
    copy.__code__ = code.replace(co_consts=_narrowed(code.co_consts))
    for name in code.co_names:
        if name in copy.__globals__:
            copy.__globals__[name] = _narrowed(copy.__globals__[name])
    return copy


def double(function: FunctionType) -> FunctionType:
    """A text with this target's words, in double precision."""
    return words.bound(function, IN_DOUBLE, jit_double)


@cache
def jit(function: FunctionType) -> Any:
    """A text in :mod:`isocortex.targets.words`, compiled into whatever calls it."""
    return device(single(function))


@cache
def jit_double(function: FunctionType) -> Any:
    """The same in double precision."""
    return device(double(function))


def _as_typed(value: Any) -> Any:
    """A number as Numba has it: NumPy would take the precision of what it is combined with."""
    return np.float64(value) if SIMULATED and type(value) is float else value


def _globals_of(text: FunctionType) -> set[str]:
    """The global names that it reads; an attribute may have the name of one that it does not."""
    return {each.argval for each in get_instructions(text) if each.opname == "LOAD_GLOBAL"}


def typed(function: Any) -> FunctionType:
    """A text of the CPU's functions, or one of these, which does the same operations here.

    To the last bit, in a kernel whose products and sums are not combined.
    """
    text = function.py_func if isinstance(function, Dispatcher) else function
    names = dict(text.__globals__)
    for name in _globals_of(text):
        if isinstance(names.get(name), Dispatcher):
            names[name] = same(names[name])
        elif isinstance(names.get(name), _Intrinsic):
            names[name] = _own(names[name])
        elif name in names:
            names[name] = _as_typed(names[name])
    code = text.__code__.replace(co_consts=tuple(map(_as_typed, text.__code__.co_consts)))
    copy = FunctionType(code, names, text.__name__, text.__defaults__, text.__closure__)
    copy.__module__, copy.__qualname__ = text.__module__, text.__qualname__
    return copy


@cache
def same(function: Any) -> Any:
    """The same, compiled into whatever calls it; Python cannot call what is written for LLVM."""
    if SIMULATED and isinstance(function, Dispatcher):
        text = function.py_func
        if any(isinstance(text.__globals__.get(name), _Intrinsic) for name in _globals_of(text)):
            return function
    return device(typed(function))


MEANINGS[maths.exprelr] = jit(maths.exprelr)
IN_DOUBLE[maths.exprelr] = jit_double(maths.exprelr)


def assembler() -> str | None:
    """NVIDIA's, which translates assembly for one GPU; None where it is not installed."""
    for package in ("nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvcc"):
        try:
            found = [file for file in files(package) or () if file.name == "ptxas"]
        except PackageNotFoundError:
            continue
        if found:
            return str(found[0].locate())
    return which("ptxas")


def ptx(
    kernel: Callable[..., None], arguments: tuple[Any, ...], capability: tuple[int, int] = (9, 0),
    *, combined: bool = True, exact: bool = True,
) -> str:  # fmt: skip
    """Assembly of a kernel for a GPU of this compute capability; there need be none here.

    Parameters
    ----------
    arguments : examples of what the kernel will be called with.
    combined : a product and a sum are one operation, rounded once.
    exact : quotients are rounded to the nearest number, not to one beside it, and numbers below
        1e-38 are kept; in single precision a quotient takes a dozen operations then, else two.
    """
    from numba.cuda.typing.typeof import Purpose, typeof

    kinds = tuple(typeof(argument, Purpose.argument) for argument in arguments)
    with _as_if_there_were(capability), _telling(fma=combined, prec_div=exact, ftz=not exact):
        return cuda.compile_ptx(kernel, kinds, cc=capability, abi="numba")[0]


@contextmanager
def _as_if_there_were(capability: tuple[int, int]) -> Iterator[None]:
    """Compile device functions without a driver, which is asked what GPU there is."""
    from numba.cuda import dispatcher

    ask = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = ask


@contextmanager
def _telling(**options: bool) -> Iterator[None]:
    """Tell NVVM what numba-cuda has no options for."""
    from numba.cuda.cudadrv import nvvm

    translate = nvvm.compile_ir
    nvvm.compile_ir = partial(translate, **options)
    try:
        yield
    finally:
        nvvm.compile_ir = translate
