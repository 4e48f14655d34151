"""Matmuls of every element type: on the RTL of `tiny` golden's bits in the timing model's cycles; beside exact sums.

Bound of the sums: a pass is a chain of K roundings, each of at most 2^-24 of a partial sum, and no partial sum exceeds
the sum S of the products' magnitudes by more than these roundings: K * 2^-24 * S * (1 + 2^-10) for each pass with its
own S; PSUM rounds once a further pass. With four passes S is at most (1 + 2^-11)^2 times that of the whole elements, so
(K + 4) * 2^-24 * S * (1 + 2^-8) holds for every type.
"""

import re

import ml_dtypes
import numpy as np
import pytest

from makalu.sim_models.golden.formats import narrow, widen
from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.spec.tensor_types import PASSES, Part, mixable
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits, from_bits
from makalu.sw.kernel.simulate import simulate
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.paths import ROOT
from makalu.sw.run import run_golden, run_golden_machine
from tests.core.timed import Case, check, memory_of
from verif.lib.lane_programs import corner_values
from verif.tensor.elements import random_elements

TINY = load_preset("tiny")
K, M, N = 4, 3, 13
PAIRS = [(a, b) for a in TINY.tensor.operands for b in TINY.tensor.operands if mixable(a, b)]


def every_pair(**sources):
    """out_<a>_<b>[M, N] = a.T @ b for each pair of types that may meet, fp32; cast_<a>: the first of them in type a."""
    tiles = {}
    for name, source in sources.items():
        tiles[name] = nl.ndarray(source.shape, source.dtype, name=name)
        nisa.dma_copy(tiles[name], source)
    outs = []
    for a, b in PAIRS:
        sums = nl.ndarray((M, N), nl.float32, buffer=nl.psum, name="sums")
        nisa.nc_matmul(sums, tiles[f"w_{a.name}"], tiles[f"x_{b.name}"])
        for dtype, name in [(FP32, f"out_{a.name}_{b.name}"), *[(a, f"cast_{a.name}")] * (a == b)]:
            tile = nl.ndarray((M, N), dtype, name="result")
            nisa.tensor_copy(tile, sums)
            outs.append(nl.ndarray((M, N), dtype, buffer=nl.shared_hbm, name=name))
            nisa.dma_copy(outs[-1], tile)
    return tuple(outs)


def elements(seed, specials):
    rng = np.random.default_rng(seed)
    sides = {"w": (K, M), "x": (K, N)}
    return {
        f"{side}_{form.name}": random_elements(rng, form, shape, specials=specials)
        for side, shape in sides.items()
        for form in TINY.tensor.operands
    }


def program_of(inputs):
    specs = {name: TensorSpec(bits.shape, FORMATS[name.split("_")[1]]) for name, bits in inputs.items()}
    return compile_kernel(every_pair, TINY, **specs)


@pytest.mark.slow
@pytest.mark.parametrize("specials", [0.0, 0.2])
def test_every_pair_on_the_rtl(specials):
    inputs = elements(1, specials)
    check(Case("tiny", program_of(inputs), {name: Bits(bits) for name, bits in inputs.items()}), memory_of("tiny", 20))


def test_sums_are_near_the_exact_ones():
    inputs = elements(2, 0.0)
    program = program_of(inputs)
    got = run_golden(program, {name: Bits(bits) for name, bits in inputs.items()}, config=TINY)
    exact = {name: from_bits(bits, FORMATS[name.split("_")[1]]).astype(np.float64) for name, bits in inputs.items()}
    for a, b in PAIRS:
        w, x = exact[f"w_{a.name}"], exact[f"x_{b.name}"]
        bound = (K + 4) * 2.0**-24 * (1 + 2**-8) * (np.abs(w).T @ np.abs(x))
        assert (np.abs(got[f"out_{a.name}_{b.name}"] - w.T @ x) <= bound).all(), (a.name, b.name)


def opcodes(kernel, *shapes, dtype=nl.float32, preset="tiny"):
    config = load_preset(preset)
    program = compile_kernel(kernel, config, *(TensorSpec(shape, dtype) for shape in shapes))
    return [
        i
        for stream in program.executed().values()
        for i in stream
        if i.opcode in (Opcode.LOAD_STATIONARY, Opcode.MATMUL)
    ]


def product(a, b, **hints):
    tiles = [nl.load(a), nl.load(b)]
    sums = nl.ndarray((a.shape[1], b.shape[1]), nl.float32, buffer=nl.psum, name="sums")
    nisa.nc_matmul(sums, *tiles, **hints)
    out = nl.ndarray(sums.shape, nl.float32, buffer=nl.shared_hbm, name="out")
    nl.store(out, sums)
    return out


LOWER, FINITE, UPPER = Part.LOWER, Part.FINITE, Part.UPPER


@pytest.mark.parametrize(
    ("hints", "loads", "matmuls"),
    [
        ({}, [LOWER, FINITE, UPPER], [LOWER, FINITE, LOWER, UPPER]),
        ({"is_moving_onezero": True}, [LOWER, UPPER], [FINITE, UPPER]),
        ({"is_stationary_onezero": True}, [FINITE, UPPER], [LOWER, UPPER]),
        ({"is_stationary_onezero": True, "is_moving_onezero": True}, [UPPER], [UPPER]),
    ],
)
def test_passes_of_fp32(hints, loads, matmuls):
    steps = opcodes(lambda a, b: product(a, b, **hints), (4, 3), (4, 8))
    assert [i["part"] for i in steps if i.opcode == Opcode.LOAD_STATIONARY] == loads
    products = [i for i in steps if i.opcode == Opcode.MATMUL]
    assert [i["part"] for i in products] == matmuls
    assert [i["accumulate"] for i in products] == [0, *[1] * (len(matmuls) - 1)]


@pytest.mark.parametrize("dtype", [nl.bfloat16, nl.float16, nl.tfloat32, nl.float8_e5m2])
def test_other_types_take_one_pass(dtype):
    assert len(opcodes(product, (4, 3), (4, 8), dtype=dtype)) == 2


def test_infinity_times_a_whole_number_is_no_nan():
    """A lower part of 0 never meets an infinity."""
    a = np.array([[np.inf, 1.0], [0.0, 2.0]], np.float32)
    b = np.array([[1.5, -2.0, np.nan], [3.0, 1 + 2**-20, 0.0]], np.float32)
    program = compile_kernel(product, TINY, TensorSpec(a.shape, nl.float32), TensorSpec(b.shape, nl.float32))
    got = run_golden(program, {"a": a, "b": b}, config=TINY)["out"]
    want = np.array([[np.inf, -np.inf, np.nan], [7.5, 2 * (1 + 2**-20) - 2, np.nan]], np.float32)
    assert np.array_equal(got, want, equal_nan=True)


@pytest.mark.parametrize("dtype", [nl.float32, nl.tfloat32, nl.float16, nl.float8_e4m3, nl.bfloat16])
def test_a_transpose_keeps_every_finite_number(dtype):
    def kernel(a):
        tile, out = nl.load(a), nl.ndarray((3, 4), dtype, buffer=nl.shared_hbm, name="out")
        sums = nl.ndarray((3, 4), nl.float32, buffer=nl.psum, name="sums")
        nisa.nc_transpose(sums, tile)
        result = nl.ndarray((3, 4), dtype, name="result")
        nisa.tensor_copy(result, sums)
        nisa.dma_copy(out, result)
        return out

    bits = random_elements(np.random.default_rng(3), dtype, (4, 3), specials=0.0)
    program = compile_kernel(kernel, TINY, TensorSpec((4, 3), dtype))
    got = run_golden(program, {"a": Bits(bits)}, config=TINY)["out"]
    assert (got.astype(np.float32) == from_bits(bits, dtype).T).all()
    steps = [i.opcode for stream in program.executed().values() for i in stream]
    assert steps.count(Opcode.MATMUL) == (2 if dtype == nl.float32 else 1)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.float8_e4m3fn])
def test_arrays_of_the_types_are_taken_as_they_are(dtype):
    """numpy's and ml_dtypes' arrays of an element type are inputs of it."""
    array = np.ones((2, 2), dtype)

    def kernel(a):
        assert a.dtype.long_name == array.dtype.name
        return product(a, a)

    specs = TensorSpec(array.shape, array.dtype)
    assert (run_golden(compile_kernel(kernel, TINY, specs), {"a": array}, config=TINY)["out"] == 2).all()


def test_casts_between_all_types():
    """An element to fp32, and rounded to the other type: golden's casts, whatever the pair; of 4-byte integers too."""
    forms = TINY.elements
    rng = np.random.default_rng(5)
    inputs = {f"x_{form.name}": narrow(form, corner_values(rng, (4, 24))) for form in forms}

    def kernel(**sources):
        outs = []
        for a in forms:
            tile = nl.ndarray((4, 24), a, name="tile")
            nisa.dma_copy(tile, sources[f"x_{a.name}"])
            for b in forms:
                other = nl.ndarray((4, 24), b, name="other")
                nisa.tensor_copy(other, tile)
                outs.append(nl.ndarray((4, 24), b, buffer=nl.shared_hbm, name=f"{a.name}_{b.name}"))
                nisa.dma_copy(outs[-1], other)
        return tuple(outs)

    specs = {name: TensorSpec(bits.shape, FORMATS[name[2:]]) for name, bits in inputs.items()}
    program = compile_kernel(kernel, TINY, **specs)
    memory = run_golden_machine(program, {n: Bits(b) for n, b in inputs.items()}, config=TINY).memory
    got = program.output_bits(memory)
    for a in forms:
        for b in forms:
            want = inputs[f"x_{a.name}"] if a == b else narrow(b, widen(a, inputs[f"x_{a.name}"]))
            assert (got[f"{a.name}_{b.name}"] == want).all(), (a.name, b.name)


def test_copies_of_large_integers_keep_every_bit():
    def kernel(x):
        tile, out = nl.load(x), nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name="out")
        for engine in (nisa.vector_engine, nisa.scalar_engine):
            other = nl.ndarray(x.shape, x.dtype, name="other")
            nisa.tensor_copy(other, tile, engine=engine)
            tile = other
        nisa.dma_copy(out, tile)
        return out

    for dtype in (np.int32, np.uint32):
        x = np.random.default_rng(6).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (4, 8), dtype)
        assert (simulate(kernel, preset="tiny")(x) == x).all()


def test_the_page_has_the_passes():
    """docs/numerics.md, stationary and moving of each pass in order."""
    rows = re.findall(r"(?m)^\| \d \| (.+) \| (.+) \|$", (ROOT / "docs/numerics.md").read_text())
    words = {"lower": Part.LOWER, "upper, finite": Part.FINITE, "upper": Part.UPPER}
    assert tuple((words[s], words[m]) for s, m in rows) == PASSES
