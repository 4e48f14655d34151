"""What of a tensor has been written: one state where all elements share it, else a mark an element; same answers."""

from random import Random

import numpy as np
import pytest

from makalu.spec.formats import BF16, E4M3, FP32
from makalu.sw.nki.storage import Buffer, Storage, Written
from makalu.sw.nki.tensor import Tensor


def keys(rng, shape):
    """All of it in one of four cases, else a box."""
    if rng.random() < 0.25:
        return (slice(None),) * len(shape)
    bounds = [sorted(rng.sample(range(size + 1), 2)) for size in shape]
    return tuple(slice(low, high) for low, high in bounds)


@pytest.mark.parametrize("buffer", [Buffer.SBUF, Buffer.PSUM, Buffer.SHARED_HBM])
@pytest.mark.parametrize("seed", range(10))
def test_marks_are_those_of_an_array(buffer, seed):
    rng = Random(seed)
    shape, form = (4, 3, 6), rng.choice([BF16, E4M3, FP32])
    storage, expected = Storage("x", shape, form, buffer), np.zeros(shape, np.uint8)
    whole = Tensor.whole(storage)
    for _ in range(20):
        key, state = keys(rng, shape), rng.choice([Written.VALUE, Written.MATMUL])
        storage.mark(whole[key], state)
        expected[key] = state
        view = keys(rng, shape)
        each = 1 if buffer is Buffer.PSUM else form.bytes
        assert storage.unwritten(whole[view]) == each * np.count_nonzero(expected[view] == 0)
        assert storage.state() in (None, expected.flat[0])
        assert storage.state() is None or (expected == expected.flat[0]).all()
        missing = np.argwhere(expected == 0)
        first = storage.first_unwritten()
        assert first == (None if not len(missing) else (len(missing), tuple(missing[0])))


def test_a_tile_that_is_written_whole_has_no_array():
    storage = Storage("x", (4, 6), FP32, Buffer.SBUF)
    whole = Tensor.whole(storage)
    assert storage.state() == Written.NEVER
    storage.mark(whole[:, :3], Written.VALUE)
    assert storage.state() is None
    for view in (whole[:2], whole.permute((0, 1))[:, ::2], whole[:1].broadcast(0, 1)):
        storage.mark(view, Written.VALUE)
        assert storage.state() is None
    storage.mark(whole.reshape((4, 2, 3)), Written.VALUE)
    assert storage.state() == Written.VALUE
