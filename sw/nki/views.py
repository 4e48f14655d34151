"""Arithmetic of views: dimensions as (size, step) pairs, without tensors; errors are texts for the caller to place."""

from collections.abc import Sequence
from math import prod

import numpy as np

__all__ = [
    "Dims",
    "ViewError",
    "extent",
    "inferred",
    "merged",
    "repeats",
    "reshaped",
    "resolved_index",
    "resolved_slice",
]

_COUNTED = 1 << 22
"""Elements of an irregular view that are looked at one by one."""

Dims = list[tuple[int, int]]
"""(size, step in bytes) of each dimension, outermost first."""


class ViewError(ValueError):
    """A view that does not exist; the text says why."""


def extent(dims: Dims) -> tuple[int, int]:
    """Lowest and highest byte at which an element of the view starts, relative to its first element."""
    reach = [(size - 1) * step for size, step in dims]
    return sum(min(0, r) for r in reach), sum(max(0, r) for r in reach)


def inferred(shape: Sequence[int], elements: int) -> tuple[int, ...]:
    """`shape` with one -1 replaced by what makes it hold `elements`."""
    holes = [axis for axis, size in enumerate(shape) if size == -1]
    if any(size < 1 and size != -1 for size in shape) or len(holes) > 1:
        raise ViewError(f"sizes must be at least 1, one of them may be -1, not {list(shape)}")
    known = prod(size for size in shape if size != -1)
    if holes and elements % known == 0:
        return tuple(elements // known if size == -1 else size for size in shape)
    if holes or known != elements:
        raise ViewError(f"{list(shape)} does not hold {elements} elements")
    return tuple(shape)


def reshaped(dims: Dims, shape: Sequence[int]) -> Dims:
    """The same elements in another shape: dimensions that are split or merged must lie contiguously."""
    runs: list[list[int]] = []  # [elements, step of the innermost] of each contiguous run
    for size, step in dims:
        if size == 1:
            continue
        if runs and runs[-1][1] == size * step:
            runs[-1] = [runs[-1][0] * size, step]
        else:
            runs.append([size, step])
    out: Dims = []
    sizes = list(shape)
    for elements, step in reversed(runs):
        left = elements
        while left > 1:
            size = sizes.pop()
            if left % size:
                raise ViewError(f"steps {[s for _, s in dims]} bytes of {[n for n, _ in dims]} are no {list(shape)}")
            out.append((size, step * (elements // left)))
            left //= size
    return [*[(1, 0) for _ in sizes], *reversed(out)]


def resolved_index(index: int, size: int) -> int:
    """An index from the start; negative ones count from the end."""
    if not -size <= index < size:
        raise ViewError(f"index {index} leaves a dimension of size {size}")
    return index % size


def merged(dims: Dims) -> Dims:
    """Without sizes of 1; an outer dimension that goes on where the inner one ends is one with it."""
    out: Dims = []
    for size, step in dims:
        if size == 1:
            continue
        if out and out[-1][1] == size * step:
            out[-1] = out[-1][0] * size, step
        else:
            out.append((size, step))
    return out


def repeats(dims: Dims, item: int) -> bool:
    """Two elements of `item` bytes share a byte; True as well where that is too much to find out."""
    reach = item
    for size, step in sorted(merged(dims), key=lambda dim: abs(dim[1])):
        if step == 0:
            return True
        if abs(step) < reach:
            break
        reach += (size - 1) * abs(step)
    else:
        return False
    if prod(size for size, _ in dims) > _COUNTED:
        return True
    starts = np.zeros(1, np.int64)
    for size, step in dims:
        starts = (starts[:, None] + step * np.arange(size)).reshape(-1)
    starts.sort()
    return bool((np.diff(starts) < item).any())


def resolved_slice(start: int | None, stop: int | None, step: int | None, size: int) -> tuple[int, int, int]:
    """(start, count, step); a bound beyond the dimension is an error, not cut as Python would."""
    by = 1 if step is None else step
    first = 0 if start is None else start + size if start < 0 else start
    last = size if stop is None else stop + size if stop < 0 else stop
    text = ":".join("" if bound is None else str(bound) for bound in (start, stop, step)[: 2 if step is None else 3])
    if by < 1:
        raise ViewError(f"slice {text}: the step must be at least 1")
    if first == last:
        raise ViewError(f"slice {text} is empty")
    if not 0 <= first < last <= size:
        raise ViewError(f"slice {text} leaves a dimension of size {size}")
    return first, (last - first + by - 1) // by, by
