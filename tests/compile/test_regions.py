"""Regions against sets of bytes: exactly what an access touches, and its granules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.sw.compile.regions import Granules, granules, region_of

DIMS = st.lists(st.tuples(st.integers(1, 4), st.integers(-40, 40)), max_size=4)


def touched(low, dims, run):
    starts = {low}
    for count, stride in dims:
        starts = {s + i * stride for s in starts for i in range(count)}
    return {s + i for s in starts for i in range(run)}


@settings(max_examples=500, deadline=None)
@given(DIMS, st.integers(700, 900), st.sampled_from([1, 2, 4]))
def test_a_region_is_what_an_access_touches(dims, low, run):
    region = region_of("sbuf", dims, low=low, run=run, first=3, last=7)
    expected = touched(low, dims, run)
    assert touched(region.low, region.dims, region.run) == expected
    assert (region.low, region.high) == (min(expected), max(expected) + 1)
    strides = [stride for _, stride in region.dims]
    assert strides == sorted(strides, reverse=True)
    assert all(count > 1 and stride > region.run for count, stride in region.dims)


@settings(max_examples=500, deadline=None)
@given(DIMS, st.integers(700, 900), st.sampled_from([2, 4]), st.sampled_from([4, 8, 16]))
def test_granules_hold_the_bytes(dims, low, run, granule):
    region = region_of("x", dims, low=low, run=run)
    found = granules(region, granule)
    numbers = touched(found.start, list(zip(found.sizes, found.strides, strict=True)), 1)
    exact = {byte // granule for byte in touched(low, dims, run)}
    assert exact <= numbers
    if all(stride % granule == 0 for _, stride in region.dims):
        assert numbers == exact
    assert (min(numbers), max(numbers) + 1) == (min(exact), max(exact) + 1) == (found.start, found.stop)


def test_canonical_forms():
    whole = region_of("sbuf", [(4, 128), (32, 4)], low=64, run=4, last=128)
    assert (whole.low, whole.dims, whole.run) == (64, (), 512)
    assert region_of("sbuf", [(32, -4), (4, 128)], low=64 + 124, run=4, last=128) == whole
    rows = region_of("t", [(8, 4096), (128, 4), (5, 0)], low=0, run=4)
    assert (rows.dims, rows.run, rows.high) == (((8, 4096),), 512, 7 * 4096 + 512)
    assert granules(rows, 64) == Granules(0, (8, 8), (64, 1))


def test_a_row_that_is_no_multiple_takes_its_hull():
    rows = region_of("t", [(3, 1000), (2, 128)], low=10, run=4)
    assert granules(rows, 64) == Granules(0, (34,), (1,))


@pytest.mark.parametrize(
    "wrong", [{"low": -1}, {"run": 0}, {"first": 1}, {"first": -1}, {"dims": [(0, 4)]}, {"low": 3, "dims": [(2, -4)]}]
)
def test_a_region_has_bytes_and_partitions(wrong):
    arguments = {"low": 0, "run": 4, "first": 0, "last": 1, "dims": []} | wrong
    with pytest.raises(ValueError, match="no region of sbuf"):
        region_of("sbuf", arguments.pop("dims"), **arguments)
