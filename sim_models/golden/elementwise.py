"""Vector and Scalar instructions of the golden machine: fetch operands, compute on bits, store."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.encoding import Instruction
from makalu.spec.isa import Space

from .formats import narrow, widen
from .lanes import element
from .memory import PartitionedMemory, byte_set
from .operand import OperandPattern, operand

__all__ = ["GoldenElementwise"]


def _disjoint(one: OperandPattern, other: OperandPattern) -> bool:
    """Nothing between the first and the last byte of one is so of the other."""
    (low, high), (first, last) = one.extent, other.extent
    return high < first or last < low


class GoldenElementwise:
    """tensor_copy, tensor_tensor, tensor_scalar, activation on whole operands.

    Numerics: inputs widen exactly to fp32, every step rounds once, the result narrows once.
    A destination that overlaps a source other than element by element is reported: engines read ahead. A scalar operand
    is read once, before anything is written, so it may lie inside the destination.
    """

    def __init__(self, *, sbuf: PartitionedMemory, psum: PartitionedMemory, report: Callable[[str], None]) -> None:
        self._memories = {Space.SBUF: sbuf, Space.PSUM: psum}
        self._report = report

    def execute(self, instruction: Instruction) -> None:
        """Run one legal instruction of the Vector or Scalar queue."""
        self._overlap(instruction)
        src0 = self._read(instruction, "src0")
        src1 = self._read(instruction, "src1") if instruction["src1_space"] else np.zeros((1, 1), np.uint32)
        target = operand(instruction, "dst", count=instruction["partitions"])
        self._memories[target.space].write(target, narrow(target.format, element(instruction, src0, src1)))

    def _read(self, instruction: Instruction, slot: str) -> NDArray[np.uint32]:
        pattern = operand(instruction, slot, count=instruction["partitions"])
        return widen(pattern.format, self._memories[pattern.space].read(pattern, slot=slot))

    def _overlap(self, instruction: Instruction) -> None:
        target = operand(instruction, "dst", count=instruction["partitions"])
        for slot in ("src0", "src1"):
            scalar = slot == "src1" and instruction["operand0_tensor"]
            if scalar or instruction[f"{slot}_space"] != target.space:
                continue
            source = operand(instruction, slot, count=instruction["partitions"])
            same = (source.offset, source.format, source.strides) == (target.offset, target.format, target.strides)
            if _disjoint(source, target):
                continue
            if same and len(byte_set(target)) == target.elements * target.format.bytes:
                continue
            if np.intersect1d(byte_set(source), byte_set(target)).size:
                self._report(f"dst overlaps {slot} in another order; what {slot} reads is open")
