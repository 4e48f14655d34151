"""One operand of an instruction as a record, and the checks' view of its extent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FORMAT_OF_CODE, Format
from makalu.spec.isa import AP_DIMS, OPERANDS, Space
from makalu.spec.scales import groups_of_a_quadrant, quadrant

from .walker import extent

__all__ = ["OperandPattern", "operand", "scale_rows"]

_SPACES = {int(space): space for space in Space}


class _Names(NamedTuple):
    """Fields of a slot."""

    space: str
    dtype: str
    partition: str
    offset: str
    sizes: tuple[str, ...]
    strides: tuple[str, ...]


_NAMES = {
    slot: _Names(
        f"{slot}_space",
        f"{slot}_dtype",
        f"{slot}_partition",
        f"{slot}_offset",
        tuple(f"{slot}_size{d}" for d in range(AP_DIMS)),
        tuple(f"{slot}_stride{d}" for d in range(AP_DIMS)),
    )
    for slot in OPERANDS
}


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
    names, get = _NAMES[slot], instruction.values.get
    return OperandPattern(
        space=_SPACES[get(names.space, 0)],
        format=FORMAT_OF_CODE[get(names.dtype, 0)],
        partition=get(names.partition, 0),
        count=count,
        offset=get(names.offset, 0),
        sizes=tuple([get(name, 0) for name in names.sizes]),
        strides=tuple([get(name, 0) for name in names.strides]),
    )


def scale_rows(instruction: Instruction, slot: str, config: CoreConfig) -> Iterator[OperandPattern]:
    """The pattern of scales in `slot`, once for each quadrant of a legal instruction: the partitions that have them."""
    scales = operand(instruction, slot, count=groups_of_a_quadrant(config))
    for base in range(0, instruction["partitions"], quadrant(config)):
        yield replace(scales, partition=scales.partition + base)
