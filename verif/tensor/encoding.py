"""Words of the array as the RTL carries them, from the numbers that the models know."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import (
    CHAIN_EXPONENT_BITS,
    CHAIN_INFINITY_EXPONENT,
    CHAIN_NAN_EXPONENT,
    KIND_BITS,
    OPERAND_EXPONENT_BITS,
    STATIONARY_BIAS,
    ZERO_EXPONENT,
    Kind,
)
from makalu.spec.formats import BF16, FP32, SIGNIFICAND_BITS

__all__ = ["finalised", "finalised_words", "operand_words"]


def operand_words(bits: NDArray[np.uint16], *, stationary: bool, subnormals: str) -> NDArray[np.int64]:
    """Operands (24 bits) of bf16 bits."""
    return _table(stationary, subnormals)[bits]


@cache
def _table(stationary: bool, subnormals: str) -> NDArray[np.int64]:
    """Of every bf16 number."""
    values = np.arange(1 << BF16.bits)
    fraction = values & ((1 << BF16.fraction_bits) - 1)
    exponent = (values >> BF16.fraction_bits) & BF16.exponent_mask
    sign = values >> (BF16.bits - 1)
    tiny = exponent == 0
    zero = tiny & ((fraction == 0) | (subnormals == "flush"))
    full = exponent == BF16.exponent_mask
    kind = np.where(full, np.where(fraction == 0, Kind.INFINITE, Kind.NAN), np.where(zero, Kind.ZERO, Kind.FINITE))
    significand = (fraction + np.where(tiny, 0, 1 << BF16.fraction_bits)) << (SIGNIFICAND_BITS - 1 - BF16.fraction_bits)
    # what an infinity's or NaN's exponent is means nothing to the array; it is that of the largest number
    true = np.clip(exponent, 1, BF16.exponent_mask - 1) - BF16.bias
    biased = np.where(zero, ZERO_EXPONENT, true) + (STATIONARY_BIAS if stationary else 0)
    word = kind | (np.where(zero, 0, significand) << KIND_BITS)
    word |= (biased & ((1 << OPERAND_EXPONENT_BITS) - 1)) << (KIND_BITS + SIGNIFICAND_BITS)
    return word | (sign << (KIND_BITS + SIGNIFICAND_BITS + OPERAND_EXPONENT_BITS))


def finalised(word: int, *, subnormals: str) -> int:
    """`finalised_words` of one."""
    return int(finalised_words(np.array([word]), subnormals=subnormals)[0])


def finalised_words(words: NDArray[Any], *, subnormals: str) -> NDArray[np.int64]:
    """fp32 bits of chain words: {exponent, fraction} + increment, specials by exponent."""
    fraction, words = FP32.fraction_bits, words.astype(np.int64)
    magnitude = words & ((1 << (fraction + CHAIN_EXPONENT_BITS)) - 1)
    sign = (words >> (fraction + CHAIN_EXPONENT_BITS) & 1) << (FP32.bits - 1)
    exponent = magnitude >> fraction
    rounded = magnitude + (words >> (fraction + CHAIN_EXPONENT_BITS + 1))
    infinite = rounded >> fraction >= CHAIN_INFINITY_EXPONENT
    out = sign | np.where(infinite, FP32.exponent_mask << fraction, rounded)
    if subnormals == "flush":
        out = np.where(exponent == 0, sign, out)
    return np.where(exponent == CHAIN_NAN_EXPONENT, FP32.canonical_nan, out).astype(np.int64)
