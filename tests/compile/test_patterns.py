"""Patterns against a list of all elements: the same pairs, in order, in fields that hold them, and few of them."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.sw.compile import cut
from makalu.sw.compile import patterns as compile_patterns
from makalu.sw.compile.cut import Box, bounded, memory_limit, slot_limit
from makalu.sw.compile.patterns import PatternError, common_patterns, transfer_patterns


def walk(offset, dims):
    """Offsets of all elements; outermost first."""
    out = np.array([offset])
    for count, stride in dims:
        out = (out[:, None] + np.arange(count) * stride).reshape(-1)
    return out


def walked(patterns, operand):
    parts = [walk(p.offsets[operand], list(zip(p.sizes, p.strides[operand], strict=True))[::-1]) for p in patterns]
    return np.concatenate(parts)


def pairs(columns):
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def check(patterns, limits):
    for p in patterns:
        assert len(p.sizes) == 4 and all(1 <= s <= cut.MAX_SIZE for s in p.sizes)
        for strides, (low, high) in zip(p.strides, limits, strict=True):
            assert all(low <= s <= high for s in strides) and len(strides) == 4
            assert all(s == 0 for size, s in list(zip(p.sizes, strides, strict=True))[1:] if size == 1)


STRIDES = st.sampled_from([0, 1, -1, 2, 3, 5, -7, 32_767, -32_768, 32_768, -32_769, 100_000])


@st.composite
def shape(draw, count):
    """A row-major shape of `count` elements."""
    out, left = [], count
    while left > 1 and len(out) < 6:
        factor = draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0]))
        out.append(factor)
        left //= factor
    return [*out, left]


@st.composite
def view(draw, count):
    """Dimensions with free strides, or contiguous ones in part."""
    sizes = draw(shape(count))
    if draw(st.booleans()):
        return [(size, draw(STRIDES)) for size in sizes]
    gap = draw(st.integers(0, len(sizes)))
    out, stride = [], draw(st.sampled_from([1, 1, -1, 2]))
    for d, size in enumerate(reversed(sizes)):
        out.append((size, stride))
        stride *= size + (d == gap)
    return out[::-1]


@st.composite
def operands(draw):
    count = draw(st.sampled_from([1, 2, 6, 7, 12, 24, 30, 36, 60, 64, 96, 210]))
    return [draw(view(count)) for _ in range(draw(st.integers(1, 3)))]


@settings(max_examples=400, deadline=None)
@given(operands(), st.booleans(), st.lists(st.booleans(), min_size=3, max_size=3))
def test_elements_pair_up_as_in_the_views(views, ordered, in_memory):
    limits = [memory_limit(4) if m else slot_limit() for m in in_memory][: len(views)]
    patterns = list(common_patterns(views, limits, ordered=ordered))
    check(patterns, limits)
    expected = [walk(0, dims) for dims in views]
    got = [walked(patterns, o) for o in range(len(views))]
    if ordered:
        assert all(np.array_equal(g, e) for g, e in zip(got, expected, strict=True))
    assert pairs(got) == pairs(expected)


def forget():
    """What was made with other fields."""
    cut._plan.cache_clear()
    compile_patterns._common_patterns.cache_clear()


@settings(max_examples=200, deadline=None)
@given(operands(), st.sampled_from([3, 7, 10]))
def test_sizes_beyond_the_field_are_cut(views, most):
    """As above with a field that is full at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "MAX_SIZE", most)
        patch.setattr(cut, "_NICE", 2)
        for ordered in (True, False):
            forget()
            patterns = list(common_patterns(views, ordered=ordered))
            check(patterns, [slot_limit()] * len(views))
            got = [walked(patterns, o) for o in range(len(views))]
            assert pairs(got) == pairs([walk(0, dims) for dims in views])
            if ordered:
                assert all(np.array_equal(g, walk(0, d)) for g, d in zip(got, views, strict=True))
    forget()


@pytest.mark.parametrize(
    ("size", "most"),
    [(65_535, 1), (65_536, 1), (65_537, 2), (131_072, 1), (114_689, 2), (1 << 24, 1), (1_000_000_007, 2), (1 << 32, 4)],
)
def test_long_rows_take_few_instructions(size, most):
    for stride in (1, -1):
        patterns = list(common_patterns([[(size, stride)], [(size, 0)]]))
        check(patterns, [slot_limit()] * 2)
        assert len(patterns) <= most
        assert sum(prod(p.sizes) for p in patterns) == size
        at = 0
        for p in patterns:  # contiguous, each behind the one before
            assert p.offsets == (at * stride, 0)
            step = 1
            for count, s in zip(p.sizes, p.strides[0], strict=True):
                assert count == 1 or s == stride * step
                step *= count
            at += prod(p.sizes)


def test_a_stride_that_does_not_fit_is_unrolled_where_it_is():
    views = [[(64, 40), (4, 32_768), (8, 5)]]
    assert len(list(common_patterns(views, ordered=False))) == 4
    assert len(list(common_patterns(views))) == 256
    assert len(list(common_patterns(views, [memory_limit(4)]))) == 1
    assert len(list(common_patterns([[(2, 1 << 29)]], [memory_limit(4)]))) == 2
    assert len(list(common_patterns([[(2, (1 << 29) - 1)]], [memory_limit(4)]))) == 1
    assert len(list(common_patterns([[(2, -(1 << 29))]], [memory_limit(4)]))) == 1


def test_the_cheapest_dimensions_are_unrolled():
    dims = [(9, 3000), (2, 1400), (7, 190), (8, 21), (5, 2)]
    assert len(list(common_patterns([dims]))) == 9
    assert len(list(common_patterns([dims], ordered=False))) == 2


def test_shapes_differ():
    """[4, 6] rows with a gap against [2, 2, 6], and 6 against 4 with gaps: every cut of either."""
    assert len(list(common_patterns([[(4, 7), (6, 1)], [(2, 100), (2, 10), (6, 1)]]))) == 1
    assert len(list(common_patterns([[(24, 1)], [(2, 13), (3, 4), (4, 1)]]))) == 1
    runs = [p.sizes[0] for p in common_patterns([[(2, 10), (6, 1)], [(3, 10), (4, 1)]])]
    assert runs == [4, 2, 2, 4]


def test_a_lone_element_has_stride_1():
    (p,) = common_patterns([[(1, 5), (1, 7)], []])
    assert (p.sizes, p.offsets, p.strides) == ((1, 1, 1, 1), (0, 0), ((1, 0, 0, 0),) * 2)


@pytest.mark.parametrize("views", [[[(4, 1)], [(5, 1)]], [[(0, 1)], [(0, 1)]]])
def test_counts_must_agree(views):
    with pytest.raises(PatternError, match="the same number of elements"):
        list(common_patterns(views))


@st.composite
def transfers(draw):
    rows = draw(st.sampled_from([1, 2, 3, 4, 6, 12, 16]))
    free = draw(st.sampled_from([1, 2, 4, 6, 9, 12, 20]))
    return rows, draw(view(free)), draw(view(rows * free))


ROW = 1 << 40
"""Stands for a partition in a single number."""


@settings(max_examples=400, deadline=None)
@given(transfers())
def test_transfers_move_every_element_once(case):
    rows, tile, memory = case
    parts = list(transfer_patterns(rows, tile, memory, element_bytes=4))
    mine, theirs = [], []
    for t in parts:
        assert 1 <= t.partitions and t.first_partition + t.partitions <= rows
        assert all(1 <= s <= cut.MAX_SIZE for s in t.sizes)
        assert all(slot_limit()[0] <= s <= slot_limit()[1] for s in t.tile_strides)
        limit = memory_limit(4)
        assert all(limit[0] <= s <= limit[1] for s in (*t.memory_strides, t.memory_partition_stride))
        dims = list(zip(t.sizes, t.tile_strides, strict=True))[::-1]
        mine.append(walk(t.first_partition * ROW + t.tile_offset, [(t.partitions, ROW), *dims]))
        dims = list(zip(t.sizes, t.memory_strides, strict=True))[::-1]
        theirs.append(walk(t.memory_offset, [(t.partitions, t.memory_partition_stride), *dims]))
    got = [np.concatenate(mine), np.concatenate(theirs)]
    assert pairs(got) == pairs([walk(0, [(rows, ROW), *tile]), walk(0, memory)])


@pytest.mark.parametrize(
    ("rows", "tile", "memory", "count", "partitions"),
    [
        (128, [(512, 1)], [(128 * 512, 1)], 1, 128),
        (128, [(512, 1)], [(2, 1 << 20), (64, 512), (512, 1)], 2, 64),
        (128, [(512, 1)], [(128, 4096), (512, 1)], 1, 128),
        (128, [(4, 128), (128, 1)], [(128, 4096), (512, 1)], 1, 128),
        (128, [(512, 1)], [(128, 1 << 29), (512, 1)], 128, 1),
        (128, [(2, 512), (512, 1)], [(128, 1), (2, 128 * 512), (512, 128)], 1, 128),
        (1, [(512, 1)], [(512, 1)], 1, 1),
        (120, [(8, 1)], [(5, 9999), (24, 100), (8, 3)], 5, 24),
        (128, [(70_000, 1)], [(128, 70_000), (70_000, 1)], 1, 128),
        (100, [(10, 1)], [(10, 1000), (100, 1)], 10, 10),
    ],
)
def test_how_many_transfers(rows, tile, memory, count, partitions):
    parts = list(transfer_patterns(rows, tile, memory, element_bytes=4))
    assert (len(parts), {t.partitions for t in parts}) == (count, {partitions})


def test_what_does_not_divide_is_cut():
    """Rows of 100 elements against rows of 64 with a gap: one partition at a time, at the ends of both."""
    parts = list(transfer_patterns(64, [(100, 1)], [(100, 65), (64, 1)], element_bytes=2))
    assert len(parts) == 64 + 100 - 4
    assert memory_limit(1) == (-(1 << 31), (1 << 31) - 1)


@pytest.mark.parametrize("sizes", [(7,), (5, 9), (3, 1000), (2, 3, 5, 7), (1024,), (17, 2)])
@pytest.mark.parametrize("most", [8, 64, 256])
def test_a_box_in_pieces_has_its_elements_in_order(sizes, most):
    """Each piece's sizes, rounded up to powers of two, multiply to no more than the bound."""

    def places(box):
        index = [np.arange(size).reshape([-1] + [1] * d) for d, size in enumerate(box.sizes)]
        moves = [i * stride[0] for i, stride in zip(index, box.strides, strict=True)]
        return (box.offsets[0] + sum(moves, start=np.zeros(1, int))).reshape(-1)

    box = Box((100, 0), sizes, tuple((1 if d == 0 else 5000 * d, 0) for d in range(len(sizes))))
    pieces = list(bounded(box, most))
    assert np.array_equal(np.concatenate([places(piece) for piece in pieces]), places(box))
    for piece in pieces:
        assert np.prod([1 << (size - 1).bit_length() for size in piece.sizes]) <= most
        assert piece.offsets[1] == 0 and 1 not in piece.sizes
