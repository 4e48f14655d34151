"""Column chains in float32: the steps whose products it has exactly, so that one addition is all of the rounding.

A product of two operands of 8 significant bits has at most 16: from 2^-134 on its last bit is at 2^-149 or above (with
12 bits each it has 24, from 2^-126 on; `product_bits` says how many), and below 2^128 its first bit is a float32's too,
so float32 has it exactly. The products of finite numbers other than zero lie between that of the smallest and that of
the largest magnitudes, which a step's two rows tell without any product; zeros, infinities and NaNs make the same in
every format. Then round(a * b + p) is one float32 addition.

Flush needs no second criterion: two float32 are multiples of 2^-149, so a sum below 2^-125 is exact, and one that is
below 2^-126 after its rounding was there before it. Nor does it need a look at every sum: products of 16 bits from
2^-111 on are multiples of 2^-126, so is what a chain makes of them, and between 0 and 2^-126 there is none.

Does not: say what a step is (`arithmetic` does, and takes the other steps).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.formats import FP32

__all__ = ["column_chain", "exact_steps", "step_extremes", "tiny_steps"]

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picks = NDArray[np.int64]
"""[K, M]: the row of columns that each weight meets, where that is not its own (`sparsity`)."""

PRODUCT_BITS = 16
"""Of the products that the next numbers are for, of two significands of 8 bits; each bit more doubles them."""
EXACT_FROM = 2.0 ** (FP32.emin - FP32.fraction_bits + PRODUCT_BITS - 1)
EXACT_BELOW = 2.0 ** (FP32.bias + 1)
NEVER_TINY_FROM = 2.0 ** (FP32.emin + PRODUCT_BITS - 1)
SMALLEST_NORMAL = np.float32(2.0**FP32.emin)

BLOCK = 1 << 14
"""Sums at a time. Larger blocks make the exact steps a little faster and the others slower by half: arrays of doubles
from 128 KiB on are mapped and cleared anew in each step."""


def _magnitudes(rows: Singles) -> tuple[Doubles, Doubles]:
    """Of the finite numbers of each row: smallest magnitude other than zero (none: infinity), largest (none: 0)."""
    magnitudes = np.abs(rows)
    largest = np.where(magnitudes < np.inf, magnitudes, 0).max(axis=1, initial=0)
    smallest = np.where(magnitudes > 0, magnitudes, np.inf).min(axis=1, initial=np.inf)
    return smallest.astype(np.float64), largest.astype(np.float64)


def step_extremes(weights: Singles, columns: Singles, picks: Picks | None = None) -> tuple[Doubles, Doubles]:
    """Of each step the smallest finite product other than zero (none: infinity) and the largest (none: 0), exactly.

    weights[K, M], columns[K, N]; with `picks` numbers that lie no nearer than these.
    """
    (small_weight, large_weight), (small_column, large_column) = _magnitudes(weights), _magnitudes(columns)
    if picks is not None:
        small_column, large_column = small_column[picks].min(axis=1), large_column[picks].max(axis=1)
    return small_weight * small_column, large_weight * large_column


def exact_steps(smallest: Doubles, largest: Doubles, product_bits: int = PRODUCT_BITS) -> NDArray[np.bool_]:
    """[K]: whether float32 has every product of the step exactly."""
    return (smallest >= EXACT_FROM * 2.0 ** (product_bits - PRODUCT_BITS)) & (largest < EXACT_BELOW)


def tiny_steps(smallest: Doubles, product_bits: int = PRODUCT_BITS) -> NDArray[np.bool_]:
    """[K]: whether a sum of the step or of a later one may lie between 0 and 2^-126."""
    return np.minimum.accumulate(smallest) < NEVER_TINY_FROM * 2.0 ** (product_bits - PRODUCT_BITS)


def column_chain(
    weights: Singles,
    columns: Singles,
    *,
    product_bits: int,
    flush: bool,
    definition: Callable[[Singles, Singles, Singles], Singles],
    picks: Picks | None = None,
) -> Singles:
    """chain[M, N], over k in order: round(weights[k, M] * columns[k, N] + chain), starting with +0

    Parameters
    ----------
    weights[K, M], columns[K, N] : values of operands; with `flush` none is subnormal. With `picks` [K, M] a weight
        meets that row of columns, of which there may be any number.
    product_bits : that a product of two of them has at most.
    flush : results below 2^-126 become the zero of their sign.
    definition : the next chain of a row of weights, a row of columns ([N], or [M, N] of picks) and the chain, for steps
        that are not exact.
    """
    smallest, largest = step_extremes(weights, columns, picks)
    exact = exact_steps(smallest, largest, product_bits).tolist()
    tiny = (tiny_steps(smallest, product_bits) & flush).tolist()
    chain = np.zeros((weights.shape[1], columns.shape[1]), np.float32)
    width = max(1, BLOCK // max(1, len(chain)))
    for first in range(0, chain.shape[1], width):
        sums = np.zeros_like(chain[:, first : first + width])
        scratch, normal = np.empty_like(sums), np.empty(sums.shape, np.bool_)
        block = np.ascontiguousarray(columns[:, first : first + width])  # what indexing made may lie column by column
        for k, weight in enumerate(weights):
            column = block[k] if picks is None else block[picks[k]]
            if not exact[k]:
                sums = definition(weight, column, sums)
                continue
            np.multiply(weight[:, None], column, out=scratch)
            np.add(scratch, sums, out=sums)
            if tiny[k]:
                np.abs(sums, out=scratch)
                np.greater_equal(scratch, SMALLEST_NORMAL, out=normal)
                np.multiply(sums, normal, out=sums)  # by 1 or 0: keeps the sign, and a NaN
        chain[:, first : first + width] = sums
    return chain
