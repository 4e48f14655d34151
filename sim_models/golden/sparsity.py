"""Tags of sparse weights: out of their words, in range or not, and the row of moving elements that each one picks.

Written from `spec/sparsity.py`. What is summed is a column chain of single elements (`arithmetic`), by `picks_of`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.sparsity import PACKED_TAGS, ROW_CANDIDATES, TAG_BITS

__all__ = ["TagError", "candidates", "picks_of", "unpacked_tags", "wrong_tag"]

Tags = NDArray[np.int64]


class TagError(RuntimeError):
    """A tag that names no moving element of its group; nothing behind the load takes effect."""


def unpacked_tags(words: NDArray[np.integer[Any]]) -> Tags:
    """[K, M] of [K, M / 4]: the tag of the lowest column lies in the lowest bits."""
    places = TAG_BITS * np.arange(PACKED_TAGS)
    tags = np.asarray(words, np.int64)[..., None] >> places & (1 << TAG_BITS) - 1
    return tags.reshape(len(words), -1)


def wrong_tag(tags: Tags, ratio: int, rows: int) -> tuple[tuple[int, int], str] | None:
    """The first tag [k, m] that names no element of a group of `rows` partitions with `ratio` each, and why."""
    row, element = np.divmod(tags, ROW_CANDIDATES)
    wrong = np.argwhere((row >= rows) | (element >= ratio))
    if not len(wrong):
        return None
    k, m = (int(place) for place in wrong[0])
    text = f"tag {tags[k, m]}, element {element[k, m]} of row {row[k, m]} of a group; there are {ratio} of {rows}"
    return (k, m), f"{text} ({len(wrong)} of {tags.size} tags are out of range)"


def candidates(bits: NDArray[Any], ratio: int) -> NDArray[Any]:
    """[K * ratio, N] of [K, ratio * N]: the moving elements of a partition, one row each, one behind the other."""
    return bits.reshape(len(bits) * ratio, -1)


def picks_of(tags: Tags, ratio: int, rows: int) -> Tags:
    """[K, M]: the row of `candidates` that each weight meets; K from a group's first partition on."""
    first = np.arange(len(tags)) // rows * rows
    row, element = np.divmod(tags, ROW_CANDIDATES)
    return np.asarray((first[:, None] + row) * ratio + element, np.int64)
