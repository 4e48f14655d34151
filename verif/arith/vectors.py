"""Operands that find mistakes in floating-point units, and the outside oracle (Berkeley SoftFloat) for the results.

Every random generator is seeded and returns arrays of bits; each mixes all classes of its kind in random order.
`special_pairs` and `special_triples` reach what chance does not: every combination of classes.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import softfloatpy as softfloat
from numpy.typing import NDArray

from verif.arith.cancellation import MARKED

__all__ = [
    "CANONICAL_NAN",
    "CLASSES",
    "absent_classes",
    "bf16_operands",
    "bf16_partners",
    "canonical",
    "chain_partners",
    "fma_operands",
    "fp32_operands",
    "fp32_pairs",
    "fp32_partners",
    "softfloat_add",
    "softfloat_fma",
    "softfloat_fma32",
    "softfloat_mul",
    "softfloat_sub",
    "special_pairs",
    "special_triples",
]

Bits = NDArray[np.uint32]
Halves = NDArray[np.uint16]

CANONICAL_NAN = 0x7FC00000
SPECIALS = np.array(
    [
        0x00000000,  # +0
        0x00000001,  # smallest subnormal
        0x00000002,
        0x007FFFFF,  # largest subnormal
        0x00800000,  # smallest normal
        0x00800001,
        0x33800000,  # 2^-24
        0x3F7FFFFF,  # just below 1
        0x3F800000,  # 1
        0x3F800001,
        0x7F7FFFFF,  # largest
        0x7F7FFFFE,
        0x7F800000,  # infinity
        0x7F800001,  # signalling NaN
        0x7FC00000,  # canonical NaN
        0x7FFFFFFF,  # NaN, all ones
    ],
    np.uint32,
)

CLASSES = ("+0", "+subnormal", "+normal", "+inf", "-0", "-subnormal", "-normal", "-inf", "NaN")
_PAIRED = np.array(
    [
        0x00000000,  # zero
        0x00010000,  # smallest subnormal of bf16
        0x007F0000,  # largest subnormal of bf16
        0x00800000,  # smallest normal
        0x1A000000,  # 2^-75: its square is half of fp32's smallest subnormal, a tie
        0x3F800000,  # 1
        0x7F7F0000,  # largest of bf16
        0x7F800000,  # infinity
        0x7F810000,  # signalling NaN
        0x7FC00000,  # quiet NaN
    ],
    np.uint32,
)
_BOTH_SIGNS = np.concatenate([_PAIRED, _PAIRED | np.uint32(1 << 31)])
"""Several of each class, all of them bf16 numbers too."""
_ENDS = np.select([_BOTH_SIGNS & 0x7FFF0000 == v for v in (0x10000, 0x7F0000, 0x7F7F0000)], [1, 0x7FFFFF, 0x7F7FFFFF])
_FP32_SPECIALS = np.where(_ENDS, _ENDS.astype(np.uint32) | _BOTH_SIGNS & np.uint32(1 << 31), _BOTH_SIGNS)
"""The same with fp32's own smallest and largest."""


def canonical(bits: Bits) -> Bits:
    """Every NaN as 0x7FC00000."""
    return np.where((bits & 0x7FFFFFFF) > 0x7F800000, np.uint32(CANONICAL_NAN), bits).astype(np.uint32)


def _fractions(rng: np.random.Generator, count: int) -> Bits:
    """Fractions with long runs, single bits and random bits: carries and sticky bits in every place."""
    random = rng.integers(0, 1 << 23, count, np.uint32)
    ones = (np.uint32(1) << rng.integers(0, 24, count, np.uint32)) - np.uint32(1)
    single = np.uint32(1) << rng.integers(0, 23, count, np.uint32)
    kind = rng.integers(0, 6, count)
    return np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3],
        [ones, single, ones ^ np.uint32(0x7FFFFF), random & ~ones],
        random,
    ).astype(np.uint32)


def fp32_operands(rng: np.random.Generator, count: int) -> Bits:
    """Any fp32: random bits, all exponents alike, few exponents, subnormals, both ends, specials."""
    kind = rng.integers(0, 12, count)
    any_exponent = rng.integers(1, 255, count, np.uint32)
    middle = rng.integers(120, 135, count, np.uint32)
    low, high = rng.integers(0, 4, count, np.uint32), rng.integers(251, 255, count, np.uint32)
    exponent = np.select([kind < 4, kind < 8, kind == 8, kind == 9], [any_exponent, middle, low, high], np.uint32(0))
    bits = (rng.integers(0, 2, count, np.uint32) << 31) | (exponent.astype(np.uint32) << 23) | _fractions(rng, count)
    special = rng.choice(SPECIALS, count) | (rng.integers(0, 2, count, np.uint32) << 31)
    return np.where(kind == 11, special, bits).astype(np.uint32)


def _borrows(rng: np.random.Generator, a: Bits) -> Bits:
    """Just above a power of two, of the opposite sign and up to 26 places larger: the sum loses its leading bit."""
    exponent = np.clip(((a >> 23) & 0xFF).astype(np.int64) + rng.integers(1, 27, len(a)), 0, 254).astype(np.uint32)
    return ((a ^ np.uint32(1 << 31)) & np.uint32(1 << 31)) | (exponent << 23) | rng.integers(0, 3, len(a), np.uint32)


def _near(rng: np.random.Generator, a: Bits) -> Bits:
    """Of the opposite sign, up to 2^16 last places away: the sums cancel by 8 places or more, each depth as often."""
    away = rng.integers(0, 1 << 16, len(a)) >> rng.integers(0, 17, len(a))
    return ((a ^ np.uint32(1 << 31)) + rng.choice([-1, 1], len(a)) * away).astype(np.uint32)


def fp32_partners(rng: np.random.Generator, a: Bits) -> Bits:
    """A second fp32 for each of `a`: independent, or one that cancels to a few last places, or one that overlaps."""
    count = len(a)
    b = fp32_operands(rng, count)
    near = _near(rng, a)
    exponent = ((a >> 23) & 0xFF).astype(np.int64)
    shifted = np.clip(exponent + rng.integers(-27, 28, count), 0, 254).astype(np.uint32)
    close = (rng.integers(0, 2, count, np.uint32) << 31) | (shifted << 23) | _fractions(rng, count)
    kind = rng.integers(0, 5, count)
    return np.select([kind == 0, kind == 1, kind == 2], [near, close, _borrows(rng, a)], b).astype(np.uint32)


def fp32_pairs(rng: np.random.Generator, count: int) -> tuple[Bits, Bits]:
    """Two fp32 each, as `fp32_partners`."""
    a = fp32_operands(rng, count)
    return a, fp32_partners(rng, a)


def bf16_operands(rng: np.random.Generator, count: int) -> Halves:
    """Any bf16, with subnormals and specials often."""
    return (fp32_operands(rng, count) >> 16).astype(np.uint16)


def bf16_partners(rng: np.random.Generator, a: Halves) -> Halves:
    """A bf16 for each of `a`: independent, or one that brings the product near an end of the range or just above it."""
    count = len(a)
    b = bf16_operands(rng, count)
    ends = rng.choice(np.array([-24, -2, 0, 1, 2, 100, 127, 253, 254, 255]), count)
    target = np.where(rng.integers(0, 2, count) == 0, rng.integers(1, MARKED + 1, count), ends)
    partner = np.clip(target + 127 - ((a >> 7) & 0xFF).astype(np.int64) + rng.integers(-1, 2, count), 0, 254)
    aimed = (b & 0x807F) | (partner.astype(np.uint16) << 7)
    return np.where(rng.integers(0, 2, count) == 0, aimed, b).astype(np.uint16)


def chain_partners(rng: np.random.Generator, a: Halves, b: Halves) -> Bits:
    """An fp32 p for each a * b: independent; near -a * b; some places from it; one that borrows its leading bit."""
    count = len(a)
    p = fp32_operands(rng, count)
    with np.errstate(all="ignore"):
        values = [(x.astype(np.uint32) << 16).view(np.float32).astype(np.float64) for x in (a, b)]
        product = (values[0] * values[1]).astype(np.float32).view(np.uint32)
    near = _near(rng, product)
    exponent = ((product >> 23) & 0xFF).astype(np.int64)
    shifted = np.clip(exponent + rng.integers(-27, 28, count), 0, 254).astype(np.uint32)
    close = (rng.integers(0, 2, count, np.uint32) << 31) | (shifted << 23) | _fractions(rng, count)
    kind = rng.integers(0, 5, count)
    choices = [near, close, _borrows(rng, product)]
    return np.select([kind == 0, kind == 1, kind == 2], choices, p).astype(np.uint32)


def fma_operands(rng: np.random.Generator, count: int) -> tuple[Halves, Halves, Bits]:
    """bf16 a and b and fp32 p, as `bf16_partners` and `chain_partners`."""
    a = bf16_operands(rng, count)
    b = bf16_partners(rng, a)
    return a, b, chain_partners(rng, a, b)


def special_pairs() -> tuple[Bits, Bits]:
    """Every pair of 20 fp32 specials, 400 pairs: every pair of classes."""
    a, b = np.meshgrid(_FP32_SPECIALS, _FP32_SPECIALS, indexing="ij")
    return a.ravel().astype(np.uint32), b.ravel().astype(np.uint32)


def special_triples() -> tuple[Halves, Halves, Bits]:
    """Every a, b (bf16), p (fp32) of 20 specials each, 8,000 triples, a outermost: every triple of classes."""
    half = (_BOTH_SIGNS >> 16).astype(np.uint16)
    a, b, p = np.meshgrid(half, half, _FP32_SPECIALS, indexing="ij")
    return a.ravel(), b.ravel(), p.ravel().astype(np.uint32)


def _class_numbers(bits: NDArray[Any]) -> NDArray[np.int64]:
    """Index into CLASSES of bf16 (uint16) or fp32 bits."""
    wide = bits.astype(np.uint32) << 16 if bits.dtype == np.uint16 else bits.astype(np.uint32)
    magnitude = wide & np.uint32(0x7FFFFFFF)
    kind = np.searchsorted(np.array([0, 0x7FFFFF, 0x7F7FFFFF, 0x7F800000]), magnitude)
    return np.where(kind == 4, len(CLASSES) - 1, kind + 4 * (wide >> 31)).astype(np.int64)


def absent_classes(*columns: NDArray[Any]) -> list[str]:
    """Combinations of CLASSES that no vector of the operands' `columns` has, such as "+0 NaN -inf"."""
    seen = set(zip(*(_class_numbers(column).tolist() for column in columns), strict=True))
    wanted = product(range(len(CLASSES)), repeat=len(columns))
    return [" ".join(CLASSES[kind] for kind in kinds) for kinds in wanted if kinds not in seen]


def _float32(bits: int) -> softfloat.Float32:
    return softfloat.Float32.from_bytes(bits.to_bytes(4, "big"))


def _apply(function: Callable[..., softfloat.Float32], *operands: Bits) -> Bits:
    softfloat.set_rounding_mode(softfloat.RoundingMode.NEAR_EVEN)
    columns = [[_float32(x) for x in column.tolist()] for column in operands]
    results = b"".join(function(*row).to_bytes() for row in zip(*columns, strict=True))
    return canonical(np.frombuffer(results, ">u4").astype(np.uint32))


def softfloat_add(a: Bits, b: Bits) -> Bits:
    """a + b by SoftFloat."""
    return _apply(softfloat.f32_add, a, b)


def softfloat_sub(a: Bits, b: Bits) -> Bits:
    """a - b by SoftFloat."""
    return _apply(softfloat.f32_sub, a, b)


def softfloat_mul(a: Bits, b: Bits) -> Bits:
    """a * b by SoftFloat."""
    return _apply(softfloat.f32_mul, a, b)


def softfloat_fma(a: Halves, b: Halves, p: Bits) -> Bits:
    """a * b + p by SoftFloat, bf16 operands widened."""
    return softfloat_fma32(a.astype(np.uint32) << 16, b.astype(np.uint32) << 16, p)


def softfloat_fma32(a: Bits, b: Bits, p: Bits) -> Bits:
    """a * b + p by SoftFloat."""
    return _apply(softfloat.f32_mul_add, a, b, p)
