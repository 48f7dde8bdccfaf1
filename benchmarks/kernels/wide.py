"""Four numbers at once, of single or half precision: the synaptic rows of a compartment."""

from __future__ import annotations

import numpy as np

from isocortex.targets.cuda import SIMULATED

#: What a half of 1 stands for, uS (see engine/layout/kinetics.py).
UNIT = np.float32(2.0**-10)

if SIMULATED:

    def load4(array, index):
        """Four numbers from ``index`` on."""
        assert index >= 0
        return array[index], array[index + 1], array[index + 2], array[index + 3]

    def store4(array, index, a, b, c, d):
        """Write four numbers from ``index`` on."""
        assert index >= 0
        array[index : index + 4] = a, b, c, d

    def load4h(array, index):
        """Four halves, as single numbers in uS."""
        return tuple(np.float32(array[index + k]) * UNIT for k in range(4))

    def store4h(array, index, a, b, c, d):
        """Write four numbers in uS as halves."""
        for k, x in enumerate((a, b, c, d)):
            array[index + k] = np.float16(x / UNIT)

    def copy4(to, at, array, index):
        """Four numbers of memory to shared memory, there once :func:`arrived` returns."""
        assert at >= 0 and index >= 0
        to[at : at + 4] = array[index : index + 4]

    def arrived():
        """Wait for what this thread copies."""

    def put(array, index, value):
        """Write one number, in no particular lane."""
        assert index >= 0
        array[index] = value

else:
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    from isocortex.targets.cuda import _write as put  # noqa: F401

    FOUR = ir.VectorType(ir.FloatType(), 4)
    HALVES = ir.VectorType(ir.HalfType(), 4)

    def _pointer(context, builder, sig, args, kind):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        at = builder.gep(data, [args[1]])
        return builder.bitcast(at, ir.PointerType(kind, at.type.addrspace))

    def _unit(value):
        return ir.Constant(FOUR, [ir.Constant(ir.FloatType(), float(value))] * 4)

    def _load(half):
        result = types.UniTuple(types.float32, 4)

        def codegen(context, builder, sig, args):
            kind = HALVES if half else FOUR
            four = builder.load(_pointer(context, builder, sig, args, kind))
            four.align = 8 if half else 16
            if half:
                four = builder.fmul(builder.fpext(four, FOUR), _unit(UNIT))
            lanes = (ir.Constant(ir.IntType(32), k) for k in range(4))
            parts = [builder.extract_element(four, k) for k in lanes]
            return context.make_tuple(builder, result, parts)

        return result, codegen

    def _store(half):
        def codegen(context, builder, sig, args):
            four = ir.Constant(FOUR, ir.Undefined)
            for k in range(4):
                x = context.cast(builder, args[2 + k], sig.args[2 + k], types.float32)
                four = builder.insert_element(four, x, ir.Constant(ir.IntType(32), k))
            if half:
                four = builder.fptrunc(builder.fmul(four, _unit(1 / UNIT)), HALVES)
            kind = HALVES if half else FOUR
            written = builder.store(four, _pointer(context, builder, sig, args, kind))
            written.align = 8 if half else 16
            return context.get_dummy_value()

        return codegen

    @intrinsic
    def load4(typingctx, array, index):
        """Four numbers from ``index`` on, 16 bytes at once."""
        result, codegen = _load(half=False)
        return result(array, index), codegen

    @intrinsic
    def store4(typingctx, array, index, a, b, c, d):
        """Write four numbers from ``index`` on, 16 bytes at once."""
        return types.void(array, index, a, b, c, d), _store(half=False)

    def _assembly(builder, text, constraints, kinds, values):
        function = ir.FunctionType(ir.VoidType(), kinds)
        builder.asm(function, text, constraints, values, side_effect=True)

    @intrinsic
    def copy4(typingctx, to, at, array, index):
        """Four numbers of memory to shared memory, there once :func:`arrived` returns."""

        def codegen(context, builder, sig, args):
            kinds, ends = [ir.IntType(32), ir.IntType(64)], []
            for first, space, kind in ((0, 3, kinds[0]), (2, 1, kinds[1])):
                part = types.void(*sig.args[first : first + 2])
                pointer = _pointer(context, builder, part, args[first : first + 2], FOUR)
                there = builder.addrspacecast(pointer, ir.PointerType(FOUR, space))
                ends.append(builder.ptrtoint(there, kind))
            text = "cp.async.cg.shared.global [$0], [$1], 16;"
            _assembly(builder, text, "r,l,~{memory}", kinds, ends)
            return context.get_dummy_value()

        return types.void(to, at, array, index), codegen

    @intrinsic
    def arrived(typingctx):
        """Wait for what this thread copies."""

        def codegen(context, builder, sig, args):
            _assembly(builder, "cp.async.wait_all;", "~{memory}", [], [])
            return context.get_dummy_value()

        return types.void(), codegen

    @intrinsic
    def load4h(typingctx, array, index):
        """Four halves, as single numbers in uS."""
        result, codegen = _load(half=True)
        return result(array, index), codegen

    @intrinsic
    def store4h(typingctx, array, index, a, b, c, d):
        """Write four numbers in uS as halves."""
        return types.void(array, index, a, b, c, d), _store(half=True)
