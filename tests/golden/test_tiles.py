"""Column tiles on the golden machine: a tile in other PE columns has the bits that it has in the whole array."""

import numpy as np
import pytest

from makalu.sim_models.golden.result import GoldenError
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FORMATS
from makalu.spec.isa import Opcode, Queue
from verif.lib.variants import bench_config

from .programs import TINY, legal, run

HALT = Instruction(Opcode.HALT)
FIRST = 2
"""A column tile of `tiny` begins here."""


def load(column, count):
    """The first columns of a tile of four."""
    return Instruction(Opcode.LOAD_STATIONARY, {**legal(Opcode.LOAD_STATIONARY), "src0_size0": count, "column": column})


def matmul(first, count, **values):
    where = {"dst_partition": first, "columns": count, "src0_offset": 24}
    return Instruction(Opcode.MATMUL, {**legal(Opcode.MATMUL), **where, **values})


def sums(*tensor, config=TINY, strict=True):
    """A DMA of eight words a partition, then `tensor`."""
    fetch = Instruction(Opcode.DMA_LOAD, {**legal(Opcode.DMA_LOAD), "dst_size0": 8, "memory_stride4": 32})
    fetch = Instruction(Opcode.DMA_LOAD, {**fetch.values, "signal0_kind": 1})
    first = Instruction(tensor[0].opcode, {**tensor[0].values, "wait0_kind": 1, "wait0_value": 1})
    return run({Queue.SYNC: [fetch, HALT], Queue.TENSOR: [first, *tensor[1:], HALT]}, config=config, strict=strict)


ROUNDED = {"dst_dtype": FORMATS["bf16"].code, "rounding": 1}


@pytest.mark.parametrize("accumulate", [0, 1])
def test_a_tile_has_the_bits_that_it_has_at_the_first_column(accumulate):
    again = [matmul(FIRST, 2, accumulate=1)] * accumulate
    low = sums(load(0, 2), matmul(0, 2), *[matmul(0, 2, accumulate=1)] * accumulate)
    high = sums(load(FIRST, 2), matmul(FIRST, 2), *again)
    assert not high.psum_written[:FIRST].any() and high.psum_written[FIRST:, :4].all()
    assert (high.psum[FIRST:] == low.psum[:2]).all() and np.unique(low.psum[:2, :4]).size > 4
    both = sums(load(FIRST, 2), matmul(FIRST, 2), *again, load(0, 2), matmul(0, 2))
    assert (both.psum[FIRST:] == high.psum[FIRST:]).all() and both.psum_written[:, :4].all()


def test_random_bits_are_those_of_the_partition():
    core = bench_config("stochastic")
    whole = sums(load(0, 4), matmul(0, 4, **ROUNDED), config=core)
    parts = sums(load(0, 4), matmul(FIRST, 2, **ROUNDED), matmul(0, 2, **ROUNDED), config=core)
    assert (parts.psum == whole.psum).all() and (parts.psum_written == whole.psum_written).all()


@pytest.mark.parametrize("first", [0, FIRST])
def test_a_matmul_in_columns_that_the_last_load_left_is_reported(first):
    """Hardware has the other tile's weights there; golden does not say which."""
    other = FIRST - first
    with pytest.raises(GoldenError, match=rf"row 0 column {first}, which the last load_stationary .* \(8 of 8 weights"):
        sums(load(first, 2), load(other, 2), matmul(first, 2))
    result = sums(load(first, 2), matmul(first, 2), load(other, 2), matmul(other, 2))
    assert result.psum_written[:, :4].all() and not result.findings


def test_a_matmul_may_use_the_upper_columns_of_a_load():
    whole = sums(load(0, 4), matmul(0, 4))
    upper = sums(load(0, 4), matmul(FIRST, 2))
    assert (upper.psum[FIRST:] == whole.psum[FIRST:]).all() and not upper.psum_written[:FIRST].any()
