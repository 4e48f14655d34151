"""Operands of the array as the words of `spec/chain.py`: made of elements at its edge, numbers in its PEs."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import KIND_BITS, NEUTRAL, OPERAND_EXPONENT_BITS, STATIONARY_BIAS, ZERO_EXPONENT, Kind
from makalu.spec.formats import CARRIED, SIGNIFICAND_BITS, Format
from makalu.spec.tensor_types import CARRIED_EXPONENT, CARRIED_PLACES, TRANSPOSES, Part

__all__ = ["NEUTRAL_VALUE", "operand_values", "operand_words"]

NEUTRAL_VALUE = 2.0**1000
"""Of `NEUTRAL`: beyond every operand, so that it cannot be taken for one."""

_SIGNIFICAND = KIND_BITS
_EXPONENT = _SIGNIFICAND + SIGNIFICAND_BITS
_SIGN = _EXPONENT + OPERAND_EXPONENT_BITS
_CARRIED = CARRIED.bits
_TABLE_BITS = 16
"""Formats of so few bits are looked up."""


def operand_words(
    bits: NDArray[Any],
    *,
    form: Format,
    stationary: bool,
    part: int = Part.UPPER,
    subnormals: str = "keep",
    offset: int = 0,
) -> NDArray[np.int64]:
    """Operands of elements, given as the bits of their containers; `offset` is added to the exponents of numbers."""
    if 8 * form.bytes <= _TABLE_BITS:
        return np.asarray(_table(form, stationary, part, subnormals, offset)[bits])
    return _words(np.asarray(bits, np.int64), form, stationary, part, subnormals, offset)


@cache
def _table(form: Format, stationary: bool, part: int, subnormals: str, offset: int) -> NDArray[np.int64]:
    """Of every container."""
    return _words(np.arange(1 << 8 * form.bytes), form, stationary, part, subnormals, offset)


def _words(
    bits: NDArray[np.int64], form: Format, stationary: bool, part: int, subnormals: str, offset: int
) -> NDArray[np.int64]:
    if part in TRANSPOSES:
        return _carrying(bits >> _CARRIED * TRANSPOSES.index(Part(part)) & (1 << _CARRIED) - 1, stationary)
    bits = bits >> form.padding
    magnitude, sign = bits & form.magnitude_mask, bits >> (form.bits - 1)
    fraction, exponent = magnitude & ((1 << form.fraction_bits) - 1), magnitude >> form.fraction_bits
    subnormal = exponent == 0
    infinite = magnitude == form.infinity if form.has_infinity else np.zeros(bits.shape, bool)
    nan = magnitude > form.largest if form.has_nan else np.zeros(bits.shape, bool)
    nan, special = nan & ~infinite, nan | infinite
    # what an infinity's or NaN's exponent is means nothing to the array; it is that of the largest number
    most = form.exponent_mask - 1 if form.has_infinity else form.exponent_mask
    true = np.clip(exponent, 1, most) - form.bias + offset
    # all of the significand, its unit SIGNIFICAND_BITS places above that of the lower part
    places = 2 * SIGNIFICAND_BITS - 1 - form.fraction_bits
    whole = (fraction + np.where(subnormal, 0, 1 << form.fraction_bits)) << places
    if part == Part.LOWER:
        significand, true = whole & ((1 << SIGNIFICAND_BITS) - 1), true - SIGNIFICAND_BITS
    else:
        significand = whole >> SIGNIFICAND_BITS
    zero = significand == 0
    if subnormals == "flush":
        zero |= subnormal
    if part == Part.UPPER:
        kind = np.select([nan, infinite, zero], [Kind.NAN, Kind.INFINITE, Kind.ZERO], Kind.FINITE)
        zero &= ~special
    else:
        zero |= special
        kind = np.where(zero, Kind.ZERO, Kind.FINITE)
    biased = np.where(zero, ZERO_EXPONENT, true) + (STATIONARY_BIAS if stationary else 0)
    word = kind | np.where(zero, 0, significand) << _SIGNIFICAND
    word |= (biased & ((1 << OPERAND_EXPONENT_BITS) - 1)) << _EXPONENT
    return np.asarray(word | sign << _SIGN)


def _carrying(bits: NDArray[np.int64], stationary: bool) -> NDArray[np.int64]:
    """Sign, four bits of the exponent and the fraction, from the highest down."""
    fraction = bits & (1 << CARRIED_PLACES) - 1
    exponent = bits >> CARRIED_PLACES & (1 << _CARRIED - 1 - CARRIED_PLACES) - 1
    biased = exponent + CARRIED_EXPONENT + (STATIONARY_BIAS if stationary else 0)
    significand = 1 << CARRIED_PLACES | fraction
    word = Kind.FINITE | significand << _SIGNIFICAND | (biased & (1 << OPERAND_EXPONENT_BITS) - 1) << _EXPONENT
    return np.asarray(word | bits >> _CARRIED - 1 << _SIGN)


def operand_values(words: NDArray[Any], *, stationary: bool) -> NDArray[np.float64]:
    """What operands stand for; of a weight that is none, `NEUTRAL_VALUE`."""
    words = np.asarray(words, np.int64)
    kind = words & ((1 << KIND_BITS) - 1)
    significand = words >> _SIGNIFICAND & ((1 << SIGNIFICAND_BITS) - 1)
    half = 1 << (OPERAND_EXPONENT_BITS - 1)
    exponent = ((words >> _EXPONENT & (2 * half - 1)) ^ half) - half
    places = exponent - (SIGNIFICAND_BITS - 1) - (STATIONARY_BIAS if stationary else 0)
    values = np.ldexp(significand.astype(np.float64), places.astype(np.int32))
    values = np.where(kind == Kind.INFINITE, np.inf, np.where(kind == Kind.NAN, np.nan, values))
    values = np.copysign(values, np.where(words >> _SIGN & 1, -1.0, 1.0))
    return np.where(words == NEUTRAL, NEUTRAL_VALUE, values) if stationary else values
