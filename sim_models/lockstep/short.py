"""Short elements in the words of the array: pairs, and quads with their scale; what two such words add to a chain.

Written from `spec/pairs.py` and `spec/quads.py`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import KIND_BITS, OPERAND_BITS
from makalu.spec.formats import Format
from makalu.spec.pairs import PAIR_BIAS, PAIR_ELEMENT_BITS, PAIR_SHIFT, PAIR_SIGNIFICAND_BITS, PAIR_SPECIAL
from makalu.spec.quads import PAIR_UPPER, QUAD_BITS, QUAD_ELEMENTS, SCALE_BIAS, SCALE_BITS, SCALE_NAN

__all__ = ["pair_words", "quad_words", "short_products"]

Words = NDArray[np.int64]

_FIRST = (KIND_BITS, KIND_BITS + PAIR_ELEMENT_BITS, OPERAND_BITS, OPERAND_BITS + PAIR_ELEMENT_BITS)
"""Lowest bit of each element."""
_SIGNS = [first + PAIR_ELEMENT_BITS - 1 for first in _FIRST]
_SIGNS[1] = OPERAND_BITS - 1  # where an operand has its own
_SCALE = QUAD_BITS - SCALE_BITS
_MAGNITUDE = (1 << PAIR_ELEMENT_BITS - 1) - 1


def pair_words(bits: NDArray[Any], *, form: Format, products: int = 2) -> Words:
    """Words of pairs [2, ...] of elements, in an array of so many products."""
    return _packed(np.asarray(bits, np.int64), form) | (PAIR_UPPER << OPERAND_BITS if products == QUAD_ELEMENTS else 0)


def quad_words(containers: NDArray[Any], scales: NDArray[Any], *, form: Format) -> Words:
    """Words of quads, of the bits of their containers and the codes of their scales."""
    containers = np.asarray(containers, np.int64)
    codes = np.stack([containers >> form.bits * j & (1 << form.bits) - 1 for j in range(form.elements)])
    return _packed(codes, form) | np.asarray(scales, np.int64) << _SCALE


def _packed(bits: Words, form: Format) -> Words:
    """Elements [n, ...], each code in its place."""
    magnitude, sign = bits & form.magnitude_mask, bits >> form.bits - 1
    fraction, exponent = magnitude & (1 << form.fraction_bits) - 1, magnitude >> form.fraction_bits
    significand = fraction << PAIR_SIGNIFICAND_BITS - 1 - form.fraction_bits
    significand |= (exponent > 0).astype(np.int64) << PAIR_SIGNIFICAND_BITS - 1
    biased = np.maximum(exponent, 1) - form.bias + PAIR_BIAS
    special = magnitude > form.largest
    infinite = magnitude == form.infinity if form.has_infinity else np.zeros(bits.shape, bool)
    biased = np.where(special, PAIR_SPECIAL, np.where(significand == 0, 0, biased))
    significand = np.where(special, np.where(infinite, 8, 12), significand)
    words = np.zeros(bits.shape[1:], np.int64)
    for j, each in enumerate(significand | biased << PAIR_SIGNIFICAND_BITS):
        words |= each << _FIRST[j] | sign[j] << _SIGNS[j]
    return words


def short_products(moving: NDArray[Any], stationary: NDArray[Any], products: int = 2) -> NDArray[np.float64]:
    """What the words of two pairs, or where there are four `products` of two quads, add to a chain."""
    words = [np.asarray(side, np.int64) for side in (moving, stationary)]
    sums = _sums(*([_elements(side, products) for side in words]))
    if products < QUAD_ELEMENTS:
        return sums
    first, second = (side >> _SCALE for side in words)
    scaled = np.ldexp(sums, (first + second - 2 * SCALE_BIAS).astype(np.int32))
    return np.where((first == SCALE_NAN) | (second == SCALE_NAN), np.nan, scaled)


def _elements(words: Words, count: int) -> tuple[Words, Words, Words]:
    """Significand, biased exponent and sign of each, [count, ...]."""
    magnitude = np.stack([words >> _FIRST[j] & _MAGNITUDE for j in range(count)])
    sign = np.stack([words >> _SIGNS[j] & 1 for j in range(count)])
    return magnitude & (1 << PAIR_SIGNIFICAND_BITS) - 1, magnitude >> PAIR_SIGNIFICAND_BITS, sign


def _sums(a: tuple[Words, Words, Words], b: tuple[Words, Words, Words]) -> NDArray[np.float64]:
    magnitude, negative = a[0] * b[0], (a[2] ^ b[2]) != 0
    exponent = np.where(magnitude == 0, 0, a[1] + b[1])
    most = exponent.max(axis=0)
    cut = magnitude << PAIR_SHIFT >> np.minimum(most - exponent, 63)
    total = np.where(negative, -cut, cut).sum(axis=0)
    places = most - 2 * (PAIR_BIAS + PAIR_SIGNIFICAND_BITS - 1) - PAIR_SHIFT
    sums: NDArray[np.float64] = np.ldexp(total.astype(np.float64), places.astype(np.int32))
    special = [side[1] == PAIR_SPECIAL for side in (a, b)]
    if not (special[0] | special[1]).any():
        return sums
    zero, nan = ([side[0] == 0 for side in (a, b)], [side[0] >> PAIR_SIGNIFICAND_BITS - 2 & 1 == 1 for side in (a, b)])
    invalid = special[0] & (nan[0] | zero[1]) | special[1] & (nan[1] | zero[0])
    infinite = np.where(negative, -np.inf, np.inf)
    each = np.where(invalid, np.nan, np.where(special[0] | special[1], infinite, 0.0))
    with np.errstate(invalid="ignore"):
        whole = each.sum(axis=0)
    return np.asarray(np.where((special[0] | special[1]).any(axis=0), whole, sums))
