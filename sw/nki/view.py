"""The numbers of a view: which bytes of a storage it is, and what may be asked about it."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from makalu.spec.formats import Format

from .errors import KernelError
from .storage import Buffer, Storage
from .views import Dims, extent, merged, repeats

__all__ = ["View"]

_WORK = 10_000
"""Steps of the search for a common byte; then there may be one."""


@dataclass(frozen=True, eq=False)
class View:
    """Element (i0, i1, ...) starts at byte `start + sum(i_d * steps[d])` of its storage.

    On the chip dimension 0 is the partition: `partition` is the first one, its step counts partitions (1, or 0 where
    one partition repeats), and `start` counts within a partition. Views share the storage.
    """

    storage: Storage
    dtype: Format
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    start: int = 0
    partition: int = 0

    @classmethod
    def whole(cls, storage: Storage) -> Self:
        """All of a storage, in its shape."""
        steps = [storage.item]
        for size in reversed(storage.shape[1:]):
            steps.append(steps[-1] * size)
        if storage.buffer.on_chip:
            steps[-1] = 1
        return cls(storage, storage.dtype, storage.shape, tuple(reversed(steps)))

    @property
    def buffer(self) -> Buffer:
        return self.storage.buffer

    @property
    def name(self) -> str:
        return self.storage.name

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def item(self) -> int:
        """Bytes from an element to the next where they lie densely."""
        return self.storage.item_of(self.dtype)

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements, as NKI counts: a partition is a row of the storage."""
        return tuple(stride for stride, _ in self.get_pattern())

    @property
    def offset(self) -> int:
        """Of the first element in the storage [elements]."""
        return (self.partition * self.row_bytes + self.start) // self.item

    @property
    def row_bytes(self) -> int:
        """Of the storage, on the chip."""
        return self.storage.row_bytes if self.buffer.on_chip else 0

    @property
    def free(self) -> Dims:
        """(size, step) of every dimension but the partition, outermost first."""
        return self.dims[1:]

    @property
    def dims(self) -> Dims:
        """(size, step) of every dimension, outermost first."""
        return list(zip(self.shape, self.steps, strict=True))

    @property
    def bytes(self) -> int:
        """That a copy of all elements moves."""
        return self.size * self.dtype.bytes

    def __str__(self) -> str:
        return f"{self.name}{list(self.shape)} {self.dtype.name} in {self.buffer}"

    __repr__ = __str__

    def get_pattern(self) -> list[list[int]]:
        """[[stride, count], ...] in elements, as `.ap` takes it."""
        steps = list(self.steps)
        if self.buffer.on_chip:
            steps[0] *= self.row_bytes
        return [[step // self.item, size] for size, step in zip(self.shape, steps, strict=True)]

    def is_contiguous(self) -> bool:
        """Row-major without gaps; on the chip within each partition."""
        dims = self.free if self.buffer.on_chip else self.dims
        expected = self.item
        for size, step in reversed(dims):
            if size != 1 and step != expected:
                return False
            expected *= size
        return True

    def is_whole(self) -> bool:
        """All of its storage, in its shape."""
        return self.same_elements(self.whole(self.storage)) and self.shape == self.storage.shape

    def is_indirect(self) -> bool:
        """Never: indirect views are not built."""
        return False

    def check_inside(self, place: str) -> None:
        """Errors: `KernelError` at `place` for bytes or partitions that the storage does not have."""
        dims, limit = (self.free, self.row_bytes) if self.buffer.on_chip else (self.dims, self.storage.bytes)
        low, high = extent(dims)
        first, last = self.start + low, self.start + high + self.item
        if first < 0 or last > limit:
            where = "a partition's" if self.buffer.on_chip else "the tensor's"
            raise KernelError(f"{place} reaches bytes {first} to {last - 1} of {where} {limit}")
        end = self.partition + (self.shape[0] - 1) * self.steps[0] + 1
        if self.buffer.on_chip and not 0 <= self.partition < end <= self.storage.shape[0]:
            raise KernelError(f"{place} reaches partitions {self.partition} to {end - 1} of {self.storage.shape[0]}")
        if self.start % self.dtype.bytes or any(step % self.dtype.bytes for _, step in self.free):
            raise KernelError(f"{place}: elements of {self.dtype.name} do not lie on {self.dtype.bytes} bytes")

    def check_distinct(self, place: str) -> None:
        """Errors: `KernelError` at `place` for a destination that holds an element more than once."""
        rows = self.buffer.on_chip and self.shape[0] > 1 and self.steps[0] == 0
        if rows or repeats(self.free if self.buffer.on_chip else self.dims, self.item):
            raise KernelError(f"{place} {self} repeats elements; a destination must hold each once")

    def same_elements(self, other: "View") -> bool:
        """Element k of one is element k of the other."""
        mine, theirs = (
            (v.storage, v.dtype, v.start, v.partition, v.shape[0] if v.buffer.on_chip else 0) for v in (self, other)
        )
        if self.buffer.on_chip:
            return mine == theirs and merged(self.free) == merged(other.free) and self.steps[0] == other.steps[0]
        return mine == theirs and merged(self.dims) == merged(other.dims)

    def overlaps(self, other: "View") -> bool:
        """They may have a byte in common."""
        if self.storage is not other.storage:
            return False
        room = np.empty(self.storage.bytes, np.uint8)  # its places count, nobody looks at its bytes
        there = other._bytes_of(room)
        try:
            return bool(np.shares_memory(self._bytes_of(room), there, max_work=_WORK))  # type: ignore[arg-type]
        except np.exceptions.TooHardError:
            return True

    def _bytes_of(self, room: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The bytes of its elements in an array of all of the storage's."""
        steps = list(self.steps)
        if self.buffer.on_chip:
            steps[0] *= self.row_bytes
        start = self.partition * self.row_bytes + self.start
        return np.ndarray((*self.shape, self.item), np.uint8, room, start, (*steps, 1))

    def with_dims(self, dims: Dims, *, start: int | None = None, partition: int | None = None) -> Self:
        """Another view of the same storage and type."""
        return type(self)(
            self.storage,
            self.dtype,
            tuple(size for size, _ in dims),
            tuple(step for _, step in dims),
            self.start if start is None else start,
            self.partition if partition is None else partition,
        )
