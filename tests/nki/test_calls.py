"""What calls refuse, with kind, rule, value and line; and what they take."""

import warnings

import numpy as np
import pytest

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.api import ISA_NAMES, LANGUAGE_NAMES, OUR_NAMES
from makalu.sw.nki.errors import KernelError, KernelWarning, NotBuiltError, NotInNkiError
from makalu.sw.nki.tracing import TensorSpec, trace
from tests.sw.kernels import MINI, TINY, recorded

DATA = np.ones((4, 8), np.float32)


def psum(*shape, dtype=nl.float32):
    return nl.ndarray(shape, dtype, buffer=nl.psum, name="sums")


def half(*shape):
    return nl.full(shape, 1.0, nl.bfloat16, name="half")


def word(*shape):
    return nl.full(shape, 1.0, nl.float32, name="word")


def memory(*shape, dtype=nl.float32):
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm, name="out")


def scaled(*operands, **more):
    nisa.tensor_scalar(word(4, 8), word(4, 8), nl.add, *operands, **more)


def active(**more):
    nisa.activation(word(4, 8), nl.relu, word(4, 8), **more)


def product(dst, left, right, **more):
    nisa.nc_matmul(dst, left, right, **more)


ILLEGAL = [
    (lambda: nl.ndarray((5, 8), nl.float32), r"nl.ndarray: tensor\[5, 8\]: the core has 4 partitions, not 5"),
    (lambda: nl.load(memory(5, 8)), r"out\[5, 8\]: a tile has at most 4 partitions, not 5"),
    (lambda: nl.ndarray((4,), nl.float32), r"a partition and a free dimension, not \[4\]"),
    (lambda: nl.ndarray((4, 0), nl.float32), r"every size must be at least 1, not \[4, 0\]"),
    (lambda: nl.ndarray((4, 8), "floaty"), r"dtype must be one of nl.float32, nl.bfloat16, .* not 'floaty'"),
    (lambda: nl.ndarray((4, 8), nl.float32, buffer="cache"), r"buffer must be one of nl.sbuf, .*'cache'"),
    (lambda: nl.ndarray(4, nl.float32), r"shape must be a tuple of integers, not 4"),
    (lambda: nl.ndarray((4, 8.0), nl.float32), r"shape must be a tuple of integers, not \(4, 8.0\)"),
    (lambda: nl.ndarray((2**40, 2**24), nl.float32, buffer=nl.hbm), r"needs 73786976294838206464 bytes, the bus has"),
    (lambda: TensorSpec((4, -1), nl.float32), r"TensorSpec: every size must be at least 1, not \[4, -1\]"),
    (lambda: TensorSpec(np.zeros(2), nl.float32), r"TensorSpec: shape must be a tuple"),
    (lambda: nl.ndarray((4, 600), nl.float32, buffer=nl.psum, name="a"), r"a partition of PSUM has 2048: 352 too many"),
    (lambda: nl.ndarray((4, 4097), nl.float32, name="w"), r"w\[4, 4097\] fp32 needs 16388 bytes.*: 4 too many"),
    (
        lambda: product(psum(4, 8), word(4, 4), half(4, 8)),
        r"a matmul of fp32 and bf16, stationary word\[4, 4\].* fp32 and tf32 are multiplied with each other only",
    ),
    (lambda: product(word(4, 8), half(4, 4), half(4, 8)), r"nisa.nc_matmul: dst must be in psum, not word\[4, 8\]"),
    (lambda: product(psum(4, 8), half(4, 4), half(3, 8)), r"4 and 3 partitions \(K\)"),
    (lambda: product(psum(4, 8), half(4, 8), half(4, 8)), r"stationary has 8 columns, at most 4 are legal \(NKI"),
    (lambda: product(psum(4, 65), half(4, 4), half(4, 65)), r"moving has 65 columns, at most 64 are legal"),
    (lambda: product(psum(3, 8), half(4, 4), half(4, 8)), r"dst must hold \[4, 8\] elements"),
    (lambda: product(psum(4, 9), half(4, 4), half(4, 8)), r"dst \[4, 9\]"),
    (lambda: product(psum(4, 128)[:, 40:104], half(4, 4), half(4, 64)), r"crosses a PSUM bank of 256 bytes"),
    (lambda: product(psum(4, 8)[1:3], half(4, 2), half(4, 8)), r"begins at partition 1, which must be a multiple of 2"),
    (lambda: nisa.memset(psum(4, 8)[1:3], 2.0), r"nisa.memset: dst sums.* begins at partition 1, which must be a mul"),
    (lambda: product(psum(4, 8), half(4, 4), half(4, 8), accumulate=True), r"a part was never written"),
    (lambda: nisa.tensor_copy(word(4, 8), word(4, 9)), r"src word.* has 9 elements a partition, dst .* has 8"),
    (lambda: nisa.tensor_copy(word(4, 8)[1:3], word(3, 8)), r"has 3 partitions, dst .* has 2"),
    (lambda: nisa.tensor_copy(word(4, 8), DATA), r"src must be a tensor, not array"),
    (lambda: nisa.tensor_copy(word(4, 8), memory(4, 8)), r"src must be in sbuf or psum, not out"),
    (lambda: nisa.tensor_copy(word(4, 1).broadcast(1, 8), word(4, 8)), r"repeats elements; a destination"),
    (lambda: nisa.tensor_copy(word(4, 8), nl.ndarray((4, 8), nl.float32, name="n")), r"src n.* 100% of it was never"),
    (lambda: nisa.tensor_tensor(word(4, 8), word(4, 8), word(4, 8), op="add"), r"op must be an operator of nl"),
    (lambda: nisa.activation(word(4, 8), nl.relu, word(4, 8), bias=half(4, 2)), r"bias must be a number or \[4, 1\]"),
    (lambda: nisa.dma_copy(word(4, 8), memory(4, 9)), r"has 32 elements, src out.* has 36"),
    (lambda: nisa.dma_copy(word(4, 8), DATA[:, :1]), r"nisa.dma_copy: src must be a tensor, not array"),
    (lambda: scaled("2"), r"nisa.tensor_scalar: operand0 must be a number, not '2'"),
    (lambda: scaled(2j), r"operand0 must be a number, not 2j"),
    (lambda: scaled(1e300), r"operand0 must be within fp32's 3.4028235e\+38, not 1e\+300"),
    (lambda: scaled(-(10**400)), r"operand0 must be within fp32's 3.4028235e\+38, not -1000"),
    (lambda: scaled(1.0, operand1=2.0), r"operand1 without op1"),
    (lambda: scaled(), r"nisa.tensor_scalar: missing a required argument: 'operand0'"),
    (lambda: active(scale="1"), r"scale must be a number, not '1'"),
    (lambda: active(bias=1e39), r"bias must be within fp32's"),
    (lambda: nisa.memset(word(4, 8), None), r"nisa.memset: value must be a number, not None"),
    (lambda: nl.affine_range(1.5), r"a bound or step of a range must be an integer, not 1.5"),
    (lambda: nl.add(1, 2), r"one of x and y must be a tile"),
    (lambda: nl.add(word(4, 8), word(4, 7)), r"do not broadcast to one shape"),
    (lambda: nl.add(word(4, 8), word(4, 1, 8)), r"has 2 dimensions, the other operand 3"),
    (lambda: nl.broadcast_to(word(4, 2), (4, 8)), r"cannot be broadcast to \[4, 8\]"),
    (lambda: nl.shared_identity_matrix(5, nl.bfloat16), r"n must be from 1 to 4, not 5"),
    (lambda: nl.store(memory(4, 8), memory(4, 8)), r"nl.store: value must be in sbuf or psum"),
]


@pytest.mark.parametrize(("call", "text"), ILLEGAL)
def test_illegal_calls_name_rule_value_and_line(call, text):
    def kernel():
        call()

    with pytest.raises(KernelError, match=text) as error:
        recorded(kernel)
    assert str(error.value).startswith("illegal: ")
    assert "test_calls.py:" in str(error.value)


UNBUILT = [
    (lambda: nl.ndarray((4, 8), nl.bool_), r"elements of nl.bool_; the core has nl.float32, nl.bfloat16, "),
    (lambda: nl.ndarray((4, 8), "float8_e8m0fnu"), r"elements of e8m0; the core of preset tiny has"),
    (lambda: nl.ndarray((4, 8), np.bool_), r"elements of nl.bool"),
    (lambda: product(psum(4, 8, dtype=nl.bfloat16), half(4, 4), half(4, 8)), r"a matmul into bf16"),
    (lambda: nisa.nc_transpose(psum(4, 4), half(4, 4), engine=nisa.vector_engine), r"the Tensor engine transposes"),
    (lambda: nisa.tensor_copy(psum(4, 8), word(4, 8)), r"a result of Vector or Scalar in PSUM"),
    (lambda: nisa.dma_copy(psum(4, 8), memory(4, 8)), r"a copy into PSUM"),
    (lambda: nisa.dma_copy(word(4, 8), memory(4, 8), oob_mode=nisa.oob_mode.skip), r"oob_mode=oob_mode.skip"),
    (lambda: nisa.tensor_tensor(word(4, 8), word(4, 8), word(4, 8), op=nl.divide), r"op: nl.divide on the Vector"),
    (lambda: nisa.activation(word(4, 8), nl.exp, word(4, 8)), r"op: nl.exp on .*Scalar engine; it has nl.copy, nl"),
    (lambda: nisa.activation(word(4, 8), nl.add, word(4, 8)), r"op: nl.add on the Scalar engine"),
    (lambda: active(reduce_op=nl.add), r"reduce_op=nl.add"),
    (lambda: active(reduce_cmd=nisa.reduce_cmd.reset_reduce), r"reduce_cmd=reduce_cmd.reset_reduce"),
    (lambda: nl.exp(word(4, 8)), r"nl.exp; docs/nki.md lists what is"),
    (lambda: nl.softmax(word(4, 8), -1), r"nl.softmax; docs/nki.md lists"),
    (lambda: nisa.tensor_reduce, r"nisa.tensor_reduce; docs/nki.md"),
    (lambda: nisa.bn_stats, r"nisa.bn_stats; "),
    (lambda: nl.fori_loop, r"nl.fori_loop"),
]


@pytest.mark.parametrize(("call", "text"), UNBUILT)
def test_what_nki_has_and_the_core_not_yet_says_so(call, text):
    def kernel():
        call()

    with pytest.raises(NotBuiltError, match=text) as error:
        recorded(kernel)
    assert str(error.value).startswith("in NKI, not built here yet: ")
    assert "test_calls.py:" in str(error.value)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nl.adding, r"nl.adding; did you mean nl.add\?"),
        (lambda: nisa.tensor_tensr, r"nisa.tensor_tensr; did you mean nisa.tensor_tensor\?"),
        (lambda: nl.mgrid, r"nl.mgrid; it is of Beta 1"),
        (lambda: nl.par_dim(4), r"nl.par_dim; it is of Beta 1"),
        (lambda: scaled(1.0, mask=1), r"nisa.tensor_scalar: mask=; Beta 1 had masks, AWS removed them"),
        (lambda: active(engin=1), r"nisa.activation: engin=; it has dst, op, data, bias"),
        (lambda: nl.ndarray((4, 8), nl.float32, lazy=1), r"nl.ndarray: lazy=; it has shape, dtype, buffer"),
    ],
)
def test_what_nki_does_not_have_says_so(call, text):
    def kernel():
        call()

    with pytest.raises(NotInNkiError, match=text) as error:
        recorded(kernel)
    assert str(error.value).startswith("not in NKI: ")


def test_names_are_split_between_built_and_not():
    assert set(nl.BUILT) <= LANGUAGE_NAMES | {"hbm"} and set(nisa.__all__) <= ISA_NAMES | OUR_NAMES
    assert not OUR_NAMES & ISA_NAMES and set(nisa.__all__) >= OUR_NAMES
    assert not hasattr(nl, "softmax") and not hasattr(nisa, "iota") and hasattr(nl, "gelu")


def test_an_error_inside_a_helper_names_both_lines():
    def helper(tile):
        nisa.tensor_copy(tile, word(4, 9))

    def kernel():
        helper(word(4, 8))

    with pytest.raises(KernelError) as error:
        recorded(kernel)
    line = helper.__code__.co_firstlineno
    assert str(error.value).endswith(
        f"(at tests/nki/test_calls.py:{line + 1}, called from tests/nki/test_calls.py:{line + 4})"
    )


def test_numbers_are_rounded_once_and_special_ones_stay():
    def bits(value):
        def kernel(out):
            scaled(value)
            nl.store(out, word(1, 1))

        operations = recorded(kernel, out=(1, 1)).recording.operations()
        return next(o for o in operations if o.call == "nisa.tensor_scalar").numbers["operand0"]

    tie, largest = 1 + 2**-24, float(np.finfo(np.float32).max)
    given = [0.1, tie, 3, np.int64(3), np.float32(0.5), largest, np.inf, -np.inf, -0.0, 1e-300]
    assert [bits(value) for value in given] == np.array(given, np.float64).astype(np.float32).view(np.uint32).tolist()
    assert bits(np.nan) & 0x7F80_0000 == 0x7F80_0000 and bits(np.nan) & 0x007F_FFFF


def test_loops_have_the_bounds_of_range():
    for loop in (nl.affine_range, nl.sequential_range, nl.static_range):
        assert [list(loop(3)), list(loop(1, 3)), list(loop(1, 8, 3))] == [[0, 1, 2], [1, 2], [1, 4, 7]]


def test_partly_written_psum_needs_an_explicit_accumulate():
    def kernel():
        sums = psum(4, 8)
        nisa.nc_matmul(sums[:, :4], half(4, 4), half(4, 4))
        nisa.nc_matmul(sums, half(4, 4), half(4, 8))

    with pytest.raises(KernelError, match="a matmul wrote 16 of 32 elements of dst .* before; say accumulate="):
        recorded(kernel)


@pytest.mark.parametrize(("accumulate", "text"), [(None, "overwrites dst"), (True, "adds to dst .* undefined on trn1")])
def test_a_matmul_onto_another_value_warns(accumulate, text):
    def kernel(out):
        sums = nl.full((4, 8), 2.0, nl.float32, buffer=nl.psum)
        nisa.nc_matmul(sums, half(4, 4), half(4, 8), accumulate=accumulate)
        nl.store(out, sums)

    with pytest.warns(KernelWarning, match=text) as seen:
        recorded(kernel, out=(4, 8))
    assert {warning.filename for warning in seen} == {__file__}


def test_zeros_of_psum_may_be_overwritten_in_silence():
    def kernel(out):
        sums = nl.zeros((4, 8), nl.float32, buffer=nl.psum)
        nisa.nc_matmul(sums, half(4, 4), half(4, 8))
        nl.store(out, sums)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = recorded(kernel, out=(4, 8))
    assert sum(o.opcode.name == "MATMUL" for o in traced.recording.operations()) == 1


def test_use_outside_of_a_kernel_and_wrong_results():
    with pytest.raises(KernelError, match="inside a kernel only"):
        nl.ndarray((4, 8), nl.float32)
    with pytest.raises(KernelError, match="returns tensors in nl.shared_hbm or arguments, not word"):
        recorded(lambda: word(4, 8))
    with pytest.raises(KernelError, match="returns tensors, in tuples, lists or dicts, not <object"):
        recorded(lambda: object())
    with pytest.raises(KernelError, match="returns no tensor and writes none of its arguments"):
        recorded(lambda: None)


def test_arguments_that_do_not_fit_the_kernel():
    def kernel(x, y=1):
        return x

    with pytest.raises(KernelError, match=r"kernel\(x, y=1\) was called wrongly: missing a required argument: 'x'"):
        trace(kernel, TINY)
    with pytest.raises(KernelError, match=r"kernel has no argument 'z'; it is kernel\(x, y=1\)"):
        trace(kernel, TINY, TensorSpec((4, 4), nl.float32), z=3)


def test_arguments_may_have_any_name():
    def own(kernel, config, recording):
        return kernel, config, recording

    spec = TensorSpec((4, 4), nl.float32)
    assert trace(own, TINY, kernel=spec, config=spec, recording=spec).recording.inputs[1].name == "config"


def test_tile_sizes_are_those_of_the_core():
    sizes = []

    def kernel(x):
        size = nl.tile_size
        sizes.append((size.pmax, size.gemm_stationary_fmax, size.gemm_moving_fmax, size.psum_fmax))
        assert size.sbuf_fmax * 4 == size.sbuf_fmax_bytes == size.sbuf_size_bytes // size.pmax
        assert (size.psum_num_banks, size.psum_bank_fmax_bytes) == (8, 4 * size.psum_bank_fmax)
        assert size.sbuf_min_align >= size.psum_min_align and nl.num_programs() == 1 and nl.program_id(0) == 0
        return x

    recorded(kernel, x=(4, 4))
    recorded(kernel, MINI, x=(4, 4))
    assert sizes == [(4, 4, 64, 64), (32, 32, 512, 512)]
