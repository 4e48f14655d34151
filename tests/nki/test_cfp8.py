"""`exponent_offset` of `nisa.nc_matmul`: what it becomes, and what is refused, with rule, value and line."""

import re

import numpy as np
import pytest

from makalu.spec.cfp8 import OFFSETTABLE
from makalu.spec.formats import BF16, E3M4, E4M3, E5M2, FP32
from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.core_rules import rule_of
from makalu.sw.nki.errors import KernelError, NotBuiltError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from tests.sw.kernels import MINI

K, M, N = 32, 20, 48
LOAD, MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL
DOUBLE = nisa.matmul_perf_mode.double_row


def product(w, x, *every, **more):
    """A matmul for each pair of offsets, each added to the ones before."""
    tiles = []
    for source in (w, x):
        tiles.append(nl.ndarray(source.shape, source.dtype, name="tile"))
        nisa.dma_copy(tiles[-1], source)
    sums = nl.ndarray((w.shape[-1], x.shape[-1]), FP32, buffer=nl.psum, name="sums")
    for offsets in every:
        nisa.nc_matmul(sums, *tiles, exponent_offset=offsets, **more)
    out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
    nl.store(out, sums)
    return out


def compiled(*every, types=(E5M2, E5M2), shapes=((K, M), (K, N)), config=MINI, **more):
    specs = [TensorSpec(shape, form) for shape, form in zip(shapes, types, strict=True)]
    return compile_kernel(lambda w, x: product(w, x, *every, **more), config, *specs)


@pytest.mark.parametrize("preset", ["trn1-mini", "trn2-mini"])
@pytest.mark.parametrize("types", [(a, b) for a in OFFSETTABLE for b in OFFSETTABLE], ids=lambda pair: pair)
def test_sums_are_the_exact_ones_times_a_power_of_two(preset, types):
    """Whole numbers that every type has, whose sums are exact in fp32 wherever the offsets put them."""
    rng, config = np.random.default_rng(3), load_preset(preset)
    inputs = {name: rng.integers(-4, 5, shape) for name, shape in (("w", (K, M)), ("x", (K, N)))}
    whole = inputs["w"].T.astype(np.float64) @ inputs["x"]
    assert len(np.unique(whole)) > 50
    for its, other in ((-32, -32), (31, 31), (-32, 31), (5, 0), (0, -7)):
        program = compiled((its, other), types=types, config=config)
        got = run_golden(program, inputs, config=config)["out"]
        assert (got == whole * 2.0 ** (its + other)).all()


def test_sums_that_round_are_moved_bit_for_bit():
    """Of any numbers, subnormals too: no offset brings a sum near an end of fp32."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 256, (2, K, max(M, N))).astype(np.uint8)
    codes = np.where(codes & 0x7F >= E5M2.infinity, codes & 0x83, codes)
    inputs = {"w": Bits(codes[0][:, :M]), "x": Bits(codes[1][:, :N])}
    plain, *others = (
        run_golden(compiled(pair), inputs, config=MINI)["out"] for pair in ((0, 0), (-32, -32), (31, 31), (-9, 3))
    )
    assert all((moved == plain * 2.0**both).all() for moved, both in zip(others, (-64, 62, -6), strict=True))


def test_offsets_of_matmuls_that_add_are_each_its_own():
    inputs = {name: np.ones(shape) for name, shape in (("w", (K, M)), ("x", (K, N)))}
    program = compiled((3, 1), (0, 0), (-2, -2))
    assert (run_golden(program, inputs, config=MINI)["out"] == K * (16 + 1 + 1 / 16)).all()
    steps = [i for stream in program.executed().values() for i in stream if i.opcode in (LOAD, MATMUL)]
    assert [i["exponent_offset"] for i in steps] == [3, 1, 0, 0, -2, -2]


def test_a_side_without_one_may_have_any_type():
    program = compiled((0, 9), types=(BF16, E4M3))
    assert [i["exponent_offset"] for i in program.executed()[0] if i.opcode in (LOAD, MATMUL)] == [0, 9]


REFUSED = {
    "a stationary of bf16": (((1, 0),), {"types": (BF16, E5M2)}, "stationary tile[32, 20] bf16", LOAD),
    "a moving of fp32": (((0, -3),), {"types": (FP32, FP32)}, "moving tile_1[32, 48] fp32", MATMUL),
    "too far up": (((32, 0),), {}, "exponent_offset of stationary must be from -32 to 31, not 32", LOAD),
    "too far down": (((0, -33),), {}, "exponent_offset of moving must be from -32 to 31, not -33", MATMUL),
    "double row": (
        ((0, 2),),
        {"perf_mode": DOUBLE, "shapes": ((K, 2, M), (K, 2, N))},
        "exponent_offset of moving is 2 in double row or a transpose",
        MATMUL,
    ),
    "a transpose": (
        ((4, 0),),
        {"is_transpose": True, "types": (E3M4, E3M4)},
        "exponent_offset of stationary is 4 in double row or a transpose",
        LOAD,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_names_line_value_and_rule(what):
    every, more, text, opcode = REFUSED[what]
    with pytest.raises(KernelError) as error:
        compiled(*every, **more)
    said = str(error.value)
    assert text in said and rule_of(opcode, "src0", OperandRule.MOVABLE) in said
    assert said.startswith("illegal: nisa.nc_matmul: ") and re.search(r"tests/nki/test_cfp8\.py:\d+", said)


@pytest.mark.parametrize("offsets", [(1,), (0, 0, 0), 3, (1.5, 0), (True, 0)])
def test_what_is_no_pair_of_integers_is_refused(offsets):
    with pytest.raises(KernelError, match=r"exponent_offset must be (a tuple of integers|\(stationary, moving\)), not"):
        compiled(offsets)


@pytest.mark.parametrize("preset", ["tiny", "trn3-mini"])
def test_a_core_without_it_says_so(preset):
    types, shapes = (E5M2, E5M2), ((4, 4), (4, 8))
    with pytest.raises(NotBuiltError, match=rf"exponent_offset=\(0, 1\) on preset {preset}, whose types have fixed"):
        compiled((0, 1), types=types, shapes=shapes, config=load_preset(preset))
    compiled((0, 0), types=types, shapes=shapes, config=load_preset(preset))
