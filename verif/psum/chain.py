"""Chain words for a bench: every encoding of an fp32 number, written from `spec/chain.py` alone."""

import random

from makalu.spec.chain import CHAIN_EXPONENT_BITS, CHAIN_NAN_EXPONENT
from makalu.spec.formats import FP32
from verif.arith.cancellation import MARKED

__all__ = ["chain_word", "finalised", "random_fp32"]

_FRACTION = FP32.fraction_bits
_MAGNITUDE = _FRACTION + CHAIN_EXPONENT_BITS
_INFINITY = FP32.exponent_mask << _FRACTION
_SIGN = 1 << (FP32.bits - 1)


def finalised(word: int) -> int:
    """fp32 bits of a chain word: the pending increment done, overflow to infinity, the canonical NaN."""
    magnitude = word & ((1 << _MAGNITUDE) - 1)
    sign = _SIGN if word >> _MAGNITUDE & 1 else 0
    if magnitude >> _FRACTION == CHAIN_NAN_EXPONENT:
        return FP32.canonical_nan
    magnitude += word >> (_MAGNITUDE + 1) & 1
    return sign | min(magnitude, _INFINITY)


def chain_word(bits: int, rng: random.Random) -> int:
    """Some chain word of the number: with or without a pending increment; `bits` is a number or the canonical NaN."""
    sign = bits >> (FP32.bits - 1)
    magnitude = bits & (_SIGN - 1)
    increment = rng.getrandbits(1)
    if bits == FP32.canonical_nan:
        magnitude = CHAIN_NAN_EXPONENT << _FRACTION | rng.getrandbits(_FRACTION)
        sign = rng.getrandbits(1)
    elif magnitude == _INFINITY and rng.getrandbits(1):
        # a product that overflowed: any exponent from 255 on, the fraction is not looked at
        exponent = rng.randrange(FP32.exponent_mask, CHAIN_NAN_EXPONENT - 1)
        magnitude = exponent << _FRACTION | rng.getrandbits(_FRACTION)
    elif magnitude and increment:
        magnitude -= 1
    else:
        increment = 0
    word = increment << (_MAGNITUDE + 1) | sign << _MAGNITUDE | magnitude
    assert finalised(word) == bits
    return word


def random_fp32(rng: random.Random, *, near: int | None = None, low: bool = False) -> int:
    """Number, subnormal, zero, infinity or the canonical NaN; `low`: numbers have small exponents.

    A fifth is `near`, if it is given, with the opposite sign: their sum cancels by 8 to 24 places or wholly.
    """
    if near is not None and rng.random() < 0.2:
        return _tidy((near ^ _SIGN) + rng.choice((-1, 1)) * rng.getrandbits(rng.randint(0, 16)))
    kind = rng.random()
    if kind < 0.7:
        exponent = rng.randint(1, MARKED) if low else rng.randint(100, 150)
        return _tidy(rng.getrandbits(1) << 31 | exponent << _FRACTION | rng.getrandbits(_FRACTION))
    if kind < 0.8:
        return _tidy(rng.getrandbits(1) << 31 | rng.getrandbits(_FRACTION))
    if kind < 0.87:
        return _tidy(rng.getrandbits(1) << 31 | 254 << _FRACTION | rng.getrandbits(_FRACTION))
    edges = [0, _SIGN, _INFINITY, _SIGN | _INFINITY, FP32.canonical_nan, 1, _SIGN | 1]
    return rng.choice([*edges, _tidy(rng.getrandbits(FP32.bits))])


def _tidy(bits: int) -> int:
    """Any NaN becomes the canonical one: the only NaN that a chain word can be."""
    bits &= (1 << FP32.bits) - 1
    return FP32.canonical_nan if bits & (_SIGN - 1) > _INFINITY else bits
