"""Which partitions an instruction's range covers, as the models of all lanes and slices need it in every cycle."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["constant", "scale_rows", "taking_part"]


def constant(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, from now on read-only: models return it in many cycles."""
    array.flags.writeable = False
    return array


@functools.lru_cache(maxsize=1024)
def taking_part(start: int, count: int, partitions: int) -> NDArray[np.bool_]:
    """bool [partitions], read-only: start <= p < start + count."""
    rows = np.arange(partitions)
    return constant((rows >= start) & (rows < start + count))


@functools.lru_cache(maxsize=1024)
def scale_rows(start: int, count: int, partitions: int, whole: int, rows: int) -> NDArray[np.bool_]:
    """bool [partitions], read-only: of those from `start` on, the first `rows` of each `whole`."""
    offset = np.arange(partitions) - start
    return constant((offset >= 0) & (offset < count) & (offset % whole < rows))
