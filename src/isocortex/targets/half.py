"""Numbers of 16 bits in memory: float16 on a CPU, of which Numba knows the type and no more.

Halves are only kept: they are widened to single precision when they are read and rounded to
nearest, ties to even, when they are written. x86 has instructions for both (F16C, in every
processor with AVX2), arm64 too; subnormal halves are ordinary single numbers in between.
"""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.datamodel.models import PrimitiveModel
from numba.core.registry import cpu_target
from numba.extending import register_model

#: Bits of a single number that a half has not.
_LOST = 13
#: Halves to single and back: where LLVM calls a function for it there is no instruction.
_THERE_AND_BACK = """
define void @f(<8 x half>* %p) {
    %half = load <8 x half>, <8 x half>* %p
    %wide = fpext <8 x half> %half to <8 x float>
    %sum = fadd <8 x float> %wide, %wide
    %back = fptrunc <8 x float> %sum to <8 x half>
    store <8 x half> %back, <8 x half>* %p
    ret void
}
"""


@register_model(types.Float)
class FloatModel(models.FloatModel):
    """Numba's floats, and float16 as LLVM's ``half``."""

    def __init__(self, dmm, fe_type):
        if fe_type == types.float16:
            PrimitiveModel.__init__(self, dmm, fe_type, ir.HalfType())
        else:
            super().__init__(dmm, fe_type)


@cache
def has_halves() -> bool:
    """Whether the processor that Numba compiles for converts halves by an instruction."""
    machine = target_machine()
    assembly = machine.emit_assembly(llvm.parse_assembly(_THERE_AND_BACK))
    return "extendhf" not in assembly and "h2f" not in assembly


def rounded_by_chance(builder, single, step):
    """A single number with the eleven bits of a half, rounded up as often as it is near to that.

    What is added to a large number is not lost where it is below half of the last bit: added a
    thousand times it is there on average. The chance is a hash of the number and the step, the same
    wherever it is thrown.
    """
    word = ir.IntType(32)
    bits = builder.bitcast(single, word)
    mixed = builder.xor(bits, builder.mul(step, ir.Constant(word, 0x9E3779B1)))
    mixed = builder.mul(mixed, ir.Constant(word, 0x85EBCA6B))
    mixed = builder.mul(
        builder.xor(mixed, builder.lshr(mixed, ir.Constant(word, 15))),
        ir.Constant(word, 0xC2B2AE35),
    )
    chance = builder.lshr(mixed, ir.Constant(word, 32 - _LOST))
    kept = ir.Constant(word, -1 << _LOST & 0xFFFFFFFF)
    return builder.bitcast(builder.and_(builder.add(bits, chance), kept), single.type)


def by_chance(single, step):
    """The same in Python, of one number."""
    word = 0xFFFFFFFF
    bits = int(np.float32(single).view(np.uint32))
    mixed = (bits ^ int(step) * 0x9E3779B1 & word) * 0x85EBCA6B & word
    mixed = (mixed ^ mixed >> 15) * 0xC2B2AE35 & word
    kept = bits + (mixed >> 32 - _LOST) & word & -1 << _LOST
    return np.uint32(kept).view(np.float32)


def target_machine() -> llvm.TargetMachine:
    """What Numba compiles for, which need not be the machine at hand.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES choose another; what is then legal follows from both in
    ways that only LLVM knows, and an instruction that is not ends the process.
    """
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    return llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
