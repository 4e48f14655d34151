"""What one call becomes when the core takes several steps: the values, against numpy, in every legal order."""

import numpy as np
import pytest

from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from tests.sw.kernels import TINY, bf16

RANDOM = np.random.default_rng(0)
DATA = RANDOM.normal(size=(4, 24)).astype(np.float32)
SMALL = RANDOM.integers(-8, 9, size=(4, 4)).astype(np.float32)


def out(shape, dtype=nl.float32, name="out"):
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm, name=name)


def stored(tile, name="out"):
    target = out(tile.shape, tile.dtype, name)
    nl.store(target, tile)
    return target


def results(kernel, *arrays, dtypes=None, config=TINY):
    """Outputs of golden, the same in three orders."""
    dtypes = dtypes or [nl.float32] * len(arrays)
    specs = [TensorSpec(a.shape, d) for a, d in zip(arrays, dtypes, strict=True)]
    program = compile_kernel(kernel, config, *specs)
    inputs = dict(zip(program.inputs, arrays, strict=True))
    first = run_golden(program, inputs, config=config)
    for seed in (1, 2):
        again = run_golden(program, inputs, config=config, seed=seed)
        assert all((again[name].view(np.uint32) == first[name].view(np.uint32)).all() for name in first)
    return first


def result(kernel, *arrays, **more):
    return results(kernel, *arrays, **more)["out"]


def test_a_cast_in_a_load_and_in_a_store():
    def kernel(a):
        tile = nl.load(a, dtype=nl.bfloat16)
        target = out((4, 24))
        nisa.dma_copy(target, tile)
        return target

    got = result(kernel, DATA)
    assert (np.abs(got - DATA) <= np.abs(DATA) / 256).all() and (bf16(got) == got).all()


@pytest.mark.parametrize("dtype", [nl.float32, nl.bfloat16])
def test_sbuf_to_sbuf_between_partitions(dtype):
    def kernel(a):
        tile, other = nl.load(a), nl.ndarray((4, 24), dtype)
        for row in range(4):
            nisa.dma_copy(other[3 - row : 4 - row], tile[row : row + 1])
        return stored(other)

    got = result(kernel, bf16(DATA))
    assert (got == bf16(DATA)[::-1]).all()


def test_memory_to_memory_in_another_shape_and_type():
    def kernel(a):
        wide, narrow = out((6, 16), name="wide"), out((96,), nl.bfloat16, "narrow")
        nisa.dma_copy(wide, a)
        nisa.dma_copy(narrow, a)
        return wide, narrow

    got = results(kernel, bf16(DATA))
    assert (got["wide"] == bf16(DATA).reshape(6, 16)).all() and (got["narrow"] == bf16(DATA).reshape(-1)).all()


def test_memory_to_memory_beyond_a_tile():
    data = RANDOM.normal(size=(11, 3000)).astype(np.float32)

    def kernel(a):
        target = out((11, 1500))
        nisa.dma_copy(target, a[:, ::2])
        return target

    assert (result(kernel, data) == data[:, ::2]).all()


@pytest.mark.parametrize("value", [0.0, 1.5, -3.25, 0.1, np.inf])
@pytest.mark.parametrize("dtype", [nl.float32, nl.bfloat16])
def test_fills_of_sbuf_and_memory(value, dtype):
    def kernel(a):
        tile = nl.load(a, dtype=dtype)
        nisa.memset(tile[1:3, 2:20:3], value)
        return stored(tile, "tile"), nl.full((9, 5), value, dtype, buffer=nl.shared_hbm, name="all")

    got = results(kernel, bf16(DATA))
    want = bf16(DATA).copy()
    rounded = np.float32(value) if dtype == nl.float32 else bf16(np.float32(value) * np.float32(1 + 2**-9))
    want[1:3, 2:20:3] = rounded
    assert (got["tile"] == want).all() and (got["all"] == rounded).all()


@pytest.mark.parametrize(("value", "bits"), [(1 + 2**-8 + 2**-20, 0x3F81), (1 + 2**-8, 0x3F80), (-0.0, 0x8000)])
def test_a_fill_is_one_instruction(value, bits):
    """Just above a tie, a tie, and the sign of a zero."""

    def kernel(a):
        return stored(nl.full((4, 5), value, nl.bfloat16), "out"), a

    program = compile_kernel(kernel, TINY, TensorSpec((4, 5), nl.float32))
    opcodes = [i.opcode for stream in program.executed().values() for i in stream]
    assert opcodes.count(Opcode.MEMSET) == 1 and Opcode.DMA_LOAD not in opcodes
    assert (results(kernel, DATA)["out"].view(np.uint32) == bits << 16).all()


@pytest.mark.parametrize("value", [0.0, 2.0, 0.1, -1e-3, 3.4028235e38])
def test_fills_of_psum_are_matmuls(value):
    def kernel(a):
        sums = nl.full((3, 10), value, nl.float32, buffer=nl.psum)
        return stored(sums), a

    assert (result(kernel, DATA) == np.float32(value)).all()


def test_zeros_of_psum_are_written_where_something_reads_them():
    def kernel(a):
        sums = nl.zeros((4, 12), nl.float32, buffer=nl.psum)
        left = nl.load(a, dtype=nl.bfloat16)
        nisa.nc_matmul(sums[:, 4:8], left, left)
        parts = [stored(nl.copy(sums[:, first : first + 4]), f"p{first}") for first in (0, 4, 8)]
        return tuple(parts)

    got = results(kernel, SMALL)
    assert (got["p4"] == SMALL.T @ SMALL).all() and not got["p0"].any() and not got["p8"].any()


def test_accumulate_none_overwrites_then_adds():
    a, b = (RANDOM.integers(-8, 9, size=size).astype(np.float32) for size in ((4, 4), (4, 8)))  # exact sums

    def kernel(a, b):
        weights, moving = nl.load(a), nl.load(b)
        sums = nl.ndarray((4, 8), nl.float32, buffer=nl.psum)
        for _ in nl.affine_range(2):
            nisa.nc_matmul(sums, weights, moving)
        return stored(sums)

    assert (result(kernel, a, b, dtypes=[nl.bfloat16] * 2) == 2 * (a.T @ b)).all()


@pytest.mark.parametrize(
    "take",
    [
        lambda t: t[:, 1:5],
        lambda t: t[:, ::2][:, :4],
        lambda t: t[:, 2:10].reshape((4, 2, 4)).permute((0, 2, 1))[:, :, 1],
        lambda t: t[:, :1].broadcast(1, 4),
    ],
)
def test_stationary_tiles_of_any_pattern(take):
    data = RANDOM.integers(-8, 9, size=(4, 12)).astype(np.float32)
    picked = {}

    def kernel(a, b):
        tile, moving = nl.load(a), nl.load(b)
        view = take(tile)
        picked["steps"] = (view.start, view.free)
        sums = nl.ndarray((4, 4), nl.float32, buffer=nl.psum)
        nisa.nc_matmul(sums, view, moving)
        return stored(sums)

    got = result(kernel, data, SMALL, dtypes=[nl.bfloat16] * 2)
    start, free = picked["steps"]
    columns = start // 2 + sum(
        np.arange(size).reshape([-1] + [1] * (len(free) - i - 1)) * step // 2 for i, (size, step) in enumerate(free)
    )
    assert (got == data[:, np.ravel(columns)].T @ SMALL).all()


def test_operands_of_a_matmul_in_other_partitions():
    def kernel(a, b):
        left, right = nl.load(a), nl.load(b)
        sums = nl.ndarray((3, 4), nl.float32, buffer=nl.psum)
        nisa.nc_matmul(sums, left[0:2, :3], right[2:4])
        return stored(sums)

    got = result(kernel, SMALL, SMALL, dtypes=[nl.bfloat16] * 2)
    assert (got == SMALL[0:2, :3].T @ SMALL[2:4]).all()


def test_transposes():
    data = bf16(RANDOM.normal(size=(3, 4)))

    def kernel(a):
        turned = nl.ndarray((4, 3), nl.bfloat16, buffer=nl.psum)
        tile = nl.load(a)
        nisa.nc_transpose(turned, tile)
        return (
            stored(turned, "one"),
            stored(nl.copy(nl.transpose(tile[1:3])), "two"),
            stored(nl.load_transpose2d(a), "three"),
        )

    got = results(kernel, data, dtypes=[nl.bfloat16])
    assert (got["one"] == data.T).all() and (got["two"] == data[1:3].T).all() and (got["three"] == data.T).all()


def test_matmul_of_the_language():
    a, b = (RANDOM.integers(-8, 9, size=size).astype(np.float32) for size in ((3, 4), (4, 8)))

    def kernel(a, b, t):
        x, y, z = nl.load(a), nl.load(b), nl.load(t)
        return stored(nl.matmul(x, y), "plain"), stored(nl.matmul(z, y, transpose_x=True), "turned")

    got = results(kernel, a, b, a.T.copy(), dtypes=[nl.bfloat16] * 3)
    assert (got["plain"] == a @ b).all() and (got["turned"] == a @ b).all()


def test_one_row_for_all_partitions():
    def kernel(a):
        tile = nl.load(a)
        row = nl.broadcast_to(tile[2:3], (4, 24))
        doubled = nl.add(tile, row)
        target = out((4, 24))
        nisa.dma_copy(target, row)
        return stored(doubled, "sum"), target, stored(nl.multiply(tile, tile[1:2]), "product")

    got = results(kernel, DATA)
    assert (got["sum"] == DATA + DATA[2]).all() and (got["out"] == np.broadcast_to(DATA[2], (4, 24))).all()
    assert (got["product"] == DATA * DATA[1]).all()


def test_one_row_of_psum_for_all_partitions():
    def kernel(a):
        tile = nl.load(a)
        sums = nl.matmul(nl.load(a[:, :1], dtype=nl.bfloat16), nl.load(a, dtype=nl.bfloat16), transpose_x=True)
        return stored(nl.add(tile, nl.broadcast_to(sums, (4, 4))))

    assert (result(kernel, SMALL) == SMALL + SMALL[:, :1].T @ SMALL).all()


def test_operands_of_engines_in_other_partitions():
    def kernel(a):
        tile = nl.load(a)
        target = nl.ndarray((2, 24), nl.float32)
        nisa.tensor_tensor(target, tile[1:3], tile[2:4], op=nl.subtract)
        other = nl.ndarray((4, 24), nl.float32)
        nisa.activation(other[2:4], nl.relu, tile[0:2], bias=tile[1:3, 5], scale=-2.0)
        return stored(target, "one"), stored(other[2:4], "two")

    got = results(kernel, DATA)
    assert (got["one"] == DATA[1:3] - DATA[2:4]).all()
    assert (got["two"] == np.maximum(DATA[0:2] * np.float32(-2) + DATA[1:3, 5:6], 0)).all()


def test_scalar_operands_of_every_kind():
    f = np.float32

    def kernel(a):
        tile, half = nl.load(a), nl.load(a, dtype=nl.bfloat16)
        sums = nl.full((4, 1), 0.5, nl.float32, buffer=nl.psum)
        outs = [nl.ndarray((4, 24), nl.float32, name=f"o{i}") for i in range(5)]
        nisa.tensor_scalar(outs[0], tile, nl.multiply, tile[:, 1], op1=nl.add, operand1=tile[:, 2])
        nisa.tensor_scalar(outs[1], tile, nl.subtract, tile[:, 3], reverse0=True)
        nisa.tensor_scalar(outs[2], tile, nl.add, 1.5, op1=nl.subtract, operand1=sums, reverse1=True)
        nisa.activation(outs[3], nl.copy, tile, bias=half[:, 0], scale=tile[:, 5])
        nisa.tensor_scalar(tile, tile, nl.multiply, tile[:, 1])
        nl.store(o := out((4, 24), name="in_place"), tile)
        return tuple(stored(each, f"r{i}") for i, each in enumerate(outs[:4])) + (o,)

    got = results(kernel, bf16(DATA))
    d = bf16(DATA)
    assert (got["r0"] == d * d[:, 1:2] + d[:, 2:3]).all()
    assert (got["r1"] == d[:, 3:4] - d).all()
    assert (got["r2"] == f(0.5) - (d + f(1.5))).all()
    assert (got["r3"] == d * d[:, 5:6] + d[:, :1]).all()
    assert (got["in_place"] == d * d[:, 1:2]).all()


def test_functions_of_tiles():
    def kernel(a):
        x = nl.load(a)
        made = {
            "add": nl.add(x, x[:, :1]),
            "subtract": nl.subtract(1.0, x),
            "multiply": np.multiply and nl.multiply(x, 3.0),
            "maximum": nl.maximum(x, 0.25),
            "minimum": nl.minimum(x, nl.negative(x)),
            "relu": nl.relu(x),
            "square": nl.square(x),
            "copy": nl.copy(x, dtype=nl.bfloat16),
            "zeros": nl.zeros_like(x),
            "ones": nl.ones((4, 2), nl.float32),
        }
        x[:, 0:4] = 7.0
        x[:, 4:8] = x[:, 8:12]
        made["assigned"] = x
        return {name: stored(tile, name) for name, tile in made.items()}

    got, f = results(kernel, bf16(DATA)), np.float32
    d = bf16(DATA)
    assigned = d.copy()
    assigned[:, 0:4], assigned[:, 4:8] = 7, d[:, 8:12]
    want = {
        "add": d + d[:, :1],
        "subtract": f(1) - d,
        "multiply": d * f(3),
        "maximum": np.maximum(d, f(0.25)),
        "minimum": np.minimum(d, -d),
        "relu": np.maximum(d, 0),
        "square": d * d,
        "copy": d,
        "zeros": 0 * d,
        "ones": np.ones((4, 2)),
        "assigned": assigned,
    }
    assert set(got) == set(want) and all((got[name] == want[name]).all() for name in want)


def test_operators_of_numpy_are_taken():
    def kernel(a):
        x = nl.load(a)
        target = nl.ndarray(x.shape, nl.float32)
        nisa.tensor_tensor(target, x, x, op=np.add)
        return stored(target)

    assert (result(kernel, DATA) == DATA + DATA).all()


def test_constants_come_with_the_program():
    table = np.arange(24, dtype=np.float32)[None]

    def kernel(a):
        tile = nl.load(a)
        row = nl.load(nl.shared_constant(table))
        unit = nl.shared_identity_matrix(3, dtype=nl.float32)
        return stored(nl.add(tile, row)), stored(unit, "unit")

    got = results(kernel, DATA)
    assert (got["out"] == DATA + table).all() and (got["unit"] == np.eye(3)).all()


def test_copies_need_equal_counts_not_shapes():
    def kernel(a):
        tile = nl.ndarray((4, 2, 3, 4), nl.float32)
        nisa.dma_copy(tile, a)
        other = nl.ndarray((4, 4, 6), nl.float32)
        nisa.tensor_copy(other.permute((0, 2, 1)), tile)
        target = out((8, 12))
        nisa.dma_copy(target, other)
        return target

    want = DATA.reshape(4, 6, 4).transpose(0, 2, 1).reshape(8, 12)
    assert (result(kernel, DATA) == want).all()


def test_rows_and_strides_beyond_the_fields():
    config = load_preset("small")
    data = bf16(RANDOM.normal(size=(2, 70_000)))

    def kernel(a):
        tile = nl.load(a)
        turned = nl.ndarray((2, 2, 100), nl.bfloat16)
        nisa.tensor_copy(turned, tile.reshape((2, 2, 35_000))[:, :, 5:105])
        return stored(tile, "all"), stored(turned, "some")

    got = results(kernel, data, dtypes=[nl.bfloat16], config=config)
    assert (got["all"] == data).all()
    assert (got["some"] == data.reshape(2, 2, 35_000)[:, :, 5:105]).all()


def test_returned_views_are_what_was_returned():
    def kernel(a):
        tile = nl.load(a)
        target = out((4, 24), name="o")
        nl.store(target, tile)
        return {
            "rows": target[0:2],
            "shape": target.reshape((8, 12)),
            "order": target.permute((1, 0)),
            "step": target[1, 3::4],
            "same": target,
        }

    got = results(kernel, DATA)
    want = {"rows": DATA[:2], "shape": DATA.reshape(8, 12), "order": DATA.T, "step": DATA[1, 3::4], "same": DATA}
    assert all(got[name].shape == want[name].shape and (got[name] == want[name]).all() for name in want)


def test_a_view_of_an_output_is_checked_where_it_is_looked_at():
    def kernel(a):
        target = out((4, 24), name="o")
        nl.store(target[:2], nl.load(a[:2]))
        return target[:2]

    assert (results(kernel, DATA)["o"] == DATA[:2]).all()


def with_sums(use, *, bank=False):
    """What `use` makes of a PSUM tile, stationary ones and moving ones of [4, 8]."""

    def kernel(a):
        width = 1024 // 4 if bank else 8
        sums = nl.ndarray((4, width), nl.float32, buffer=nl.psum)
        ones, more = nl.ones((4, 4), nl.bfloat16), nl.ones((4, 8), nl.bfloat16)
        return stored(use(sums, ones, more) or sums)

    return result(kernel, DATA)


@pytest.mark.filterwarnings("ignore::makalu.sw.nki.errors.KernelWarning")
def test_zeros_of_a_psum_tile_stand_where_they_were_written():
    def replaced(sums, ones, more):
        nisa.memset(sums, 0.0)
        nisa.memset(sums, 3.0)

    def in_part(sums, ones, more):
        nisa.memset(sums, 0.0)
        nisa.memset(sums[:, :4], 3.0)

    def beside(sums, ones, more):
        nl.full((4, 8), 0.0, nl.float32, buffer=nl.psum)
        nisa.memset(sums, 0.0)
        nisa.nc_matmul(sums[:, :4], ones, more[:, :4])
        nisa.nc_matmul(sums[:2, 2:6], ones[:, :2], more[:, :4], accumulate=True)

    def again(sums, ones, more):
        nisa.nc_matmul(sums, ones, more)
        nisa.memset(sums, 0.0)
        nisa.nc_matmul(sums[:, 1:3], ones, more[:, :2], accumulate=True)

    assert (with_sums(replaced) == 3).all()
    assert (with_sums(in_part) == [3, 3, 3, 3, 0, 0, 0, 0]).all()
    assert with_sums(beside).tolist() == [[4, 4, 8, 8, 4, 4, 0, 0]] * 2 + [[4, 4, 4, 4, 0, 0, 0, 0]] * 2
    assert (with_sums(again) == [0, 4, 4, 0, 0, 0, 0, 0]).all()


def test_a_fill_of_psum_is_cut_at_banks():
    width = TINY.psum.bank_elems

    def kernel(a):
        sums = nl.full((4, 2 * width), 1.0, nl.float32, buffer=nl.psum)
        nisa.memset(sums[:, width // 2 : width + width // 2], 2.0)
        nisa.memset(sums[:, 1::2], 3.0)
        return stored(sums)

    expected = np.ones(2 * width)
    expected[width // 2 : width + width // 2] = 2
    expected[1::2] = 3
    assert (result(kernel, DATA) == expected).all()


def test_a_row_of_psum_repeated_over_partitions():
    def use(sums, ones, more):
        nisa.nc_matmul(sums, ones, more)
        tile = nl.ndarray((4, 8), nl.float32)
        nisa.tensor_copy(tile, sums[1:2].broadcast(0, 4))
        nisa.tensor_scalar(tile, tile, nl.add, sums[2:3, 0:1].broadcast(0, 4))
        return tile

    assert (with_sums(use) == 8).all()


def test_sources_that_overlap_the_destination_are_read_first():
    def kernel(a):
        right, left, turned = nl.load(a), nl.load(a), nl.load(a)
        nisa.tensor_copy(right[:, 1:], right[:, :-1])
        nisa.tensor_tensor(left[:, :-1], left[:, 1:], left[:, :-1], nl.add)
        turned[...] = turned.reshape((4, 4, 6)).permute((0, 2, 1))
        scaled = nl.load(a)
        wide = scaled.reshape((4, 2, 3, 2, 2))  # several instructions, the scalar in the first one's destination
        nisa.tensor_scalar(wide.permute((0, 3, 1, 4, 2)), wide.permute((0, 3, 1, 4, 2)), nl.multiply, scaled[:, 0:1])
        return stored(right, "r"), stored(left, "l"), stored(turned, "t"), stored(scaled, "s")

    got = results(kernel, DATA)
    assert (got["r"] == np.c_[DATA[:, :1], DATA[:, :-1]]).all()
    assert (got["l"] == np.c_[DATA[:, 1:] + DATA[:, :-1], DATA[:, -1:]]).all()
    assert (got["t"] == DATA.reshape(4, 4, 6).transpose(0, 2, 1).reshape(4, 24)).all()
    assert (got["s"] == DATA * DATA[:, :1]).all()


def test_copies_in_memory_between_overlapping_and_strided_sides():
    rows = np.arange(600, dtype=np.float32).reshape(300, 2)

    def kernel(a):
        shifted = out((300, 2), name="shifted")
        nisa.dma_copy(shifted, a)
        nisa.dma_copy(shifted[1:], shifted[:-1])
        strided = out((4, 8), name="strided")
        nisa.memset(strided.permute((1, 0)), 7.0)
        nisa.dma_copy(strided[:, ::2].permute((1, 0)), a.ap([[2, 2], [3, 8]], offset=1))
        return shifted, strided

    got = results(kernel, rows)
    assert (got["shifted"] == np.r_[rows[:1], rows[:-1]]).all()
    expected = np.full((4, 8), 7, np.float32)
    expected[:, ::2].T[...] = np.array([[1 + 2 * i + 3 * j for j in range(8)] for i in range(2)]).reshape(4, 4)
    assert (got["strided"] == expected).all()


def test_short_rows_in_memory_share_a_partition():
    data = np.arange(2001 * 3, dtype=np.float32).reshape(2001, 3)

    def kernel(a):
        target = out((3, 2001))
        nisa.dma_copy(target.permute((1, 0)), a)
        return target

    program = compile_kernel(kernel, TINY, TensorSpec(data.shape, nl.float32))
    assert program.instructions < 20
    assert (run_golden(program, dict(zip(program.inputs, [data], strict=True)), config=TINY)["out"] == data.T).all()
