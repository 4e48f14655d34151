"""Names of the language that make no instruction: what they say, and that they say no more."""

import pytest

from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError
from makalu.sw.nki.storage import Buffer
from tests.sw.kernels import TINY, recorded


def test_memories_are_told_apart():
    on_chip = {nl.sbuf: True, nl.psum: True, nl.hbm: False, nl.private_hbm: False, nl.shared_hbm: False}
    assert set(on_chip) == set(Buffer)
    for buffer, inside in on_chip.items():
        assert (nl.is_on_chip(buffer), nl.is_hbm(buffer)) == (inside, not inside)
        assert (nl.is_sbuf(buffer), nl.is_psum(buffer)) == (buffer is nl.sbuf, buffer is nl.psum)
        assert nl.is_on_chip(buffer.value) == inside
    with pytest.raises(KernelError, match="buffer must be one of nl.sbuf"):
        nl.is_sbuf("cache")


def test_an_empty_tensor_like_another_takes_its_shape_type_and_memory():
    def kernel(x):
        half = nl.empty_like(x, dtype=nl.bfloat16, buffer=nl.sbuf)
        assert (half.shape, half.dtype, half.buffer) == (x.shape, nl.bfloat16, nl.sbuf)
        same = nl.empty_like(half)
        assert (same.shape, same.dtype, same.buffer) == (half.shape, half.dtype, half.buffer)
        assert same.storage is not half.storage
        assert nl.expand_dims(half, 1).shape == (4, 1, 8) and nl.program_ndim() == 0
        assert nl.tile_size.total_available_sbuf_size == TINY.sbuf.partition_bytes
        return x

    assert recorded(kernel, x=(4, 8)).recording.count == 0


def test_operations_under_no_reorder_are_a_block_in_their_place():
    def kernel(x, out):
        tile = nl.load(x)
        with nl.no_reorder():
            doubled = nl.add(tile, tile)
            tripled = nl.add(doubled, tile)
        nl.store(out, tripled)

    recording = recorded(kernel, x=(4, 8), out=(4, 8)).recording
    names = [getattr(item, "name", None) or item.call for item in recording.body.items]
    assert names == ["nl.load", "no_reorder", "nl.store"]
    assert [operation.call for operation in recording.operations()] == ["nl.load", "nl.add", "nl.add", "nl.store"]
