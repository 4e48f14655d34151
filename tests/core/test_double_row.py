"""Double row: two fp8 products a PE and cycle; golden's bits on the RTL of `tiny`, and the sums beside exact ones."""

from fractions import Fraction

import numpy as np
import pytest

from makalu.sim_models.golden.bounds import matmul_bound
from makalu.sim_models.golden.formats import widen
from makalu.sim_models.golden.pairs import (
    PairOperand,
    pair_column_chain,
    pair_column_chain_definition,
    pair_operand,
    pair_sum,
)
from makalu.sim_models.lockstep.run import run_core
from makalu.sim_models.lockstep.short import pair_words, short_products
from makalu.spec.formats import E3M4, E4M3, E4M3FN, E5M2, FP32
from makalu.spec.isa import Opcode
from makalu.spec.pairs import PAIRABLE
from makalu.spec.preset import load_preset
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import mixable
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits, from_bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, NotBuiltError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden, run_golden_machine
from tests.core.timed import Case, check, memory_of
from verif.conformance.short import exact_sum
from verif.tensor.elements import random_elements

TINY = load_preset("tiny")
K, M, N = 4, 3, 21
PAIRS = [(a, b) for a in PAIRABLE for b in PAIRABLE if mixable(a, b)]
DOUBLE = nisa.matmul_perf_mode.double_row


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_the_sum_is_that_of_the_contract(a, b):
    rng = np.random.default_rng(1)
    sides = [rng.integers(0, 256, (2, 4000)) for _ in range(2)]
    sums = pair_sum(pair_operand(a, sides[0]), pair_operand(b, sides[1]))
    for n, got in enumerate(sums):
        values = [widen(form, side[:, n]).view(np.float32) for side, form in zip(sides, (a, b), strict=True)]
        if np.isfinite(values).all():
            assert Fraction(got) == exact_sum(a, sides[0][:, n].tolist(), b, sides[1][:, n].tolist())
        else:
            with np.errstate(invalid="ignore"):
                assert np.array_equal(np.float32(got), (values[0] * values[1]).sum(), equal_nan=True)


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_both_models_add_the_same(a, b):
    rng = np.random.default_rng(2)
    sides = [rng.integers(0, 256, (2, 100_000)) for _ in range(2)]
    golden = pair_sum(pair_operand(a, sides[0]), pair_operand(b, sides[1]))
    lockstep = short_products(*(pair_words(side, form=form) for side, form in zip(sides, (a, b), strict=True)))
    assert np.array_equal(golden, lockstep, equal_nan=True)
    assert (np.signbit(golden) == np.signbit(lockstep))[~np.isnan(golden)].all()


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
@pytest.mark.parametrize("specials", [0.0, 0.05])
def test_the_fast_chain_equals_its_definition(a, b, specials):
    rng = np.random.default_rng(3)
    sides = [
        pair_operand(form, np.where(rng.random(shape) < 1 / 2, rng.integers(0, 256, shape), some).astype(np.uint8))
        for form, shape in ((a, (2, 9, 40)), (b, (2, 9, 60)))
        for some in [random_elements(rng, form, shape, specials=specials)]
    ]
    finite = [PairOperand(*(np.where(np.isfinite(s.value), each, 0) for each in s)) for s in sides]
    for pair in (sides, finite):
        assert (pair_column_chain(*pair) == pair_column_chain_definition(*pair)).all()


def product(w, x, perf_mode=DOUBLE, **hints):
    tiles = []
    for source in (w, x):
        tiles.append(nl.ndarray(source.shape, source.dtype, name="tile"))
        nisa.dma_copy(tiles[-1], source)
    sums = nl.ndarray((w.shape[-1], x.shape[-1]), FP32, buffer=nl.psum, name="sums")
    nisa.nc_matmul(sums, *tiles, perf_mode=perf_mode, **hints)
    out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name=f"out_{w.dtype.name}_{x.dtype.name}")
    nl.store(out, sums)
    return out


def every_pair(**sources):
    return tuple(product(sources[f"w_{a.name}"], sources[f"x_{b.name}"]) for a, b in PAIRS)


def inputs_of(seed, specials):
    rng = np.random.default_rng(seed)
    sides = {"w": (K, 2, M), "x": (K, 2, N)}
    return {
        f"{side}_{form.name}": random_elements(rng, form, shape, specials=specials)
        for side, shape in sides.items()
        for form in PAIRABLE
    }


def program_of(inputs):
    forms = {form.name: form for form in PAIRABLE}
    specs = {name: TensorSpec(bits.shape, forms[name.split("_")[1]]) for name, bits in inputs.items()}
    return compile_kernel(every_pair, TINY, **specs)


@pytest.mark.slow
@pytest.mark.parametrize("specials", [0.0, 0.2])
def test_every_pair_on_the_rtl(specials):
    inputs = inputs_of(1, specials)
    check(Case("tiny", program_of(inputs), {name: Bits(bits) for name, bits in inputs.items()}), memory_of("tiny", 20))


def test_the_core_of_models_runs_it():
    """The second row's word reaches the edges in the core as in the tensor engine's own bench."""
    inputs = {name: bits[..., :8] for name, bits in inputs_of(9, 0.0).items() if "e5m2" in name}
    program = compiled(lambda w, x: product(w, x), *(TensorSpec(bits.shape, E5M2) for bits in inputs.values()))
    given = dict(zip(program.inputs, map(Bits, inputs.values()), strict=True))
    image = program.image(given)
    *_, last = run_core(TINY, image, program.addresses, timing=memory_of("tiny", 4), most=3000)
    assert last.number and np.array_equal(image, run_golden_machine(program, given, config=TINY).memory)


def test_sums_are_near_the_exact_ones():
    inputs = inputs_of(2, 0.0)
    got = run_golden(program_of(inputs), {name: Bits(bits) for name, bits in inputs.items()}, config=TINY)
    forms = {form.name: form for form in PAIRABLE}
    exact = {name: from_bits(bits, forms[name.split("_")[1]]).astype(np.float64) for name, bits in inputs.items()}
    for a, b in PAIRS:
        w, x = exact[f"w_{a.name}"].reshape(2 * K, M), exact[f"x_{b.name}"].reshape(2 * K, N)
        bound = matmul_bound(a, b, products=2, rows=K) * (np.abs(w).T @ np.abs(x))
        assert (np.abs(got[f"out_{a.name}_{b.name}"] - w.T @ x) <= bound).all(), (a.name, b.name)


def compiled(kernel, *specs, preset="tiny"):
    return compile_kernel(kernel, load_preset(preset), *specs)


def test_one_load_and_one_matmul():
    program = compiled(product, TensorSpec((K, 2, 4), E4M3), TensorSpec((K, 2, 16), E5M2))
    steps = [i for stream in program.executed().values() for i in stream if i["mode"]]
    assert [i.opcode for i in steps] == [Opcode.LOAD_STATIONARY, Opcode.MATMUL]
    assert all(i["mode"] == Mode.DOUBLE_ROW and i["src0_size3"] == 2 for i in steps)


def test_rows_that_are_too_far_apart_for_a_stride_are_copied():
    def kernel(w, x):
        tiles = [nl.ndarray((K, 2, 40_000), E5M2, name=name) for name in ("w", "x")]
        views = [tiles[0][:, :, :M], tiles[1][:, :, :N]]
        for view, source in zip(views, (w, x), strict=True):
            nisa.dma_copy(view, source)
        sums = nl.ndarray((M, N), FP32, buffer=nl.psum, name="sums")
        nisa.nc_matmul(sums, *views, perf_mode=DOUBLE)
        out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name="out")
        nl.store(out, sums)
        return out

    program = compiled(kernel, TensorSpec((K, 2, M), E5M2), TensorSpec((K, 2, N), E5M2), preset="trn2-mini")
    ones = {"w": np.ones((K, 2, M)), "x": np.ones((K, 2, N))}
    assert (run_golden(program, ones, config=load_preset("trn2-mini"))["out"] == 2 * K).all()


@pytest.mark.parametrize(
    ("preset", "shapes", "dtypes", "hints", "kind", "text"),
    [
        ("trn1-mini", ((4, 2, 4), (4, 2, 8)), (E5M2, E5M2), {}, NotBuiltError, "double_row on preset trn1-mini"),
        ("tiny", ((4, 3, 4), (4, 2, 8)), (E5M2, E5M2), {}, KernelError, r"stationary .* must be \[K, 2, ...\]"),
        ("tiny", ((4, 2, 4), (4, 8)), (E5M2, E5M2), {}, KernelError, r"moving .* must be \[K, 2, ...\]"),
        ("tiny", ((4, 2, 4), (4, 2, 8)), (E3M4, E5M2), {}, KernelError, "of double row e5m2, e4m3 or"),
        ("tiny", ((4, 2, 4), (4, 2, 8)), (E4M3, E4M3FN), {}, KernelError, "e4m3 is not multiplied with e4m3fn"),
        (
            "tiny",
            ((4, 2, 4), (4, 2, 8)),
            (E5M2, E5M2),
            {"is_transpose": True},
            KernelError,
            "a transpose in double row",
        ),
    ],
)
def test_what_is_no_double_row_is_refused(preset, shapes, dtypes, hints, kind, text):
    specs = [TensorSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    with pytest.raises(kind, match=text):
        compiled(lambda w, x: product(w, x, **hints), *specs, preset=preset)
