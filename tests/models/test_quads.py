"""MX in golden: elements and scales by outside oracles, the sum by fractions, a matmul beside float64.

Bound, for K / 4 rows: of a row's products each is cut by less than one in the frame's last place, which is 2^-20 of the
largest product where its factors are normal, 2^-17 where one is a subnormal of e4m3 (whose leading bit may be 3 places
down). Then one rounding a row, 2^-24 of the sum so far. With S the sum of the magnitudes of all scaled products:
(3 * 2^-17 + K / 4 * 2^-24 * (1 + 2^-10)) * S.
"""

import itertools
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from gfloat import decode_ndarray
from gfloat.formats import format_info_ocp_e2m1, format_info_ocp_e4m3, format_info_ocp_e5m2, format_info_ocp_e8m0

from makalu.sim_models.golden.pairs import PairOperand
from makalu.sim_models.golden.quads import (
    QuadOperand,
    quad_column_chain,
    quad_column_chain_definition,
    quad_operand,
    quad_sum,
)
from makalu.sim_models.lockstep.short import quad_words, short_products
from makalu.spec.formats import E2M1_X4, E4M3FN_X4, E5M2_X4, E8M0
from makalu.spec.pairs import PAIR_SHIFT
from makalu.spec.quads import QUADS, SCALE_BIAS, SCALE_NAN
from verif.tensor.elements import random_quads

PAIRS = list(itertools.product(QUADS, QUADS))
GFLOAT = {E4M3FN_X4: format_info_ocp_e4m3, E5M2_X4: format_info_ocp_e5m2, E2M1_X4: format_info_ocp_e2m1}
BLOCKS = 10_000
GROUP = 8
"""Rows of a group, of four elements each."""


def scales(rng, shape, *, odd=0.05):
    """Around 1; some of any size, among them NaN."""
    codes = SCALE_BIAS + rng.integers(-8, 9, shape)
    return np.where(rng.random(shape) < odd, rng.integers(0, 256, shape), codes)


@pytest.mark.parametrize("form", QUADS, ids=lambda form: form.name)
def test_every_element_is_what_outside_oracles_say(form):
    codes = np.arange(1 << form.bits)
    got = quad_operand(form, codes, np.full(codes.shape, SCALE_BIAS)).elements.value[0]
    name = form.long_name.removesuffix("_x4")
    with np.errstate(invalid="ignore"):
        by_ml_dtypes = codes.astype(np.uint8).view(getattr(ml_dtypes, name)).astype(np.float64)
    for want in (by_ml_dtypes, decode_ndarray(GFLOAT[form], codes)):
        assert np.array_equal(got, want, equal_nan=True)
        assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def test_every_scale_is_what_outside_oracles_say():
    codes = np.arange(1 << E8M0.bits)
    got = quad_operand(E2M1_X4, np.zeros(codes.shape), codes).scale
    assert np.array_equal(got, codes.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64), equal_nan=True)
    assert np.array_equal(got, decode_ndarray(format_info_ocp_e8m0, codes), equal_nan=True)


@pytest.mark.parametrize("form", QUADS, ids=lambda form: form.name)
def test_the_first_element_lies_lowest(form):
    words = np.array([sum(1 + j << form.bits * j for j in range(4))])
    elements = quad_operand(form, words, np.array([SCALE_BIAS])).elements.value[:, 0]
    smallest = 2.0 ** (form.emin - form.fraction_bits)
    assert (elements[:2] == [smallest, 2 * smallest]).all() and (np.diff(elements) > 0).all()


def exact_sum(a, scale, b, other):
    """`quad_sum` of finite elements in fractions."""
    products = [
        (Fraction(int(m * n)), int(e + f))
        for m, n, e, f in zip(a.significand, b.significand, a.exponent, b.exponent, strict=True)
    ]
    most = max([e for m, e in products if m], default=0)
    last = Fraction(2) ** (most - PAIR_SHIFT - 6)
    total = Fraction(0)
    for m, e in products:
        total += (-1 if m < 0 else 1) * (abs(m) * Fraction(2) ** (e - 6) // last) * last
    return total * Fraction(2) ** int(scale + other - 2 * SCALE_BIAS)


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_the_sum_is_that_of_the_contract(a, b):
    rng = np.random.default_rng(1)
    codes = [scales(rng, 4000) for _ in range(2)]
    sides = [quad_operand(f, random_quads(rng, f, 4000), each) for f, each in zip((a, b), codes, strict=True)]
    sums = quad_sum(*sides)
    for n, got in enumerate(sums):
        first, second = (side.elements.at(slice(None), n) for side in sides)
        if SCALE_NAN in (codes[0][n], codes[1][n]):
            assert np.isnan(got)
        elif np.isfinite(first.value).all() and np.isfinite(second.value).all():
            assert Fraction(got) == exact_sum(first, codes[0][n], second, codes[1][n])
        else:
            with np.errstate(invalid="ignore"):
                assert np.array_equal(got, (first.value * second.value).sum(), equal_nan=True)


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_both_models_add_the_same(a, b):
    rng = np.random.default_rng(2)
    count = 100_000
    sides = [(form, random_quads(rng, form, count), scales(rng, count)) for form in (a, b)]
    golden = quad_sum(*(quad_operand(*side) for side in sides))
    lockstep = short_products(*(quad_words(words, codes, form=form) for form, words, codes in sides), products=4)
    assert np.array_equal(golden, lockstep, equal_nan=True)
    assert (np.signbit(golden) == np.signbit(lockstep))[~np.isnan(golden)].all()


def matrix(rng, form, rows, width, *, odd):
    """Containers [rows, width] with a scale for each."""
    words = random_quads(rng, form, rows * width).reshape(rows, width)
    return quad_operand(form, words, scales(rng, words.shape, odd=odd))


def finite(side):
    """Without infinities and NaNs."""
    elements = side.elements
    kept = np.isfinite(elements.value)
    numbers = PairOperand(*(np.where(kept, each, 0) for each in elements))
    return QuadOperand(numbers, np.nan_to_num(side.scale, nan=1))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_the_fast_chain_equals_its_definition(a, b):
    rng = np.random.default_rng(3)
    sides = [matrix(rng, form, 9, width, odd=0.1) for form, width in ((a, 40), (b, 60))]
    for pair in (sides, [finite(side) for side in sides]):
        assert (quad_column_chain(*pair) == quad_column_chain_definition(*pair)).all()


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_a_matmul_is_near_its_product_in_doubles(a, b):
    """10,000 blocks of 32 a format and more: rows of 8 partitions share a scale, as in memory."""
    rng, rows, width = np.random.default_rng(4), 128, 160
    assert 2 * len(QUADS) * rows // GROUP * width >= BLOCKS, "each format is six times a side"
    sides = []
    for form in (a, b):
        words = random_quads(rng, form, rows * width).reshape(rows, width)
        codes = np.repeat(scales(rng, (rows // GROUP, width), odd=0), GROUP, axis=0)
        sides.append(finite(quad_operand(form, words, codes)))
    got = quad_column_chain(*sides).view(np.float32).astype(np.float64)
    first, second = ((side.elements.value * side.scale).reshape(4 * rows, -1) for side in sides)
    size = np.abs(first).T @ np.abs(second)
    bound = (3 * 2.0**-17 + rows * 2.0**-24 * (1 + 2.0**-10)) * size
    assert (np.abs(got - first.T @ second) <= bound).all()
    assert (got != 0).any()
