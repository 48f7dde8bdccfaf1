"""An explicit SIMD vector type for Numba: the lanes of a block as one value.

Numba's loop vectoriser leaves tree elimination scalar (the loop over lanes is unrolled before
vectorisation and alias checks defeat it), so kernels here work on ``Vec``, whose machine
representation is LLVM's ``<lanes x float|double>``. It has ``+ - * /``, comparisons, ``where``,
``load``/``store`` and the functions of :mod:`isocortex.mechanisms.maths`. The compiler splits a
``Vec`` wider than the machine's registers, which is wanted: two registers per value hide latency.

Instructions may be contracted to fused multiply-adds but are otherwise IEEE: a NaN stays a NaN,
and every lane computes the same whatever its neighbours hold.
"""

from __future__ import annotations

import math
import operator
from functools import cache

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import PrimitiveModel
from numba.core.imputils import lower_builtin
from numba.extending import intrinsic, overload, register_model, type_callable

from isocortex.compiling import leaf
from isocortex.mechanisms import maths
from isocortex.targets import words
from isocortex.targets.half import rounded_by_chance, target_machine
from isocortex.targets.memory import place_of

CONTRACT = ("contract",)

#: Bytes in one row of lanes. Two 512-bit registers: twice a register hides the latency of the
#: elimination's dependent operations.
ROW_BYTES = 128


#: A sum of a 512-bit register's size: where LLVM adds it in one piece there is AVX-512.
_WIDE_SUM = """
define <16 x float> @f(<16 x float> %a, <16 x float> %b) {
    %sum = fadd <16 x float> %a, %b
    ret <16 x float> %sum
}
"""


@cache
def has_avx512() -> bool:
    """Whether the processor that Numba compiles for has AVX-512, which this one need not be."""
    return "zmm" in target_machine().emit_assembly(llvm.parse_assembly(_WIDE_SUM))


def lanes(dtype: type | np.dtype) -> int:
    """Number of cells a block advances together."""
    return ROW_BYTES // np.dtype(dtype).itemsize


class Vec(types.Type):
    """``lanes`` values of one scalar type, held in vector registers."""

    def __init__(self, scalar: types.Type, lanes: int) -> None:
        self.scalar, self.lanes = scalar, lanes
        super().__init__(name=f"Vec({scalar}, {lanes})")


@register_model(Vec)
class VecModel(PrimitiveModel):
    """``Vec`` as an LLVM vector."""

    def __init__(self, dmm, fe_type):
        element = ir.IntType(1) if fe_type.scalar == types.boolean else None
        element = element or dmm.lookup(fe_type.scalar).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


def _constant(vector: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(vector, [ir.Constant(vector.element, value)] * vector.count)


def _broadcast(builder, scalar, lanes):
    vector = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(
        ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
    )
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


def _as_vectors(context, builder, vec: Vec, arg_types, values):
    """Cast scalar arguments to the lane type (so literals are narrowed) and broadcast them."""
    return [
        value
        if isinstance(kind, Vec)
        else _broadcast(builder, context.cast(builder, value, kind, vec.scalar), vec.lanes)
        for kind, value in zip(arg_types, values, strict=True)
    ]


def _vec_of(*arg_types):
    """The vector type of a mixed operation, or None if no argument is a float vector."""
    vectors = [t for t in arg_types if isinstance(t, Vec) and t.scalar != types.boolean]
    others = [t for t in arg_types if not isinstance(t, Vec)]
    if vectors and all(t == vectors[0] for t in vectors):
        if all(isinstance(t, types.Number) for t in others):
            return vectors[0]
    return None


def _register_operator(op, emit, result) -> None:
    @type_callable(op)
    def type_operator(context):
        def typer(a, b):
            vec = _vec_of(a, b)
            return None if vec is None else result(vec)

        return typer

    def lower(context, builder, sig, args):
        vec = _vec_of(*sig.args)
        return emit(builder, *_as_vectors(context, builder, vec, sig.args, args))

    for left, right in ((Vec, Vec), (Vec, types.Number), (types.Number, Vec)):
        lower_builtin(op, left, right)(lower)


def _arithmetic(method):
    return lambda builder, a, b: getattr(builder, method)(a, b, flags=CONTRACT)


def _comparison(symbol):
    return lambda builder, a, b: builder.fcmp_ordered(symbol, a, b)


for _op, _inplace, _method in (
    (operator.add, operator.iadd, "fadd"),
    (operator.sub, operator.isub, "fsub"),
    (operator.mul, operator.imul, "fmul"),
):
    _register_operator(_op, _arithmetic(_method), lambda vec: vec)
    _register_operator(_inplace, _arithmetic(_method), lambda vec: vec)
for _op, _symbol in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
):
    _register_operator(_op, _comparison(_symbol), lambda vec: Vec(types.boolean, vec.lanes))


@type_callable(operator.truediv)
def _type_division(context):
    return lambda a, b: _vec_of(a, b)


@lower_builtin(operator.truediv, Vec, types.Number)
def _divide_by_scalar(context, builder, sig, args):
    """Multiply by the scalar's reciprocal, which is formed once."""
    vec = sig.return_type
    scalar = context.cast(builder, args[1], sig.args[1], vec.scalar)
    inverse = builder.fdiv(ir.Constant(scalar.type, 1.0), scalar)
    return builder.fmul(args[0], _broadcast(builder, inverse, vec.lanes), flags=CONTRACT)


@lower_builtin(operator.truediv, Vec, Vec)
@lower_builtin(operator.truediv, types.Number, Vec)
def _divide_by_vector(context, builder, sig, args):
    a, b = _as_vectors(context, builder, sig.return_type, sig.args, args)
    return builder.fmul(a, _emit_reciprocal(_Emitter(builder, b.type), b), flags=CONTRACT)


@type_callable(operator.neg)
def _type_negation(context):
    return lambda a: _vec_of(a)


@lower_builtin(operator.neg, Vec)
def _lower_negation(context, builder, sig, args):
    return builder.fneg(args[0])


@intrinsic
def load(typingctx, array, index):
    """One row of lanes of a one-dimensional C array, from element ``index`` on.

    Halves come as single numbers.
    """
    is_half = array.dtype == types.float16
    scalar = types.float32 if is_half else array.dtype
    vec = Vec(scalar, ROW_BYTES * 8 // scalar.bitwidth)

    def codegen(context, builder, sig, args):
        value = builder.load(_row_pointer(context, builder, sig, args, vec.lanes))
        value.align = array.dtype.bitwidth // 8
        return builder.fpext(value, context.get_value_type(vec)) if is_half else value

    return vec(array, index), codegen


@intrinsic
def load_wide(typingctx, array, index):
    """The same in double precision: as many numbers as a row of this array has."""
    vec = Vec(types.float64, ROW_BYTES * 8 // array.dtype.bitwidth)

    def codegen(context, builder, sig, args):
        value = builder.load(_row_pointer(context, builder, sig, args, vec.lanes))
        value.align = array.dtype.bitwidth // 8
        wanted = context.get_value_type(vec)
        return value if value.type == wanted else builder.fpext(value, wanted)

    return vec(array, index), codegen


@intrinsic
def element(typingctx, array, index):
    """One number of a one-dimensional array; the index is not checked and may not be negative.

    Python's counting from the end costs five instructions at every access.
    """

    def codegen(context, builder, sig, args):
        place = place_of(context, builder, sig.args[0], args[0], args[1])
        return context.unpack_value(builder, array.dtype, place)

    return array.dtype(array, index), codegen


@intrinsic
def row_length(typingctx, array):
    """Elements in one row of this array's type, as a constant of the compiled code."""
    n = ROW_BYTES * 8 // array.dtype.bitwidth

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, n)

    return types.int64(array), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write the lanes of ``value`` to consecutive elements of ``array`` from ``index`` on.

    Where these are halves, rounded to the nearest, ties to even.
    """

    def codegen(context, builder, sig, args):
        _store(context, builder, sig, args)
        return context.get_dummy_value()

    return types.void(array, index, value), codegen


@intrinsic
def store_due(typingctx, array, index, value, due):
    """Write a row if that is due.

    An ``if`` in the text would make Numba count references to the array in its branches.
    """

    def codegen(context, builder, sig, args):
        with builder.if_then(context.cast(builder, args[3], sig.args[3], types.boolean)):
            _store(context, builder, sig, args)
        return context.get_dummy_value()

    return types.void(array, index, value, due), codegen


@intrinsic
def scaled(typingctx, array, value, power):
    """What a row stands for: ``value`` times ``power``."""

    def codegen(context, builder, sig, args):
        factor = _as_vectors(context, builder, value, sig.args[1:], args[1:])[1]
        return builder.fmul(args[1], factor, flags=CONTRACT)

    return value(array, value, power), codegen


@intrinsic
def add(typingctx, array, index, value, step):
    """See :func:`isocortex.targets.words.add`; the index is not checked."""
    scalar = types.float32 if array.dtype == types.float16 else array.dtype

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        pointer = builder.gep(data, [args[1]])
        more = context.cast(builder, args[2], sig.args[2], scalar)
        if scalar == array.dtype:
            total = builder.fadd(builder.load(pointer), more)
        else:
            wide = builder.fadd(builder.fpext(builder.load(pointer), more.type), more)
            step = context.cast(builder, args[3], sig.args[3], types.int32)
            total = builder.fptrunc(rounded_by_chance(builder, wide, step), ir.HalfType())
        builder.store(total, pointer)
        return context.get_dummy_value()

    return types.void(array, index, value, step), codegen


@intrinsic
def owns(typingctx, index, lanes):
    """True, as a constant of the compiled code: whoever handles a row handles all its lanes."""

    def codegen(context, builder, sig, args):
        return context.get_constant(types.boolean, True)

    return types.boolean(index, lanes), codegen


def _store(context, builder, sig, args):
    kind, value = sig.args[0].dtype, args[2]
    pointer = _row_pointer(context, builder, sig, args, value.type.count)
    if kind == types.float16:
        value = builder.fptrunc(value, pointer.type.pointee)
    builder.store(value, pointer).align = kind.bitwidth // 8


def _row_pointer(context, builder, sig, args, lanes):
    array = context.make_array(sig.args[0])(context, builder, args[0])
    pointer = builder.gep(array.data, [args[1]])
    element = context.get_value_type(sig.args[0].dtype)
    return builder.bitcast(pointer, ir.VectorType(element, lanes).as_pointer())


@intrinsic
def broadcast(typingctx, value, like):
    """``value`` as a vector of the type of ``like``; a scalar goes to every lane."""

    def codegen(context, builder, sig, args):
        return _as_vectors(context, builder, like, [value], [args[0]])[0]

    return like(value, like), codegen


def _emit_reciprocal(e: _Emitter, x):
    """1 / x within about 1 ulp, for finite x whose reciprocal is normal.

    A division occupies the divider for 16 cycles, and every gate and every node of the elimination
    needs some. On AVX-512 a 14-bit estimate and Newton's iteration y (2 - x y) take less;
    elsewhere it divides.
    """
    one = e.const(1.0)
    if not has_avx512():
        return e.builder.fdiv(one, x)
    y = _estimate(e.builder, x, e.single)
    for _ in range(1 if e.single else 2):
        error = e.call("fma", e.builder.fneg(x), y, one)
        y = e.call("fma", y, error, y)
    return y


def _estimate(builder, value, single: bool):
    """VRCP14 on each 512-bit part of a vector."""
    return _by_register(builder, "rcp14", [value], single)


def _scale(builder, value, power, single: bool):
    """VSCALEF, value * 2**power, on each 512-bit part of a vector."""
    return _by_register(builder, "scalef", [value, power], single)


def _by_register(builder, name: str, values, single: bool):
    """Apply an AVX-512 instruction to each 512-bit part of vectors and join the results."""
    width, suffix = (16, "ps") if single else (8, "pd")
    whole = None
    part = ir.VectorType(values[0].type.element, width)
    mask = ir.IntType(width)
    undefined, everything = ir.Constant(part, ir.Undefined), ir.Constant(mask, -1)
    more = [ir.Constant(ir.IntType(32), 4)] if name == "scalef" else []  # rounding as it is set
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(part, [*[part] * (len(values) + 1), mask, *(x.type for x in more)]),
        f"llvm.x86.avx512.{'mask.' if more else ''}{name}.{suffix}.512",
    )
    for begin in range(0, values[0].type.count, width):
        lane_numbers = ir.Constant(
            ir.VectorType(ir.IntType(32), width), list(range(begin, begin + width))
        )
        pieces = [
            builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), lane_numbers)
            for value in values
        ]
        result = builder.call(function, [*pieces, undefined, everything, *more])
        whole = result if whole is None else _join(builder, whole, result)
    return whole


def _join(builder, left, right):
    """Concatenate ``left`` and the shorter ``right``."""
    n, m = left.type.count, right.type.count
    index = ir.VectorType(ir.IntType(32), n)
    padding = [*range(m), *[0] * (n - m)]
    wide = builder.shuffle_vector(
        right, ir.Constant(right.type, ir.Undefined), ir.Constant(index, padding)
    )
    both = ir.VectorType(ir.IntType(32), n + m)
    return builder.shuffle_vector(left, wide, ir.Constant(both, list(range(n + m))))


# --- elementary functions ---------------------------------------------------------------------


class _Emitter:
    """The few float operations the functions below need, on one vector type."""

    def __init__(self, builder, vector: ir.VectorType) -> None:
        self.builder, self.vector = builder, vector
        self.single = isinstance(vector.element, ir.FloatType)
        self.suffix = f"v{vector.count}{'f32' if self.single else 'f64'}"
        self.bits = ir.VectorType(ir.IntType(32 if self.single else 64), vector.count)

    def const(self, value: float):
        return _constant(self.vector, float(value))

    def int_const(self, value: int):
        return _constant(self.bits, int(value))

    def call(self, name: str, *args):
        signature = ir.FunctionType(self.vector, [self.vector] * len(args))
        function = cgutils.get_or_insert_function(
            self.builder.module, signature, f"llvm.{name}.{self.suffix}"
        )
        return self.builder.call(function, args)

    def polynomial(self, x, coefficients):
        """Estrin's scheme; coefficients from the lowest power up.

        Pairs, pairs of pairs and so on: gates wait for results more than for the arithmetic
        units, and Horner's rule is one long chain.
        """
        terms = [self.const(c) for c in coefficients]
        while len(terms) > 1:
            odd = [terms.pop()] if len(terms) % 2 else []
            pairs = zip(terms[::2], terms[1::2], strict=True)
            terms = [self.call("fma", high, x, low) for low, high in pairs] + odd
            x = self.builder.fmul(x, x)
        return terms[0]


def _emit_exp(e: _Emitter, x):
    """exp(x) = 2^n exp(r), |r| <= ln2 / 2 (Cody & Waite 1980), Taylor series of exp(r).

    Relative error below 2.5e-7 (single) and 4e-16 (double). Arguments are clamped to the range
    where the result is finite and normal; NaN passes through.
    """
    low, high = (-87.0, 88.0) if e.single else (-708.0, 709.0)
    degree = 7 if e.single else 12
    # fcmp+select rather than minnum: minnum would turn a NaN into a number
    x0 = x
    for bound, symbol in ((high, "<"), (low, ">")):
        inside = e.builder.fcmp_unordered(symbol, x, e.const(bound))
        x = e.builder.select(inside, x, e.const(bound))
    n = e.call("nearbyint", e.builder.fmul(x, e.const(1.0 / math.log(2.0))))
    ln2 = (
        (0.693359375, -2.12194440e-4) if e.single else (6.93145751953125e-1, 1.42860682030941723e-6)
    )
    one = e.const(1.0)
    r = e.call("fma", n, e.const(-ln2[0]), x)
    r = e.call("fma", n, e.const(-ln2[1]), r)
    series = e.polynomial(r, [1.0 / math.factorial(k) for k in range(2, degree + 1)])
    for _ in range(2):  # the largest terms last: the last rounding is that of the result
        series = e.call("fma", series, r, one)
    if has_avx512():
        return _scale(e.builder, series, n, e.single)
    bias, shift = (127, 23) if e.single else (1023, 52)
    is_nan = e.builder.fcmp_unordered("uno", x0, x0)
    n = e.builder.select(is_nan, e.const(0.0), n)  # fptosi of NaN is undefined
    exponent = e.builder.add(e.builder.fptosi(n, e.bits), e.int_const(bias))
    power = e.builder.bitcast(e.builder.shl(exponent, e.int_const(shift)), e.vector)
    return e.builder.fmul(series, power)


def _emit_log(e: _Emitter, x):
    """log(x) = k ln2 + 2 atanh(f / (2 + f)), 1 + f in [sqrt(1/2), sqrt(2)); NaN unless x > 0."""
    b = e.builder
    bias, shift = (127, 23) if e.single else (1023, 52)
    root_half = np.float32(math.sqrt(0.5)) if e.single else np.float64(math.sqrt(0.5))
    offset = int(root_half.view(np.int32 if e.single else np.int64))
    bits = b.bitcast(x, e.bits)
    k = b.ashr(b.sub(bits, e.int_const(offset)), e.int_const(shift))
    mantissa = b.bitcast(b.sub(bits, b.shl(k, e.int_const(shift))), e.vector)
    f = b.fsub(mantissa, e.const(1.0))
    s = b.fmul(f, _emit_reciprocal(e, b.fadd(f, e.const(2.0))))
    s2 = b.fmul(s, s)
    terms = 5 if e.single else 11
    series = e.polynomial(s2, [2.0 / (2 * j + 1) for j in range(terms + 1)])
    value = e.call("fma", b.sitofp(k, e.vector), e.const(math.log(2.0)), b.fmul(s, series))
    return b.select(b.fcmp_ordered(">", x, e.const(0.0)), value, e.const(math.nan))


def _register_function(function, emit, scalar) -> None:
    @type_callable(function)
    def type_function(context):
        return lambda a: _vec_of(a)

    @lower_builtin(function, Vec)
    def lower(context, builder, sig, args):
        return emit(_Emitter(builder, args[0].type), args[0])

    @overload(function)
    def on_scalar(x):
        return (lambda x: scalar(x)) if isinstance(x, types.Float) else None


_register_function(maths.exp, _emit_exp, math.exp)
_register_function(maths.log, _emit_log, math.log)
_register_function(maths.absolute, lambda e, x: e.call("fabs", x), abs)


@type_callable(maths.where)
def _type_where(context):
    def typer(condition, a, b):
        vec = _vec_of(a, b)
        both_numbers = isinstance(a, types.Number) and isinstance(b, types.Number)
        if condition == types.boolean:
            return types.float64 if both_numbers else vec
        if not (isinstance(condition, Vec) and condition.scalar == types.boolean):
            return None
        if both_numbers:
            single = condition.lanes * 32 == ROW_BYTES * 8
            return Vec(types.float32 if single else types.float64, condition.lanes)
        return vec

    return typer


def _lower_where(context, builder, sig, args):
    if isinstance(sig.return_type, Vec):
        a, b = _as_vectors(context, builder, sig.return_type, sig.args[1:], args[1:])
    else:
        a, b = (context.cast(builder, value, kind, sig.return_type)
                for value, kind in zip(args[1:], sig.args[1:], strict=True))  # fmt: skip
    return builder.select(args[0], a, b)


for _condition in (Vec, types.Boolean):
    for _a in (Vec, types.Number):
        for _b in (Vec, types.Number):
            lower_builtin(maths.where, _condition, _a, _b)(_lower_where)


def _overload_for_vec(function) -> None:
    """Compile a composite function of ``maths`` from its own Python source."""

    @overload(function, inline="never", jit_options={"error_model": "numpy"})
    def implementation(x):
        return function if isinstance(x, Vec) else None


_overload_for_vec(maths.exprelr)


# --- how a text is compiled -------------------------------------------------------------------

MEANINGS = {
    words.load: load, words.load_wide: load_wide, words.store: store,
    words.store_due: store_due, words.scaled: scaled,
    words.add: add, words.element: element, words.broadcast: broadcast,
    words.row_length: row_length, words.owns: owns, words.own_list: leaf(words.own_list),
}  # fmt: skip


@cache
def jit(function):
    """A text in :mod:`isocortex.targets.words`, compiled into whatever calls it unless `apart`."""
    inlined = not hasattr(function, "is_apart")
    return leaf(words.bound(function, MEANINGS, jit), forceinline=inlined)
