"""Small matmuls in tiles of the array: numpy's values on golden, golden's bits and cycles on the models and the RTL."""

import functools

import numpy as np
import pytest

from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from tests.core.bad_input import SettlingMachine, Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.machines import quick_machine
from tests.core.test_sparse_models import SPARSE
from tests.core.test_sparse_models import check as check_models
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config
from verif.tensor.elements import random_elements, random_scales

SMALL = "eight-background"
BF16 = FORMATS["bf16"]
LOAD, MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL
N = 19


def every_tile(size):
    """A kernel: each tile of the array has weights of its own, each column tile moving columns of its own."""
    rows, columns = size

    def kernel(a, b):
        left, right = nl.load(a), nl.load(b)
        sums = nl.ndarray((a.shape[1], b.shape[2]), FP32, buffer=nl.psum, name="sums")
        for row in range(0, a.shape[0], rows):
            for column in range(0, a.shape[1], columns):
                at, m = slice(row, row + rows), slice(column, column + columns)
                place = {"tile_position": (row, column), "tile_size": size}
                nisa.nc_matmul(sums[m], left[at, m], right[at, column // columns], **place)
        out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
        nl.store(out, sums)
        return out

    return kernel


def tiles_of(config, size, seed=0):
    """Program, inputs of whole numbers, and numpy's product: sums of rows of tiles are those of the whole column."""
    rng, (rows, columns) = np.random.default_rng(seed), (config.tensor.rows, config.tensor.columns)
    a = rng.integers(-8, 9, (rows, columns)).astype(np.float32)
    b = rng.integers(-8, 9, (rows, columns // size[1], N)).astype(np.float32)
    specs = [TensorSpec(each.shape, BF16) for each in (a, b)]
    program = compile_kernel(every_tile(size), config, *specs)
    parts = [a[:, size[1] * n : size[1] * n + size[1]].T @ b[:, n] for n in range(b.shape[1])]
    return program, {"a": a, "b": b}, np.concatenate(parts)


SIZES = {
    "trn1": [(32, 64), (64, 32), (64, 64), (128, 32), (128, 128)],
    "trn2": [(32, 32), (64, 32), (32, 128), (128, 64)],
    "trn3": [(32, 32), (128, 32)],
    "trn2-mini": [(8, 8), (8, 16), (16, 8), (32, 8), (8, 32)],
    "tiny": [(1, 2), (2, 2), (4, 2), (1, 4)],
    "wide-words": [(1, 4), (2, 4)],
    SMALL: [(2, 4), (4, 4), (8, 4)],
}


@pytest.mark.parametrize(("preset", "size"), [(name, size) for name, some in SIZES.items() for size in some])
def test_every_tile_of_one_array(preset, size):
    """A load and a matmul each, no row changes its partition, and every legal order has numpy's product."""
    config = bench_config(preset)
    program, inputs, want = tiles_of(config, size)
    stream = list(program.executed()[Queue.TENSOR])
    tiles = config.tensor.rows // size[0] * (config.tensor.columns // size[1])
    assert [sum(i.opcode == opcode for i in stream) for opcode in (LOAD, MATMUL)] == [tiles, tiles]
    assert all(i["src0_partition"] % size[0] == 0 and i["partitions"] == size[0] for i in stream if i.opcode == LOAD)
    assert sum(i.opcode == Opcode.DMA_STORE for i in program.executed()[Queue.GPSIMD]) == 1
    assert {i["column"] for i in stream if i.opcode == LOAD} == set(range(0, config.tensor.columns, size[1]))
    for seed in (None, 1, 2):
        assert (run_golden(program, inputs, config=config, seed=seed)["out"] == want).all()


@pytest.mark.parametrize("size", [(1, 2), (4, 2), (2, 4)])
def test_tiles_on_the_models(size):
    program, inputs, want = tiles_of(SPARSE, size)
    check_models(program, inputs)
    assert (run_golden(program, inputs, config=SPARSE)["out"] == want).all()


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "size"), [("tiny", (1, 2)), ("tiny", (4, 2)), (SMALL, (2, 4)), (SMALL, (8, 4))])
def test_tiles_on_the_rtl(preset, size):
    program, inputs, _ = tiles_of(bench_config(preset), size)
    check(Case(preset, program, inputs), memory_of("tiny", 20))


# every mode

K, M, HALF = 8, 8, 4
BLOCKS = slice(0, HALF), slice(HALF, M)
"""Columns of the weights, partitions of dst."""


def single(dst, t, m):
    nisa.nc_matmul(dst, t["w_bf16"][:, m], t["x_bf16"][:, 0], accumulate=False)


def exact_passes(dst, t, m):
    nisa.nc_matmul(dst, t["w_fp32"][:, m], t["x_fp32"], accumulate=False)


def row_tile(dst, t, m):
    """Rows 4 to 7, twice, the second time added."""
    place = {"tile_position": (HALF, dst.partition), "tile_size": (HALF, HALF)}
    for adds in (False, True):
        nisa.nc_matmul(dst, t["w_bf16"][HALF:, m], t["x_bf16"][HALF:, 1], accumulate=adds, **place)


def double_row(dst, t, m):
    mode = nisa.matmul_perf_mode.double_row
    nisa.nc_matmul(dst, t["w_e5m2"][:, :, m], t["x_e5m2"], accumulate=False, perf_mode=mode)


def mx(dst, t, m):
    scales = t["w_scale"][:, m], t["x_scale"]
    nisa.nc_matmul_mx(dst, t["w_e5m2_x4"][:, m], t["x_e5m2_x4"], *scales, accumulate=False)


def sparse(dst, t, m):
    tags = t["tags"][:, m.start // 4 : m.stop // 4]
    nisa.nc_matmul_sparse(dst, t["w_bf16"][:, m], t["x_bf16"], tags, accumulate=False)


def turned(dst, t, m):
    nisa.nc_transpose(dst[:, :K], t["w_fp32"][:, m])
    nisa.memset(dst[:, K:], 0.1)


MODES = {"single": single, "passes": exact_passes, "rows": row_tile, "double": double_row, "mx": mx, "sparse": sparse}
MODES |= {"turned": turned}
SUMS = {"fp32": FP32, "bf16": BF16}
ROUNDED = ("single", "passes", "rows", "double", "mx", "sparse")
CASES = [(name, "fp32") for name in MODES] + [(name, "bf16") for name in ROUNDED]


def every_mode(order):
    """Each block of columns by each mode, to the partitions that `order` says, into one PSUM tile."""

    def kernel(**sources):
        t, outs = {}, []
        for name, source in sources.items():
            t[name] = nl.ndarray(source.shape, source.dtype, name=name)
            nisa.dma_copy(t[name], source)
        for name, form in CASES:
            sums = nl.ndarray((M, N), SUMS[form], buffer=nl.psum, name="sums")
            for block, place in zip(BLOCKS, order, strict=True):
                MODES[name](sums[place], t, block)
            kept = nl.ndarray((M, N), FP32, name="kept")
            nisa.tensor_copy(kept, sums)
            outs.append(nl.ndarray((M, N), FP32, buffer=nl.shared_hbm, name=f"{name}_{form}"))
            nl.store(outs[-1], kept)
        return tuple(outs)

    return kernel


def inputs_of_modes(seed, specials):
    rng = np.random.default_rng(seed)
    shapes = {"w_bf16": (K, M), "x_bf16": (K, 2, N), "w_fp32": (K, M), "x_fp32": (K, N)}
    shapes |= {"w_e5m2": (K, 2, M), "x_e5m2": (K, 2, N), "w_e5m2_x4": (K, M), "x_e5m2_x4": (K, N)}
    out = {
        name: random_elements(rng, FORMATS[name.split("_", 1)[1]], shape, specials=specials)
        for name, shape in shapes.items()
    }
    tags = 4 * rng.integers(0, 4, (K, M)) + rng.integers(0, 2, (K, M))
    out["tags"] = (tags.reshape(K, -1, 4) << 4 * np.arange(4)).sum(axis=2).astype(np.uint16)
    return out | {f"{side}_scale": random_scales(rng, (1, n)) for side, n in (("w", M), ("x", N))}


FORMS = {"tags": FORMATS["uint16"], "w_scale": FORMATS["uint8"], "x_scale": FORMATS["uint8"]}


def compiled(order, inputs):
    forms = {name: FORMS.get(name) or FORMATS[name.split("_", 1)[1]] for name in inputs}
    specs = {name: TensorSpec(bits.shape, forms[name]) for name, bits in inputs.items()}
    return compile_kernel(every_mode(order), bench_config(SMALL), **specs)


def given(inputs):
    return {name: Bits(bits) for name, bits in inputs.items()}


@pytest.mark.parametrize("specials", [0.0, 0.1])
def test_every_mode_has_the_same_bits_in_other_columns(specials):
    """The blocks change places; the one that a mode writes last is at the lower columns then."""
    inputs, config = inputs_of_modes(1, specials), bench_config(SMALL)
    one, other = (run_golden(compiled(order, inputs), given(inputs), config=config) for order in (BLOCKS, BLOCKS[::-1]))
    assert set(one) == {f"{name}_{form}" for name, form in CASES}
    for name, values in one.items():
        bits, swapped = values.view(np.uint32), other[name].view(np.uint32)
        assert (bits[BLOCKS[0]] == swapped[BLOCKS[1]]).all() and (bits[BLOCKS[1]] == swapped[BLOCKS[0]]).all(), name
        assert (bits[BLOCKS[0]] != bits[BLOCKS[1]]).any(), name


def test_single_and_transposed_blocks_are_numpys():
    inputs = inputs_of_modes(2, 0.0)
    got = run_golden(compiled(BLOCKS, inputs), given(inputs), config=bench_config(SMALL))
    w, x = (inputs[f"{side}_bf16"].astype(np.uint32) << 16 for side in "wx")
    w, x = w.view(np.float32).astype(np.float64), x.view(np.float32).astype(np.float64)
    near = 16 * 2.0**-24
    assert (np.abs(got["single_fp32"] - w.T @ x[:, 0]) <= near * (np.abs(w).T @ np.abs(x[:, 0]))).all()
    rows = np.abs(w[HALF:]).T @ np.abs(x[HALF:, 1])
    assert (np.abs(got["rows_fp32"] - 2 * w[HALF:].T @ x[HALF:, 1]) <= 2 * near * rows).all()
    assert (got["turned_fp32"][:, :K].view(np.uint32) == inputs["w_fp32"].T).all()
    assert (got["turned_fp32"][:, K:] == np.float32(0.1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("order", [BLOCKS, BLOCKS[::-1]], ids=["rising", "falling"])
def test_every_mode_on_the_rtl(order):
    inputs = inputs_of_modes(3, 0.1)
    check(Case(SMALL, compiled(order, inputs), given(inputs)), memory_of("tiny", 20))


# what the hardware refuses


@functools.cache
def two_blocks():
    """A dense matmul, then a sparse one, in the upper column tile each."""
    inputs = {name: bits for name, bits in inputs_of_modes(4, 0.0).items() if "bf16" in name or name == "tags"}

    def kernel(**sources):
        t = {name: nl.load(source) for name, source in sources.items()}
        outs = []
        for call in (single, sparse):
            sums = nl.ndarray((M, N), FP32, buffer=nl.psum, name="sums")
            call(sums[BLOCKS[1]], t, BLOCKS[1])
            outs.append(nl.ndarray((HALF, N), FP32, buffer=nl.shared_hbm, name=call.__name__))
            nl.store(outs[-1], sums[BLOCKS[1]])
        return tuple(outs)

    specs = {name: TensorSpec(bits.shape, FORMS.get(name) or BF16) for name, bits in inputs.items()}
    program = compile_kernel(kernel, bench_config(SMALL), **specs)
    return program, given(inputs)


def machine():
    return quick_machine(SMALL, SettlingMachine)


WRONG = {
    "a load inside a column tile": (LOAD, {"column": 2}, ErrorCode.SIZE),
    "a load beyond the columns": (LOAD, {"column": 8}, ErrorCode.SIZE),
    "a load that ends beyond them": (LOAD, {"src0_size0": 5}, ErrorCode.SIZE),
    "a sparse load inside a column tile": (Opcode.LOAD_SPARSE, {"column": 1}, ErrorCode.SIZE),
    "a sparse load beyond the columns": (Opcode.LOAD_SPARSE, {"column": 127}, ErrorCode.SIZE),
    "a matmul into partitions inside a tile": (MATMUL, {"dst_partition": 2}, ErrorCode.PARTITION),
    "a matmul that ends beyond the partitions": (MATMUL, {"columns": 5}, ErrorCode.PARTITION),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    opcode, values, code = WRONG[what]
    program, inputs = two_blocks()
    image, addresses = program.image(inputs), program.addresses
    number = [n for n, i in enumerate(program.executed()[Queue.TENSOR]) if i.opcode == opcode][-1]
    at = addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    spoilt = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(spoilt, np.uint8)
    check_refused(Spoilt(image, addresses, Queue.TENSOR, number, bench_config(SMALL)), code, machine())
