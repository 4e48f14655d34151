"""DMA of the golden machine: bytes between SBUF partitions and memory, in element order."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.encoding import Instruction
from makalu.spec.isa import AP_DIMS, MEMORY_DIMS, Opcode

from .memory import PartitionedMemory
from .operand import OperandPattern, operand
from .walker import addresses

__all__ = ["BusError", "GoldenDma", "memory_addresses"]


class BusError(RuntimeError):
    """An access outside the memory image; the bus would answer it with an error."""


def memory_addresses(instruction: Instruction, pattern: OperandPattern) -> NDArray[np.int64]:
    """Byte addresses [P, N] of the first byte of each element; dimension 4 is the partition."""
    strides = _strides(instruction)
    row = np.asarray(addresses(0, 1, pattern.sizes, tuple(strides[:AP_DIMS])))
    partition = np.arange(pattern.count)[:, None] * strides[AP_DIMS]
    return instruction["address"] + partition + row[None, :]


def _strides(instruction: Instruction) -> list[int]:
    return [instruction[f"memory_stride{d}"] for d in range(MEMORY_DIMS)]


def _apart(dims: list[tuple[int, int]], size: int) -> bool:
    """(count, stride) by rising stride: each steps over all that the ones below it reach, so no two elements of `size`
    bytes share one. False says nothing."""
    reach = size
    for count, stride in sorted(dims, key=lambda dim: abs(dim[1])):
        if count > 1 and abs(stride) < reach:
            return False
        reach += (count - 1) * abs(stride)
    return True


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
        size, start = pattern.format.bytes, instruction["address"]
        dims = list(zip((*pattern.sizes, pattern.count), _strides(instruction), strict=True))
        low = start + sum(min(0, (count - 1) * stride) for count, stride in dims)
        high = start + sum(max(0, (count - 1) * stride) for count, stride in dims) + size - 1
        if low < 0 or high >= len(self._memory):
            name = instruction.opcode.name.lower()
            raise BusError(f"{name} covers memory {low:#x} to {high:#x}, the image ends at {len(self._memory):#x}")
        counts, strides = zip(*reversed(dims), strict=True)
        view: NDArray[np.unsignedinteger] = np.ndarray(counts, f"<u{size}", self._memory, start, strides)
        if load:
            self._sbuf.write(pattern, view.reshape(pattern.count, pattern.elements))
            return
        bits = self._sbuf.read(pattern, slot=slot)
        if _apart(dims, size):
            view[...] = bits.reshape(counts)
            return
        # an assignment to a view that meets itself has no order
        first = memory_addresses(instruction, pattern)
        if (np.diff(np.sort(first, axis=None)) < size).any():
            self._report(f"dma_store writes some byte between {low:#x} and {high:#x} twice; its last value is open")
        where = first[:, :, None] + np.arange(size)
        self._memory[where] = np.ascontiguousarray(bits).view(np.uint8).reshape(where.shape)
