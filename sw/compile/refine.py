"""Views of different shapes to common dimensions: the same sizes for all operands, element k beside element k."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd, prod

from makalu.spec.errors import MakaluError

__all__ = ["Common", "Dim", "PatternError", "refine"]

Dim = tuple[int, int]
"""(count, stride): a dimension of a view, strides in elements of its operand."""


class PatternError(MakaluError, ValueError):
    """Operands with different numbers of elements, or a dimension without elements; names the shapes."""


@dataclass(frozen=True)
class Common:
    """A share of the elements of all operands, in row-major order: sizes, and a stride for each operand."""

    offsets: tuple[int, ...]
    """First element of each operand, relative to the view's."""
    sizes: tuple[int, ...]
    """Outermost first, each above 1; empty for a lone element."""
    strides: tuple[tuple[int, ...], ...]
    """strides[dimension][operand]."""


def refine(operands: Sequence[Sequence[Dim]]) -> Iterator[Common]:
    """The operands' elements in row-major order as few boxes that are regular in all operands at once.

    Contiguous neighbours are merged in each operand, then dimensions are split, innermost first, to the greatest
    common divisor of the sizes. Where that is 1 no box fits any more: the rest is cut at every dimension's end of
    every operand, and each piece between two cuts is a box, in order.

    Does not: look at the instruction's fields. Errors: `PatternError`.
    """
    counts = [prod(count for count, _ in dims) for dims in operands]
    if len(set(counts)) != 1 or counts[0] < 1:
        shapes = [[count for count, _ in dims] for dims in operands]
        raise PatternError(f"operands of one instruction need the same number of elements, at least 1, not {shapes}")
    rest = [_merged(dims) for dims in operands]
    inner: list[tuple[int, tuple[int, ...]]] = []  # innermost first
    while all(rest) and (size := gcd(*(dims[-1][0] for dims in rest))) > 1:
        inner.append((size, tuple(dims[-1][1] for dims in rest)))
        for dims in rest:
            count, stride = dims.pop()
            if count > size:
                dims.append((count // size, stride * size))
    inner.reverse()
    nothing = (0,) * len(operands)
    if not rest[0]:
        yield _common(nothing, inner)
        return
    for run, offsets in _pieces(rest):
        yield _common(offsets, [(run, tuple(dims[-1][1] for dims in rest)), *inner])


def _merged(dims: Sequence[Dim]) -> list[Dim]:
    """Without sizes of 1; an outer dimension that goes on where the inner one ends is one with it."""
    out: list[Dim] = []
    for count, stride in dims:
        if count == 1:
            continue
        if out and out[-1][1] == count * stride:
            out[-1] = out[-1][0] * count, stride
        else:
            out.append((count, stride))
    return out


def _pieces(rest: Sequence[Sequence[Dim]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(run, first element of each operand): the longest runs that leave the innermost dimension of no operand."""
    at, total = 0, prod(count for count, _ in rest[0])
    while at < total:
        run = min(dims[-1][0] - at % dims[-1][0] for dims in rest)
        yield run, tuple(_offset(dims, at) for dims in rest)
        at += run


def _offset(dims: Sequence[Dim], number: int) -> int:
    """Of element `number` in row-major order."""
    out = 0
    for count, stride in reversed(dims):
        number, index = divmod(number, count)
        out += index * stride
    return out


def _common(offsets: tuple[int, ...], dims: Sequence[tuple[int, tuple[int, ...]]]) -> Common:
    """Neighbours that are contiguous in every operand are one dimension."""
    out: list[tuple[int, tuple[int, ...]]] = []
    for size, strides in dims:
        if size == 1:
            continue
        if out and all(o == size * s for o, s in zip(out[-1][1], strides, strict=True)):
            out[-1] = out[-1][0] * size, strides
        else:
            out.append((size, strides))
    return Common(offsets, tuple(size for size, _ in out), tuple(strides for _, strides in out))
