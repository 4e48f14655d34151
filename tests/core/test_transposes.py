"""Transposes move bits: every element of every type, NaN payloads included, on golden and on the RTL of `tiny`."""

import numpy as np
import pytest

from makalu.sim_models.golden.arithmetic import matmul_column_chain
from makalu.sim_models.golden.formats import carried_by, carrying, storage, tensor_operand
from makalu.sim_models.lockstep.operand import operand_values, operand_words
from makalu.spec.formats import ACCUMULATOR, CARRIED, SINGLES
from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.spec.tensor_types import TRANSPOSES, Part
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden, run_golden_machine
from tests.core.timed import Case, check, memory_of
from verif.tensor.elements import special_elements

TINY = load_preset("tiny")
ROWS, COLUMNS = 4, 3
"""Of the operand."""
TYPES = TINY.tensor.operands


def any_bits(form, shape, seed=0):
    """Any container, half of them special ones with a random low bit or two."""
    rng = np.random.default_rng(seed)
    anything = rng.integers(0, 1 << 8 * form.bytes, shape).astype(storage(form))
    special = rng.choice(special_elements(form), shape) ^ rng.integers(0, 4, shape).astype(storage(form))
    return np.where(rng.random(shape) < 1 / 2, special, anything).astype(storage(form))


def turned(dtype, x):
    """x.T through PSUM; `x`: a tile in memory."""
    tile = nl.load(x)
    sums = nl.ndarray((x.shape[1], x.shape[0]), dtype, buffer=nl.psum, name="sums")
    nisa.nc_transpose(sums, tile)
    result = nl.ndarray(sums.shape, dtype, name="result")
    nisa.tensor_copy(result, sums)
    out = nl.ndarray(sums.shape, dtype, buffer=nl.shared_hbm, name=f"out_{dtype.name}")
    nisa.dma_copy(out, result)
    return out


def every_type(**sources):
    return tuple(turned(form, sources[form.name]) for form in TYPES)


def compiled(seed):
    inputs = {form.name: any_bits(form, (ROWS, COLUMNS), seed) for form in TYPES}
    specs = {form.name: TensorSpec((ROWS, COLUMNS), form) for form in TYPES}
    return compile_kernel(every_type, TINY, **specs), inputs


@pytest.mark.parametrize("seed", range(5))
def test_every_bit_arrives(seed):
    program, inputs = compiled(seed)
    memory = run_golden_machine(program, {n: Bits(b) for n, b in inputs.items()}, config=TINY).memory
    got = program.output_bits(memory)
    for form in TYPES:
        assert (got[f"out_{form.name}"] == inputs[form.name].T).all(), form.name


@pytest.mark.slow
def test_on_the_rtl():
    program, inputs = compiled(7)
    check(Case("tiny", program, {name: Bits(bits) for name, bits in inputs.items()}), memory_of("tiny", 20))


def test_every_pattern_of_16_bits_comes_through_a_chain():
    """65,536 numbers, each in a column of 128 rows whose others are anything that is carried, times 0."""
    every = np.arange(1 << CARRIED.bits, dtype=np.uint32)
    assert (carried_by(carrying(every)) == every).all()
    assert np.isfinite(carrying(every).view(np.float32)).all()
    rng, one = np.random.default_rng(1), np.float32(1).view(np.uint32)
    columns = every.reshape(512, 128)
    weights = carrying(rng.integers(0, 1 << CARRIED.bits, (128, 128), np.uint32))
    for patterns in columns[::8]:
        row = int(rng.integers(128))
        weights[row] = carrying(patterns)
        moving = np.zeros((128, 1), np.uint32)
        moving[row] = one
        for subnormals in ("keep", "flush"):
            sums = matmul_column_chain(weights, moving, form=None, subnormals=subnormals)
            assert (carried_by(sums)[:, 0] == patterns).all()


@pytest.mark.parametrize("form", SINGLES, ids=lambda form: form.name)
def test_both_models_carry_the_same(form):
    bits = any_bits(form, 4000, 3)
    for part in TRANSPOSES:
        golden = tensor_operand(form, part, bits).view(np.float32).astype(np.float64)
        for stationary in (False, True):
            words = operand_words(bits, form=form, stationary=stationary, part=part)
            assert (operand_values(words, stationary=stationary) == golden).all()


def parts_of(preset, dtype, kernel=None):
    config = load_preset(preset)
    spec = TensorSpec((ROWS, COLUMNS), dtype)
    program = compile_kernel(kernel or (lambda x: turned(dtype, x)), config, spec)
    steps = [i for stream in program.executed().values() for i in stream]
    loads = [Part(i["part"]) for i in steps if i.opcode == Opcode.LOAD_STATIONARY]
    return loads, {i["dst_dtype"] for i in steps if i.opcode == Opcode.MATMUL}


@pytest.mark.parametrize(
    ("preset", "dtype", "loads", "written"),
    [
        ("tiny", nl.bfloat16, [Part.BITS], CARRIED),
        ("trn2-mini", nl.float8_e5m2, [Part.BITS], CARRIED),
        ("trn3-mini", nl.float32, list(TRANSPOSES), CARRIED),
        ("trn1-mini", nl.bfloat16, [Part.UPPER], ACCUMULATOR),
        ("trn1-mini", nl.float32, [Part.LOWER, Part.UPPER], ACCUMULATOR),
    ],
)
def test_a_matmul_for_every_16_bits_where_sums_carry_them(preset, dtype, loads, written):
    """On trn1 a transpose is a product with the identity, exact for numbers alone."""
    assert parts_of(preset, dtype) == (loads, {written.code})


def test_fills_of_a_short_tile_and_with_what_no_product_is():
    fills = {nl.bfloat16: (-0.0, np.inf, 1.5), nl.float32: (np.nan, -np.inf, -0.0), nl.float8_e5m2: (-3.0,)}

    def kernel():
        outs = []
        for dtype, values in fills.items():
            for value in values:
                sums = nl.ndarray((3, 5), dtype, buffer=nl.psum, name="sums")
                nisa.memset(sums, value)
                result = nl.ndarray(sums.shape, dtype, name="result")
                nisa.tensor_copy(result, sums)
                outs.append(nl.ndarray(sums.shape, dtype, buffer=nl.shared_hbm, name=f"out{len(outs)}"))
                nisa.dma_copy(outs[-1], result)
        return tuple(outs)

    program = compile_kernel(kernel, TINY)
    got = run_golden(program, {}, config=TINY)
    wanted = [value for values in fills.values() for value in values]
    for n, value in enumerate(wanted):
        values = np.asarray(got[f"out{n}"], np.float64)
        assert np.array_equal(values, np.full((3, 5), value), equal_nan=True)
        assert (np.signbit(values) == np.signbit(value)).all() or np.isnan(value)


@pytest.mark.parametrize(
    ("hints", "dtype", "text"),
    [
        ({"accumulate": True}, nl.bfloat16, "a transpose moves bits, which cannot be added to dst"),
        ({}, nl.float16, "a transpose of bf16 into fp16, .* the types must be equal"),
    ],
)
def test_what_is_no_transpose_is_refused(hints, dtype, text):
    def kernel(x):
        tile = nl.load(x)
        sums = nl.ndarray((ROWS, ROWS), dtype, buffer=nl.psum, name="sums")
        nisa.nc_matmul(sums, tile, nl.load(x), is_transpose=True, **hints)

    with pytest.raises(KernelError, match=text):
        compile_kernel(kernel, TINY, TensorSpec((ROWS, ROWS), nl.bfloat16))
