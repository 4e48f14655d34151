"""Arithmetic of the machine on arrays of bits: this file is the definition, correctly rounded and vectorised.

Every function takes and returns bits (uint32 of fp32; the array's operands in their own format) and broadcasts.
IEEE 754 binary32, one rounding to nearest even, gradual underflow, signed zeros; every NaN that is computed is the
canonical 0x7FC00000.

How: a product of two operands and of two fp32 is exact in float64. Its sum with an fp32 is taken there and, if it was
not exact, rounded to odd; rounding that to float32 then equals one rounding of the exact value (53 >= 24 + 2 bits). The
sum of two fp32 is float32's own.

`subnormals="flush"` (tensor engine only): an operand that is subnormal in its format counts as the zero of its sign,
and a result whose exact value is below 2^-126 in magnitude is the zero of its sign, even where rounding would have
given 2^-126 (tininess is detected before rounding).
"""

from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.formats import FP32, SIGNIFICAND_BITS, SINGLES, Format
from makalu.spec.tensor_types import Part

from .column_chain import Picks, column_chain
from .formats import tensor_operand

__all__ = [
    "chain_step",
    "chain_sum",
    "fma_chain_step",
    "fp32_add",
    "fp32_max",
    "fp32_min",
    "fp32_mul",
    "fp32_sub",
    "matmul_column_chain",
    "matmul_column_chain_definition",
]

Bits32 = NDArray[np.uint32]
Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Floats = TypeVar("Floats", Singles, Doubles)

SIGN = np.uint32(1 << (FP32.bits - 1))
INFINITY = np.uint32(FP32.infinity)
SMALLEST_NORMAL = 2.0**FP32.emin


def _bits32(values: ArrayLike) -> Bits32:
    return np.asarray(values, np.uint32)


def _double(bits: ArrayLike, subnormals: str = "keep") -> Doubles:
    """Values of fp32 bits; NaNs stay NaNs."""
    with np.errstate(invalid="ignore"):
        values = _bits32(bits).view(np.float32).astype(np.float64)
    return _flush(values) if _is_flush(subnormals) else values


def _is_flush(subnormals: str) -> bool:
    if subnormals not in ("keep", "flush"):
        raise ValueError(f"subnormals must be keep or flush, not {subnormals!r}")
    return subnormals == "flush"


def _flush(values: Floats) -> Floats:
    return np.where(np.abs(values) < SMALLEST_NORMAL, np.copysign(0.0, values), values)


def _add_to_odd(a: Doubles, b: Doubles) -> Doubles:
    """a + b, rounded to odd: towards zero, and the last bit set if anything was lost."""
    with np.errstate(invalid="ignore"):
        total = a + b
        # TwoSum: `lost` is what the rounding of `total` dropped, exactly
        b_part = total - a
        lost = (a - (total - b_part)) + (b - b_part)
        bits = total.view(np.uint64)
        repair = np.isfinite(total) & (lost != 0) & (bits & np.uint64(1) == 0)
    away = (lost > 0) == (total > 0)
    with np.errstate(over="ignore"):  # below +0, which is not taken
        neighbour = np.where(away, bits + np.uint64(1), bits - np.uint64(1))
    return np.where(repair, neighbour, bits).view(np.float64)


def _canonical(values: Singles) -> Bits32:
    """fp32 bits of the values, NaNs canonical."""
    return np.where(np.isnan(values), np.uint32(FP32.canonical_nan), values.view(np.uint32))


def _single(values: Doubles) -> Bits32:
    """fp32 bits of the values, rounded to nearest even, NaNs canonical."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _canonical(values.astype(np.float32))


def _sum(a: Doubles, b: Doubles, subnormals: str) -> Bits32:
    a, b = np.broadcast_arrays(a, b)
    total = _add_to_odd(a, b)
    return _single(_flush(total) if _is_flush(subnormals) else total)


def fma_chain_step(
    a: ArrayLike, b: ArrayLike, p: ArrayLike, *, form: Format = SINGLES[0], subnormals: str = "keep"
) -> Bits32:
    """round(a * b + p): operands a and b in `form`, fp32 p, the product exact, one rounding."""
    first, second = (_operand(form, bits, subnormals) for bits in (a, b))
    return chain_step(first, second, p, subnormals=subnormals)


def chain_step(a: ArrayLike, b: ArrayLike, p: ArrayLike, *, subnormals: str = "keep") -> Bits32:
    """round(a * b + p), of operands as fp32 bits (`tensor_operand`), the product exact, one rounding."""
    with np.errstate(invalid="ignore"):
        product = np.asarray(_double(a) * _double(b))
    return _sum(product, _double(p, subnormals), subnormals)


def chain_sum(addend: Doubles, p: ArrayLike) -> Bits32:
    """round(addend + p): an addend of at most 24 significant bits, fp32 p."""
    return _sum(addend, _double(p), "keep")


def fp32_add(a: ArrayLike, b: ArrayLike, *, subnormals: str = "keep") -> Bits32:
    """round(a + b)"""
    flush = _is_flush(subnormals)
    first, second = _bits32(a).view(np.float32), _bits32(b).view(np.float32)
    if flush:
        first, second = _flush(first), _flush(second)
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.asarray(first + second)
    # two float32 are multiples of 2^-149, so a sum below 2^-125 is exact: none came up to 2^-126 by its rounding
    return _canonical(_flush(total) if flush else total)


def fp32_sub(a: ArrayLike, b: ArrayLike) -> Bits32:
    """round(a - b)"""
    return fp32_add(a, _bits32(b) ^ SIGN)


def fp32_mul(a: ArrayLike, b: ArrayLike) -> Bits32:
    """round(a * b)"""
    with np.errstate(invalid="ignore"):
        return _single(np.asarray(_double(a) * _double(b)))


def _ordered(bits: Bits32) -> Bits32:
    """Unsigned numbers in the order of the values, -0 below +0."""
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def _extreme(a: ArrayLike, b: ArrayLike, *, larger: bool) -> Bits32:
    first, second = np.broadcast_arrays(_bits32(a), _bits32(b))
    nan = ((first & ~SIGN) > INFINITY) | ((second & ~SIGN) > INFINITY)
    chosen = np.where((_ordered(first) > _ordered(second)) == larger, first, second)
    return np.where(nan, np.uint32(FP32.canonical_nan), chosen)


def fp32_max(a: ArrayLike, b: ArrayLike) -> Bits32:
    """The larger one, +0 above -0; NaN if either is NaN."""
    return _extreme(a, b, larger=True)


def fp32_min(a: ArrayLike, b: ArrayLike) -> Bits32:
    """The smaller one, -0 below +0; NaN if either is NaN."""
    return _extreme(a, b, larger=False)


def _operand(form: Format, bits: ArrayLike, subnormals: str) -> Bits32:
    """fp32 bits of operands that are whole elements."""
    if form.splits:
        raise ValueError(f"an operand is a part of an element of {form.name}: give the parts, as fp32 bits")
    return tensor_operand(form, Part.UPPER, bits, subnormals=subnormals)


def _chain_operands(
    stationary: ArrayLike, moving: ArrayLike, form: Format | None, subnormals: str, picks: Picks | None
) -> tuple[Singles, Singles]:
    sides = (stationary, moving)
    bits = sides if form is None else tuple(_operand(form, side, subnormals) for side in sides)
    weights, columns = (_bits32(side).view(np.float32) for side in bits)
    if weights.ndim != 2 or columns.ndim != 2 or (picks is None and len(weights) != len(columns)):
        raise ValueError(f"stationary[K, M] and moving[K, N] must share K, not {weights.shape} and {columns.shape}")
    if picks is not None and picks.shape != weights.shape:
        raise ValueError(f"picks must be [K, M] as stationary, not {picks.shape} beside {weights.shape}")
    return weights, columns


def _chain_step(weight: Singles, column: Singles, chain: Singles, *, flush: bool) -> Singles:
    """round(weight[M] * column[N] + chain[M, N]) through doubles; column may be [M, N]."""
    product = weight.astype(np.float64)[:, None] * column.astype(np.float64)
    total = _add_to_odd(product, chain.astype(np.float64))
    return (_flush(total) if flush else total).astype(np.float32)


def matmul_column_chain_definition(
    stationary: ArrayLike,
    moving: ArrayLike,
    *,
    form: Format | None = SINGLES[0],
    subnormals: str = "keep",
    picks: Picks | None = None,
) -> Bits32:
    """What `matmul_column_chain` is equal to: every step through doubles."""
    flush = _is_flush(subnormals)
    weights, columns = _chain_operands(stationary, moving, form, subnormals, picks)
    chain = np.zeros((weights.shape[1], columns.shape[1]), np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for k, weight in enumerate(weights):
            column = columns[k] if picks is None else columns[picks[k]]
            chain = _chain_step(weight, column, chain, flush=flush)
    return _canonical(chain)


def matmul_column_chain(
    stationary: ArrayLike,
    moving: ArrayLike,
    *,
    form: Format | None = SINGLES[0],
    subnormals: str = "keep",
    picks: Picks | None = None,
) -> Bits32:
    """dst[M, N] = chain over k of stationary[k, M] * moving[k, N], fp32 bits; both operands in `form`

    Without a form the operands are fp32 bits, each of at most SIGNIFICAND_BITS significant ones (`tensor_operand`).
    With `picks` [K, M] weight k, m meets moving[picks[k, m], N] in its step (`sparsity`).

    Rows in the order 0 .. K-1, one rounding a row, starting with +0. PE rows outside the tile change nothing, not even
    the sign of a zero, so they do not appear here. PSUM's addition comes after it (`fp32_add`).

    Steps whose products are exact in float32 are taken there (`column_chain`), at the same bits.
    """
    flush = _is_flush(subnormals)
    weights, columns = _chain_operands(stationary, moving, form, subnormals, picks)
    significant = SIGNIFICAND_BITS if form is None else form.fraction_bits + 1
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        step = partial(_chain_step, flush=flush)
        sums = column_chain(weights, columns, product_bits=2 * significant, flush=flush, definition=step, picks=picks)
    return _canonical(sums)
