"""Pairs of short operands: what an element is in one, and the sum of its two products; the definition in integers.

Written from `spec/pairs.py`. A significand and its exponent come from the element's bits, not from its value: where a
product is cut depends on them.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.formats import FP32, Format
from makalu.spec.pairs import PAIR_SHIFT, PAIR_SIGNIFICAND_BITS, PAIRABLE

from .arithmetic import chain_sum

__all__ = [
    "Doubles",
    "PairOperand",
    "pair_column_chain",
    "pair_column_chain_definition",
    "pair_operand",
    "pair_sum",
    "short_elements",
]

Numbers = NDArray[np.int64]
Doubles = NDArray[np.float64]
Bits32 = NDArray[np.uint32]


class PairOperand(NamedTuple):
    """Arrays of one shape, the elements of a pair, or quad, in the first dimension."""

    significand: Numbers
    """Signed, in units of 2^(exponent - 3)."""
    exponent: Numbers
    value: Doubles
    """What the element is; infinities and NaNs are nowhere else."""

    def at(self, *index: Any) -> "PairOperand":
        """A part of each array."""
        return PairOperand(self.significand[index], self.exponent[index], self.value[index])


def pair_operand(form: Format, bits: ArrayLike) -> PairOperand:
    """Of elements [2, ...]. Errors: `ValueError` for a format whose elements are no part of a pair."""
    if form not in PAIRABLE:
        raise ValueError(f"an element of {form.name} is no part of a pair; {[f.name for f in PAIRABLE]} are")
    return short_elements(form, bits)


def short_elements(form: Format, codes: ArrayLike) -> PairOperand:
    """Of elements, each code alone, of any shape."""
    elements = np.asarray(codes, np.int64)
    magnitude, sign = elements & form.magnitude_mask, elements >> form.bits - 1
    exponent, fraction = magnitude >> form.fraction_bits, magnitude & (1 << form.fraction_bits) - 1
    whole = fraction + (exponent > 0) * (1 << form.fraction_bits)
    significand = whole << PAIR_SIGNIFICAND_BITS - 1 - form.fraction_bits
    places = np.maximum(exponent, 1) - form.bias
    value = np.ldexp(significand.astype(np.float64), (places - PAIR_SIGNIFICAND_BITS + 1).astype(np.int32))
    value = np.where(magnitude > form.largest, np.nan, value)
    if form.has_infinity:
        value = np.where(magnitude == form.infinity, np.inf, value)
    value = np.copysign(value, np.where(sign == 1, -1.0, 1.0))
    return PairOperand(np.where(sign == 1, -significand, significand), places, value)


def pair_sum(a: PairOperand, b: PairOperand) -> Doubles:
    """addend, as `spec/pairs.py` has it: products cut at a common last place, added; exact in doubles."""
    product, exponent = a.significand * b.significand, a.exponent + b.exponent
    most = np.where(product == 0, np.iinfo(np.int64).min // 2, exponent).max(axis=0)
    down = np.minimum(np.maximum(most - exponent, 0), 2 * PAIR_SIGNIFICAND_BITS + PAIR_SHIFT)
    cut = np.sign(product) * (np.abs(product) << PAIR_SHIFT >> down)
    places = np.where((product != 0).any(axis=0), most, 0) - 2 * (PAIR_SIGNIFICAND_BITS - 1) - PAIR_SHIFT
    total = np.ldexp(cut.sum(axis=0).astype(np.float64), places)
    with np.errstate(invalid="ignore"):
        whole = a.value * b.value
        return np.asarray(np.where(np.isfinite(whole).all(axis=0), total, whole.sum(axis=0)))


def pair_column_chain_definition(weights: PairOperand, columns: PairOperand) -> Bits32:
    """What `pair_column_chain` is equal to: every sum of a pair in integers, every step of the chain in doubles."""
    chain = np.zeros((weights.value.shape[2], columns.value.shape[2]), np.uint32)
    both = slice(None)
    for k in range(weights.value.shape[1]):
        chain = chain_sum(pair_sum(weights.at(both, k, both, None), columns.at(both, k, None)), chain)
    return chain


def pair_column_chain(weights: PairOperand, columns: PairOperand) -> Bits32:
    """dst[M, N], fp32 bits: chain over k of the sums of weights[:, k, M] and columns[:, k, N], one rounding a row.

    As `matmul_column_chain`, subnormals kept. Where exponents are PAIR_SHIFT apart or less, no bit is cut and float32
    has the sum exactly: then it is two products and two additions there; the few other sums are taken one by one.
    """
    chain = np.zeros((weights.value.shape[2], columns.value.shape[2]), np.float32)
    w, x = weights.value.astype(np.float32), columns.value.astype(np.float32)
    apart = [(side.exponent[0] - side.exponent[1]).astype(np.int16) for side in (weights, columns)]
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for k in range(w.shape[1]):
            addend = w[0, k, :, None] * x[0, k] + w[1, k, :, None] * x[1, k]
            far = np.abs(apart[0][k, :, None] + apart[1][k]) > PAIR_SHIFT
            if far.any():
                m, n = np.nonzero(far)
                addend[m, n] = pair_sum(weights.at(slice(None), k, m), columns.at(slice(None), k, n))
            chain = addend + chain
    return np.asarray(np.where(np.isnan(chain), np.uint32(FP32.canonical_nan), chain.view(np.uint32)))
