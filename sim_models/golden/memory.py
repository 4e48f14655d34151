"""A partitioned memory (SBUF or PSUM) of bytes that remembers which bytes were ever written."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.formats import FORMATS
from makalu.spec.isa import Space

from .operand import OperandPattern
from .walker import addresses

__all__ = ["PartitionedMemory", "byte_set"]

_ALL_WRITTEN = {f.bytes: int.from_bytes(bytes([True] * f.bytes), "little") for f in FORMATS.values()}
"""A written element of so many bytes in `written`, read as one number."""


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
        indices = self.indices(pattern)
        size = pattern.format.bytes
        rows, where = slice(pattern.partition, pattern.partition + pattern.count), _evenly(indices)
        # an element was written when all of its bytes were
        known = _elements(self.written, size)[rows, where] == _ALL_WRITTEN[size]
        if not known.all():
            p, n = np.argwhere(~known)[0]
            self._report(
                f"{slot} reads {self.space.name} partition {pattern.partition + p} byte {indices[n] * size}, which was "
                f"never written ({int((~known).sum())} of {known.size} elements)"
            )
        return _elements(self.data, size)[rows, where].copy(order="C")

    def write(self, pattern: OperandPattern, bits: NDArray[np.unsignedinteger]) -> None:
        """Store bits[P, N] in element order: of two elements at one address the later stays."""
        size = pattern.format.bytes
        rows, where = slice(pattern.partition, pattern.partition + pattern.count), _evenly(self.indices(pattern))
        _elements(self.data, size)[rows, where] = bits
        _elements(self.written, size)[rows, where] = _ALL_WRITTEN[size]

    def indices(self, pattern: OperandPattern) -> NDArray[np.int64]:
        """Element numbers [N] within a partition."""
        return addresses(pattern.offset, pattern.format.bytes, pattern.sizes, pattern.strides) // pattern.format.bytes


def _elements(data: NDArray[np.uint8] | NDArray[np.bool_], size: int) -> NDArray[np.unsignedinteger]:
    return data.view(f"<u{size}")


def _evenly(indices: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Indices that go up in equal steps as a slice, which numpy copies without looking at each."""
    step = int(indices[1] - indices[0]) if len(indices) > 1 else 1
    if step < 1 or (np.diff(indices) != step).any():
        return indices
    return slice(int(indices[0]), int(indices[-1]) + 1, step)


def byte_set(pattern: OperandPattern) -> NDArray[np.int64]:
    """Byte addresses within a partition that the pattern touches, sorted, each once."""
    first = addresses(pattern.offset, pattern.format.bytes, pattern.sizes, pattern.strides)
    return np.unique(np.asarray(first)[:, None] + np.arange(pattern.format.bytes))
