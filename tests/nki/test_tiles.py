"""`tile_position` and `tile_size` of matmuls, and dst in other partitions: what they become, and what is refused."""

import re

import numpy as np
import pytest

from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.core_rules import rule_of
from makalu.sw.nki.errors import KernelError, NotBuiltError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from tests.sw.kernels import MINI, recorded

LOAD, MATMUL, COPY = Opcode.LOAD_STATIONARY, Opcode.MATMUL, Opcode.TENSOR_COPY
STORE, FETCH, SPARSE = Opcode.DMA_STORE, Opcode.DMA_LOAD, Opcode.LOAD_SPARSE
TRN1, TRN2, TRN3 = (load_preset(name) for name in ("trn1", "trn2", "trn3"))
N = 16
DOUBLE = nisa.matmul_perf_mode.double_row


def half(k, n):
    return nl.full((k, n), 1.0, nl.bfloat16, name="half")


def pairs(k, n):
    return nl.full((k, 2, n), 1.0, nl.float8_e5m2, name="pairs")


def psum(m=32, n=N):
    return nl.ndarray((m, n), nl.float32, buffer=nl.psum, name="sums")


def product(dst, left, right, position=None, size=None, **more):
    hints = {"tile_position": position, "tile_size": size}
    nisa.nc_matmul(dst, left, right, **{name: value for name, value in hints.items() if value is not None}, **more)


def operations(call, config=MINI):
    def kernel(x):
        call()
        return x

    return list(recorded(kernel, config=config, x=(4, 4)).recording.operations())


def tensor_steps(call, config=MINI):
    """Opcodes behind the fills, and the columns of loads."""
    steps = [each for each in operations(call, config) if each.opcode is not Opcode.MEMSET]
    return [each.opcode for each in steps], [each.numbers["column"] for each in steps if each.opcode in (LOAD, SPARSE)]


PLACED = {
    "a column tile": (lambda: product(psum()[8:16], half(32, 8), half(32, N), (0, 8), (32, 8)), [], 8),
    "a wider one": (lambda: product(psum()[16:], half(32, 16), half(32, N), (0, 16), (32, 16)), [], 16),
    "less than a tile": (lambda: product(psum()[24:27], half(5, 3), half(5, N), (0, 24), (8, 8)), [], 24),
    "a row tile": (lambda: product(psum(8), half(16, 8)[8:], half(16, N)[8:], (8, 0), (8, 32)), [], 0),
    "rows inside of a tile": (lambda: product(psum(8), half(16, 8)[12:], half(16, N)[12:], (8, 0), (8, 32)), [], 0),
    "rows and columns": (
        lambda: product(psum()[16:20], half(32, 4)[16:], half(32, N)[16:], (16, 16), (16, 16)),
        [],
        16,
    ),
    "all of it": (lambda: product(psum(), half(32, 32), half(32, N), (0, 0), (32, 32)), [], 0),
    "lists": (lambda: product(psum()[8:16], half(32, 8), half(32, N), [0, 8], [32, 8]), [], 8),
    "two rows of a row tile": (
        lambda: product(psum(16), pairs(16, 16)[8:], pairs(16, N)[8:], (8, 0), (8, 32), perf_mode=DOUBLE),
        [],
        0,
    ),
    "operands elsewhere": (
        lambda: product(psum()[8:16], half(8, 8), half(8, N), (24, 8), (8, 8)),
        [STORE, FETCH, STORE, FETCH],
        8,
    ),
    "stationary elsewhere": (
        lambda: product(psum(8), half(8, 8), half(16, N)[8:], (8, 0), (8, 32)),
        [STORE, FETCH],
        0,
    ),
    "moving elsewhere": (
        lambda: product(psum(8), half(16, 8)[8:], half(8, N), (8, 0), (8, 32)),
        [STORE, FETCH],
        0,
    ),
    "no tile, another partition": (lambda: product(psum()[24:], half(32, 8), half(32, N)), [], 24),
    "no tile, beyond the smallest": (lambda: product(psum()[8:27], half(32, 19), half(32, N)), [], 8),
    "two rows, another partition": (
        lambda: product(psum()[8:24], pairs(16, 16), pairs(16, N), perf_mode=DOUBLE),
        [],
        8,
    ),
}


@pytest.mark.parametrize("what", PLACED)
def test_one_load_and_one_matmul(what):
    """Behind copies of what lies in other partitions than the tile's rows."""
    call, first, column = PLACED[what]
    assert tensor_steps(call) == ([*first, LOAD, MATMUL], [column])


def test_every_load_of_a_call_has_the_column():
    word = nl.float32

    def passes():
        product(psum()[8:16], nl.full((4, 8), 1.0, word), nl.full((4, N), 1.0, word), (0, 8), (8, 8))

    assert tensor_steps(passes)[1] == [8] * 3
    turned = tensor_steps(lambda: nisa.nc_transpose(nl.ndarray((32, 8), nl.float32, buffer=nl.psum)[16:20], four()))
    assert turned[1] == [16, 16]
    filled = tensor_steps(lambda: nisa.memset(psum()[8:12], 0.1))
    assert filled[1] and set(filled[1]) == {8}
    tagged = tensor_steps(
        lambda: nisa.nc_matmul_sparse(psum()[8:16], half(8, 8), nl.full((8, 2, N), 1.0, nl.bfloat16), tags())
    )
    assert tagged == ([SPARSE, MATMUL], [8])


def four():
    return nl.full((8, 4), 1.0, nl.float32, name="four")


def tags():
    return nl.full((8, 2), 0, nl.uint16, name="tags")


SIZE, POSITION = "(NKI: nisa.nc_matmul, tile_size)", "(NKI: nisa.nc_matmul, tile_position)"
WRITES = (MATMUL, "dst", OperandRule.COLUMN_TILE)
REFUSED = [
    ({"position": (0, 8)}, "tile_position=(0, 8) without tile_size", POSITION),
    ({"position": (0, 0)}, "tile_position=(0, 0) without tile_size", POSITION),
    ({"size": (32, 8)}, "tile_size=(32, 8) without tile_position", SIZE),
    ({"position": (0, 8, 0), "size": (32, 8)}, "tile_position=(0, 8, 0) must be two numbers", POSITION),
    ({"position": (0, 8), "size": (32,)}, "tile_size=(32,) must be two numbers", SIZE),
    ({"position": (0, 0), "size": (4, 8)}, "the row size must be one of [8, 16, 32] on preset trn2-mini, not 4", SIZE),
    (
        {"position": (0, 0), "size": (32, 4)},
        "the column size must be one of [8, 16, 32] on preset trn2-mini, not 4",
        SIZE,
    ),
    ({"position": (0, 0), "size": (24, 8)}, "the row size must be one of [8, 16, 32]", SIZE),
    ({"position": (0, 0), "size": (64, 8)}, "the row size must be one of [8, 16, 32]", SIZE),
    (
        {"position": (8, 0), "size": (16, 8)},
        "the first row must be a multiple of 16, the row size, below 32, not 8",
        POSITION,
    ),
    ({"position": (0, 8), "size": (32, 16)}, "the first column must be a multiple of 16, the column size,", POSITION),
    (
        {"position": (0, 32), "size": (32, 8)},
        "the first column must be a multiple of 8, the column size, below 32",
        POSITION,
    ),
    (
        {"position": (-8, 0), "size": (8, 8)},
        "the first row must be a multiple of 8, the row size, below 32, not -8",
        POSITION,
    ),
    (
        {"position": (0, 8), "size": (8, 8), "k": 9},
        "stationary has 9 partitions (K) and 8 columns (M), the tile",
        "tile size",
    ),
    (
        {"position": (0, 8), "size": (8, 8), "m": 9},
        "stationary has 8 partitions (K) and 9 columns (M), the tile",
        "tile size",
    ),
    (
        {"position": (0, 16), "size": (8, 8)},
        "begins at partition 8, a tile at column 16 writes from partition 16 on",
        WRITES,
    ),
    (
        {"position": (0, 0), "size": (8, 32)},
        "begins at partition 8, a tile at column 0 writes from partition 0 on",
        WRITES,
    ),
    ({"first": 4}, "begins at partition 4, which must be a multiple of 8", WRITES),
    ({"first": 15, "m": 1}, "begins at partition 15, which must be a multiple of 8", WRITES),
]


def shown(rule):
    return rule_of(*rule) if isinstance(rule, tuple) else rule


@pytest.mark.parametrize(("case", "text", "rule"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_is_refused_says_rule_value_and_line(case, text, rule):
    k, m, first = (case.get(name, other) for name, other in (("k", 8), ("m", 8), ("first", 8)))
    hints = {name: case[name] for name in ("position", "size") if name in case}
    with pytest.raises(KernelError) as error:
        operations(lambda: product(psum()[first : first + m], half(k, m), half(k, N), **hints))
    said = str(error.value)
    assert said.startswith("illegal: nisa.nc_matmul: ") and text in said
    assert shown(rule) in said and re.search(r"\(at tests/nki/test_tiles\.py:\d+", said)


@pytest.mark.parametrize("call", [nisa.nc_matmul_sparse, nisa.memset], ids=["sparse", "memset"])
def test_other_calls_write_from_the_same_partitions(call):
    def operands():
        return (half(8, 8), nl.full((8, 2, N), 1.0, nl.bfloat16), tags()) if call is nisa.nc_matmul_sparse else (1.0,)

    with pytest.raises(KernelError, match=r"begins at partition 4, which must be a multiple of 8.*test_tiles\.py"):
        operations(lambda: call(psum()[4:12], *operands()))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: product(psum()[8:16], pairs(8, 8), pairs(8, N), (0, 8), (32, 8), perf_mode=DOUBLE),
            KernelError,
            r"double row in a column tile, tile_size=\(32, 8\) \(NKI: nisa.nc_matmul, perf_mode\)",
        ),
        (
            lambda: product(psum()[8:16], half(8, 8), half(8, 8), (0, 8), (32, 8), is_transpose=True),
            NotBuiltError,
            r"a transpose in a tile of the array, tile_size=\(32, 8\); it takes the whole array",
        ),
        (
            lambda: product(psum(), half(32, 32), half(32, N), (0, 0), "all"),
            KernelError,
            "tile_size must be a tuple of integers, not 'all'",
        ),
        (
            lambda: nisa.nc_matmul(psum(8)[:1].broadcast(0, 8), half(8, 8), half(8, N), accumulate=False),
            KernelError,
            "repeats a partition",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(call, kind, text):
    with pytest.raises(kind, match=text + r".*\(at tests/nki/test_tiles\.py:\d+"):
        operations(call)


@pytest.mark.parametrize(
    ("config", "position", "size", "text"),
    [
        (TRN2, (96, 32), (32, 32), ""),
        (TRN2, (64, 96), (64, 32), ""),
        (TRN1, (64, 96), (64, 32), ""),
        (TRN1, (96, 64), (32, 64), ""),
        (TRN1, (96, 96), (32, 32), "on trn1 row and column size cannot both be the smallest"),
        (TRN2, (0, 0), (16, 32), r"the row size must be one of \[32, 64, 128\] on preset trn2, not 16"),
        (TRN2, (0, 96), (128, 64), "the first column must be a multiple of 64"),
        (load_preset("trn1-mini"), (8, 8), (8, 8), "on trn1 row and column size cannot both be the smallest"),
        (load_preset("tiny"), (3, 2), (1, 2), ""),
        (load_preset("tiny"), (0, 1), (4, 1), r"the column size must be one of \[2, 4\] on preset tiny, not 1"),
    ],
)
def test_sizes_of_each_array(config, position, size, text):
    def call():
        (row, column), (rows, columns) = position, size
        left, right = half(config.partitions, columns)[row : row + rows], half(config.partitions, N)[row : row + rows]
        dst = psum(config.partitions)[column:]
        product(dst[: min(columns, dst.shape[0])], left, right, position, size)

    if not text:
        assert tensor_steps(call, config) == ([LOAD, MATMUL], [position[1]])
        return
    with pytest.raises(KernelError, match=text):
        operations(call, config)


# MX


def quads(k, n):
    tile = nl.ndarray((k, n), nl.float8_e5m2_x4, name="quads")
    tile.storage.marks(tile)[...] = 1  # as if it had been loaded
    return tile


def scales(k, n):
    return nl.full((k, n), 127, nl.uint8, name="scales")


def mx(position, size, *, row=0, k=32, config=TRN3):
    def call():
        operands = [make(128, n)[row : row + k] for n in (8, N) for make in (quads, scales)]
        nisa.nc_matmul_mx(psum(8), *operands[::2], *operands[1::2], tile_position=position, tile_size=size)

    return tensor_steps(call, config)


@pytest.mark.parametrize(
    ("position", "size", "row", "k"), [((64, 0), (64, 128), 64, 64), ((96, 0), (32, 128), 96, 32), (None, None, 32, 32)]
)
def test_mx_has_row_tiles(position, size, row, k):
    assert mx(position, size, row=row, k=k) == ([LOAD, MATMUL], [0])


def test_mx_operands_of_other_rows_are_copied_with_their_scales():
    steps, _ = mx((96, 0), (32, 128))
    assert steps[-2:] == [LOAD, MATMUL] and steps.count(STORE) == steps.count(FETCH) == 4


@pytest.mark.parametrize(
    ("position", "size", "text"),
    [
        ((0, 32), (128, 32), r"the column size must be one of \[128\] on preset trn3, not 32 \(NKI: nisa.nc_matmul_mx"),
        ((0, 0), (16, 128), r"the row size must be one of \[32, 64, 128\] on preset trn3, not 16"),
        ((0, 0), (32, 128), r"stationary has 64 partitions \(K\) and 8 columns"),
        ((32, 0), None, r"tile_position=\(32, 0\) without tile_size"),
        ("all", (32, 128), "tile_position must be a tuple of integers, not 'all'"),
    ],
)
def test_mx_refuses_other_tiles(position, size, text):
    with pytest.raises(KernelError, match=text + r".*\(at tests/nki/test_tiles\.py:\d+"):
        mx(position, size, k=64)


# values


def stored(tile, name="out"):
    kept = nl.ndarray(tile.shape, nl.float32, name="kept")
    nisa.tensor_copy(kept, tile)
    out = nl.ndarray(tile.shape, nl.float32, buffer=nl.shared_hbm, name=name)
    nl.store(out, kept)
    return out


def executed(kernel, *arrays, config=MINI, seed=None, dtype=nl.bfloat16):
    program = compile_kernel(kernel, config, *[TensorSpec(array.shape, dtype) for array in arrays])
    return run_golden(program, dict(zip(program.inputs, arrays, strict=True)), config=config, seed=seed)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_parts_of_a_psum_tile_are_read_where_they_are(seed):
    """Each engine reads a column tile into its own partitions, and into the first ones; a fill beside it stays."""
    rng = np.random.default_rng(5)
    a, b = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((32, 8), (32, N)))

    def kernel(x, y):
        sums = psum()
        nisa.memset(sums, 2.5)
        product(sums[8:16], nl.load(x), nl.load(y), (0, 8), (32, 8), accumulate=False)
        moved, kept = nl.ndarray((8, N), nl.float32), nl.ndarray((32, N), nl.float32)
        nisa.tensor_copy(moved, sums[8:16])
        nisa.tensor_copy(kept[:8], sums[:8])
        nisa.activation(kept[8:], nl.relu, sums[8:])
        out = [nl.ndarray(each.shape, nl.float32, buffer=nl.shared_hbm) for each in (moved, kept)]
        nl.store(out[0], moved)
        nl.store(out[1], kept)
        return {"moved": out[0], "kept": out[1]}

    got = executed(kernel, a, b, seed=seed)
    assert (got["moved"] == a.T @ b).all()
    assert (got["kept"] == np.concatenate([np.full((8, N), 2.5), np.maximum(a.T @ b, 0), np.full((16, N), 2.5)])).all()


def test_a_fill_and_a_transpose_of_other_partitions():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(8, 8)).astype(np.float32)

    def kernel(x):
        sums = psum(n=8)
        nisa.memset(sums[:8], 0.1)
        nisa.memset(sums[16:], -0.0)
        nisa.nc_transpose(sums[8:16], nl.load(x))
        return {"out": stored(sums)}

    got = executed(kernel, a, dtype=nl.float32)["out"]
    assert (got[:8] == np.float32(0.1)).all() and (got[8:16] == a.T).all()
    assert (got[16:] == 0).all() and np.signbit(got[16:]).all()


def test_a_matmul_adds_where_one_wrote_before():
    """Each part of a PSUM tile by itself."""
    a = np.ones((32, 8), np.float32)

    def kernel(x):
        tile, sums = nl.load(x), psum(n=8)
        for column in (0, 8, 16, 24, 8):
            product(sums[column : column + 8], tile, tile, (0, column), (32, 8))
        return {"out": stored(sums)}

    assert (executed(kernel, a)["out"] == np.repeat([32, 64, 32, 32], 8)[:, None]).all()
