"""Tensors of a kernel: a storage with a place on the core, and strided views of it."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from math import prod
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from makalu.hw.spec.errors import MakaluError
from makalu.hw.spec.formats import Format

from .names import NotBuiltError

__all__ = ["Buffer", "KernelError", "Storage", "Tensor"]


class KernelError(MakaluError, ValueError):
    """A kernel asks for what the core or the language does not have; names shapes and values."""


class Buffer(Enum):
    SBUF = "sbuf"
    PSUM = "psum"
    HBM = "hbm"
    SHARED_HBM = "shared_hbm"

    @property
    def on_chip(self) -> bool:
        return self in (Buffer.SBUF, Buffer.PSUM)


@dataclass(eq=False)
class Storage:
    """What the allocator places: shape[0] partitions on the chip, row-major in memory."""

    name: str
    shape: tuple[int, ...]
    dtype: Format
    buffer: Buffer

    @cached_property
    def written(self) -> NDArray[np.bool_]:
        """Elements [partition, element] that a matmul wrote; decides the first `accumulate=None`."""
        return np.zeros((self.shape[0], self.row_elements), np.bool_)

    @property
    def row_elements(self) -> int:
        """Elements a partition."""
        return prod(self.shape[1:])

    @property
    def row_bytes(self) -> int:
        return self.row_elements * self.dtype.bytes

    def __str__(self) -> str:
        return f"{self.name}{list(self.shape)} {self.dtype.name} in {self.buffer.value}"


Index = int | slice | EllipsisType

_MEMBERS = "shape, dtype, buffer, [] with integers and slices, permute, reshape, broadcast_to"


def _refused(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: "Tensor", *_: Any) -> NoReturn:
        raise NotBuiltError(f"{self}: {what} is not built; {instead}")

    return refuse


def _refused_operator(symbol: str) -> Callable[..., NoReturn]:
    return _refused(f"the operator {symbol}", "nisa.tensor_tensor, nisa.tensor_scalar and nisa.nc_matmul compute")


@dataclass(frozen=True, eq=False)
class Tensor:
    """A strided view: element (i0, i1, ...) is number `offset + sum(i_d * strides[d])` of its storage.

    On the chip dimension 0 is the partition: its stride is 1 partition, `partition` is the first one, and `offset`
    counts within a partition. Views share the storage; indexing makes views, assignment does not exist.
    """

    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    partition: int = 0

    @classmethod
    def whole(cls, storage: Storage) -> "Tensor":
        strides = [1]
        for size in reversed(storage.shape[1:]):
            strides.append(strides[-1] * size)
        if storage.buffer.on_chip:
            strides[-1] = 1
        return cls(storage, storage.shape, tuple(reversed(strides)))

    @property
    def dtype(self) -> Format:
        return self.storage.dtype

    @property
    def buffer(self) -> Buffer:
        return self.storage.buffer

    @property
    def free(self) -> tuple[tuple[int, int], ...]:
        """(size, stride) of every dimension but the partition, outermost first."""
        return tuple(zip(self.shape[1:], self.strides[1:], strict=True))

    def __str__(self) -> str:
        return f"{self.storage.name}{list(self.shape)} {self.dtype.name} in {self.buffer.value}"

    def __getitem__(self, key: Index | tuple[Index, ...]) -> "Tensor":
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (len(self.shape) - len(keys) + 1)
        if len(keys) > len(self.shape):
            raise KernelError(f"{self} has {len(self.shape)} dimensions, not {len(keys)}")
        keys += [slice(None)] * (len(self.shape) - len(keys))
        shape, strides, offset, partition = [], [], self.offset, self.partition
        for axis, (item, size, stride) in enumerate(zip(keys, self.shape, self.strides, strict=True)):
            start, count, step, keep = self._resolve(axis, item, size)
            is_partition = axis == 0 and self.buffer.on_chip
            if is_partition:
                if step != 1:
                    raise KernelError(f"{self}: the partition dimension takes no step, not {step}")
                partition += start
            else:
                offset += start * stride
            if keep or is_partition:
                shape.append(count)
                strides.append(stride * step)
        if self.buffer.on_chip and len(shape) == 1:
            shape.append(1)
            strides.append(1)
        return Tensor(self.storage, tuple(shape), tuple(strides), offset, partition)

    def _resolve(self, axis: int, item: Index, size: int) -> tuple[int, int, int, bool]:
        """(start, count, step, dimension stays) of one index."""
        if isinstance(item, slice):
            step = 1 if item.step is None else self._integer(item.step)
            start = 0 if item.start is None else self._integer(item.start)
            stop = size if item.stop is None else self._integer(item.stop)
            if min(start, stop, step) < 0:
                raise NotBuiltError(
                    f"{self}: negative bounds and steps of a slice are not built; count from the start of dimension "
                    f"{axis} of size {size}, not {start}:{stop}:{step}"
                )
            if step < 1 or not 0 <= start < stop <= size:
                raise KernelError(f"{self}: slice {start}:{stop}:{step} leaves dimension {axis} of size {size}")
            return start, (stop - start + step - 1) // step, step, True
        item = self._integer(item)
        if item < 0:
            raise NotBuiltError(
                f"{self}: negative indices are not built; write {size + item} instead of {item} in dimension {axis}"
            )
        if not item < size:
            raise KernelError(f"{self}: index {item!r} leaves dimension {axis} of size {size}")
        return item, 1, 1, False

    def permute(self, *axes: int) -> "Tensor":
        """Dimensions in another order; on the chip the partition stays first."""
        if sorted(axes) != list(range(len(self.shape))) or (self.buffer.on_chip and axes[0] != 0):
            raise KernelError(f"{self} cannot be permuted to {list(axes)}")
        order = [(self.shape[a], self.strides[a]) for a in axes]
        return self._with(order)

    def reshape(self, *shape: int) -> "Tensor":
        """Another shape over the same elements; dimensions that are split or merged must lie contiguously."""
        keep = 1 if self.buffer.on_chip else 0
        if prod(shape) != prod(self.shape) or shape[:keep] != self.shape[:keep]:
            raise KernelError(f"{self} cannot be reshaped to {list(shape)}")
        runs: list[list[int]] = []  # [elements, stride of the innermost] of each contiguous run
        for size, stride in zip(self.shape[keep:], self.strides[keep:], strict=True):
            if size == 1:
                continue
            if runs and runs[-1][1] == size * stride:
                runs[-1] = [runs[-1][0] * size, stride]
            else:
                runs.append([size, stride])
        out: list[tuple[int, int]] = []
        sizes = list(shape[keep:])
        for elements, stride in reversed(runs):
            left = elements
            while left > 1:
                size = sizes.pop()
                if left % size:
                    raise KernelError(f"{self} with strides {list(self.strides)} is no view as {list(shape)}")
                out.append((size, stride * elements // left))
                left //= size
        out += [(1, 1) for _ in sizes]
        return self._with([(s, t) for s, t in zip(self.shape[:keep], self.strides[:keep], strict=True)] + out[::-1])

    def broadcast_to(self, *shape: int) -> "Tensor":
        """Dimensions of size 1 repeated; on the chip the partition stays as it is."""
        fixed = 1 if self.buffer.on_chip else 0
        fits = len(shape) == len(self.shape) and shape[:fixed] == self.shape[:fixed]
        if not fits or any(old not in (1, new) for old, new in zip(self.shape, shape, strict=True)):
            raise KernelError(f"{self} cannot be broadcast to {list(shape)}")
        return self._with(
            [(new, t if old == new else 0) for old, new, t in zip(self.shape, shape, self.strides, strict=True)]
        )

    def _integer(self, item: Any) -> int:
        try:
            return operator.index(item)
        except TypeError:
            raise KernelError(f"{self}: an index must be an integer, a slice or ..., not {item!r}") from None

    if not TYPE_CHECKING:  # a checker would take every name for a member

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__") or name == "storage":  # what Python and libraries ask for
                raise AttributeError(name)
            raise NotBuiltError(f"{self}: .{name} is not built; a tensor has {_MEMBERS}")

    __array_ufunc__ = None  # numpy's scalars leave an operator to the tensor
    __setitem__ = _refused("assignment", "nisa.tensor_copy and nisa.dma_copy write")
    __add__ = __radd__ = _refused_operator("+")
    __sub__ = __rsub__ = _refused_operator("-")
    __mul__ = __rmul__ = _refused_operator("*")
    __truediv__ = __rtruediv__ = _refused_operator("/")
    __matmul__ = __rmatmul__ = _refused_operator("@")
    __pow__ = __rpow__ = _refused_operator("**")
    __neg__ = _refused_operator("-")
    __lt__ = __le__ = __gt__ = __ge__ = _refused_operator("<, <=, > or >=")

    def _with(self, dims: list[tuple[int, int]]) -> "Tensor":
        return Tensor(self.storage, tuple(s for s, _ in dims), tuple(t for _, t in dims), self.offset, self.partition)
