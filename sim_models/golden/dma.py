"""DMA of the golden machine: bytes between SBUF partitions and memory, in element order."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.hw.spec.encoding import Instruction
from makalu.hw.spec.isa import AP_DIMS, MEMORY_DIMS, Opcode

from .memory import PartitionedMemory
from .operand import OperandPattern, operand
from .walker import addresses

__all__ = ["BusError", "GoldenDma", "memory_addresses"]


class BusError(RuntimeError):
    """An access outside the memory image; the bus would answer it with an error."""


def memory_addresses(instruction: Instruction, pattern: OperandPattern) -> NDArray[np.int64]:
    """Byte addresses [P, N] of the first byte of each element; dimension 4 is the partition."""
    strides = [instruction[f"memory_stride{d}"] for d in range(MEMORY_DIMS)]
    row = np.asarray(addresses(0, 1, pattern.sizes, tuple(strides[:AP_DIMS])))
    partition = np.arange(pattern.count)[:, None] * strides[AP_DIMS]
    return instruction["address"] + partition + row[None, :]


class GoldenDma:
    """dma_load: dst[P, N] = memory[P, N]; dma_store: memory[P, N] = src0[P, N]; bytes move unchanged."""

    def __init__(self, *, sbuf: PartitionedMemory, memory: NDArray[np.uint8], report: Callable[[str], None]) -> None:
        self._sbuf, self._memory, self._report = sbuf, memory, report

    def execute(self, instruction: Instruction) -> None:
        """Raises `BusError` for an address outside the memory; nothing has moved then, while of a transfer on the RTL
        some bursts may have: the contract leaves each byte of the destination old or new."""
        load = instruction.opcode == Opcode.DMA_LOAD
        slot = "dst" if load else "src0"
        pattern = operand(instruction, slot, count=instruction["partitions"])
        first = memory_addresses(instruction, pattern)
        size = pattern.format.bytes
        low, high = int(first.min()), int(first.max()) + size - 1
        if low < 0 or high >= len(self._memory):
            name = instruction.opcode.name.lower()
            raise BusError(f"{name} covers memory {low:#x} to {high:#x}, the image ends at {len(self._memory):#x}")
        where = first[:, :, None] + np.arange(size)
        if load:
            self._sbuf.write(pattern, np.ascontiguousarray(self._memory[where]).view(f"<u{size}")[:, :, 0])
            return
        if (np.diff(np.sort(first, axis=None)) < size).any():
            self._report(f"dma_store writes some byte between {low:#x} and {high:#x} twice; its last value is open")
        bits = np.ascontiguousarray(self._sbuf.read(pattern, slot=slot))
        self._memory[where] = bits.view(np.uint8).reshape(where.shape)
