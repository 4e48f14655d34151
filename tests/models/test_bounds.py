"""Bounds of the array's sums: kept by any operands, nearly reached by the worst, and MX operands as gfloat rounds."""

import itertools

import numpy as np
import pytest
from gfloat import BlockFormatInfo, compute_scale_amax, quantize_block
from gfloat.formats import format_info_ocp_e2m1, format_info_ocp_e4m3, format_info_ocp_e5m2, format_info_ocp_e8m0

from makalu.sim_models.golden.bounds import cut_bound, matmul_bound
from makalu.sim_models.golden.quads import quad_operand, quad_sum
from makalu.spec.formats import BF16, E2M1_X4, E4M3FN_X4, E5M2_X4, FORMATS
from makalu.spec.quads import QUADS, SCALE_BIAS
from makalu.sw.cli.bench import error_cases, errors
from makalu.sw.cli.bench.error_cases import CASES, GROUP, mx_quantised
from makalu.sw.results import failed
from tests.sw.test_bench import stand_in

GFLOAT = {E4M3FN_X4: format_info_ocp_e4m3, E5M2_X4: format_info_ocp_e5m2, E2M1_X4: format_info_ocp_e2m1}
BITS = 2.0**-50
"""Of a sum of four products in doubles."""


def quads(codes, form):
    """Of elements [4, count], scales 1."""
    words = sum(each.astype(np.int64) << form.bits * j for j, each in enumerate(codes))
    return quad_operand(form, words, np.full(words.shape, SCALE_BIAS))


def lost(a, b):
    """|addend - exact| of the sum of magnitudes, [count]."""
    products = a.elements.value * b.elements.value
    magnitudes = np.abs(products).sum(axis=0)
    difference = np.abs(quad_sum(a, b) - products.sum(axis=0))
    return np.divide(difference, magnitudes, out=np.zeros_like(magnitudes), where=magnitudes > 0)


def code(form, exponent, fraction):
    """Of a positive normal number."""
    return exponent + form.bias << form.fraction_bits | fraction


def worst_codes(rng, a, b, count):
    """Codes [4, count] of each side: a subnormal times a large power of two, or two powers, beside three products whose
    exponents are 14 to 24 lower, as far as there are such.
    """
    tops = [(form.largest >> form.fraction_bits) - form.bias for form in (a, b)]
    exponents = [rng.integers(form.emin, top + 1, (4, count)) for form, top in zip((a, b), tops, strict=True)]
    codes = [code(f, e, rng.integers(0, 1 << f.fraction_bits, e.shape)) for f, e in zip((a, b), exponents, strict=True)]
    first = rng.integers(0, 3, count)
    for side, form in enumerate((a, b)):
        codes[side][0] = np.where(first == side, 1, code(form, tops[side], 0))
        exponents[side][0] = np.where(first == side, form.emin, tops[side])
    wanted = exponents[0][0] + exponents[1][0] - rng.integers(14, 25, (3, count)) - exponents[0][1:]
    fraction = codes[1][1:] & (1 << b.fraction_bits) - 1
    codes[1][1:] = code(b, np.clip(wanted, b.emin, tops[1]), fraction)
    return [np.where(each > form.largest, 0, each) for each, form in zip(codes, (a, b), strict=True)]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(QUADS, QUADS)), ids=lambda form: form.name)
def test_a_cut_keeps_its_bound_and_the_worst_comes_near(a, b):
    rng, bound = np.random.default_rng(1), cut_bound(a, b, 4)
    any_codes = [rng.integers(0, 1 << form.bits, (4, 20_000)) for form in (a, b)]
    any_codes = [np.where(c & f.magnitude_mask > f.largest, 0, c) for c, f in zip(any_codes, (a, b), strict=True)]
    worst = worst_codes(rng, a, b, 20_000)
    most = [lost(*(quads(c, f) for c, f in zip(each, (a, b), strict=True))).max() for each in (any_codes, worst)]
    assert max(most) <= bound + BITS
    assert most[1] > bound / 2 if bound else max(most) == 0


def test_a_bound_is_that_of_its_roundings():
    assert matmul_bound(BF16, BF16, products=1, rows=128) == pytest.approx(2.0**-17, rel=1e-4)
    assert matmul_bound(BF16, BF16, products=1, rows=128, tiles=129) == pytest.approx(2.0**-16, rel=1e-4)
    assert cut_bound(E2M1_X4, E2M1_X4, 4) == 0 == cut_bound(BF16, BF16, 1)
    with pytest.raises(ValueError, match="does not multiply int8"):
        matmul_bound(FORMATS["int8"], BF16, products=1, rows=1)


@pytest.mark.parametrize("form", QUADS, ids=lambda form: form.name)
def test_mx_operands_are_those_of_gfloat(form):
    rng = np.random.default_rng(2)
    values = (rng.standard_normal((GROUP, 60)) * np.exp2(rng.integers(-20, 20, 60))).astype(np.float32)
    values[0, 0], values[:, 1] = 1000 * np.abs(values[:, 0]).max(), 0
    codes, scales = mx_quantised(form, values)
    case = next(case for case in CASES if case.form == form)
    got = case.quantised(values).values
    block = BlockFormatInfo("mx", GFLOAT[form], GROUP, format_info_ocp_e8m0)
    for n, column in enumerate(values.T.astype(np.float64)):
        assert np.array_equal(got[:, n], quantize_block(block, column, compute_scale_amax)), n
        assert 2.0 ** float(scales[0, n] - SCALE_BIAS) == compute_scale_amax(GFLOAT[form].emax, column)
    assert (codes > 0).any()


def test_errors_are_measured_apart_and_a_bound_that_is_too_small_is_missed(monkeypatch):
    small = {"SIZES": (128, 512), "M": 5, "N": 6}
    figures = stand_in(monkeypatch, errors, **small)
    assert not failed(list(figures.values())) and len(figures) == 2 * 2 * len(CASES) * len(errors.COLUMNS)
    value = {name: figure.value for name, figure in figures.items()}
    assert 1e-3 < value["errors_bf16_normal_512_format"] < 1e-2 < value["errors_mx-e4m3fn_normal_512_format"] < 0.1
    assert 0 < value["errors_bf16_normal_512_golden"] < 1e-6
    monkeypatch.setattr(error_cases, "matmul_bound", lambda *_, **__: 1e-10)
    missed = failed(list(stand_in(monkeypatch, errors, **small).values()))
    assert any(figure.name == "errors_bf16_normal_512_of_bound" for figure in missed)


def test_sums_of_a_whole_k_are_those_of_its_tiles():
    """Bits of PSUM after each tile, with a first size below one tile and several tiles at once."""
    values = [side[:1024] for side in error_cases.random_operands("normal", 1024, 3, 4)]
    for case in CASES:
        sides = [case.quantised(side) for side in values]
        at_once, one_by_one = (
            dict(zip(s, case.sums(*sides, s, 32), strict=True)) for s in ((64, 512), (128, 256, 512))
        )
        assert (at_once[512] == one_by_one[512]).all(), case.name
        exact = sides[0].values[:64].T @ sides[1].values[:64]
        assert np.allclose(at_once[64], exact, rtol=1e-4, atol=1e-4), case.name
