"""The kernel language: views, every operation against numpy, and errors that name shapes and values."""

import numpy as np
import pytest

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.names import NotBuiltError
from makalu.sw.nki.recording import TensorSpec
from makalu.sw.nki.tensor import Buffer, KernelError, Storage, Tensor

from .kernels import MINI, execute, recorded

RANDOM = np.random.default_rng(0)
DATA = RANDOM.normal(size=(4, 24)).astype(np.float32)


def load(source, shape=None, name="tile"):
    tile = nl.ndarray(shape or source.shape, source.dtype, name=name)
    nisa.dma_copy(tile.reshape(*source.shape), source)
    return tile


def store(tile, name="out"):
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm, name=name)
    nisa.dma_copy(out, tile)
    return out


def numbers(view):
    """Element numbers of a view, as an array of its shape (partition 0 on the chip)."""
    out = np.full(view.shape, view.offset)
    for axis, (size, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        if axis or not view.buffer.on_chip:
            out = out + (np.arange(size) * stride).reshape([-1 if a == axis else 1 for a in range(len(view.shape))])
    return out


@pytest.mark.parametrize(
    "index",
    [
        np.s_[:],
        np.s_[1:3],
        np.s_[2],
        np.s_[:, 3],
        np.s_[:, 1:6:2],
        np.s_[1:4, 2:5, ::3],
        np.s_[..., 1],
        np.s_[:, 2, 1:4],
    ],
)
def test_views_in_memory_follow_numpy(index):
    whole = Tensor.whole(Storage("t", (5, 6, 7), nl.float32, Buffer.HBM))
    assert (numbers(whole[index]) == np.arange(210).reshape(5, 6, 7)[index]).all()


def test_views_on_the_chip_keep_the_partition():
    whole = Tensor.whole(Storage("t", (4, 6, 8), nl.float32, Buffer.SBUF))
    row = np.arange(48).reshape(6, 8)
    view = whole[2:4, 1:5, ::2]
    assert (view.partition, view.shape) == (2, (2, 4, 4))
    assert (numbers(view)[0] == row[1:5, ::2]).all()
    assert (whole[3].partition, whole[3].shape) == (3, (1, 6, 8))
    assert whole[:, 2, 3].shape == (4, 1)
    assert (numbers(whole.reshape(4, 2, 24)[:, 1])[0] == row.reshape(2, 24)[1]).all()
    assert (numbers(whole[:, :, 0:4].reshape(4, 3, 2, 2, 2))[0] == row[:, :4].reshape(3, 2, 2, 2)).all()
    assert (numbers(whole.permute(0, 2, 1))[0] == row.T).all()
    assert (numbers(whole[:, :1].broadcast_to(4, 3, 8))[0] == np.broadcast_to(row[:1], (3, 8))).all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda t: t[:, 6], r"index 6 leaves dimension 1 of size 6"),
        (lambda t: t[:, 2:9], r"slice 2:9:1 leaves dimension 1 of size 6"),
        (lambda t: t[::2], r"takes no step, not 2"),
        (lambda t: t[0, 0, 0, 0], r"has 3 dimensions, not 4"),
        (lambda t: t.reshape(4, 47), r"cannot be reshaped to \[4, 47\]"),
        (lambda t: t[:, :, 0:3].reshape(4, 18), r"is no view as \[4, 18\]"),
        (lambda t: t.permute(1, 0, 2), r"cannot be permuted"),
        (lambda t: t.broadcast_to(4, 7, 8), r"cannot be broadcast to \[4, 7, 8\]"),
    ],
)
def test_bad_views_are_refused(make, text):
    with pytest.raises(KernelError, match=text):
        make(Tensor.whole(Storage("t", (4, 6, 8), nl.float32, Buffer.SBUF)))


def test_elementwise_operations():
    def kernel(a):
        data, outs = load(a), []
        for i in range(5):
            outs.append(nl.ndarray((4, 24), nl.float32, name=f"o{i}"))
        nisa.tensor_copy(outs[0], data)
        nisa.tensor_tensor(outs[1], data, outs[0][:, 0:1].broadcast_to(4, 24), op=nl.multiply)
        nisa.tensor_scalar(outs[2], data, nl.subtract, 1.5, reverse0=True, op1=nl.maximum, operand1=0.25)
        nisa.tensor_scalar(outs[3], data, nl.add, data[:, 3])
        nisa.activation(outs[4], op=nl.relu, data=data, bias=data[:, 5], scale=-2.0)
        return tuple(store(out, name=f"r{i}") for i, out in enumerate(outs))

    got = list(execute(kernel, {"a": DATA}).values())
    f = np.float32
    want = [
        DATA,
        DATA * DATA[:, :1],
        np.maximum(f(1.5) - DATA, f(0.25)),
        DATA + DATA[:, 3:4],
        np.maximum(DATA * f(-2) + DATA[:, 5:6], f(0)),
    ]
    for g, w in zip(got, want, strict=True):
        assert (g.view(np.uint32) == w.view(np.uint32)).all()


def test_strided_copy_transposes_the_free_dimensions():
    def kernel(a):
        data, out = load(a), nl.ndarray((4, 4, 6), nl.float32)
        nisa.tensor_copy(out.permute(0, 2, 1), data.reshape(4, 6, 4), engine=nisa.vector_engine)
        return store(out.reshape(4, 24))

    got = execute(kernel, {"a": DATA})["out"]
    assert (got == DATA.reshape(4, 6, 4).transpose(0, 2, 1).reshape(4, 24)).all()


def test_five_free_dimensions_become_several_instructions():
    data = RANDOM.normal(size=(4, 64)).astype(np.float32)

    def kernel(a):
        source, out = load(a), nl.ndarray((4, 2, 2, 2, 2, 2), nl.float32)
        nisa.tensor_copy(out.permute(0, 5, 4, 3, 2, 1), source[:, ::2].reshape(4, 2, 2, 2, 2, 2))
        return store(out.reshape(4, 32))

    want = data[:, ::2].reshape(4, 2, 2, 2, 2, 2).transpose(0, 5, 4, 3, 2, 1).reshape(4, 32)
    assert (execute(kernel, {"a": data})["out"] == want).all()


def test_accumulate_none_overwrites_then_adds():
    a, b = (RANDOM.integers(-8, 9, size=size).astype(np.float32) for size in ((4, 4), (4, 8)))  # exact sums

    def kernel(a, b):
        weights, moving = load(a), load(b)
        sums = nl.ndarray((4, 8), nl.float32, buffer=nl.psum)
        for _ in nl.affine_range(2):
            nisa.nc_matmul(sums, weights, moving)
        out = nl.ndarray((4, 8), nl.float32)
        nisa.tensor_copy(out, sums)
        return store(out)

    got = execute(kernel, {"a": a, "b": b}, dtype=nl.bfloat16)["out"]
    assert (got == 2 * (a.T @ b)).all()


def psum(*shape):
    return nl.ndarray(shape, nl.float32, buffer=nl.psum, name="sums")


def half(*shape):
    return nl.ndarray(shape, nl.bfloat16, name="half")


def word(*shape):
    return nl.ndarray(shape, nl.float32, name="word")


def scaled(*operands, **more):
    nisa.tensor_scalar(word(4, 8), word(4, 8), nl.add, *operands, **more)


def active(**more):
    nisa.activation(word(4, 8), nl.relu, word(4, 8), **more)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nl.ndarray((5, 8), nl.float32), r"tensor\[5, 8\]: the core has 4 partitions, not 5"),
        (lambda: nl.ndarray((4,), nl.float32), r"a partition and a free dimension, not \[4\]"),
        (lambda: nl.ndarray((4, 0), nl.float32), r"every size must be at least 1, not \[4, 0\]"),
        (lambda: nl.ndarray((4, 8), nl.bfloat16, buffer=nl.psum), r"PSUM holds float32, not bf16"),
        (
            lambda: nisa.nc_matmul(word(4, 8), half(4, 4), half(4, 8)),
            r"dst must be in psum, not word\[4, 8\] fp32",
        ),
        (lambda: nisa.nc_matmul(psum(4, 8), word(4, 4), half(4, 8)), r"stationary must be bfloat16, not word\[4, 4\]"),
        (lambda: nisa.nc_matmul(psum(4, 8), half(4, 4), half(3, 8)), r"same partitions, not 0\+4 and 0\+3"),
        (lambda: nisa.nc_matmul(psum(4, 8), half(4, 8), half(4, 8)), r"stationary has 8 columns, the array has 4"),
        (lambda: nisa.nc_matmul(psum(4, 8), half(4, 8)[:, 2:6], half(4, 8)), r"starts at byte 4 .* 8 bytes"),
        (lambda: nisa.nc_matmul(psum(4, 8), half(4, 8)[:, ::2], half(4, 8)), r"one contiguous free dimension"),
        (lambda: nisa.nc_matmul(psum(3, 8), half(4, 4), half(4, 8)), r"dst must have partition 0 to 3, not 0\+3"),
        (lambda: nisa.nc_matmul(psum(4, 9), half(4, 4), half(4, 8)), r"dst \[4, 9\], moving \[4, 8\]"),
        (lambda: nisa.tensor_copy(psum(4, 8), word(4, 8)), r"dst must be in sbuf"),
        (lambda: nisa.tensor_copy(word(4, 8), word(4, 9)), r"dst \[4, 8\], src \[4, 9\]"),
        (lambda: nisa.tensor_copy(word(4, 8)[1:3], word(2, 8)), r"src lies in partitions 0\+2, dst in 1\+2"),
        (lambda: nisa.tensor_tensor(word(4, 8), word(4, 8), word(4, 8), op="add"), r"an operator must be one of"),
        (lambda: nisa.activation(word(4, 8), nl.add, word(4, 8)), r"op must be one of \['identity', 'relu'\]"),
        (lambda: nisa.activation(word(4, 8), nl.relu, word(4, 8), bias=half(4, 1)), r"bias must be float32 \[4, 1\]"),
        (lambda: nisa.dma_copy(word(4, 8), half(4, 8)), r"must have one type"),
        (lambda: nisa.dma_copy(word(4, 8), word(4, 8)), r"between memory and SBUF"),
        (lambda: nisa.dma_copy(word(4, 8), DATA[:, :1]), r"dma_copy: src must be in sbuf or .*, not \[\["),
        (lambda: scaled(None), r"tensor_scalar: operand0 must be a number, not None"),
        (lambda: scaled("2"), r"tensor_scalar: operand0 must be a number, not '2'"),
        (lambda: scaled(2j), r"operand0 must be a number, not 2j"),
        (lambda: scaled(1e300), r"operand0 must be within fp32's 3.4028235e\+38, not 1e\+300"),
        (lambda: scaled(-(10**400)), r"operand0 must be within fp32's 3.4028235e\+38, not -1000"),
        (lambda: scaled(1.0, op1=nl.add, operand1=word(4, 1)), r"operand1 must be a number, not word\[4, 1\]"),
        (lambda: scaled(1.0, op1=nl.add, operand1=None), r"operand1 must be a number, not None"),
        (lambda: active(scale=word(4, 1)), r"activation: scale must be a number, not word\[4, 1\] fp32"),
        (lambda: active(scale="1"), r"activation: scale must be a number, not '1'"),
        (lambda: active(bias=1e39), r"activation: bias must be within fp32's"),
        (lambda: nl.ndarray((4, 8), np.float32), r"tensor: dtype must be .* <class 'numpy.float32'>; write nl.float32"),
        (lambda: nl.ndarray((4, 8), "float32"), r"dtype must be .*, not 'float32'; write nl.float32"),
        (lambda: nl.ndarray((4, 8), np.dtype("float32")), r"not dtype\('float32'\); write nl.float32"),
        (lambda: nl.ndarray((4, 8), "bfloat16"), r"not 'bfloat16'; write nl.bfloat16"),
        (lambda: nl.ndarray((4, 8), "int8"), r"dtype must be nl.float32 or nl.bfloat16, not 'int8'$"),
        (lambda: nl.ndarray((4, 8), nl.float32, buffer="sbuf"), r"buffer must be one of .*'sbuf'; write nl.sbuf"),
        (lambda: nl.ndarray(4, nl.float32), r"shape must be a tuple or list of integers, not 4"),
        (lambda: nl.ndarray((4, 8.0), nl.float32), r"every size must be an integer, not \[4, 8.0\]"),
        (lambda: TensorSpec((4, -1), nl.float32), r"TensorSpec: every size must be at least 1, not \[4, -1\]"),
        (lambda: TensorSpec((4, 1), np.float32), r"TensorSpec: dtype must be .*; write nl.float32"),
        (lambda: TensorSpec(np.zeros(2), nl.float32), r"TensorSpec: shape must be a tuple or list"),
        (
            lambda: nl.ndarray((4, 128), nl.float32, buffer=nl.psum, name="acc"),
            r"acc\[4, 128\] fp32 needs 512 bytes, a PSUM bank has 256: 256 too many",
        ),
        (
            lambda: nl.ndarray((4, 4097), nl.float32, name="wide"),
            r"wide\[4, 4097\] fp32 needs 16388 bytes, a partition of SBUF has 16384: 4 too many",
        ),
        (lambda: nisa.tensor_copy(word(4, 8), word(4, 8), engine="vector"), r"engine must be nisa.*, not 'vector'"),
        (lambda: nl.affine_range(1.5), r"a range takes stop, start and stop, .*, not \(1.5,\)"),
        (lambda: nl.static_range(), r"a range takes stop"),
        (lambda: word(4, 8)[:, 1.0], r"an index must be an integer, a slice or ..., not 1.0"),
    ],
)
def test_calls_are_refused_with_shapes_and_values(call, text):
    with pytest.raises(KernelError, match=text):
        recorded(call)


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda: nl.float8_e4m3, r"nl.float8_e4m3 is not built; nl has add, .*bfloat16"),
        (lambda: nisa.nc_matmul_mx, r"nisa.nc_matmul_mx is not built; nisa has .*nc_matmul"),
        (lambda: scaled(1.0, mask=1), r"^tensor_scalar: mask= is not built; there is dst, data, op0, .*, reverse1$"),
        (lambda: active(engine=nisa.scalar_engine), r"activation: engine= is not built; there is dst, op, data, bias"),
        (lambda: nl.ndarray((4, 8), nl.float32, lazy=1), r"ndarray: lazy= is not built; there is shape, dtype, buffer"),
        (lambda: word(4, 8).T, r"word\[4, 8\] fp32 in sbuf: .T is not built; a tensor has shape, .* permute"),
        (lambda: word(4, 8).ap, r".ap is not built"),
        (lambda: word(4, 8) + 1, r"the operator \+ is not built; nisa.tensor_tensor, nisa.tensor_scalar"),
        (lambda: np.float32(2) * word(4, 8), r"the operator \* is not built"),
        (lambda: -word(4, 8), r"the operator - is not built"),
        (lambda: word(4, 8)[:, -1], r"negative indices are not built; write 7 instead of -1 in dimension 1"),
        (lambda: word(4, 8)[:, :-2], r"negative bounds and steps of a slice are not built; .* of size 8, not 0:-2:1"),
        (lambda: word(4, 8).__setitem__(0, 1), r"assignment is not built; nisa.tensor_copy"),
    ],
)
def test_what_is_not_built_is_refused_with_what_there_is(use, text):
    def kernel():
        use()

    with pytest.raises(NotBuiltError, match=text):
        recorded(kernel)
    assert not hasattr(nl, "gelu") and not hasattr(nisa, "iota")


def test_numbers_are_rounded_once_and_special_ones_stay():
    def bits(value):
        def kernel():
            scaled(value)
            return nl.ndarray((1,), nl.float32, buffer=nl.shared_hbm)

        return recorded(kernel).operations[0].fields["immediate0"]

    tie, largest = 1 + 2**-24, float(np.finfo(np.float32).max)
    given = [0.1, tie, 3, np.int64(3), np.float32(0.5), largest, np.inf, -np.inf, -0.0, 1e-300]
    assert [bits(value) for value in given] == np.array(given, np.float64).astype(np.float32).view(np.uint32).tolist()
    assert bits(np.nan) & 0x7F80_0000 == 0x7F80_0000 and bits(np.nan) & 0x007F_FFFF


def test_loops_have_the_bounds_of_range():
    for loop in (nl.affine_range, nl.sequential_range, nl.static_range):
        assert [list(loop(3)), list(loop(1, 3)), list(loop(1, 8, 3))] == [[0, 1, 2], [1, 2], [1, 4, 7]]


def test_an_index_may_be_of_numpy():
    whole = Tensor.whole(Storage("t", (4, 6, 8), nl.float32, Buffer.SBUF))
    assert (whole[:, np.int64(2)].offset, whole[:, np.int64(2) : np.int64(4)].shape) == (16, (4, 2, 8))
    assert not hasattr(whole, "T") and not hasattr(whole, "__array__")


def test_partly_written_psum_needs_an_explicit_accumulate():
    def kernel():
        sums = psum(4, 8)
        nisa.nc_matmul(sums[:, :4], half(4, 4), half(4, 4))
        nisa.nc_matmul(sums, half(4, 4), half(4, 8))

    with pytest.raises(KernelError, match="16 of 32 elements of dst .* were written before"):
        recorded(kernel)


def test_use_outside_of_a_kernel_and_wrong_results():
    with pytest.raises(KernelError, match="inside a traced kernel"):
        nl.ndarray((4, 8), nl.float32)
    with pytest.raises(KernelError, match="returns tensors in shared_hbm"):
        recorded(lambda: word(4, 8))


def test_tile_sizes_are_those_of_the_core():
    sizes = []

    def kernel():
        size = nl.tile_size
        sizes.append((size.pmax, size.gemm_stationary_fmax, size.gemm_moving_fmax, size.psum_fmax))
        return nl.ndarray((1,), nl.float32, buffer=nl.shared_hbm)

    recorded(kernel)
    recorded(kernel, MINI)
    assert sizes == [(4, 4, 64, 64), (32, 32, 512, 512)]
