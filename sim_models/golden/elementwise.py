"""Vector and Scalar instructions of the golden machine: fetch operands, compute on bits, store."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.isa import Space
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneSource
from makalu.spec.quantize import ScaleRule

from .formats import narrow, widen
from .lanes import element
from .memory import PartitionedMemory, byte_set
from .operand import OperandPattern, operand, scale_rows
from .quantize import quantize
from .random_bits import Generators

__all__ = ["GoldenElementwise"]


def _read_by(instruction: Instruction) -> list[LaneSource]:
    """The operands that an instruction reads; there may be none."""
    sources = LANE_PROGRAMS[instruction.opcode].sources
    return [source for source in sources if not source.when or instruction[source.when]]


def _disjoint(one: OperandPattern, other: OperandPattern) -> bool:
    """Nothing between the first and the last byte of one is so of the other."""
    (low, high), (first, last) = one.extent, other.extent
    return high < first or last < low


class GoldenElementwise:
    """The lane programs of Vector and Scalar on whole operands.

    Numerics: inputs widen exactly to fp32, every step rounds once, the result narrows once.
    Rounded stochastically, the elements of a partition take their engine's random bits one after the other.
    A destination that overlaps a source other than element by element is reported: engines read ahead. A scalar operand
    is read once, before anything is written, so it may lie inside the destination.
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        sbuf: PartitionedMemory,
        psum: PartitionedMemory,
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._memories = {Space.SBUF: sbuf, Space.PSUM: psum}
        self._report = report
        self._generators = {engine: Generators(engine, config.partitions) for engine in ACCESS_ENGINES}

    def start(self, seed: int) -> None:
        """First states of the random bits of both engines."""
        for generators in self._generators.values():
            generators.start(seed)

    def execute(self, instruction: Instruction) -> None:
        """Run one legal instruction of the Vector or Scalar queue."""
        self._overlap(instruction)
        if LANE_PROGRAMS[instruction.opcode].grouped:
            self._quantize(instruction)
            return
        sources = {source.slot: self._read(instruction, source.slot) for source in _read_by(instruction)}
        target = operand(instruction, "dst", count=instruction["partitions"])
        result = np.broadcast_to(element(instruction, sources), (target.count, target.elements))
        random = None
        if instruction["rounding"]:
            rows = slice(target.partition, target.partition + target.count)
            random = self._generators[LANE_PROGRAMS[instruction.opcode].engine].draw(rows, target.elements)
        self._memories[target.space].write(target, narrow(target.format, result, random))

    def _quantize(self, instruction: Instruction) -> None:
        """Elements to dst; the scales of each quadrant to the partitions in which they lie."""
        target = operand(instruction, "dst", count=instruction["partitions"])
        result = element(instruction, {"src0": self._read(instruction, "src0")})
        elements, scales = quantize(target.format, ScaleRule(instruction["scale_rule"]), result)
        self._memories[target.space].write(target, elements)
        places = list(scale_rows(instruction, "src1", self._config))
        for place, codes in zip(places, np.split(scales, len(places)), strict=True):
            self._memories[place.space].write(place, codes)

    def _read(self, instruction: Instruction, slot: str) -> NDArray[np.uint32]:
        pattern = operand(instruction, slot, count=instruction["partitions"])
        return widen(pattern.format, self._memories[pattern.space].read(pattern, slot=slot))

    def _overlap(self, instruction: Instruction) -> None:
        target = operand(instruction, "dst", count=instruction["partitions"])
        for each in _read_by(instruction):
            slot = each.slot
            if each.once or instruction[f"{slot}_space"] != target.space:
                continue
            source = operand(instruction, slot, count=instruction["partitions"])
            same = (source.offset, source.format, source.strides) == (target.offset, target.format, target.strides)
            if _disjoint(source, target):
                continue
            if same and len(byte_set(target)) == target.elements * target.format.bytes:
                continue
            if np.intersect1d(byte_set(source), byte_set(target)).size:
                self._report(f"dst overlaps {slot} in another order; what {slot} reads is open")
