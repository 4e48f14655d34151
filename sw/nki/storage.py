"""What the compiler places: the bytes behind the views of a kernel, and which of them have been written."""

from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from makalu.spec.formats import FORMATS, FP32, Format

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Buffer", "Storage", "Written"]

_SMALLEST = min(form.bytes for form in FORMATS.values())


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
    """`shape[0]` partitions on the chip, row-major in memory.

    In PSUM an element takes a word, or half of one if it fits and the core has results of half a word (`least`).
    """

    name: str
    shape: tuple[int, ...]
    dtype: Format
    buffer: Buffer
    address: tuple[int, int] | None = None
    """(partition, byte) that the kernel asked for."""
    least: int = 0
    """Bytes that any element takes at least; 0: those of PSUM's word there, none elsewhere."""
    initial: bool = False
    """Has values before the kernel runs: an input or a constant."""
    zeros: Any = field(default=None, repr=False)
    """Where a PSUM tile was set to 0 (a `Place`) while nothing has needed these zeros; see `fill.py`."""
    _state: int = field(init=False, repr=False)
    """Of all elements, while there are no marks."""
    _marks: NDArray[np.uint8] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._state = Written.VALUE if self.initial else Written.NEVER
        self.least = self.least or (FP32.bytes if self.buffer is Buffer.PSUM else _SMALLEST)

    @property
    def item(self) -> int:
        """Bytes from one element to the next."""
        return self.item_of(self.dtype)

    def item_of(self, dtype: Format) -> int:
        """The same of elements of another type."""
        return max(dtype.bytes, self.least)

    @property
    def _unit(self) -> int:
        """Bytes that one mark stands for: the smallest element, which a view of another type may have."""
        return self.least

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

    def _dense(self) -> NDArray[np.uint8]:
        """[partition, unit] on the chip, [unit] in memory; made when a part is written apart from the rest."""
        if self._marks is None:
            rows = self.shape[0] if self.buffer.on_chip else 1
            marks = np.full((rows, self.bytes // rows // self._unit), self._state, np.uint8)
            self._marks = marks if self.buffer.on_chip else marks[0]
        return self._marks

    def mark(self, view: "Tensor", state: int) -> None:
        """All elements of a view are in this state of `Written` now."""
        whole = view.size == prod(self.shape) and view.item == self.item and view.is_contiguous()
        if whole and not view.start and not view.partition and (not self.buffer.on_chip or view.steps[0] == 1):
            self._state, self._marks = state, None
        else:
            self.marks(view)[...] = state

    def state(self) -> int | None:
        """Of all elements; None where they may differ."""
        return self._state if self._marks is None else None

    def marks(self, view: "Tensor") -> NDArray[np.uint8]:
        """The marks of a view's elements, once each where a dimension repeats them; writable."""
        marks, unit = self._dense(), self._unit
        dims = [(size, step // unit) for size, step in zip(view.shape, view.steps, strict=True)]
        if self.buffer.on_chip:
            row = marks.shape[1]
            dims[0] = (view.shape[0], row * view.steps[0])
            marks = marks[view.partition :].reshape(-1)
        dims = [(size, step) for size, step in [*dims, (view.item // unit, 1)] if step and size > 1]
        return as_strided(marks[view.start // unit :], [size for size, _ in dims], [step for _, step in dims])

    def unwritten(self, view: "Tensor") -> int:
        """Marks of a view that no operation has set."""
        if self.initial or self.state():
            return 0
        marks = self.marks(view)
        return int(marks.size - np.count_nonzero(marks))

    def first_unwritten(self) -> tuple[int, tuple[int, ...]] | None:
        """How many elements have never been written, and the index of the first; None when all have been."""
        if self.initial or self._dense().all():
            return None
        missing = np.flatnonzero(self._dense().reshape(-1) == Written.NEVER) * self._unit // self.item
        index = np.unravel_index(int(missing[0]), self.shape)
        return int(np.unique(missing).size), tuple(int(i) for i in index)
