"""Chain words of the array as the RTL carries them, as the numbers that the models know."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import CHAIN_EXPONENT_BITS, CHAIN_INFINITY_EXPONENT, CHAIN_NAN_EXPONENT
from makalu.spec.formats import FP32

__all__ = ["finalised", "finalised_words"]


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
