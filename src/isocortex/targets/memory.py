"""Memory that a processor is asked to fetch before it is needed."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def ask_for(typingctx, array, index):
    """Let the processor fetch an element that will be read, and go on."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        at = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [at.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
        builder.call(fetch, [at, number(0), number(3), number(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen
