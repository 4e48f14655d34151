"""Views: every way to make one, against numpy's own views of the same bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, NotBuiltError, NotInNkiError
from makalu.sw.nki.storage import Buffer, Storage
from makalu.sw.nki.tensor import Tensor

MEMORY = Tensor.whole(Storage("t", (5, 6, 8), nl.float32, Buffer.HBM))
CHIP = Tensor.whole(Storage("t", (4, 6, 8), nl.float32, Buffer.SBUF))
HALF = Tensor.whole(Storage("h", (4, 6, 8), nl.bfloat16, Buffer.SBUF))


def numbers(view):
    """Element numbers of a view within memory, or within its partition."""
    out = np.full(view.shape, view.start)
    for axis, (size, step) in enumerate(view.dims):
        if axis or not view.buffer.on_chip:
            out = out + (np.arange(size) * step).reshape([-1 if a == axis else 1 for a in range(view.ndim)])
    return out // view.item


WHOLE = np.arange(5 * 6 * 8).reshape(5, 6, 8)
ROW = np.arange(48).reshape(6, 8)


@pytest.mark.parametrize(
    "index",
    [
        np.s_[:],
        np.s_[1:3],
        np.s_[2],
        np.s_[-1],
        np.s_[:, 3],
        np.s_[:, -2],
        np.s_[:, 1:6:2],
        np.s_[:, :-1],
        np.s_[:, -3:],
        np.s_[1:4, 2:5, ::3],
        np.s_[..., 1],
        np.s_[1, ...],
        np.s_[..., 2:4, :],
        np.s_[:, None, 2],
        np.s_[None, :, 2, None],
        np.s_[:, 2, 1:4],
    ],
)
def test_indices_in_memory_are_numpy_s(index):
    view = MEMORY[index]
    assert view.shape == WHOLE[index].shape and (numbers(view) == WHOLE[index]).all()


def slices(size):
    return st.tuples(st.integers(0, size - 1), st.integers(1, size), st.integers(1, 3)).map(
        lambda t: slice(t[0], min(size, t[0] + t[1]), t[2])
    )


@settings(max_examples=200, deadline=None)
@given(st.tuples(slices(5), slices(6), slices(8)), st.data())
def test_views_of_views_are_numpy_s(index, data):
    view, mirror = MEMORY[index], WHOLE[index]
    order = data.draw(st.permutations(range(3)))
    view, mirror = view.permute(tuple(order)), mirror.transpose(order)
    cut = tuple(data.draw(slices(size)) for size in view.shape)
    view, mirror = view[cut], mirror[cut]
    assert view.shape == mirror.shape and (numbers(view) == mirror).all()
    strides = [(a, b // 8) for size, a, b in zip(view.shape, view.strides, mirror.strides, strict=True) if size > 1]
    assert all(mine == numpys for mine, numpys in strides)
    assert view.ap(view.get_pattern(), 0).shape == view.shape
    assert (numbers(view.ap(view.get_pattern(), 0)) == mirror).all()


def test_views_on_the_chip_keep_the_partition():
    view = CHIP[2:4, 1:5, ::2]
    assert (view.partition, view.shape) == (2, (2, 4, 4))
    assert (numbers(view)[0] == ROW[1:5, ::2]).all()
    assert (CHIP[3].partition, CHIP[3].shape) == (3, (1, 6, 8))
    assert (CHIP[-1].partition, CHIP[:, 2, 3].shape) == (3, (4, 1))
    assert (numbers(CHIP.permute((0, 2, 1)))[0] == ROW.T).all()
    assert (numbers(CHIP[:, nl.ds(2, 3), nl.ds(1, 1)])[0] == ROW[2:5, 1:2]).all()


@pytest.mark.parametrize(
    ("make", "want"),
    [
        (lambda t: t.reshape((4, 48)), ROW.reshape(48)),
        (lambda t: t.reshape((4, -1)), ROW.reshape(48)),
        (lambda t: t.reshape(4, 2, -1), ROW.reshape(2, 24)),
        (lambda t: t[:, :, 0:4].reshape((4, 3, 2, 2, 2)), ROW[:, :4].reshape(3, 2, 2, 2)),
        (lambda t: t.reshape_dim(2, (2, -1)), ROW.reshape(6, 2, 4)),
        (lambda t: t.flatten_dims(1, 2), ROW.reshape(48)),
        (lambda t: t.expand_dim(1), ROW[None]),
        (lambda t: t.expand_dim(3), ROW[:, :, None]),
        (lambda t: t.expand_dim(2).squeeze_dim(2), ROW),
        (lambda t: t[:, :1].broadcast(1, 3), np.broadcast_to(ROW[:1], (3, 8))),
        (lambda t: t.slice(1, 1, 6, 2), ROW[1:6:2]),
        (lambda t: t.select(1, -1), ROW[-1]),
        (
            lambda t: t.rearrange(("p", ("a", "b"), "c"), ("p", "b", ("a", "c")), {"a": 2}),
            ROW.reshape(2, 3, 8).transpose(1, 0, 2).reshape(3, 16),
        ),
        (lambda t: t.ap([[48, 4], [16, 3], [3, 2]], 8), 8 + 16 * np.arange(3)[:, None] + 3 * np.arange(2)),
        (lambda t: t[:, 1:].ap([[48, 4], [1, 8]]), ROW[1]),
    ],
)
def test_methods_on_the_chip(make, want):
    try:
        view = make(CHIP)
    except KernelError as error:
        # merging what a permutation tore apart is no view; numpy copies
        assert "is no" in str(error) or "are no" in str(error)
        return
    assert view.shape[1:] == want.shape and (numbers(view)[0] == want).all()


def test_ap_moves_partitions_and_repeats_one():
    assert CHIP.ap([[48, 2], [1, 8]], 96).partition == 2
    view = CHIP.ap([[0, 4], [1, 8]], 48)
    assert (view.partition, view.steps[0], view.shape) == (1, 0, (4, 8))


def test_a_view_of_another_type_has_the_same_bytes():
    halves = CHIP.view(nl.bfloat16)
    assert (halves.shape, halves.item, halves.dtype) == ((4, 6, 16), 2, nl.bfloat16)
    assert (numbers(halves)[0] == np.arange(96).reshape(6, 16)).all()
    words = HALF[:, :, 2:6].view(nl.float32)
    assert words.shape == (4, 6, 2) and (words.start, words.steps[1:]) == (4, (16, 4))
    assert HALF.ap([[24, 4], [1, 6]], 2, dtype=nl.float32).start == 8
    assert CHIP.reinterpret_cast(nl.float32).shape == CHIP.shape


def test_numbers_that_a_kernel_may_ask_for():
    view = CHIP[1:3, 2, 1:4]
    assert (view.ndim, view.size, view.name, view.buffer) == (2, 6, "t", nl.sbuf)
    assert (view.offset, view.strides, view.get_pattern()) == (48 + 17, (48, 1), [[48, 2], [1, 3]])
    assert view.is_contiguous() and not CHIP[:, :, ::2].is_contiguous() and not view.is_indirect()
    assert not hasattr(view, "T") and not hasattr(view, "__array__")


BAD = [
    (lambda t: t[:, 6], r"dimension 1: index 6 leaves a dimension of size 6"),
    (lambda t: t[:, -7], r"index -7 leaves"),
    (lambda t: t[:, 2:9], r"slice 2:9 leaves a dimension of size 6"),
    (lambda t: t[:, 2:2], r"slice 2:2 is empty"),
    (lambda t: t[:, ::-1], r"the step must be at least 1"),
    (lambda t: t[:, nl.ds(4, 3)], r"slice 4:7 leaves"),
    (lambda t: t[0, 0, 0, 0], r"has 3 dimensions, not 4"),
    (lambda t: t[..., 0, ...], r"one ... at most"),
    (lambda t: t[:, 1.0], r"an index must be an integer, slice, nl.ds, None or ..., not 1.0"),
    (lambda t: t[:, True], r"not True"),
    (lambda t: t[None], r"dimension 0 is the partition"),
    (lambda t: t.reshape((4, 47)), r"reshape to \[4, 47\]: \[4, 47\] does not hold 192 elements"),
    (lambda t: t.reshape((8, 24)), r"another number of partitions"),
    (lambda t: t.reshape((4, -2, 24)), r"sizes must be at least 1"),
    (lambda t: t.reshape((4, -1, -1)), r"one of them may be -1"),
    (lambda t: t.reshape((4, 4.0, 12)), r"reshape: the argument must be a tuple of integers"),
    (lambda t: t[:, :, 0:3].reshape((4, 18)), r"are no \[18\]"),
    (lambda t: t.permute((1, 0, 2)), r"permute takes an order of 0 to 2, 0 first"),
    (lambda t: t.broadcast(1, 7), r"broadcast of dimension 1 of size 6 to 7; it must be 1"),
    (lambda t: t.squeeze_dim(1), r"not a free one of size 1"),
    (lambda t: t.expand_dim(0), r"expand_dim takes 1 to 3, not 0"),
    (lambda t: t.select(4, 0), r"has 3 dimensions, none is number 4"),
    (lambda t: t.ap([[48, 4], [1, 49]]), r"reaches bytes 0 to 195 of a partition's 192"),
    (lambda t: t.ap([[48, 5], [1, 4]]), r"reaches partitions 0 to 4 of 4"),
    (lambda t: t.ap([[48, 4], [1, 4]], -1), r"reaches"),
    (lambda t: t.ap([[48, 4], [-1, 4]]), r"reaches bytes -12"),
    (lambda t: t.ap([]), r"every count must be at least 1"),
    (lambda t: t.ap([[1]]), r"ap takes \[\[stride, count\], ...\]"),
    (lambda t: t.view("nonsense"), r"dtype must be one of nl.float32, nl.bfloat16, "),
    (lambda t: t.rearrange(("p", "a", "b"), ("p", "a", "c")), r"the same names on both sides"),
    (lambda t: t.rearrange(("p", ("a", "b"), "c"), ("p", "a", "b", "c"), {"a": 4}), r"does not make 6"),
]


@pytest.mark.parametrize(("make", "text"), BAD)
def test_views_that_do_not_exist_are_illegal(make, text):
    with pytest.raises(KernelError, match=text) as error:
        make(CHIP)
    assert str(error.value).startswith("illegal: ")


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda t: t[::2], NotBuiltError, r"a step of 2 over partitions"),
        (lambda t: t.ap([[96, 2], [1, 4]]), NotBuiltError, r"stride of 96 over partitions; a row has 48"),
        (lambda t: t.indirect(t), NotBuiltError, r"indirect"),
        (lambda t: t.vector_select(0, t), NotBuiltError, r"vector_select"),
        (lambda t: t.select(1, t), NotBuiltError, r"known at run time only"),
        (lambda t: t.ap([[48, 4]], vector_offset=t), NotBuiltError, r"known at run time only"),
        (lambda t: t.view(nl.bool_), NotBuiltError, r"elements of nl.bool_; the core has nl.float32, nl.bfloat16, "),
        (lambda t: t[:, np.array([1, 2])], NotInNkiError, r"an array as an index; Beta 1"),
        (lambda t: t.T, NotInNkiError, r"\.T"),
        (lambda t: t.permut, NotInNkiError, r"did you mean .*permute"),
        (lambda t: t + 1, NotInNkiError, r"the operator \+"),
        (lambda t: np.float32(2) * t, NotInNkiError, r"the operator \*"),
        (lambda t: -t, NotInNkiError, r"the operator -"),
    ],
)
def test_the_other_kinds_say_which(make, kind, text):
    with pytest.raises(kind, match=text) as error:
        make(CHIP)
    assert str(error.value).startswith(("not in NKI: ", "in NKI, not built here yet: "))


@pytest.mark.parametrize("least", [2, 4])
def test_short_elements_of_psum_are_nothing_else(least):
    """They take half a word, or all of it where sums carry no bits; only whole elements can be read anew."""
    psum = Tensor.whole(Storage("p", (4, 8), nl.float8_e5m2, Buffer.PSUM, least=least))
    assert (psum.item, psum.storage.row_bytes, psum[:, 2:].start) == (least, 8 * least, 2 * least)
    for view in (lambda: psum.view(nl.int8), lambda: psum.ap([[8, 4], [1, 8]], dtype=nl.float16)):
        with pytest.raises(NotBuiltError, match=f"in PSUM, where an element takes {least} bytes at least"):
            view()


def test_elements_of_psum_that_fill_their_place_are_read_anew():
    words = Tensor.whole(Storage("p", (4, 8), nl.float32, Buffer.PSUM, least=2))
    halves = words.view(nl.bfloat16)
    assert (halves.shape, halves.item, halves[:, 3].start) == ((4, 16), 2, 6)
    assert halves.view(nl.float32).dims == words.dims
