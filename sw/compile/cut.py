"""Boxes to what an instruction's fields hold: few dimensions, sizes and strides of limited width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from makalu.spec.isa import AP_DIMS, FIELDS
from makalu.spec.operand import counted_elements

__all__ = ["MAX_SIZE", "Box", "StrideLimit", "bounded", "cut", "memory_limit", "slot_limit"]

StrideLimit = tuple[int, int]
"""Lowest and highest stride of an operand, in its elements; both 0: the operand cannot walk."""

MAX_SIZE = FIELDS["dst_size0"].high
_NICE = 64
"""Cuts fall on multiples of this many elements where they can, so that pieces start on a word and on a burst."""

Strides = tuple[int, ...]
"""One of each operand."""
Field = tuple[int, int]
"""(size, multiple of the dimension's strides): one (size, stride) pair of an instruction."""


@dataclass(frozen=True)
class Box:
    """One instruction's share of a box: offsets of the operands, sizes, strides[dimension][operand]; innermost first.

    Sizes of 1 are left out.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[Strides, ...]


@dataclass(frozen=True)
class _Way:
    """How a dimension is put into fields: `pieces` instructions with up to `fields` pairs each."""

    fields: int
    pieces: int
    chunk: int
    """Elements of the dimension that a piece covers; the last one covers the rest."""
    inner: int
    """Size of the inner pair; a chunk above it has a second pair, a rest that is no multiple of it is another piece."""

    def parts(self, size: int) -> Iterator[tuple[int, list[Field]]]:
        """(first index, pairs innermost first)."""
        if self.fields == 0:
            yield from ((i, []) for i in range(size))
            return
        at = 0
        while at < size:
            outer = min(self.chunk, size - at) // self.inner
            if outer == 0:
                yield at, [(size - at, 1)]
                return
            yield at, [(self.inner, 1), (outer, self.inner)]
            at += outer * self.inner


_State = tuple[int, bool]
_Plan = tuple[tuple[int, int, tuple[int, ...]], tuple[_Way, ...]]
"""Cost, and a way for each dimension, outermost first."""


def slot_limit() -> StrideLimit:
    """Of an operand in SBUF or PSUM."""
    field = FIELDS["dst_stride0"]
    return field.low, field.high


def memory_limit(element_bytes: int) -> StrideLimit:
    """Of a DMA's memory side, whose fields count bytes."""
    field = FIELDS["memory_stride0"]
    return -(-field.low // element_bytes), field.high // element_bytes


def cut(
    sizes: Sequence[int], strides: Sequence[Strides], limits: Sequence[StrideLimit], *, ordered: bool = True
) -> Iterator[Box]:
    """A box (outermost first, sizes above 1) as few boxes that fit an instruction.

    A dimension whose stride does not fit is unrolled: an instruction for each of its indices. One that is too long is
    split into two pairs, or cut. More pairs than an instruction has: dimensions are unrolled, those that cost fewest
    instructions. With `ordered` the elements of all boxes, one after the other, keep their order, so what is unrolled
    or cut has only unrolled dimensions around it; without, the outer dimensions of a box may still be whole.
    """
    ways = _plan(tuple(zip(sizes, strides, strict=True)), tuple(limits), ordered)
    operands = range(len(limits))
    for place in product(*[list(way.parts(size)) for way, size in zip(ways, sizes, strict=True)]):
        offsets = tuple(sum(i * s[o] for (i, _), s in zip(place, strides, strict=True)) for o in operands)
        pairs = [
            (size, tuple(times * s for s in stride))
            for (_, fields), stride in zip(reversed(place), reversed(strides), strict=True)
            for size, times in fields
            if size > 1
        ]
        yield Box(offsets, tuple(size for size, _ in pairs), tuple(stride for _, stride in pairs))


def bounded(box: Box, most: int) -> Iterator[Box]:
    """The box in pieces that keep the rule of an instruction's elements, in order; only what stands still needs more.

    `most` is the preset's `sequencer.elements`.
    """
    if counted_elements(box.sizes) <= most:
        yield box
        return
    *inner, size = box.sizes
    half = 1 << (size - 1).bit_length() - 1
    for first, count in ((0, half), (half, size - half)):
        offsets = tuple(offset + first * step for offset, step in zip(box.offsets, box.strides[-1], strict=True))
        outer = 1 if count > 1 else 0
        piece = Box(offsets, (*inner, count)[: len(inner) + outer], box.strides[: len(inner) + outer])
        yield from bounded(piece, most)


@lru_cache(maxsize=4096)
def _plan(dims: tuple[tuple[int, Strides], ...], limits: tuple[StrideLimit, ...], ordered: bool) -> tuple[_Way, ...]:
    """A way for each dimension with the smallest product of pieces, within the pairs of an instruction."""
    # (pairs used, something inside is in pieces) -> what it costs: instructions, then pairs, then pieces far inside
    best: dict[_State, _Plan] = {(0, False): ((1, 0, ()), ())}
    for size, strides in reversed(dims):
        options = _ways(size, strides, limits)
        then: dict[_State, _Plan] = {}
        for (used, broken), ((pieces, _, inside), chosen) in best.items():
            for way in options:
                if used + way.fields > AP_DIMS or (ordered and broken and way.fields):
                    continue
                state = used + way.fields, broken or way.pieces > 1
                cost = pieces * way.pieces, state[0], (*inside, way.pieces)
                if state not in then or cost < then[state][0]:
                    then[state] = cost, (way, *chosen)
        best = then
    return min(best.values(), key=lambda item: item[0])[1]


def _ways(size: int, strides: Strides, limits: Sequence[StrideLimit]) -> list[_Way]:
    unrolled = _Way(0, size, 1, 1)
    if not _fits(1, strides, limits):
        return [unrolled]
    if size <= MAX_SIZE:
        return [unrolled, _Way(1, 1, size, size)]
    pieces = -(-size // MAX_SIZE)
    chunk = _nice(-(-size // pieces))
    ways = [unrolled, _Way(1, pieces, chunk, chunk)]
    reach = [(limit[0] if s < 0 else limit[1]) // s for s, limit in zip(strides, limits, strict=True) if s]
    top = min(MAX_SIZE, *reach) if reach else MAX_SIZE
    for outer in range(-(-size // top), MAX_SIZE + 1):
        if size % outer == 0:
            return [*ways, _Way(2, 1, size, size // outer)]
    inner = max(1, top // _NICE * _NICE or top)
    chunk = min(size // inner, MAX_SIZE) * inner
    rest = size % chunk
    return [*ways, _Way(2, size // chunk + (rest >= inner) + (rest % inner > 0), chunk, inner)]


def _fits(times: int, strides: Strides, limits: Sequence[StrideLimit]) -> bool:
    return all(low <= times * stride <= high for stride, (low, high) in zip(strides, limits, strict=True))


def _nice(chunk: int) -> int:
    up = -(-chunk // _NICE) * _NICE
    return up if up <= MAX_SIZE else chunk
