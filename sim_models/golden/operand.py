"""One operand of an instruction as a record, and the checks' view of its extent."""

from dataclasses import dataclass

from makalu.hw.spec.encoding import Instruction
from makalu.hw.spec.formats import FORMATS, Format
from makalu.hw.spec.isa import AP_DIMS, Space

from .walker import extent

__all__ = ["FORMAT_OF_CODE", "OperandPattern", "operand"]

FORMAT_OF_CODE: dict[int, Format] = {f.code: f for f in FORMATS.values()}


@dataclass(frozen=True, kw_only=True)
class OperandPattern:
    """Where an operand lies: `offset + format.bytes * sum(i_d * stride_d)` in `count` partitions from `partition`."""

    space: Space
    format: Format
    partition: int
    count: int
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Elements a partition."""
        total = 1
        for size in self.sizes:
            total *= size
        return total

    @property
    def extent(self) -> tuple[int, int]:
        """(lowest, highest) byte of the pattern within a partition, both included."""
        return extent(self.offset, self.format.bytes, self.sizes, self.strides)


def operand(instruction: Instruction, slot: str, *, count: int) -> OperandPattern:
    """The pattern in `slot` (`dst`, `src0`, `src1`) of a legal instruction, taken over `count` partitions."""
    return OperandPattern(
        space=Space(instruction[f"{slot}_space"]),
        format=FORMAT_OF_CODE[instruction[f"{slot}_dtype"]],
        partition=instruction[f"{slot}_partition"],
        count=count,
        offset=instruction[f"{slot}_offset"],
        sizes=tuple(instruction[f"{slot}_size{d}"] for d in range(AP_DIMS)),
        strides=tuple(instruction[f"{slot}_stride{d}"] for d in range(AP_DIMS)),
    )
