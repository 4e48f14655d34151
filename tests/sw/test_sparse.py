"""Pruning and packing for structured sparsity: what is kept, where its tags say it lies, and what is refused."""

import re

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.sim_models.golden.sparsity import unpacked_tags, wrong_tag
from makalu.spec.sparsity import GROUP_ROWS
from makalu.sw.sparse import PATTERNS, SparsityError, layout, pack, prune, unpack

NAMES = list(PATTERNS)


def weights_of(seed, pattern, blocks=4, columns=12, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((blocks * PATTERNS[pattern].rows, columns)).astype(dtype)


def test_the_patterns_are_those_of_the_documents():
    ratios = {name: row.ratio for name, row in PATTERNS.items()}
    assert ratios == {"4:16": 4, "4:12": 3, "4:8": 2, "2:8": 4, "2:4": 2, "1:4": 4, "1:2": 2}
    assert all(row.kept * row.ratio == row.rows and GROUP_ROWS % row.kept == 0 for row in PATTERNS.values())


@pytest.mark.parametrize("pattern", NAMES)
def test_the_largest_magnitudes_of_each_block_are_kept(pattern):
    row, weights = PATTERNS[pattern], weights_of(1, pattern)
    pruned = prune(weights, pattern)
    for first in range(0, len(weights), row.rows):
        for column in range(weights.shape[1]):
            block, kept = (side[first : first + row.rows, column] for side in (weights, pruned))
            largest = sorted(np.abs(block))[-row.kept :]
            assert sorted(np.abs(kept[kept != 0])) == largest and (kept[kept != 0] == block[kept != 0]).all()
    assert (prune(pruned, pattern) == pruned).all()


def test_of_equal_magnitudes_the_first_are_kept():
    assert prune(np.array([[1], [-1], [1], [-1]]), "2:4").tolist() == [[1], [-1], [0], [0]]
    assert np.array_equal(
        prune(np.array([[2], [np.inf], [np.nan], [3]]), "2:4"), [[0], [np.inf], [np.nan], [0]], equal_nan=True
    )


@pytest.mark.parametrize(
    "dtype", [np.float32, ml_dtypes.bfloat16, np.float16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3]
)
@pytest.mark.parametrize("pattern", NAMES)
def test_what_was_packed_comes_back(pattern, dtype):
    pruned = prune(weights_of(2, pattern, dtype=dtype), pattern)
    kept, tags = pack(pruned, pattern)
    rows = len(pruned) // PATTERNS[pattern].ratio
    assert (kept.dtype, kept.shape, tags.dtype, tags.shape) == (dtype, (rows, 12), np.uint16, (rows, 3))
    back = unpack(kept, tags, pattern)
    assert back.dtype == dtype and (back.astype(np.float32) == pruned.astype(np.float32)).all()


@pytest.mark.parametrize("pattern", NAMES)
def test_the_product_is_that_of_the_full_weights(pattern):
    """By the words of the contract: weight k, m meets the element of its group that its tag says."""
    ratio = PATTERNS[pattern].ratio
    rng, pruned = np.random.default_rng(3), prune(np.round(64 * weights_of(3, pattern).astype(np.float64)), pattern)
    moving = rng.integers(-64, 65, (len(pruned), 5)).astype(np.float64)  # whole numbers: every sum is exact
    kept, words = pack(pruned, pattern)
    dense, tags = layout(moving, pattern), unpacked_tags(words)
    assert wrong_tag(tags, ratio, GROUP_ROWS) is None
    total = np.zeros((pruned.shape[1], 5))
    for (k, m), tag in np.ndenumerate(tags):
        total[m] += float(kept[k, m]) * dense[k // GROUP_ROWS * GROUP_ROWS + tag // 4, tag % 4]
    assert (total == pruned.T @ moving).all() and total.any()


def test_a_block_lies_in_as_many_partitions_as_it_keeps():
    """2:8: rows 8 to 15 are partitions 2 and 3, four elements each; fewer survivors are followed by zeros."""
    weights = np.zeros((16, 4), np.float32)
    weights[[9, 14], 0] = 1, 2
    weights[12, 1] = 3
    kept, tags = pack(weights, "2:8")
    assert kept.tolist() == [[0] * 4, [0] * 4, [1, 3, 0, 0], [2, 0, 0, 0]]
    each = unpacked_tags(tags)
    assert each[2:, 0].tolist() == [4 * 2 + 1, 4 * 3 + 2] and each[2, 1] == 4 * 3 + 0
    assert set(each[2:].reshape(-1) // 4) == {2, 3} and set(each[:2].reshape(-1) // 4) == {0}


def test_a_smaller_group_numbers_its_own_rows():
    pruned = prune(weights_of(4, "2:4"), "2:4")
    kept, tags = pack(pruned, "2:4", group_rows=2)
    assert wrong_tag(unpacked_tags(tags), 2, 2) is None
    assert (unpack(kept, tags, "2:4", group_rows=2) == pruned).all()
    with pytest.raises(SparsityError, match="4:8 takes groups of 4 partitions, those of the core have 2"):
        pack(prune(weights_of(4, "4:8"), "4:8"), "4:8", group_rows=2)


@given(st.sampled_from(NAMES), st.integers(1, 3), st.integers(1, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_any_survivors_come_back(pattern, blocks, fours, data):
    row = PATTERNS[pattern]
    weights = np.zeros((blocks * row.rows, 4 * fours), np.float32)
    for block in range(blocks):
        for column in range(4 * fours):
            some = data.draw(st.sets(st.integers(0, row.rows - 1), max_size=row.kept))
            weights[[block * row.rows + at for at in some], column] = 1 + block + column
    kept, tags = pack(weights, pattern)
    if len(kept) % GROUP_ROWS == 0:
        assert wrong_tag(unpacked_tags(tags), row.ratio, GROUP_ROWS) is None
    assert (unpack(kept, tags, pattern) == weights).all()


ONES = np.ones((16, 8), np.float32)
PACKED = pack(prune(ONES, "4:16"), "4:16")


def repeated():
    """Partitions 1 and 2 have the same tag in column 5."""
    each = unpacked_tags(PACKED[1])
    each[2, 5] = each[1, 5]
    return (each.reshape(4, 2, 4) << 4 * np.arange(4)).sum(axis=2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: prune(ONES, "3:16"), "a pattern must be one of 4:16, 4:12, 4:8, 2:8, 2:4, 1:4, 1:2, not '3:16'"),
        (lambda: pack(ONES, "16:4"), "a pattern must be one of"),
        (lambda: layout(ONES, ""), "a pattern must be one of"),
        (lambda: unpack(*PACKED, "4:4"), "a pattern must be one of"),
        (lambda: prune(ONES[:12], "4:16"), "weights have 12 rows; K must be a multiple of the 16 of 4:16"),
        (lambda: layout(ONES[:14], "2:4"), "moving have 14 rows; K must be a multiple of the 4 of 2:4"),
        (lambda: pack(ONES[:0], "2:4"), "weights have 0 rows"),
        (lambda: prune(ONES[0], "1:2"), "weights must be [K, columns], not [8]"),
        (lambda: pack(prune(ONES, "1:2")[:, :6], "1:2"), "weights have 6 columns, which must be a multiple of 4"),
        (lambda: pack(ONES, "4:8"), "weights: rows 0 to 7 of column 0 have 8 that are not 0, 4:8 keeps 4"),
        (
            lambda: pack(np.eye(16, 8, k=-8, dtype=np.float32) + np.eye(16, 8, k=-9, dtype=np.float32), "1:4"),
            "weights: rows 8 to 11 of column 0 have 2 that are not 0, 1:4 keeps 1",
        ),
        (lambda: unpack(PACKED[0], PACKED[1][:2], "4:16"), "tags must be [K, columns / 4], not (2, 2) beside (4, 8)"),
        (lambda: unpack(PACKED[0], repeated(), "4:16"), "tags: two weights of column 5 are those of row 1"),
        (lambda: unpack(*PACKED, "4:8"), "tags: partition 2, column 0 has tag 2, row 0 of 4 and element 2 of 2"),
    ],
)
def test_what_does_not_fit_is_refused(call, text):
    with pytest.raises(SparsityError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("rows", [0, 3, 8, -4])
def test_groups_that_no_array_has_are_refused(rows):
    with pytest.raises(SparsityError, match="group_rows must be one of 1, 2, 4"):
        pack(np.ones((4, 4)), "1:2", group_rows=rows)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: pack(np.ones((16, 0)), "4:16"), "weights must be"),
        (lambda: pack(np.ones((16, 4)), ["4:16"]), "a pattern must be one of"),
        (lambda: prune(np.full((16, 4), "a"), "4:16"), "weights must be real"),
        (lambda: prune(np.ones((16, 4), complex), "4:16"), "weights must be real"),
        (lambda: unpack(np.ones((4, 6)), np.zeros((4, 1), np.uint16), "4:16"), "kept must be"),
        (lambda: unpack(np.ones((4, 4)), np.full((4, 1), 70000), "4:16"), "tags must be integers from 0 to 65535"),
        (lambda: unpack(np.ones((4, 4)), np.full((4, 1), 0.5), "4:16"), "tags must be integers"),
    ],
    ids=range(7),
)
def test_arrays_of_no_use_are_refused(call, text):
    with pytest.raises(SparsityError, match=text):
        call()
