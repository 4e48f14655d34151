"""What one element of Vector and Scalar becomes between widening and narrowing: ALU steps, function; on fp32 bits.

Written from the contract's "Numerics": fp32 inside, every ALU step rounds once to nearest even and keeps subnormals,
every NaN that is computed is the canonical one. What is only moved (BYPASS, fp32 to fp32) keeps its bits, a NaN's
payload included.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from makalu.spec.encoding import Instruction
from makalu.spec.formats import ACCUMULATOR
from makalu.spec.isa import AluOp, Function
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneInput

from .arithmetic import fp32_add, fp32_max, fp32_min, fp32_mul, fp32_sub

__all__ = ["ONE", "alu", "alu_step", "element", "function"]

Bits = NDArray[np.uint32]

ONE = ACCUMULATOR.bias << ACCUMULATOR.fraction_bits
"""1, as fp32."""

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


def element(instruction: Instruction, sources: Mapping[str, Bits]) -> Bits:
    """fp32 result, before the destination's cast, of widened operands: the opcode's row of `LANE_PROGRAMS`.

    `sources` has the slots that the instruction reads, in the destination's shape or one a partition; the result has
    the shape that they have together, and none where there are none.
    """
    program = LANE_PROGRAMS.get(instruction.opcode)
    if program is None:
        raise ValueError(f"{instruction.opcode.name.lower()} is not an instruction of Vector or Scalar")

    def value(named: int | str) -> int:
        return instruction[named] if isinstance(named, str) else named

    def taken(choice: LaneInput, step: int) -> Bits:
        if choice is LaneInput.LIFT:  # what a group's scale takes back
            return np.asarray(ONE, np.uint32)
        return np.asarray(sources.get(choice.slot, instruction[f"immediate{step}"]), np.uint32)

    data = taken(program.data, 0)
    for n, step in enumerate(program.steps):
        reverse = bool(step.reverse) and bool(instruction[step.reverse])
        data = alu_step(AluOp(value(step.op)), data, taken(step.operand, n), reverse=reverse)
    return function(Function(value(program.function)), data)
