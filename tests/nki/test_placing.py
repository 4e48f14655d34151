"""Where a kernel's tiles lie: full memories name the tile, explicit addresses are a mode, several PSUM tiles a bank."""

import numpy as np
import pytest

from makalu.sw.compile.allocate import AllocationError
from makalu.sw.compile.compiler import CompileError, compile_kernel, compile_trace
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.run import run_golden
from tests.sw.kernels import TINY

SPEC = TensorSpec((4, 8), nl.float32)
X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def out(shape=(4, 8), name="out"):
    return nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm, name=name)


def hoarding(x):
    """Three tiles of 6 KiB are more than the 16 KiB of a partition."""
    tiles = [nl.full((4, 1536), 1.0, nl.float32, name=f"tile{i}") for i in range(3)]
    target = out()
    nl.store(target, nl.add(nl.add(tiles[0][:, :8], tiles[1][:, :8]), tiles[2][:, :8]))
    return target


def test_a_full_sbuf_names_the_tile_its_bytes_and_who_is_there():
    with pytest.raises(AllocationError) as error:
        compile_kernel(hoarding, TINY, SPEC)
    text = str(error.value)
    assert "tile2[4, 1536] fp32 in sbuf needs 6144 bytes" in text and "tile0[4, 1536]" in text
    assert "test_placing.py:" in text and "tiny" in text


def many_sums(x, count=16):
    """More PSUM tiles at once than there are banks: they share banks."""
    tile = nl.load(x, dtype=nl.bfloat16)
    sums = [nl.ndarray((4, 8), nl.float32, buffer=nl.psum, name=f"p{i}") for i in range(count)]
    for tiles in sums:
        nisa.nc_matmul(tiles, tile[:, :4], tile)
    target = out((count, 4, 8))
    for i, tiles in enumerate(sums):
        nl.store(target[i], tiles)
    return target


def test_psum_tiles_share_banks_when_there_are_more_of_them():
    small = np.round(X * 4)
    program = compile_kernel(many_sums, TINY, SPEC)
    assert (run_golden(program, {"x": small}, config=TINY, seed=1)["out"] == small[:, :4].T @ small).all()
    banks = {}
    for tile in program.tiles:
        if tile.memory == "psum":
            assert tile.address // TINY.psum.bank_bytes == (tile.address + tile.bytes - 1) // TINY.psum.bank_bytes
            banks.setdefault(tile.address // TINY.psum.bank_bytes, []).append(tile.name)
    assert max(len(names) for names in banks.values()) >= 2
    with pytest.raises(AllocationError, match=r"in psum needs .* bytes"):
        compile_kernel(lambda x: many_sums(x, 8 * TINY.psum.bank_bytes // 32 + 1), TINY, SPEC)


def addressed(x, first=0, second=64):
    one = nl.ndarray((4, 8), nl.float32, name="one", address=(0, first))
    two = nl.ndarray((4, 8), nl.float32, name="two", address=(0, second))
    nisa.dma_copy(one, x)
    nisa.tensor_copy(two, one)
    target = out()
    nl.store(target, nl.add(one, two))
    return target


def test_explicit_addresses_are_a_mode():
    free = compile_kernel(addressed, TINY, SPEC)
    assert any("address= of 2 tiles is ignored" in note for note in free.notes)
    kept = compile_trace(trace(addressed, TINY, SPEC), keep_addresses=True)
    places = {tile.name: tile.address for tile in kept.tiles}
    assert (places["one"], places["two"]) == (0, 64) and not kept.notes
    assert (run_golden(kept, {"x": X}, config=TINY)["out"] == 2 * X).all()


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [(0, 16, "one.* two|two.* one"), (0, 1 << 20, "two"), (4, 64, "one")],
)
def test_explicit_addresses_are_checked(first, second, text):
    with pytest.raises(AllocationError, match=text):
        compile_trace(trace(addressed, TINY, SPEC, first=first, second=second), keep_addresses=True)


def test_an_output_written_in_part_is_refused_with_the_place():
    def kernel(x):
        target = out()
        nl.store(target[:, :6], nl.load(x[:, :6]))
        nl.store(target[:2, 6:], nl.load(x[:2, 6:]))
        return target

    with pytest.raises(CompileError, match=r"written in part: 4 of 32 elements are not, the first at \[2, 6\]"):
        compile_kernel(kernel, TINY, SPEC)


def test_many_turns_of_a_loop_lose_nothing():
    """How long such a kernel takes, `makalu bench --part nki` says."""

    def kernel(x):
        target = out()
        for _ in range(500):
            nl.store(target, nl.add(nl.load(x), 1.0))
        return target

    assert compile_kernel(kernel, TINY, SPEC).instructions >= 1_500
