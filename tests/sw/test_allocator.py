"""Placement: no two live tiles overlap, tiles rotate, and an overflow names the tile and what is missing."""

import inspect

import pytest

from makalu.sw.allocator import AllocationError, allocate, lifetimes
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Buffer

from .kernels import TINY, recorded


def chain(count, elements):
    """Each turn loads a tile, copies it to a second and stores that."""

    def kernel(a):
        out = nl.ndarray((4, elements), nl.float32, buffer=nl.shared_hbm)
        for _ in nl.affine_range(count):
            x, y = nl.ndarray((4, elements), nl.float32, name="x"), nl.ndarray((4, elements), nl.float32, name="y")
            nisa.dma_copy(x, a)
            nisa.tensor_copy(y, x)
            nisa.dma_copy(out, y)
        return out

    return recorded(kernel, a=(4, elements))


def overlapping(recording, buffer, unit):
    """Pairs of tiles that live at the same time and share bytes."""
    places = allocate(recording)
    spans = lifetimes(recording, buffer)
    for i, one in enumerate(spans):
        for other in spans[:i]:
            a, b = places[one.storage], places[other.storage]
            apart = a + one.storage.row_bytes <= b or b + other.storage.row_bytes <= a
            if one.overlaps(other) and not apart:
                yield one, other
        assert places[one.storage] % unit == 0


def test_tiles_rotate_through_the_memory():
    recording = chain(8, 100)
    places = [allocate(recording)[s] for s in recording.storages if s.name.startswith("x")]
    assert len(set(places)) == 8
    assert not list(overlapping(recording, Buffer.SBUF, TINY.sbuf.word_bytes))


def test_dead_tiles_are_reused():
    recording = chain(50, 1800)
    assert max(allocate(recording).values()) + 7200 <= TINY.sbuf.partition_bytes
    assert not list(overlapping(recording, Buffer.SBUF, TINY.sbuf.word_bytes))


def test_overflow_names_tile_size_and_gap():
    with pytest.raises(AllocationError) as error:
        allocate(chain(1, 2049))
    lines, first = inspect.getsourcelines(chain)
    (line,) = [number for number, text in enumerate(lines, first) if "nisa.tensor_copy(y, x)" in text]
    assert "y[4, 2049] fp32 in sbuf needs 8200 bytes a partition at operation 1" in str(error.value)
    assert f"test_allocator.py:{line}); the largest gap in SBUF has 8184, 16 too few (1 live" in str(error.value)
    assert "hold 8200 of 16384 bytes" in str(error.value)


def test_first_fit_is_tried_when_rotation_fails():
    """Rotation puts `kept` behind the dead tiles and cuts the memory in two; `wide` needs more than either part."""

    def kernel(a):
        out = nl.ndarray((1, 1024), nl.float32, buffer=nl.shared_hbm)
        for elements in (1024, 1024, 512, 512):
            tile = nl.ndarray((1, elements), nl.float32, name="t")
            nisa.dma_copy(tile, a[:, :elements])
            nisa.dma_copy(out[:, :elements], tile)
        kept = nl.ndarray((1, 512), nl.float32, name="kept")
        nisa.dma_copy(kept, a[:, :512])
        wide = nl.ndarray((1, 3584), nl.float32, name="wide")
        nisa.dma_copy(wide[:, :1024], a)
        nisa.dma_copy(out, wide[:, :1024])
        nisa.dma_copy(out[:, :512], kept)
        return out

    recording = recorded(kernel, a=(1, 1024))
    assert not list(overlapping(recording, Buffer.SBUF, TINY.sbuf.word_bytes))


def test_psum_tiles_own_banks():
    def nine():
        a = nl.ndarray((4, 4), nl.bfloat16)
        tiles = [nl.ndarray((4, 4), nl.float32, buffer=nl.psum, name="p") for _ in range(9)]
        for tile in tiles * 2:
            nisa.nc_matmul(tile, a, a)
        return nl.ndarray((1,), nl.float32, buffer=nl.shared_hbm)

    with pytest.raises(AllocationError, match=r"p_8\[4, 4\] fp32 in psum needs 256 .* PSUM has 0, 256 too few"):
        allocate(recorded(nine))
