"""MX in golden: elements and scales by outside oracles, the sum by fractions, a matmul beside float64.

The bound of a matmul is derived in `sim_models/golden/bounds.py`.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from makalu.sim_models.golden.pairs import PairOperand
from makalu.sim_models.golden.quads import (
    QuadOperand,
    quad_column_chain,
    quad_column_chain_definition,
    quad_operand,
    quad_sum,
)
from makalu.sim_models.lockstep.short import quad_words, short_products
from makalu.spec.formats import E2M1_X4, E8M0
from makalu.spec.quads import QUADS, SCALE_BIAS, SCALE_NAN
from verif.conformance.blocks import beyond_the_bound, random_blocks
from verif.conformance.oracles import decoded
from verif.conformance.short import ELEMENT, exact_sum
from verif.tensor.elements import random_elements

PAIRS = list(itertools.product(QUADS, QUADS))


def scales(rng, shape, *, odd=0.05):
    """Around 1; some of any size, among them NaN."""
    codes = SCALE_BIAS + rng.integers(-8, 9, shape)
    return np.where(rng.random(shape) < odd, rng.integers(0, 256, shape), codes)


@pytest.mark.parametrize("form", QUADS, ids=lambda form: form.name)
def test_every_element_is_what_outside_oracles_say(form):
    codes = np.arange(1 << form.bits)
    got = quad_operand(form, codes, np.full(codes.shape, SCALE_BIAS)).elements.value[0]
    for want in decoded(ELEMENT[form], codes).values():
        assert np.array_equal(got, want, equal_nan=True)
        assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def test_every_scale_is_what_outside_oracles_say():
    codes = np.arange(1 << E8M0.bits)
    got = quad_operand(E2M1_X4, np.zeros(codes.shape), codes).scale
    for want in decoded(E8M0, codes).values():
        assert np.array_equal(got, want, equal_nan=True)


@pytest.mark.parametrize("form", QUADS, ids=lambda form: form.name)
def test_the_first_element_lies_lowest(form):
    words = np.array([sum(1 + j << form.bits * j for j in range(4))])
    elements = quad_operand(form, words, np.array([SCALE_BIAS])).elements.value[:, 0]
    smallest = 2.0 ** (form.emin - form.fraction_bits)
    assert (elements[:2] == [smallest, 2 * smallest]).all() and (np.diff(elements) > 0).all()


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_the_sum_is_that_of_the_contract(a, b):
    rng = np.random.default_rng(1)
    codes = [scales(rng, 4000) for _ in range(2)]
    words = [random_elements(rng, form, (4000,), specials=0.5).astype(np.int64) for form in (a, b)]
    sides = [quad_operand(*side) for side in zip((a, b), words, codes, strict=True)]
    elements = [[w >> f.bits * j & (1 << f.bits) - 1 for j in range(4)] for f, w in zip((a, b), words, strict=True)]
    columns = [np.stack(each).T.tolist() for each in elements]
    places = codes[0] + codes[1] - 2 * SCALE_BIAS
    for n, got in enumerate(quad_sum(*sides)):
        first, second = (side.elements.value[:, n] for side in sides)
        if SCALE_NAN in (codes[0][n], codes[1][n]):
            assert np.isnan(got)
        elif np.isfinite(first).all() and np.isfinite(second).all():
            want = exact_sum(ELEMENT[a], columns[0][n], ELEMENT[b], columns[1][n])
            assert Fraction(got) == want * Fraction(2) ** int(places[n])
        else:
            with np.errstate(invalid="ignore"):
                assert np.array_equal(got, (first * second).sum(), equal_nan=True)


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda form: form.name)
def test_both_models_add_the_same(a, b):
    rng = np.random.default_rng(2)
    count = 100_000
    sides = [(form, random_elements(rng, form, (count,), specials=0.5), scales(rng, count)) for form in (a, b)]
    golden = quad_sum(*(quad_operand(*side) for side in sides))
    lockstep = short_products(*(quad_words(words, codes, form=form) for form, words, codes in sides), products=4)
    assert np.array_equal(golden, lockstep, equal_nan=True)
    assert (np.signbit(golden) == np.signbit(lockstep))[~np.isnan(golden)].all()


def matrix(rng, form, rows, width, *, odd):
    """Containers [rows, width] with a scale for each."""
    words = random_elements(rng, form, (rows, width), specials=0.5)
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
    """10,000 blocks of 32 a format and more, and a bound that means something: some results use part of it."""
    blocks = random_blocks(a, b)
    assert beyond_the_bound(blocks) == (blocks.words[0].shape[1] * blocks.words[1].shape[1], 0)
    assert beyond_the_bound(blocks, of_the_bound=1e-3)[1] > 0
