"""What the compiler places: the bytes behind the views of a kernel, and which of them have been written."""

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from makalu.hw.spec.formats import BF16, FP32, Format

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Buffer", "Storage", "Written"]


class Buffer(Enum):
    SBUF = "sbuf"
    PSUM = "psum"
    HBM = "hbm"
    PRIVATE_HBM = "private_hbm"
    SHARED_HBM = "shared_hbm"

    @property
    def on_chip(self) -> bool:
        return self in (Buffer.SBUF, Buffer.PSUM)

    def __str__(self) -> str:
        return self.value


class Written:
    """What the last write of an element was, in the order of how much a matmul may build on it."""

    NEVER = 0
    VALUE = 1
    """By a copy, a load, a fill."""
    MATMUL = 2
    """By a matmul: another one may accumulate."""


@dataclass(eq=False)
class Storage:
    """`shape[0]` partitions on the chip, row-major in memory. PSUM holds every element as an fp32 word."""

    name: str
    shape: tuple[int, ...]
    dtype: Format
    buffer: Buffer
    address: tuple[int, int] | None = None
    """(partition, byte) that the kernel asked for."""
    initial: bool = False
    """Has values before the kernel runs: an input or a constant."""
    zeros: Any = field(default=None, repr=False)
    """Where a PSUM tile was set to 0 (a `Place`) while nothing has needed these zeros; see `fill.py`."""

    @property
    def item(self) -> int:
        """Bytes from one element to the next."""
        return FP32.bytes if self.buffer is Buffer.PSUM else self.dtype.bytes

    @property
    def _unit(self) -> int:
        """Bytes that one mark stands for: the smallest element, which a view of another type may have."""
        return min(self.item, BF16.bytes) if self.buffer is not Buffer.PSUM else self.item

    @property
    def row_elements(self) -> int:
        """Elements a partition."""
        return prod(self.shape[1:])

    @property
    def row_bytes(self) -> int:
        """Bytes a partition."""
        return self.row_elements * self.item

    @property
    def bytes(self) -> int:
        """Of all elements."""
        return prod(self.shape) * self.item

    def __str__(self) -> str:
        return f"{self.name}{list(self.shape)} {self.dtype.name} in {self.buffer}"

    @cached_property
    def _marks(self) -> NDArray[np.uint8]:
        """[partition, unit] on the chip, [unit] in memory."""
        first = Written.VALUE if self.initial else Written.NEVER
        if self.buffer.on_chip:
            return np.full((self.shape[0], self.row_bytes // self._unit), first, np.uint8)
        return np.full(self.bytes // self._unit, first, np.uint8)

    def marks(self, view: "Tensor") -> NDArray[np.uint8]:
        """The marks of a view's elements, once each where a dimension repeats them; writable."""
        marks, unit = self._marks, self._unit
        dims = [(size, step // unit) for size, step in zip(view.shape, view.steps, strict=True)]
        if self.buffer.on_chip:
            row = marks.shape[1]
            dims[0] = (view.shape[0], row * view.steps[0])
            marks = marks[view.partition :].reshape(-1)
        dims = [(size, step) for size, step in [*dims, (view.item // unit, 1)] if step and size > 1]
        return as_strided(marks[view.start // unit :], [size for size, _ in dims], [step for _, step in dims])

    def unwritten(self, view: "Tensor") -> int:
        """Marks of a view that no operation has set."""
        if self.initial:
            return 0
        marks = self.marks(view)
        return int(marks.size - np.count_nonzero(marks))

    def first_unwritten(self) -> tuple[int, tuple[int, ...]] | None:
        """How many elements have never been written, and the index of the first; None when all have been."""
        if self.initial or self._marks.all():
            return None
        missing = np.flatnonzero(self._marks.reshape(-1) == Written.NEVER) * self._unit // self.item
        index = np.unravel_index(int(missing[0]), self.shape)
        return int(np.unique(missing).size), tuple(int(i) for i in index)
