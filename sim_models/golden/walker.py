"""Byte addresses of an access pattern, in the order in which an engine touches the elements."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["addresses", "extent"]


def addresses(offset: int, elem_bytes: int, sizes: Sequence[int], strides: Sequence[int]) -> NDArray[np.int64]:
    """address[N] = offset + elem_bytes * sum over d of i_d * strides[d], dimension 0 innermost, N = product of sizes.

    Does not: check that the addresses lie in a memory (`extent` gives the bounds to check).

    Parameters
    ----------
    offset
        Byte offset of the first element in its partition.
    elem_bytes
        Bytes an element.
    sizes, strides
        Dimension 0 first; strides in elements, signed.

    Raises
    ------
    ValueError
        Sizes and strides of different length, or a size below 1.
    """
    if len(sizes) != len(strides):
        raise ValueError(f"an access pattern needs a stride a size, not {len(sizes)} sizes and {len(strides)} strides")
    if any(size < 1 for size in sizes):
        raise ValueError(f"sizes of an access pattern must be at least 1, not {list(sizes)}")
    out = np.array([offset], dtype=np.int64)
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        out = (out[:, None] + np.arange(size, dtype=np.int64)[None, :] * (stride * elem_bytes)).reshape(-1)
    return out


def extent(offset: int, elem_bytes: int, sizes: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """(first byte touched, last byte touched) of the pattern, without making the list."""
    spans = [(size - 1) * stride * elem_bytes for size, stride in zip(sizes, strides, strict=True)]
    low = offset + sum(min(span, 0) for span in spans)
    high = offset + sum(max(span, 0) for span in spans) + elem_bytes - 1
    return low, high
