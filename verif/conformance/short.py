"""Cases of pairs and quads of short elements: double row and MX, a sum of products in one PE and cycle.

The sum is that of spec/pairs.py and spec/quads.py in fractions, from the bits of the elements; SoftFloat adds it to the
chain. Where a product stands alone nothing is cut, and ml_dtypes and gfloat say what it is.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.arithmetic import chain_sum
from makalu.sim_models.golden.pairs import pair_operand, pair_sum
from makalu.sim_models.golden.quads import quad_operand, quad_sum
from makalu.spec.formats import E2M1, E2M1_X4, E4M3FN, E4M3FN_X4, E5M2, E5M2_X4, E8M0, FP32, Format
from makalu.spec.pairs import PAIR_SHIFT
from makalu.spec.quads import SCALE_BIAS, SCALE_NAN
from verif.arith.vectors import softfloat_fma32
from verif.conformance.arithmetic import near
from verif.conformance.case import Case
from verif.conformance.oracles import decoded
from verif.tensor.elements import random_elements, random_scales

__all__ = [
    "ELEMENT",
    "every_pair_product",
    "every_quad_product",
    "exact_sum",
    "mx_decoding",
    "pairs",
    "quads",
    "quads_beside_golden",
    "scale_decoding",
]

Codes = NDArray[np.int64]

ELEMENT: dict[Format, Format] = {E4M3FN_X4: E4M3FN, E5M2_X4: E5M2, E2M1_X4: E2M1}
"""Of a container of four."""
_ONE = np.uint32(0x3F800000)


def _fields(form: Format, code: int) -> tuple[int, Fraction, int]:
    """Sign, significand and exponent of an element, a subnormal's that of the smallest normal number."""
    exponent, fraction = code >> form.fraction_bits & form.exponent_mask, code & (1 << form.fraction_bits) - 1
    significand = Fraction(fraction + (bool(exponent) << form.fraction_bits), 1 << form.fraction_bits)
    return (-1) ** (code >> form.bits - 1 & 1), significand, max(exponent, 1) - form.bias


def exact_sum(a: Format, first: Sequence[int], b: Format, second: Sequence[int]) -> Fraction:
    """Products of finite elements, cut at their common frame and added."""
    products = []
    for x, y in zip(first, second, strict=True):
        (s, m, e), (t, n, f) = _fields(a, x), _fields(b, y)
        products.append((s * t, m * n, e + f))
    most = max([e for _, m, e in products if m], default=0)
    last = Fraction(2) ** (most - PAIR_SHIFT - 6)
    return sum((sign * (m * Fraction(2) ** e // last) * last for sign, m, e in products), Fraction(0))


def _sums(a: Format, first: Codes, b: Format, second: Codes, places: Codes) -> NDArray[np.float64]:
    """Of elements [n, count], times 2^places; where one is no number, by the numbers of gfloat."""
    out = np.empty(first.shape[1])
    values = [decoded(form, codes.ravel())["gfloat"].reshape(codes.shape) for form, codes in ((a, first), (b, second))]
    with np.errstate(invalid="ignore"):
        special = (values[0] * values[1]).sum(axis=0)
    finite = np.isfinite(values[0]).all(axis=0) & np.isfinite(values[1]).all(axis=0)
    columns = zip(first.T.tolist(), second.T.tolist(), places.tolist(), strict=True)
    for n, (x, y, place) in enumerate(columns):
        out[n] = float(exact_sum(a, x, b, y) * Fraction(2) ** place) if finite[n] else special[n]
    return out


def _chained(sums: NDArray[np.float64], p: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """round(sum + p) of sums that fp32 has."""
    with np.errstate(invalid="ignore", over="ignore"):
        single = sums.astype(np.float32)
    return softfloat_fma32(single.view(np.uint32), np.full(p.shape, _ONE), p)


def _there(sums: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which sums fp32 has exactly."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.isnan(sums) | (sums.astype(np.float32).astype(np.float64) == sums)


def _pair_step(a: Format, b: Format, left: Codes, right: Codes, p: NDArray[np.uint32]) -> NDArray[np.uint32]:
    first, second = (np.stack([word & 0xFF, word >> 8]) for word in (left, right))
    return chain_sum(pair_sum(pair_operand(a, first), pair_operand(b, second)), p)


def pairs(a: Format, b: Format, vectors: int, *, seed: int = 1) -> Case:
    """Two elements a side, any codes, onto what cancels their sum."""
    rng = np.random.default_rng([seed, a.code, b.code])
    first, second = rng.integers(0, 256, (2, 2, vectors))
    sums = _sums(a, first, b, second, np.zeros(vectors, np.int64))
    p = near(rng, sums)
    operands = (first[0] | first[1] << 8, second[0] | second[1] << 8, p)
    wants = {"fractions, SoftFloat": _chained(sums, p)}
    return Case(f"pair-{a.name}-{b.name}", operands, wants, partial(_pair_step, a, b), FP32)


def quad_name(a: Format, b: Format) -> str:
    """Of the judge's operation."""
    return f"mx-{ELEMENT[a].name}-{ELEMENT[b].name}"


def quad_step(
    a: Format, b: Format, left: Codes, left_scale: Codes, right: Codes, right_scale: Codes, p: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Golden's chain behind containers, their scales and the chain before."""
    return chain_sum(quad_sum(quad_operand(a, left, left_scale), quad_operand(b, right, right_scale)), p)


def _elements(form: Format, words: Codes) -> Codes:
    return np.stack([words >> form.bits * j & (1 << form.bits) - 1 for j in range(form.elements)])


def _random_quads(rng: np.random.Generator, a: Format, b: Format, vectors: int) -> tuple[list[Codes], list[Codes]]:
    """(containers, scales), a side each."""
    words = [random_elements(rng, form, (vectors,), specials=0.5).astype(np.int64) for form in (a, b)]
    return words, [random_scales(rng, (vectors,)).astype(np.int64) for _ in range(2)]


def quads(a: Format, b: Format, vectors: int, *, seed: int = 1) -> Case:
    """Four elements a side with scales, onto what cancels their sum; without the sums that fp32 has not."""
    rng = np.random.default_rng([seed, a.code, b.code])
    words, scales = _random_quads(rng, a, b, vectors)
    elements = [_elements(form, each) for form, each in zip((a, b), words, strict=True)]
    sums = _sums(ELEMENT[a], elements[0], ELEMENT[b], elements[1], scales[0] + scales[1] - 2 * SCALE_BIAS)
    sums = np.where((scales[0] == SCALE_NAN) | (scales[1] == SCALE_NAN), np.nan, sums)
    there = _there(sums)
    p = near(rng, sums)
    wants = {"fractions, SoftFloat": _chained(sums[there], p[there])}
    operands = tuple(column[there] for column in (words[0], scales[0], words[1], scales[1], p))
    return Case(quad_name(a, b), operands, wants, partial(quad_step, a, b), FP32)


def quads_beside_golden(a: Format, b: Format, vectors: int, *, seed: int = 2) -> Case:
    """As `quads`, many and of any size, for the RTL: the oracle is golden."""
    rng = np.random.default_rng([seed, a.code, b.code])
    words, scales = _random_quads(rng, a, b, vectors)
    p = near(rng, quad_sum(quad_operand(a, words[0], scales[0]), quad_operand(b, words[1], scales[1])))
    operands = (words[0], scales[0], words[1], scales[1], p)
    return Case(quad_name(a, b), operands, {"golden": quad_step(a, b, *operands)}, partial(quad_step, a, b), FP32)


def _alone(form: Format, codes: Codes, other: Format, others: Codes) -> dict[str, NDArray[np.uint32]]:
    """fp32 of products that have no other beside them: a zero is +0."""
    sides = zip(decoded(form, codes).items(), decoded(other, others).items(), strict=True)
    with np.errstate(invalid="ignore"):
        return {
            name: (values * factors + 0.0).astype(np.float32).view(np.uint32) for (name, values), (_, factors) in sides
        }


def every_quad_product(a: Format, b: Format) -> Case:
    """Every two codes, in each of the four places of the containers in turn, beside zeros; scales of 1."""
    first, second = ELEMENT[a], ELEMENT[b]
    left, right = (side.ravel() for side in np.mgrid[0 : 1 << first.bits, 0 : 1 << second.bits])
    place = np.arange(len(left)) % a.elements
    one, none = np.full(len(left), SCALE_BIAS), np.zeros(len(left), np.uint32)
    operands = (left << first.bits * place, one, right << second.bits * place, one, none)
    return Case(quad_name(a, b), operands, _alone(first, left, second, right), partial(quad_step, a, b), FP32)


def every_pair_product(a: Format, b: Format) -> Case:
    """Every two codes, in each of the two places in turn, beside zeros."""
    left, right = (side.ravel() for side in np.mgrid[0 : 1 << a.bits, 0 : 1 << b.bits])
    up = 8 * (np.arange(len(left)) % 2)
    operands = (left << up, right << up, np.zeros(len(left), np.uint32))
    return Case(f"pair-{a.name}-{b.name}", operands, _alone(a, left, b, right), partial(_pair_step, a, b), FP32)


def mx_decoding(form: Format) -> Case:
    """Every code in each of the four places, times 1."""
    element = ELEMENT[form]
    codes = np.tile(np.arange(1 << element.bits), form.elements)
    place = np.repeat(np.arange(form.elements), 1 << element.bits)
    one, scale = E2M1.bias << E2M1.fraction_bits, np.full(len(codes), SCALE_BIAS)
    operands = (codes << element.bits * place, scale, one << E2M1.bits * place, scale, np.zeros(len(codes), np.uint32))
    wants = _alone(element, codes, E2M1, np.full(len(codes), one))
    return Case(quad_name(form, E2M1_X4), operands, wants, partial(quad_step, form, E2M1_X4), FP32)


def scale_decoding() -> Case:
    """Every code of a scale, of 1 times 1."""
    codes = np.arange(1 << E8M0.bits)
    one = np.full(len(codes), E2M1.bias << E2M1.fraction_bits)
    with np.errstate(invalid="ignore"):
        wants = {name: values.astype(np.float32).view(np.uint32) for name, values in decoded(E8M0, codes).items()}
    operands = (one, codes, one, np.full(len(codes), SCALE_BIAS), np.zeros(len(codes), np.uint32))
    return Case(quad_name(E2M1_X4, E2M1_X4), operands, wants, partial(quad_step, E2M1_X4, E2M1_X4), FP32)
