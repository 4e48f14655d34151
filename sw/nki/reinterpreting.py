"""Views that read a storage anew: as elements of another type, or by an access pattern of one's own."""

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from makalu.spec.formats import Format

from .checks import checked_integer
from .dtypes import checked_dtype
from .errors import KernelError, NotBuiltError, shown
from .view import View

__all__ = ["access_pattern", "as_type"]

V = TypeVar("V", bound=View)


def as_type(tensor: V, dtype: Any) -> V:
    """The same bytes as elements of another type; the last dimension changes its size with the element's."""
    new = checked_dtype(f"{tensor}: view", dtype)
    _check_items(tensor, new)
    old, last = tensor.dtype.bytes, tensor.shape[-1] * tensor.dtype.bytes
    if new.bytes != old and (last % new.bytes or (tensor.shape[-1] > 1 and tensor.steps[-1] != old)):
        raise KernelError(f"{tensor}: view as {new.name}: the last dimension must be contiguous whole elements")
    if any(step % new.bytes for _, step in tensor.free[:-1]) or tensor.start % new.bytes:
        raise KernelError(f"{tensor}: view as {new.name}: elements do not lie on {new.bytes} bytes")
    dims = [*tensor.dims[:-1], (last // new.bytes, new.bytes)] if new.bytes != old else tensor.dims
    return replace(tensor.with_dims(dims), dtype=new)


def _check_items(tensor: V, new: Format) -> None:
    """In PSUM short elements take more than their bytes; such bytes are no elements of another type."""
    for form in (tensor.dtype, new) if new != tensor.dtype else ():
        if tensor.storage.item_of(form) != form.bytes:
            raise NotBuiltError(
                f"{tensor}: view as {new.name} in PSUM, where an element takes {tensor.storage.least} bytes at least"
            )


def access_pattern(tensor: V, pattern: Sequence[Sequence[int]], offset: int | None, dtype: Any) -> V:
    """[[stride, count], ...] over the storage, in elements of `dtype`, from the view's first element + `offset`."""
    kind = tensor.dtype if dtype is None else checked_dtype(f"{tensor}: ap", dtype)
    _check_items(tensor, kind)
    item = tensor.storage.item_of(kind)
    try:
        pairs = [(operator.index(count), operator.index(stride) * item) for stride, count in pattern]
    except (TypeError, ValueError):
        raise KernelError(f"{tensor}: ap takes [[stride, count], ...] of integers, not {shown(pattern)}") from None
    shift = 0 if offset is None else checked_integer(f"{tensor}: ap: offset", offset) * item
    if not pairs or any(count < 1 for count, _ in pairs):
        raise KernelError(f"{tensor}: ap: every count must be at least 1, not {shown(pattern)}")
    start, partition = tensor.start + shift, tensor.partition
    if tensor.buffer.on_chip:
        row = tensor.row_bytes
        partition, start = partition + start // row, start % row
        count, step = pairs[0]
        if step not in (0, row) and count > 1:
            raise NotBuiltError(
                f"{tensor}: ap with a stride of {step // item} over partitions; a row has {row // item} elements"
            )
        pairs[0] = count, 1 if count == 1 else step // row
        pairs += [(1, 0)] if len(pairs) == 1 else []
    out = replace(tensor.with_dims(pairs, start=start, partition=partition), dtype=kind)
    out.check_inside(f"{tensor}: ap {shown(pattern)}" + (f" from {offset}" if offset else ""))
    return out
