"""Matmuls with another stationary tile each follow without a bubble: the timing model, all N and offsets.

Its columns are the lockstep model's (`test_tensor_timing.py`), and those the RTL's (`verif/tensor/bench.py`).
"""

import pytest

from makalu.sim_models.timing.tensor import TensorTiming
from makalu.spec.formats import E5M2
from verif.lib.variants import small_core
from verif.tensor.programs import back_to_back, streams_without_bubbles


def columns_of(config, commands):
    """(first, last) column of each matmul, commands always waiting."""
    model, t, out = TensorTiming(config), 0, []
    for i, command in enumerate(commands):
        t = model.next_accept(t, command.instruction)
        model.issue(t, command.instruction)
        t += 1
        if i % 2:
            out.append((model.times.first, model.times.last))
    return out


@pytest.mark.parametrize("partitions", [8, 16])
@pytest.mark.parametrize("add_stages", [1, 2, 3])
def test_no_bubble_between_tiles(partitions, add_stages):
    config = small_core(partitions=partitions, word_bytes=16, mul_stages=2, add_stages=add_stages)
    streams = streams_without_bubbles(config)
    assert {free for free, _ in streams} == set(range(16, 65))
    assert {offset for free, offset in streams if free >= 24} == set(range(0, 16, 2))
    for free, offset in streams:
        spans = columns_of(config, back_to_back(config, pairs=6, free=free, offset=offset))
        for (_, last), (first, end) in zip(spans, spans[1:], strict=False):
            assert first == last + 1, f"N={free}, offset {offset}: {first - last - 1} bubbles between matmuls"
            assert end - first + 1 == free, f"N={free}, offset {offset}: {end - first + 1 - free} bubbles inside"


@pytest.mark.parametrize("add_stages", [1, 3])
def test_no_bubble_between_tiles_in_double_row(add_stages):
    """Of whole words; with short ones at an end a tile waits for the buffers of the one before."""
    config = small_core(partitions=16, word_bytes=16, mul_stages=2, add_stages=add_stages, products=2)
    streams = streams_without_bubbles(config, E5M2, 2)
    assert streams == [(16, 0), (32, 0), (48, 0), (64, 0)]
    for free, offset in streams:
        spans = columns_of(config, back_to_back(config, pairs=6, free=free, offset=offset, form=E5M2, rows=256))
        for (_, last), (first, end) in zip(spans, spans[1:], strict=False):
            assert first == last + 1, f"N={free}, offset {offset}: {first - last - 1} bubbles between matmuls"
            assert end - first + 1 == free, f"N={free}, offset {offset}: {end - first + 1 - free} bubbles inside"


@pytest.mark.parametrize(("rows", "first"), [(None, 5), (64, 9)])
def test_the_first_column_of_double_row_comes_a_frame_later(rows, first):
    """The load in cycle 3, the first of slot 3."""
    config = small_core(partitions=4, word_bytes=8, mul_stages=2, add_stages=1, products=2)
    ((begin, end),) = columns_of(config, back_to_back(config, pairs=1, free=16, form=E5M2, rows=rows))
    assert begin == 3 + first and end >= begin + 15


def test_period_of_short_tiles():
    """N = 1: a pair every C/2 + 2 cycles, rounded up to the frame, or F = 2's C/F groups."""
    for partitions, word, period in ((4, 8, 8), (8, 16, 8), (16, 16, 12)):
        config = small_core(partitions=partitions, word_bytes=word, mul_stages=1, add_stages=1)
        firsts = [first for first, _ in columns_of(config, back_to_back(config, pairs=8, free=1))]
        assert {b - a for a, b in zip(firsts, firsts[1:], strict=False)} == {period}
