"""Memory that a processor is asked to fetch before it is needed."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def place_of(context, builder, kind, array, index):
    """Pointer to one number of a one-dimensional array; it is not checked that it is there."""
    made = context.make_array(kind)(context, builder, array)
    if kind.layout == "C":
        return builder.gep(made.data, [index])
    stride = builder.extract_value(made.strides, 0)  # bytes: a field of an array of records
    byte = ir.IntType(8).as_pointer()
    at = builder.gep(builder.bitcast(made.data, byte), [builder.mul(index, stride)])
    return builder.bitcast(at, made.data.type)


@intrinsic
def ask_for(typingctx, array, index):
    """Let the processor fetch an element that will be read, and go on."""

    def codegen(context, builder, sig, args):
        place = place_of(context, builder, sig.args[0], args[0], args[1])
        at = builder.bitcast(place, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [at.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
        builder.call(fetch, [at, number(0), number(3), number(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen
