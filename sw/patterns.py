"""Views to access patterns: common sizes for all operands of an instruction, merged and cut to four dimensions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from makalu.hw.spec.isa import AP_DIMS, FIELDS

__all__ = ["CommonPattern", "common_patterns"]

_MAX_SIZE = FIELDS["dst_size0"].high


@dataclass(frozen=True)
class CommonPattern:
    """One instruction's share: sizes (innermost first), and start and strides of each operand in elements."""

    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]


def common_patterns(frees: Sequence[Sequence[tuple[int, int]]]) -> Iterator[CommonPattern]:
    """`frees[operand]` lists (size, stride), outermost first, equal in all sizes but 1.

    Neighbouring dimensions merge where they are contiguous in every operand. What exceeds four dimensions or a size
    field becomes several patterns, in order.
    """
    dims: list[tuple[int, tuple[int, ...]]] = []  # (size, stride of each operand), outermost first
    for column in zip(*[[d for d in free if d[0] != 1] for free in frees], strict=True):
        size, strides = column[0][0], tuple(stride for _, stride in column)
        if dims:
            outer, outer_strides = dims[-1]
            merged = all(o == size * s for o, s in zip(outer_strides, strides, strict=True))
            if merged and outer * size <= _MAX_SIZE:
                dims[-1] = outer * size, strides
                continue
        dims.append((size, strides))
    inner, outer_dims = dims[-AP_DIMS:], dims[:-AP_DIMS]
    sizes = tuple(size for size, _ in reversed(inner)) + (1,) * (AP_DIMS - len(inner))
    strides = tuple(_padded([s[operand] for _, s in reversed(inner)]) for operand in range(len(frees)))
    for place in product(*[range(size) for size, _ in outer_dims]):
        offsets = tuple(
            sum(i * s[operand] for i, (_, s) in zip(place, outer_dims, strict=True)) for operand in range(len(frees))
        )
        yield CommonPattern(sizes, offsets, strides)


def _padded(strides: list[int]) -> tuple[int, ...]:
    """Unused dimensions have stride 0; a lone element has stride 1, as a stationary column must."""
    return tuple(strides or [1]) + (0,) * (AP_DIMS - max(1, len(strides)))
