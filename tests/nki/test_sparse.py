"""`nisa.nc_matmul_sparse`: what it becomes, what it copies first, and what it refuses, with rule, value and line."""

import re

import ml_dtypes
import numpy as np
import pytest

from makalu.sim_models.golden.result import IllegalInstruction
from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.core_rules import rule_of
from makalu.sw.nki.errors import KernelError, NotBuiltError, NotInNkiError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from makalu.sw.sparse import layout, pack, prune
from tests.sw.kernels import MINI, recorded

LOAD, MATMUL = Opcode.LOAD_SPARSE, Opcode.MATMUL
K, M, N = 8, 12, 24


def tile(*shape, dtype=nl.bfloat16):
    return nl.full(shape, 1.0, dtype, name="tile")


def tags(*shape, dtype=nl.uint16):
    return nl.full(shape, 0, dtype, name="tags")


def sums(m=M, n=N, dtype=nl.float32):
    return nl.ndarray((m, n), dtype, buffer=nl.psum, name="sums")


def opcodes(call, config=MINI):
    def kernel(x):
        call()
        return x

    return [operation.opcode for operation in recorded(kernel, config=config, x=(4, 4)).recording.operations()]


def steps(*operands, **more):
    """Instructions of the call alone."""
    fills = opcodes(lambda: [each() for each in operands])
    return opcodes(lambda: nisa.nc_matmul_sparse(sums(), *[each() for each in operands], **more))[len(fills) :]


def test_one_load_and_one_matmul():
    assert steps(lambda: tile(K, M), lambda: tile(K, 4, N), lambda: tags(K, M // 4)) == [LOAD, MATMUL]


COPY, STORE, FETCH = Opcode.TENSOR_COPY, Opcode.DMA_STORE, Opcode.DMA_LOAD
COPIED = {
    "elements that are not whole words apart": (
        (lambda: tile(K, M), lambda: tile(K, 2, N + 4)[:, :, :N], lambda: tags(K, M // 4)),
        [COPY],
    ),
    "a strided stationary tile": (
        (lambda: tile(K, 2 * M)[:, ::2], lambda: tile(K, 2, N), lambda: tags(K, M // 4)),
        [COPY],
    ),
    "tags inside a word": ((lambda: tile(K, M), lambda: tile(K, 2, N), lambda: tags(K, 8)[:, 2:5]), [COPY]),
    "strided tags": ((lambda: tile(K, M), lambda: tile(K, 2, N), lambda: tags(K, 6)[:, ::2]), [COPY]),
    "weights in other partitions": (
        (lambda: tile(K, M), lambda: tile(2 * K, 2, N)[K:], lambda: tags(2 * K, M // 4)[K:]),
        [STORE, FETCH],
    ),
    "tags in other partitions": (
        (lambda: tile(K, M), lambda: tile(K, 2, N), lambda: tags(2 * K, M // 4)[K:]),
        [STORE, FETCH],
    ),
    "moving elements inside a group": (
        (lambda: tile(K, M), lambda: tile(2 * K, 2, N)[2 : K + 2], lambda: tags(K, M // 4)),
        [STORE, FETCH],
    ),
    "one element of each partition": (
        (lambda: tile(K, M), lambda: tile(K, 1, N + 1)[:, :, :N], lambda: tags(K, M // 4)),
        [],
    ),
    "moving elements the other way round": (
        (lambda: tile(K, M), lambda: tile(K, N, 2).permute((0, 2, 1)), lambda: tags(K, M // 4)),
        [COPY],
    ),
}


@pytest.mark.parametrize("what", COPIED)
def test_what_the_array_does_not_read_is_copied_first(what):
    operands, first = COPIED[what]
    assert steps(*operands) == [*first, LOAD, MATMUL]


REFUSED = [
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M, dtype=nl.float32), tile(K, 2, N), tags(K, 3)),
        "stationary tile[8, 12] fp32 in sbuf must be of bf16, fp16, e5m2",
        (LOAD, "src0", OperandRule.KIND),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N, dtype=nl.float32), tags(K, 3)),
        "moving tile_1[8, 2, 24] fp32 in sbuf must be of",
        (MATMUL, "src0", OperandRule.OF_MODE),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, N), tags(K, 3)),
        "moving tile_1[8, 24] bf16 in sbuf must be [K, ratio, ...], ratio from 1 to 4",
        (MATMUL, "src0", OperandRule.SAME_COLUMNS),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 5, N), tags(K, 3)),
        "moving tile_1[8, 5, 24] bf16 in sbuf must be [K, ratio, ...]",
        (MATMUL, "src0", OperandRule.SAME_COLUMNS),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(6, M), tile(6, 2, N), tags(6, 3)),
        "stationary tile[6, 12] bf16 in sbuf has 6 partitions (K), which must be a multiple of 4",
        (LOAD, "src0", OperandRule.WHOLE_GROUPS),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(10), tile(K, 10), tile(K, 2, N), tags(K, 3)),
        "stationary tile[8, 10] bf16 in sbuf has 10 columns (M), which must be a multiple of 4",
        (LOAD, "src1", OperandRule.QUARTER_SIZES),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(32), tile(K, 36), tile(K, 2, N), tags(K, 9)),
        "stationary has 36 columns, at most 32 are legal",
        (LOAD, "src0", OperandRule.ROW_TILE),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N), tags(K, 3, dtype=nl.int32)),
        "tags tags[8, 3] int32 in sbuf must be of uint16, 4 tags in each",
        (LOAD, "src1", OperandRule.KIND),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N), tags(K, 12)),
        "tags tags[8, 12] uint16 in sbuf must be [8, 3], 4 tags in each element",
        (LOAD, "src1", OperandRule.QUARTER_SIZES),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N), tags(4, 3)),
        "tags tags[4, 3] uint16 in sbuf must be [8, 3]",
        (LOAD, "src1", OperandRule.QUARTER_SIZES),
    ),
    (
        lambda: nisa.nc_matmul_sparse(sums(n=1024)[:, 200 : 200 + 400], tile(K, M), tile(K, 2, 400), tags(K, 3)),
        "crosses a PSUM bank",
        (MATMUL, "dst", OperandRule.ONE_BANK),
    ),
]


@pytest.mark.parametrize(("call", "text", "rule"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_says_rule_value_and_line(call, text, rule):
    with pytest.raises(KernelError) as error:
        opcodes(call)
    said = str(error.value)
    assert said.startswith("illegal: nisa.nc_matmul_sparse: ") and text in said
    assert rule_of(*rule) in said and re.search(r"\(at tests/nki/test_sparse\.py:\d+", said)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(16, 2, N), tags(K, 3)), KernelError, "8 and 16 parti"),
        (
            lambda: nisa.nc_matmul_sparse(sums(M, 8), tile(K, M), tile(K, 2, N), tags(K, 3)),
            KernelError,
            "dst must hold",
        ),
        (
            lambda: nisa.nc_matmul_sparse(tile(M, N), tile(K, M), tile(K, 2, N), tags(K, 3)),
            KernelError,
            "dst must be in",
        ),
        (lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N), None), KernelError, "tags must be a tensor"),
        (
            lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N), sums(K, 3)),
            KernelError,
            "tags must be in sbuf",
        ),
        (
            lambda: nisa.nc_matmul_sparse(
                sums(), tile(K, M), tile(K, 2, N), nl.ndarray((K, 3), nl.uint16, name="never")
            ),
            KernelError,
            r"tags never\[8, 3\] uint16 in sbuf is read, but 100% of it was never written",
        ),
        (
            lambda: nisa.nc_matmul_sparse(sums(), tile(K, M), tile(K, 2, N), tags(K, 3), perf_mode=None),
            NotInNkiError,
            "perf_mode=",
        ),
        (
            lambda: nisa.nc_matmul_sparse(sums(dtype=nl.bfloat16), tile(K, M), tile(K, 2, N), tags(K, 3)),
            NotBuiltError,
            "a matmul into bf16",
        ),
    ],
)
def test_what_no_matmul_takes(call, kind, text):
    with pytest.raises(kind, match=text):
        opcodes(call)


@pytest.mark.parametrize("preset", ["tiny", "trn1-mini"])
def test_a_core_without_tags_says_so(preset):
    def call():
        nisa.nc_matmul_sparse(sums(4, 8), tile(4, 4), tile(4, 2, 8), tile(4, 1))

    with pytest.raises(NotBuiltError, match=f"nisa.nc_matmul_sparse on preset {preset}, whose weights have no tags"):
        opcodes(call, config=load_preset(preset))


def product(a, its, b, *, apart=0, shape=None, sum_type=nl.float32, twice=False):
    """Operands `apart` elements and partitions away from where the array reads them."""
    (k, m), n = a.shape, b.shape[2]
    tiles = []
    for source in (a, b, its):
        whole = nl.ndarray((k + 2 * apart, *source.shape[1:-1], source.shape[-1] + apart), source.dtype, name="whole")
        view = whole[2 * apart :, ..., apart:]
        nisa.dma_copy(view, source)
        tiles.append(view)
    total = nl.ndarray((m, n), sum_type, buffer=nl.psum, name="total")
    out = nl.ndarray((m, n), sum_type, buffer=nl.shared_hbm, name="out")
    dst = total if shape is None else total.reshape((m, *shape))
    moving = tiles[1] if shape is None else tiles[1].reshape((*b.shape[:2], *shape))
    for _ in range(1 + twice):
        nisa.nc_matmul_sparse(dst, tiles[0], moving, tiles[2])
    kept = nl.ndarray((m, n), sum_type, name="kept")
    nisa.tensor_copy(kept, total)
    nl.store(out, kept)
    return out


def given(pattern, k, m, n, dtype=ml_dtypes.bfloat16):
    """Whole numbers, whose products and sums are exact in fp32: packed weights, tags, moving; the full product."""
    rng = np.random.default_rng(7)
    weights = prune(rng.integers(-7, 8, (k, m)).astype(dtype), pattern)
    moving = rng.integers(-7, 8, (k, n)).astype(dtype)
    full = weights.astype(np.float64).T @ moving.astype(np.float64)
    return (*pack(weights, pattern), layout(moving, pattern)), full


def executed(arrays, dtype, config=MINI, seed=None, **more):
    specs = [TensorSpec(array.shape, form) for array, form in zip(arrays, (dtype, nl.uint16, dtype), strict=True)]
    program = compile_kernel(lambda a, its, b: product(a, its, b, **more), config, *specs)
    return run_golden(program, dict(zip(program.inputs, arrays, strict=True)), config=config, seed=seed)["out"]


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(
    "more", [{}, {"apart": 1}, {"apart": 2}, {"apart": 4}, {"shape": (5, 8)}, {"apart": 2, "shape": (5, 2, 4)}]
)
def test_the_values_are_those_of_the_full_product(more, seed):
    """Wherever the operands lie, in every legal order."""
    arrays, full = given("4:16", 64, M, 40)
    assert (executed(arrays, nl.bfloat16, seed=seed, **more) == full).all()
    assert (executed(arrays, nl.bfloat16, seed=seed, twice=True, **more) == 2 * full).all()


@pytest.mark.parametrize("pattern", ["4:12", "4:8", "2:8", "2:4", "1:4", "1:2"])
@pytest.mark.parametrize(
    ("dtype", "host"), [(nl.float16, np.float16), (nl.float8_e5m2, ml_dtypes.float8_e5m2), (nl.float8_e4m3, np.float32)]
)
def test_every_pattern_of_other_types(pattern, dtype, host):
    """e5m2 has the whole numbers up to 8 but for 5 and 7: those that a host rounds to."""
    arrays, full = given(pattern, 48, 32, 72, host)
    assert (executed(arrays, dtype) == full).all()


def test_sums_of_bf16_are_rounded_once():
    config = load_preset("trn3-mini")
    arrays, full = given("4:16", 128, 32, 40)
    got = executed(arrays, nl.bfloat16, config=config, sum_type=nl.bfloat16)
    assert (got == full.astype(ml_dtypes.bfloat16).astype(np.float32)).all() and (got != full).any()


def test_a_tag_that_is_out_of_range_names_line_rule_and_place():
    (a, its, b), _ = given("2:4", 32, M, 40)
    its[9, 2] |= 3 << 4  # column 9: element 3, and there are two
    with pytest.raises(IllegalInstruction) as error:
        executed((a, its, b), nl.bfloat16)
    said = str(error.value)
    assert re.match(r"tensor at 0x1\w+: TAG: load_sparse: src1 has in partition 9, column 9, tag \d+, element 3 ", said)
    assert "there are 2 of 4 (1 of 192 tags are out of range)" in said
    assert re.search(
        r"\(nisa.nc_matmul_sparse of stationary whole.*, tags whole_2.*tests/nki/test_sparse\.py:\d+", said
    )
