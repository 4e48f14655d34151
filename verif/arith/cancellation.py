"""Sums that cancel: operands for each depth of it, and how deep a sum of given operands cancels.

An adder's leading-zero count and its marker of the smallest exponent are for these. Chance reaches few: at exponent 24
one pair of significands alone has a subnormal sum.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import GUARD_BITS, PRODUCT_BITS
from makalu.spec.formats import BF16, FP32

__all__ = ["DEEP", "MARKED", "absent_cancellations", "cancelling_pairs", "cancelling_triples", "count_sums"]

Bits = NDArray[np.uint32]
Values = NDArray[np.float64]
Integers = NDArray[np.int64]

MARKED = PRODUCT_BITS + GUARD_BITS + 1
"""Exponents 1 to this one have a place of their own in the chain adder's marker."""
UNMARKED = 32
"""One that has none, far from the subnormals."""
DEEP = 8
"""Places from the larger number's leading one down to the sum's."""
_UNIT = FP32.emin - FP32.fraction_bits
"""Every fp32 is a multiple of 2^_UNIT; the leading place of a sum is counted in these."""
_LEAST_NORMAL = FP32.fraction_bits
"""Leading place of the smallest normal number."""


def _grid() -> tuple[Integers, Integers]:
    """Exponent of the larger number and leading place of the sum: all subnormal sums that there are of each exponent,
    and each depth at UNMARKED, which the zero count alone decides.

    A power of two less its lower neighbour is the smallest sum, the one place of exponent 24. From 25 on it is not
    subnormal: there a lost place of the marker changes nothing, but a wrong one would.
    """
    pairs = [
        (exponent, place)
        for exponent in (*range(1, MARKED + 1), UNMARKED)
        for place in range(
            max(exponent - 2, 0),
            exponent + _LEAST_NORMAL - 1 if exponent == UNMARKED else max(exponent - 1, _LEAST_NORMAL),
        )
    ]
    exponents, places = np.array(pairs).T
    return exponents, places


_EXPONENTS, _PLACES = _grid()
_DEEPEST = _PLACES < _EXPONENTS - 1
"""Only a power of two has these."""


def _sums(rng: np.random.Generator) -> Integers:
    """A sum for each of the grid, in units: random below its leading place, but a multiple of the larger one's ulp."""
    below = (np.int64(1) << _PLACES) - (np.int64(1) << np.minimum(_PLACES, _EXPONENTS - 1))
    return (np.int64(1) << _PLACES) + (rng.integers(0, 1 << 62, len(_PLACES)) & below)


def _bits(units: Integers, sign: Integers) -> Bits:
    """fp32 bits of a number that has some."""
    values = np.ldexp(units.astype(np.float64), _UNIT).astype(np.float32)
    return values.view(np.uint32) | (sign.astype(np.uint32) << (FP32.bits - 1))


def cancelling_pairs(rng: np.random.Generator) -> tuple[Bits, Bits]:
    """Two fp32 for each exponent of the larger one and leading place of their sum; either may be the larger."""
    fraction = np.where(_DEEPEST, 0, rng.integers(0, 1 << FP32.fraction_bits, len(_PLACES)))
    larger = ((1 << FP32.fraction_bits) + fraction) << (_EXPONENTS - 1)
    sign, swap = rng.integers(0, 2, (2, len(_PLACES)))
    first, second = _bits(larger, sign), _bits(larger - _sums(rng), 1 - sign)
    return np.where(swap, second, first), np.where(swap, first, second)


def cancelling_triples(rng: np.random.Generator) -> tuple[NDArray[np.uint16], NDArray[np.uint16], Bits, Bits]:
    """bf16 a, b and fp32 p, and fp32 a * b: the same for a * b + p, a * b the larger."""
    count, one = len(_PLACES), 1 << BF16.fraction_bits
    first, second = one + np.where(_DEEPEST, 0, rng.integers(0, one, (2, count)))
    carry = (first * second >= 2 * one * one).astype(np.int64)
    exponent = rng.integers(40, 90, count)
    partner = _EXPONENTS + FP32.bias - exponent - carry
    larger = (first * second) << (_EXPONENTS - 1 - carry + FP32.fraction_bits - 2 * BF16.fraction_bits)
    sign, other = rng.integers(0, 2, (2, count))
    a = sign << (BF16.bits - 1) | exponent << BF16.fraction_bits | (first - one)
    b = other << (BF16.bits - 1) | partner << BF16.fraction_bits | (second - one)
    product, p = _bits(larger, sign ^ other), _bits(larger - _sums(rng), 1 - (sign ^ other))
    return a.astype(np.uint16), b.astype(np.uint16), p, product


def absent_cancellations(x: Any, y: Any) -> list[str]:
    """Exponents of the larger one and leading places, of the grid, that no sum of these values has."""
    larger, total = _larger_and_sum(x, y)
    exponents = np.frexp(larger)[1] - 1 + FP32.bias
    places = np.where(total > 0, np.frexp(total)[1] - 1 - _UNIT, -1)
    seen = set(zip(exponents.tolist(), places.tolist(), strict=True))
    wanted = zip(_EXPONENTS.tolist(), _PLACES.tolist(), strict=True)
    return [f"exponent {i}, leading place {j}" for i, j in wanted if (i, j) not in seen]


def count_sums(x: Any, y: Any) -> dict[str, int]:
    """How many sums of these values cancel by DEEP places or more, and how many are subnormal before rounding."""
    larger, total = _larger_and_sum(x, y)
    deep = (total > 0) & (np.frexp(larger)[1] - np.frexp(total)[1] >= DEEP)
    subnormal = (total >= 2.0**_UNIT) & (total < 2.0**FP32.emin)
    return {"deep cancellation": int(deep.sum()), "subnormal sum": int(subnormal.sum())}


def _larger_and_sum(x: Any, y: Any) -> tuple[Values, Values]:
    """Magnitudes; both 0 where there is an infinity or NaN. A sum that cancels is exact in doubles."""
    with np.errstate(invalid="ignore", over="ignore"):
        first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
        finite = np.isfinite(first) & np.isfinite(second)
        first, second = np.where(finite, first, 0), np.where(finite, second, 0)
        return np.maximum(np.abs(first), np.abs(second)), np.abs(first + second)
