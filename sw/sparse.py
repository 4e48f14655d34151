"""Structured sparsity for a user's arrays: prune weights to M of N, pack what is kept with its tags, lay out the rest.

A pattern "M:N" keeps M of N contiguous rows of the contraction in each column, of weights [K, columns] as of moving
[K, N]. N rows lie in n partitions, N / n elements in each (the ratio): row k in partition k // ratio as element
k % ratio, so `layout` is a change of shape only. Of each N rows M weights are stored, one in each of the n partitions
(n = M), in the order of the rows; fewer survivors are followed by zeros.

    weights = prune(weights, "4:16")
    kept, tags = pack(weights, "4:16")              # [K / 4, columns], uint16 [K / 4, columns / 4]
    moving = layout(activations, "4:16")            # [K / 4, 4, N]

and in a kernel `nisa.nc_matmul_sparse(dst, kept, moving, tags)`, which is exact but for the zeros it leaves out: a zero
that fills up is multiplied too, so an infinity beside it makes a NaN, as it does in the full product.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.errors import MakaluError
from makalu.spec.sparsity import GROUP_ROWS, GROUP_SIZES, PACKED_TAGS, ROW_CANDIDATES, TAG_BITS

__all__ = ["PATTERNS", "Pattern", "SparsityError", "layout", "pack", "prune", "unpack"]

Array = NDArray[Any]


class SparsityError(MakaluError, ValueError):
    """Arrays or a pattern that do not fit; the message says the rule, the value and its place."""


@dataclass(frozen=True)
class Pattern:
    """`kept` of `rows` contiguous rows, which lie in as many partitions as are kept."""

    kept: int
    rows: int

    @property
    def name(self) -> str:
        return f"{self.kept}:{self.rows}"

    @property
    def ratio(self) -> int:
        """Moving elements of a partition and column."""
        return self.rows // self.kept


_MOST = (1 << PACKED_TAGS * TAG_BITS) - 1
PATTERNS: Mapping[str, Pattern] = {
    pattern.name: pattern
    for pattern in (Pattern(*each) for each in ((4, 16), (4, 12), (4, 8), (2, 8), (2, 4), (1, 4), (1, 2)))
}
"""Those that the documents of trn2 and trn3 name."""


def prune(weights: ArrayLike, pattern: str) -> Array:
    """The same with zeros instead of all but the largest magnitudes, M of each N rows; the first of equal ones.

    A NaN counts as the largest. Errors: `SparsityError`.
    """
    row, array = _pattern(pattern), np.asarray(weights)
    blocks = _blocks(array, row, "weights")
    sizes = np.abs(blocks.astype(np.float64))
    order = np.argsort(-np.where(np.isnan(sizes), np.inf, sizes), axis=1, kind="stable")
    kept = np.zeros(blocks.shape, np.bool_)
    np.put_along_axis(kept, order[:, : row.kept], True, axis=1)
    return np.where(kept, blocks, np.zeros((), array.dtype)).reshape(array.shape)


def pack(weights: ArrayLike, pattern: str, *, group_rows: int = GROUP_ROWS) -> tuple[Array, NDArray[np.uint16]]:
    """(weights that are kept [K / ratio, columns], tags [K / ratio, columns / 4]) of weights [K, columns].

    `group_rows`: partitions of the core's groups. Errors: `SparsityError`, also for more than M of N that are not 0.
    """
    row, array = _pattern(pattern, group_rows), np.asarray(weights)
    blocks = _blocks(array, row, "weights")
    if array.shape[1] % PACKED_TAGS:
        raise SparsityError(f"weights have {array.shape[1]} columns, which must be a multiple of {PACKED_TAGS}")
    some = blocks.astype(np.float64) != 0
    counts = some.sum(axis=1)
    if (counts > row.kept).any():
        block, column = (int(place) for place in np.argwhere(counts > row.kept)[0])
        first = block * row.rows
        raise SparsityError(
            f"weights: rows {first} to {first + row.rows - 1} of column {column} have {int(counts[block, column])} that"
            f" are not 0, {row.name} keeps {row.kept}"
        )
    # the rows that are not 0, in their order, then others: those hold zeros and have tags that are in range too
    order = np.argsort(~some, axis=1, kind="stable")[:, : row.kept]
    values = np.take_along_axis(blocks, order, axis=1)
    values = np.where(np.take_along_axis(some, order, axis=1), values, np.zeros((), array.dtype))
    partition, element = np.divmod(np.arange(len(blocks))[:, None, None] * row.rows + order, row.ratio)
    tags = (partition % group_rows * ROW_CANDIDATES + element).reshape(-1, array.shape[1] // PACKED_TAGS, PACKED_TAGS)
    words = (tags << TAG_BITS * np.arange(PACKED_TAGS)).sum(axis=2)
    return values.reshape(-1, array.shape[1]), words.astype(np.uint16)


def layout(moving: ArrayLike, pattern: str) -> Array:
    """[K / ratio, ratio, N] of [K, N]. Errors: `SparsityError`."""
    row, array = _pattern(pattern), np.asarray(moving)
    _blocks(array, row, "moving")
    return array.reshape(-1, row.ratio, array.shape[1])


def unpack(kept: ArrayLike, tags: ArrayLike, pattern: str, *, group_rows: int = GROUP_ROWS) -> Array:
    """Weights [K, columns] of what `pack` makes. Errors: `SparsityError`, also for a tag that is out of range."""
    row, values, words = _pattern(pattern, group_rows), np.asarray(kept), np.asarray(tags)
    if values.ndim != 2 or not _real(values) or values.shape[1] % PACKED_TAGS:
        rule = f"[K, columns] of real numbers, columns a multiple of {PACKED_TAGS}"
        raise SparsityError(f"kept must be {rule}, not {list(values.shape)} of {values.dtype}")
    if words.shape != (values.shape[0], values.shape[1] // PACKED_TAGS):
        raise SparsityError(f"tags must be [K, columns / {PACKED_TAGS}], not {words.shape} beside {values.shape}")
    if words.dtype.kind not in "iu" or (words.size and not 0 <= words.min() <= words.max() <= _MOST):
        raise SparsityError(f"tags must be integers from 0 to {_MOST}, of {PACKED_TAGS} tags each, not {words.dtype}")
    each = (words.astype(np.int64)[..., None] >> TAG_BITS * np.arange(PACKED_TAGS)) & (1 << TAG_BITS) - 1
    each = each.reshape(values.shape)
    place, element = np.divmod(each, ROW_CANDIDATES)
    rows = np.arange(len(values))[:, None]
    partition = rows // group_rows * group_rows + place
    wrong = (place >= group_rows) | (element >= row.ratio) | (partition >= len(values))
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0])
        raise SparsityError(
            f"tags: partition {first[0]}, column {first[1]} has tag {each[first]}, row {place[first]} of {group_rows}"
            f" and element {element[first]} of {row.ratio}"
        )
    out = np.zeros((len(values) * row.ratio, values.shape[1]), values.dtype)
    k, column = np.nonzero(values.astype(np.float64) != 0)
    targets = partition[k, column] * row.ratio + element[k, column], column
    places, counts = np.unique(np.stack(targets), axis=1, return_counts=True)
    if (counts > 1).any():
        at, its = places[:, counts > 1][:, 0]
        raise SparsityError(f"tags: two weights of column {its} are those of row {at}")
    out[targets] = values[k, column]
    return out


def _real(array: Array) -> bool:
    """ml_dtypes' types are of kind V, and cast to doubles as others do."""
    return array.dtype.kind in "fiubV" and np.can_cast(array.dtype, np.float64, "unsafe") and array.dtype.names is None


def _pattern(name: str, group_rows: int = GROUP_ROWS) -> Pattern:
    if not isinstance(name, str) or name not in PATTERNS:
        raise SparsityError(f"a pattern must be one of {', '.join(PATTERNS)}, not {name!r}")
    if group_rows not in GROUP_SIZES:
        raise SparsityError(f"group_rows must be one of {', '.join(map(str, GROUP_SIZES))}, not {group_rows!r}")
    row = PATTERNS[name]
    if group_rows % row.kept:
        raise SparsityError(f"{name} takes groups of {row.kept} partitions, those of the core have {group_rows}")
    return row


def _blocks(array: Array, pattern: Pattern, name: str) -> Array:
    """[K / N, N, columns]"""
    if array.ndim != 2 or not array.shape[1]:
        raise SparsityError(f"{name} must be [K, columns], not {list(array.shape)}")
    if not _real(array):
        raise SparsityError(f"{name} must be real numbers, not {array.dtype}")
    if not len(array) or len(array) % pattern.rows:
        rule = f"K must be a multiple of the {pattern.rows} of {pattern.name}"
        raise SparsityError(f"{name} have {len(array)} rows; {rule}")
    return array.reshape(-1, pattern.rows, array.shape[1])
