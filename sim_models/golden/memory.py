"""A partitioned memory (SBUF or PSUM) of bytes that remembers which bytes were ever written."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.hw.spec.isa import Space

from .operand import OperandPattern
from .walker import addresses

__all__ = ["PartitionedMemory", "byte_set"]


class PartitionedMemory:
    """data[partition, byte]; elements little-endian.

    Does not: check ranges (`check` did), know of banks or ports.

    Parameters
    ----------
    space : names the memory in reports.
    partitions, partition_bytes : its size.
    report : called with a sentence when bytes are read that were never written.
    """

    def __init__(self, *, space: Space, partitions: int, partition_bytes: int, report: Callable[[str], None]) -> None:
        self.space = space
        self.data: NDArray[np.uint8] = np.zeros((partitions, partition_bytes), np.uint8)
        self.written: NDArray[np.bool_] = np.zeros((partitions, partition_bytes), np.bool_)
        self._report = report

    def read(self, pattern: OperandPattern, *, slot: str) -> NDArray[np.unsignedinteger]:
        """bits[P, N] of the elements, innermost dimension first."""
        where = self.indices(pattern)
        size = pattern.format.bytes
        rows = slice(pattern.partition, pattern.partition + pattern.count)
        # an element was written when all of its bytes were
        known = self.written.reshape(len(self.data), -1, size)[rows][:, where].all(axis=2)
        if not known.all():
            p, n = np.argwhere(~known)[0]
            self._report(
                f"{slot} reads {self.space.name} partition {pattern.partition + p} byte {where[n] * size}, which was "
                f"never written ({int((~known).sum())} of {known.size} elements)"
            )
        return self._view(size)[rows][:, where]

    def write(self, pattern: OperandPattern, bits: NDArray[np.unsignedinteger]) -> None:
        """Store bits[P, N] in element order: of two elements at one address the later stays."""
        where = self.indices(pattern)
        size = pattern.format.bytes
        rows = slice(pattern.partition, pattern.partition + pattern.count)
        self._view(size)[rows, where] = bits
        self.written.reshape(len(self.data), -1, size)[rows, where] = True

    def indices(self, pattern: OperandPattern) -> NDArray[np.int64]:
        """Element numbers [N] within a partition."""
        return addresses(pattern.offset, pattern.format.bytes, pattern.sizes, pattern.strides) // pattern.format.bytes

    def _view(self, size: int) -> NDArray[np.unsignedinteger]:
        return self.data.view(f"<u{size}")


def byte_set(pattern: OperandPattern) -> NDArray[np.int64]:
    """Byte addresses within a partition that the pattern touches, sorted, each once."""
    first = addresses(pattern.offset, pattern.format.bytes, pattern.sizes, pattern.strides)
    return np.unique(np.asarray(first)[:, None] + np.arange(pattern.format.bytes))
