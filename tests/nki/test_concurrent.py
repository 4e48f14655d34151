"""Matmuls in disjoint tiles of the array: which of them become one instruction, and that no value changes by it."""

import ml_dtypes
import numpy as np
import pytest

from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

LOAD, MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL
MINI = load_preset("trn2-mini")
BF16 = FORMATS["bf16"]
N = 12
QUARTER = (8, 8)


def diagonal(rows_to_columns, size=QUARTER, **more):
    """A kernel: row tile i times the column tile that it is sent to; `more`: of each matmul."""
    rows, columns = size

    def kernel(a, b):
        left, right = nl.load(a), nl.load(b)
        sums = nl.ndarray((len(rows_to_columns) * columns, b.shape[1]), FP32, buffer=nl.psum, name="sums")
        for i, j in rows_to_columns.items():
            k, m = slice(rows * i, rows * (i + 1)), slice(columns * j, columns * (j + 1))
            place = {"tile_position": (rows * i, columns * j), "tile_size": size}
            nisa.nc_matmul(sums[m], left[k], right[k], **place, **more)
        out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
        nl.store(out, sums)
        return out

    return kernel


def values(rng, shape, form):
    numbers = rng.normal(size=shape).astype(np.float32)
    return numbers.astype(ml_dtypes.bfloat16).astype(np.float32) if form is BF16 else numbers


def tensor_stream(program):
    return [i for i in program.executed()[Queue.TENSOR] if i.opcode in (LOAD, MATMUL)]


def counts(program):
    stream = tensor_stream(program)
    return [sum(i.opcode == opcode for i in stream) for opcode in (LOAD, MATMUL)]


ORDERS = {
    "in order": {0: 0, 1: 1, 2: 2, 3: 3},
    "backwards": {3: 3, 2: 2, 1: 1, 0: 0},
    "rows to other columns": {2: 1, 1: 0, 3: 2},
    "two": {0: 1, 1: 0},
}


@pytest.mark.parametrize("form", [BF16, FP32], ids=lambda form: form.name)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_one_matmul_has_all_of_them(order, form):
    """A load each, that is apart; a NaN or infinity of a tile's moving elements is in its own sums only."""
    rng, rows = np.random.default_rng(7), QUARTER[0] * (max(order) + 1)
    a, b = (values(rng, (rows, n), form) for n in (QUARTER[1], N))
    b[QUARTER[0] * min(order) + 3, 2], b[QUARTER[0] * max(order), 5] = np.inf, np.nan
    program = compile_kernel(diagonal(order), MINI, *[TensorSpec(each.shape, form) for each in (a, b)])
    passes = 1 if form is BF16 else 3
    assert counts(program) == [passes * len(order), 1 if form is BF16 else 4]
    stream = tensor_stream(program)
    assert all(i["apart"] for i in stream if i.opcode == LOAD)
    assert {i["partitions"] for i in stream if i.opcode == MATMUL} == {QUARTER[0] * len(order)}
    assert {i["columns"] for i in stream if i.opcode == MATMUL} == {QUARTER[1] * len(order)}
    for seed in (None, 1, 2):
        got = run_golden(program, {"a": a, "b": b}, config=MINI, seed=seed)["out"]
        for i, j in order.items():
            k, m = slice(8 * i, 8 * i + 8), slice(8 * j, 8 * j + 8)
            alone = compile_kernel(single, MINI, TensorSpec((8, 8), form), TensorSpec((8, N), form))
            want = run_golden(alone, {"a": a[k], "b": b[k]}, config=MINI)["out"]
            np.testing.assert_array_equal(got[m].view(np.uint32), want.view(np.uint32))


def single(a, b):
    """Of one tile, alone."""
    sums = nl.ndarray((a.shape[1], b.shape[1]), FP32, buffer=nl.psum)
    nisa.nc_matmul(sums, nl.load(a), nl.load(b))
    out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
    nl.store(out, sums)
    return out


def halves(first, second, between=None):
    """Two matmuls, each of (rows, columns, N or slice, accumulate), in 16 x 16 tiles unless their sizes say other."""

    def kernel(a, b):
        left, right = nl.load(a), nl.load(b)
        sums = nl.ndarray((32, 2 * N), FP32, buffer=nl.psum, name="sums")
        nisa.memset(sums, 0.0)
        for n, (k, m, columns, adds) in enumerate((first, second)):
            place = {"tile_position": (k.start, m.start), "tile_size": (16, 16)}
            if n and between is not None:
                between(left, sums)
            nisa.nc_matmul(sums[m, :N], left[k, m], right[k, columns], accumulate=adds, **place)
        out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
        nl.store(out, sums)
        return out

    return kernel


LOW, HIGH, FULL, NEXT = slice(0, 16), slice(16, 32), slice(0, N), slice(N, 2 * N)


def evicted(left, sums):
    nisa.tensor_copy(nl.ndarray((16, N), FP32), sums[:16, :N])


@pytest.mark.filterwarnings("ignore:.*which no matmul wrote")
@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        pytest.param((LOW, LOW, FULL, False), (LOW, HIGH, FULL, False), None, id="rows shared"),
        pytest.param((LOW, LOW, FULL, False), (HIGH, LOW, FULL, True), None, id="columns shared"),
        pytest.param((LOW, LOW, FULL, False), (HIGH, HIGH, NEXT, False), None, id="moving elsewhere"),
        pytest.param((LOW, LOW, FULL, False), (HIGH, HIGH, FULL, True), None, id="one adds"),
        pytest.param((LOW, LOW, FULL, False), (slice(16, 24), HIGH, FULL, False), evicted, id="something between"),
        pytest.param((slice(0, 8), LOW, FULL, False), (HIGH, HIGH, FULL, False), None, id="rows between"),
        pytest.param((LOW, slice(0, 8), FULL, False), (HIGH, HIGH, FULL, False), None, id="columns between"),
    ],
)
def test_what_goes_one_after_the_other(first, second, between):
    rng = np.random.default_rng(3)
    a, b = rng.integers(-8, 9, (32, 32)).astype(np.float32), rng.integers(-8, 9, (32, 2 * N)).astype(np.float32)
    program = compile_kernel(halves(first, second, between), MINI, *[TensorSpec(each.shape, BF16) for each in (a, b)])
    stream = tensor_stream(program)[-4:]  # behind the fill
    assert [i.opcode for i in stream] == [LOAD, MATMUL, LOAD, MATMUL]
    assert not any(i["apart"] for i in stream if i.opcode == LOAD)
    want = np.zeros((32, 2 * N), np.float32)
    for k, m, columns, adds in (first, second):
        want[m, :N] = want[m, :N] * adds + a[k, m].T @ b[k, columns]
    assert (run_golden(program, {"a": a, "b": b}, config=MINI)["out"] == want).all()


def test_ragged_last_tiles_go_together():
    """Rows and columns go on where the others end: only the last ones may be short."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(-8, 9, (32, 32)).astype(np.float32), rng.integers(-8, 9, (32, 2 * N)).astype(np.float32)
    kernel = halves((LOW, LOW, FULL, False), (slice(16, 21), slice(16, 27), FULL, False))
    program = compile_kernel(kernel, MINI, *[TensorSpec(each.shape, BF16) for each in (a, b)])
    *_, one, two, matmul = tensor_stream(program)
    assert (one["apart"], two["apart"], matmul["partitions"], matmul["columns"]) == (1, 1, 21, 27)
    got = run_golden(program, {"a": a, "b": b}, config=MINI)["out"]
    assert (got[:16, :N] == a[:16, :16].T @ b[:16, :N]).all() and (got[27:] == 0).all()
    assert (got[16:27, :N] == a[16:21, 16:27].T @ b[16:21, :N]).all()


def test_without_tiles_nothing_is_joined():
    def kernel(a, b):
        left, right = nl.load(a), nl.load(b)
        sums = nl.ndarray((32, N), FP32, buffer=nl.psum, name="sums")
        for k in (LOW, HIGH):
            nisa.nc_matmul(sums[k], left[k, k], right[k])
        out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
        nl.store(out, sums)
        return out

    program = compile_kernel(kernel, MINI, TensorSpec((32, 32), BF16), TensorSpec((32, N), BF16))
    assert counts(program) == [2, 2]
