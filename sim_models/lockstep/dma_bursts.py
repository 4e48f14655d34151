"""The AXI bursts of a DMA descriptor in their order, and the steps that turn memory beats into SBUF lines and back."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from makalu.spec.axi import LONGEST_BURST, PAGE_BYTES
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.isa import MEMORY_DIMS, Opcode

from ..golden.operand import operand

__all__ = ["Burst", "Step", "bursts", "steps", "unit_count"]


class Burst(NamedTuple):
    address: int
    """Of its first byte in memory."""
    offset: int
    """Of its first byte in the partition."""
    length: int
    """Bytes."""
    partition: int
    last: bool
    """Of the descriptor."""


class Step(NamedTuple):
    take: bool
    """A unit of the source is used up."""
    give: int | None
    """Number of the unit of the destination that is complete."""


def _pieces(config: CoreConfig, address: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) of the pieces of a contiguous row; all but the last end at a beat's end in memory."""
    at = 0
    while at < row_bytes:
        length = min(row_bytes - at, config.dma.burst_bytes - (address + at) % config.bus.data_bytes)
        yield at, length
        at += length


def bursts(config: CoreConfig, instruction: Instruction) -> list[Burst]:
    """Dimensions 3, 2, 1, piece or element of dimension 0, partition, page."""
    slot = "dst" if instruction.opcode == Opcode.DMA_LOAD else "src0"
    pattern = operand(instruction, slot, count=instruction["partitions"])
    memory = [instruction[f"memory_stride{d}"] for d in range(MEMORY_DIMS)]
    page = min(PAGE_BYTES, LONGEST_BURST * config.bus.data_bytes)
    size = pattern.format.bytes
    sizes, strides = pattern.sizes, [size * stride for stride in pattern.strides]
    contiguous = strides[0] == size and memory[0] == size
    out: list[Burst] = []
    for i3, i2, i1 in product(range(sizes[3]), range(sizes[2]), range(sizes[1])):
        row = instruction["address"] + i3 * memory[3] + i2 * memory[2] + i1 * memory[1]
        place = pattern.offset + i3 * strides[3] + i2 * strides[2] + i1 * strides[1]
        if contiguous:
            pieces = [(at, at, length) for at, length in _pieces(config, row, sizes[0] * size)]
        else:
            pieces = [(i0 * memory[0], i0 * strides[0], size) for i0 in range(sizes[0])]
        for (in_memory, in_sbuf, length), p in product(pieces, range(pattern.count)):
            address = (row + in_memory + p * memory[MEMORY_DIMS - 1]) % (1 << config.bus.address_bits)
            here = min(length, page - address % page)
            out.append(Burst(address, place + in_sbuf, here, pattern.partition + p, False))
            if here < length:
                out.append(Burst(address + here, place + in_sbuf + here, length - here, pattern.partition + p, False))
    out[-1] = out[-1]._replace(last=True)
    return out


def unit_count(place: int, length: int, unit: int) -> int:
    """Units (beats, lines) that `length` bytes touch from byte `place` of the first one on."""
    return -(-(place + length) // unit)


def steps(place_in: int, place_out: int, length: int, unit: int) -> list[Step]:
    """A step takes the next unit unless the next unit to give needs no more; it gives what is then complete."""
    out: list[Step] = []
    taken = 0
    for j in range(unit_count(place_out, length, unit)):
        last_byte = min(place_out + length, (j + 1) * unit) - 1
        needed = (last_byte - place_out + place_in) // unit + 1
        while taken < needed - 1:
            out.append(Step(True, None))
            taken += 1
        out.append(Step(taken < needed, j))
        taken = needed
    return out
