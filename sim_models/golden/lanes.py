"""What one element of Vector and Scalar becomes between widening and narrowing: ALU steps, function; on fp32 bits.

Written from the contract's "Numerics": fp32 inside, every ALU step rounds once to nearest even and keeps subnormals,
every NaN that is computed is the canonical one. What is only moved (BYPASS, fp32 to fp32) keeps its bits, a NaN's
payload included.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.encoding import Instruction
from makalu.spec.isa import AluOp, Function, Opcode

from .arithmetic import fp32_add, fp32_max, fp32_min, fp32_mul, fp32_sub

__all__ = ["alu", "alu_step", "element", "function"]

Bits = NDArray[np.uint32]

_BINARY: dict[AluOp, Callable[[Bits, Bits], Bits]] = {
    AluOp.ADD: fp32_add,
    AluOp.SUBTRACT: fp32_sub,
    AluOp.MULTIPLY: fp32_mul,
    AluOp.MAX: fp32_max,
    AluOp.MIN: fp32_min,
}


def alu(op: AluOp, a: Bits, b: Bits) -> Bits:
    """op(a, b) on fp32 bits, rounded once. BYPASS is a."""
    first, second = np.broadcast_arrays(np.asarray(a, np.uint32), np.asarray(b, np.uint32))
    return first.copy() if op == AluOp.BYPASS else np.asarray(_BINARY[op](first, second), np.uint32)


def alu_step(op: AluOp, data: Bits, operand: Bits, *, reverse: bool) -> Bits:
    """op(data, operand), or op(operand, data) with `reverse`. BYPASS is `data` either way."""
    return alu(op, operand, data) if reverse and op != AluOp.BYPASS else alu(op, data, operand)


def function(f: Function, bits: Bits) -> Bits:
    """IDENTITY: the bits; RELU: max(x, +0), of a NaN the canonical NaN."""
    values = np.asarray(bits, np.uint32)
    return values.copy() if f == Function.IDENTITY else alu(AluOp.MAX, values, np.zeros_like(values))


def element(instruction: Instruction, src0: Bits, src1: Bits) -> Bits:
    """fp32 result, before the destination's cast, of widened operands.

    `src1` is what slot src1 holds (same shape, or one a partition); it is not looked at when the instruction uses none.
    """
    opcode = instruction.opcode
    if opcode == Opcode.TENSOR_COPY:
        return np.asarray(src0, np.uint32)
    if opcode == Opcode.TENSOR_TENSOR:
        return alu(AluOp(instruction["op0"]), src0, src1)
    scalar = np.asarray(src1, np.uint32) if instruction["operand0_tensor"] else None
    first, second = np.uint32(instruction["immediate0"]), np.uint32(instruction["immediate1"])
    if opcode == Opcode.TENSOR_SCALAR:
        operand0 = np.asarray(first) if scalar is None else scalar
        data = alu_step(AluOp(instruction["op0"]), src0, operand0, reverse=bool(instruction["reverse0"]))
        return alu_step(AluOp(instruction["op1"]), data, np.asarray(second), reverse=bool(instruction["reverse1"]))
    if opcode == Opcode.ACTIVATION:
        bias = np.asarray(second) if scalar is None else scalar
        scaled = alu(AluOp.MULTIPLY, src0, np.asarray(first))
        return function(Function(instruction["function"]), alu(AluOp.ADD, scaled, bias))
    raise ValueError(f"{opcode.name.lower()} is not an instruction of Vector or Scalar")
