"""Views to access patterns: what several operands of an instruction share, and what one DMA moves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from makalu.spec.isa import AP_DIMS

from .cut import Box, StrideLimit, bounded, cut, memory_limit, slot_limit
from .refine import Common, Dim, PatternError, refine

__all__ = ["ANY", "CommonPattern", "Dim", "PatternError", "Transfer", "common_patterns", "transfer_patterns"]

ANY = 1 << 64
"""More elements than the sizes of an instruction can say."""
_KEPT = 1024
"""Operands of a program have few shapes: patterns hold no address, so equal ones are made once."""


@dataclass(frozen=True)
class CommonPattern:
    """One instruction's share: sizes (innermost first), and start and strides of each operand in its elements."""

    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    """strides[operand], innermost first; a lone element has stride 1, unused dimensions have 0."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One DMA's share, all in elements; sizes and strides innermost first, padded as in `CommonPattern`."""

    first_partition: int
    """Relative to the tile's first."""
    partitions: int
    sizes: tuple[int, ...]
    tile_offset: int
    """Within each partition, relative to the tile's first element."""
    tile_strides: tuple[int, ...]
    memory_offset: int
    """Relative to the memory view's first element."""
    memory_strides: tuple[int, ...]
    memory_partition_stride: int
    """From one partition's elements to the next one's; 0 for one partition."""


def common_patterns(
    operands: Sequence[Sequence[Dim]],
    limits: Sequence[StrideLimit] | None = None,
    *,
    ordered: bool = True,
    most: int = ANY,
) -> Iterator[CommonPattern]:
    """Instructions that walk all `operands` together, element k of one beside element k of the others.

    Does not: know of partitions; the operands are what lies in one of them.

    Parameters
    ----------
    operands : dimensions of each, outermost first; equal numbers of elements, not equal shapes.
    limits : strides that each operand's fields hold; None: all lie in SBUF or PSUM.
    ordered : the patterns, one after the other, keep the row-major order. Needed where an operand that is written
        visits an element more than once (a sum into PSUM, stride 0); else False may take fewer instructions.
    most : elements of an instruction, the preset's `sequencer.elements`.

    Errors: `PatternError`.
    """
    limits = [slot_limit()] * len(operands) if limits is None else limits
    return iter(_common_patterns(tuple(map(tuple, operands)), tuple(limits), ordered, most))


@lru_cache(maxsize=_KEPT)
def _common_patterns(
    operands: tuple[tuple[Dim, ...], ...], limits: tuple[StrideLimit, ...], ordered: bool, most: int
) -> tuple[CommonPattern, ...]:
    out = []
    for common in refine(operands):
        for offsets, box in _boxes(common, limits, ordered, most):
            strides = tuple(_padded([s[o] for s in box.strides], lone=1) for o in range(len(operands)))
            out.append(CommonPattern(_padded(box.sizes, fill=1), offsets, strides))
    return tuple(out)


def transfer_patterns(
    partitions: int, tile: Sequence[Dim], memory: Sequence[Dim], *, element_bytes: int, most: int = ANY
) -> Iterator[Transfer]:
    """DMAs between a tile, `partitions` rows of `tile` each, and a view of memory with as many elements.

    Element k of the tile in row-major order, the partition outermost, lies beside element k of `memory`. A DMA has
    one stride from partition to partition, so partitions that memory does not hold in one regular row are several
    transfers; so are those whose distance exceeds the field, and rows of more than `most` elements. Transfers come in
    no particular order.

    Does not: look at the number of partitions that the core has. Errors: `PatternError`.
    """
    return iter(_transfer_patterns(partitions, tuple(tile), tuple(memory), element_bytes, most))


@lru_cache(maxsize=_KEPT)
def _transfer_patterns(
    partitions: int, tile: tuple[Dim, ...], memory: tuple[Dim, ...], element_bytes: int, most: int
) -> tuple[Transfer, ...]:
    free = prod(count for count, _ in tile)
    # the partition number is an operand of its own: it grows by 1 outside of the free dimensions and not inside
    views = [[(partitions, 0), *tile], [(partitions, 1), (free, 0)], memory]
    limits = [slot_limit(), (0, 0), memory_limit(element_bytes)]
    return tuple(
        Transfer(
            first_partition=first,
            partitions=rows,
            sizes=_padded(box.sizes, fill=1),
            tile_offset=tile_offset,
            tile_strides=_padded([s[0] for s in box.strides], lone=1),
            memory_offset=memory_offset,
            memory_strides=_padded([s[2] for s in box.strides], lone=1),
            memory_partition_stride=row_stride,
        )
        for rows, row_stride, rest in (_take_rows(common, limits[2]) for common in refine(views))
        for (tile_offset, first, memory_offset), box in _boxes(rest, limits, False, most)
    )


def _take_rows(common: Common, limit: StrideLimit) -> tuple[int, int, Common]:
    """The dimension that walks consecutive partitions, where memory's stride fits: (size, stride, the others)."""
    for d, (size, (_, partition, stride)) in enumerate(zip(common.sizes, common.strides, strict=True)):
        if partition == 1 and limit[0] <= stride <= limit[1]:
            others = [i for i in range(len(common.sizes)) if i != d]
            sizes, strides = tuple(common.sizes[i] for i in others), tuple(common.strides[i] for i in others)
            return size, stride, Common(common.offsets, sizes, strides)
    return 1, 0, common


def _boxes(
    common: Common, limits: Sequence[StrideLimit], ordered: bool, most: int
) -> Iterator[tuple[tuple[int, ...], Box]]:
    boxes = cut(common.sizes, common.strides, limits, ordered=ordered)
    for box in (piece for whole in boxes for piece in bounded(whole, most)):
        yield tuple(a + b for a, b in zip(common.offsets, box.offsets, strict=True)), box


def _padded(values: Sequence[int], *, fill: int = 0, lone: int | None = None) -> tuple[int, ...]:
    """To the dimensions of an instruction; a stationary column of one element must have stride 1."""
    if not values and lone is not None:
        values = [lone]
    return (*values, *[fill] * (AP_DIMS - len(values)))
