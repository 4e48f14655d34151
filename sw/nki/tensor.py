"""Tensors of a kernel: views of a storage, with element type, first byte and byte steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NoReturn

from .api import TENSOR_NAMES, refuse_names
from .checks import checked_integer, checked_integers
from .errors import KernelError, NotBuiltError, NotInNkiError
from .rearranging import rearranged
from .reinterpreting import access_pattern, as_type
from .view import View
from .views import Dims, ViewError, inferred, reshaped, resolved_index, resolved_slice

__all__ = ["DynamicSlice", "Tensor", "on_assignment"]


@dataclass(frozen=True)
class DynamicSlice:
    """`nl.ds(start, size)`: `size` elements from `start` on."""

    start: int
    size: int


Index = int | slice | EllipsisType | DynamicSlice | None

_assign: list[Callable[["Tensor", Any], None]] = []


def on_assignment(function: Callable[["Tensor", Any], None]) -> Callable[["Tensor", Any], None]:
    """Registers what `tensor[index] = value` records."""
    _assign[:] = [function]
    return function


def _refused_operator(symbol: str) -> Callable[..., NoReturn]:
    def refuse(self: "Tensor", *_: Any) -> NoReturn:
        raise NotInNkiError(f"the operator {symbol} of {self}; nl.add, nl.multiply, nl.matmul and nisa compute")

    return refuse


class Tensor(View):
    """A view as a kernel uses it: indexing and methods make other views, assignment records a copy."""

    def __getitem__(self, key: Index | tuple[Index, ...]) -> "Tensor":
        keys = list(key) if isinstance(key, tuple) else [key]
        keys = self._expanded(keys)
        dims: Dims = []
        start, partition, axis = self.start, self.partition, 0
        for item in keys:
            if item is None:
                if not dims and self.buffer.on_chip:
                    raise KernelError(f"{self}: dimension 0 is the partition, no new one goes before it")
                dims.append((1, 0))
                continue
            size, step = self.shape[axis], self.steps[axis]
            is_partition = axis == 0 and self.buffer.on_chip
            first, count, by, keep = self._resolved(axis, item)
            if is_partition:
                if by != 1 and count > 1:
                    raise NotBuiltError(f"{self}: a step of {by} over partitions")
                partition += first * step
            else:
                start += first * step
            if keep or is_partition:
                dims.append((count, step * by if count > 1 else step))
            axis += 1
            del size
        if self.buffer.on_chip and len(dims) == 1 or not dims:
            dims.append((1, 0))
        return self.with_dims(dims, start=start, partition=partition)

    def _expanded(self, keys: list[Any]) -> list[Any]:
        """An index for every dimension: `...` and the end are filled up."""
        used = sum(1 for key in keys if key is not None and key is not Ellipsis)
        if used > self.ndim:
            raise KernelError(f"{self} has {self.ndim} dimensions, not {used}")
        fill = [slice(None)] * (self.ndim - used)
        places = [i for i, key in enumerate(keys) if key is Ellipsis]
        if len(places) > 1:
            raise KernelError(f"{self}: one ... at most, not {len(places)}")
        return [*keys[: places[0]], *fill, *keys[places[0] + 1 :]] if places else [*keys, *fill]

    def _resolved(self, axis: int, item: Any) -> tuple[int, int, int, bool]:
        """(first, count, step, the dimension stays) of one index."""
        size = self.shape[axis]
        try:
            if isinstance(item, slice):
                bounds = (item.start, item.stop, item.step)
                start, stop, step = (None if bound is None else self._integer(bound) for bound in bounds)
                return *resolved_slice(start, stop, step, size), True
            if isinstance(item, DynamicSlice):
                first, count = self._integer(item.start), self._integer(item.size)
                if first < 0 or count < 1:
                    raise ViewError(f"nl.ds({first}, {count}): from 0 on, at least one element")
                return *resolved_slice(first, first + count, None, size), True
            return resolved_index(self._integer(item), size), 1, 1, False
        except ViewError as error:
            raise KernelError(f"{self}: dimension {axis}: {error}") from None

    def _integer(self, item: Any) -> int:
        if getattr(item, "ndim", 0) and not isinstance(item, Tensor):
            raise NotInNkiError(f"{self}: an array as an index; Beta 1 had index tensors, AWS removed them")
        return checked_integer(f"{self}: an index", item, "an integer, slice, nl.ds, None or ...")

    def slice(self, dim: int, start: int, end: int, step: int = 1) -> "Tensor":
        """`[start:end:step]` along one dimension; 0 <= start < end."""
        dim = self._dim(dim)
        numbers = {"start": start, "end": end, "step": step}
        start, end, step = (checked_integer(f"{self}: slice: {name}", value) for name, value in numbers.items())
        if not 0 <= start < end:
            raise KernelError(f"{self}: slice from {start} to {end}: 0 <= start < end must hold")
        return self[(*[slice(None)] * dim, slice(start, end, step))]

    def select(self, dim: int, index: Any) -> "Tensor":
        """One element along a dimension, which goes away (on the chip the partition stays, with size 1)."""
        if isinstance(index, Tensor):
            raise NotBuiltError(f"{self}: .select with an index that is known at run time only")
        return self[(*[slice(None)] * self._dim(dim), checked_integer(f"{self}: select: index", index))]

    def permute(self, *dims: Any) -> "Tensor":
        """Dimensions in another order, `permute((0, 2, 1))`; on the chip the partition stays first."""
        axes = self._sizes("permute", dims)
        if sorted(axes) != list(range(self.ndim)) or (self.buffer.on_chip and axes[0] != 0):
            stays = ", 0 first" if self.buffer.on_chip else ""
            raise KernelError(f"{self}: permute takes an order of 0 to {self.ndim - 1}{stays}, not {list(axes)}")
        return self.with_dims([self.dims[axis] for axis in axes])

    def reshape(self, *shape: Any) -> "Tensor":
        """Another shape over the same elements, `reshape((128, -1))`; on the chip the partition stays."""
        sizes = self._sizes("reshape", shape)
        keep = 1 if self.buffer.on_chip else 0
        try:
            sizes = inferred(sizes, self.size)
            if sizes[:keep] != self.shape[:keep]:
                raise ViewError(f"{list(sizes)} has another number of partitions")
            return self.with_dims(self.dims[:keep] + reshaped(self.dims[keep:], sizes[keep:]))
        except ViewError as error:
            raise KernelError(f"{self}: reshape to {list(sizes)}: {error}") from None

    def reshape_dim(self, dim: int, shape: Sequence[int]) -> "Tensor":
        """One dimension in several; one size may be -1."""
        dim = self._dim(dim)
        try:
            sizes = inferred(checked_integers(f"{self}: reshape_dim: shape", shape), self.shape[dim])
        except ViewError as error:
            raise KernelError(f"{self}: reshape_dim of dimension {dim}: {error}") from None
        return self.reshape((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def flatten_dims(self, start_dim: int, end_dim: int) -> "Tensor":
        """Dimensions `start_dim` to `end_dim` as one."""
        first, last = self._dim(start_dim), self._dim(end_dim)
        if first > last:
            raise KernelError(f"{self}: flatten_dims from {start_dim} to {end_dim}")
        return self.reshape((*self.shape[:first], prod(self.shape[first : last + 1]), *self.shape[last + 1 :]))

    def expand_dim(self, dim: int) -> "Tensor":
        """A new dimension of size 1 in place `dim`."""
        dim = checked_integer(f"{self}: expand_dim: dim", dim)
        if not self.buffer.on_chip <= dim <= self.ndim:
            raise KernelError(f"{self}: expand_dim takes {int(self.buffer.on_chip)} to {self.ndim}, not {dim}")
        return self.with_dims([*self.dims[:dim], (1, 0), *self.dims[dim:]])

    def squeeze_dim(self, dim: int) -> "Tensor":
        """A dimension of size 1 less."""
        dim = self._dim(dim)
        if self.shape[dim] != 1 or (dim == 0 and self.buffer.on_chip):
            raise KernelError(f"{self}: squeeze_dim of dimension {dim}, which is not a free one of size 1")
        return self.with_dims([*self.dims[:dim], *self.dims[dim + 1 :]])

    def broadcast(self, dim: int, size: int) -> "Tensor":
        """A dimension of size 1 repeated `size` times; also the partition, whose row is copied where it is used."""
        dim, size = self._dim(dim), checked_integer(f"{self}: broadcast: size", size)
        if self.shape[dim] != 1 or size < 1:
            raise KernelError(f"{self}: broadcast of dimension {dim} of size {self.shape[dim]} to {size}; it must be 1")
        return self.with_dims([*self.dims[:dim], (size, 0), *self.dims[dim + 1 :]])

    def rearrange(self, src_pattern: Any, dst_pattern: Any, fixed_sizes: dict[str, int] | None = None) -> "Tensor":
        """Split, reorder and merge named dimensions: `rearrange(("p", ("h", "w")), ("p", "w", "h"), {"h": 4})`."""
        return rearranged(self, src_pattern, dst_pattern, {} if fixed_sizes is None else fixed_sizes)

    def view(self, dtype: Any) -> "Tensor":
        """The same bytes as elements of another type; the last dimension changes its size with the element's."""
        return as_type(self, dtype)

    reinterpret_cast = view

    def ap(
        self,
        pattern: Sequence[Sequence[int]],
        offset: int | None = None,
        scalar_offset: Any = None,
        vector_offset: Any = None,
        indirect_dim: int = 0,
        dtype: Any = None,
    ) -> "Tensor":
        """[[stride, count], ...] over the storage, in elements of `dtype`, from this view's first element + `offset`.

        On the chip the first pair walks partitions: its stride is a row of the storage, or 0 to repeat one.
        """
        if scalar_offset is not None or vector_offset is not None:
            raise NotBuiltError(f"{self}: .ap with an offset that is known at run time only")
        checked_integer(f"{self}: ap: indirect_dim", indirect_dim)
        return access_pattern(self, pattern, offset, dtype)

    def vector_select(self, *_: Any, **__: Any) -> NoReturn:
        raise NotBuiltError(f"{self}: .vector_select: rows that are known at run time only")

    def indirect(self, *_: Any, **__: Any) -> NoReturn:
        raise NotBuiltError(f"{self}: .indirect: columns that are known at run time only")

    def _dim(self, dim: int) -> int:
        dim = checked_integer(f"{self}: a dimension", dim)
        if not -self.ndim <= dim < self.ndim:
            raise KernelError(f"{self} has {self.ndim} dimensions, none is number {dim}")
        return dim % self.ndim

    def _sizes(self, method: str, given: Sequence[Any]) -> tuple[int, ...]:
        """Integers, given as one tuple or one by one."""
        items = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
        return checked_integers(f"{self}: {method}: the argument", tuple(items))

    if not TYPE_CHECKING:  # a checker would take every name for a member
        __getattr__ = staticmethod(refuse_names("a tensor's ", TENSOR_NAMES))

    __array_ufunc__ = None  # numpy's scalars leave an operator to the tensor

    def __setitem__(self, key: Any, value: Any) -> None:
        for assign in _assign:
            assign(self[key], value)

    def __iter__(self) -> NoReturn:  # Python would count an index up until it meets an IndexError
        raise NotInNkiError(f"a loop over {self}; loop over an index, such as nl.affine_range({self.shape[0]})")

    __add__ = __radd__ = _refused_operator("+")
    __sub__ = __rsub__ = _refused_operator("-")
    __mul__ = __rmul__ = _refused_operator("*")
    __truediv__ = __rtruediv__ = _refused_operator("/")
    __matmul__ = __rmatmul__ = _refused_operator("@")
    __pow__ = __rpow__ = _refused_operator("**")
    __neg__ = _refused_operator("-")
    __lt__ = __le__ = __gt__ = __ge__ = _refused_operator("<, <=, > or >=")
