"""MX: quads of short elements with their scales, and a matmul's chain of them; the definition in integers.

Written from `spec/quads.py`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.formats import FP32, Format
from makalu.spec.pairs import PAIR_SHIFT, PAIR_SIGNIFICAND_BITS
from makalu.spec.quads import QUADS, SCALE_BIAS, SCALE_NAN

from .arithmetic import chain_sum
from .pairs import Doubles, PairOperand, pair_sum, short_elements

__all__ = ["QuadOperand", "quad_column_chain", "quad_column_chain_definition", "quad_operand", "quad_sum"]


class QuadOperand(NamedTuple):
    """Elements [4, ...] and the scales that each four of them share, [...]."""

    elements: PairOperand
    scale: Doubles
    """2^(code - 127), or NaN."""

    def at(self, *index: Any) -> "QuadOperand":
        """A part of each array."""
        return QuadOperand(self.elements.at(slice(None), *index), self.scale[index])


def quad_operand(form: Format, containers: ArrayLike, scales: ArrayLike) -> QuadOperand:
    """Of containers and codes of scales, of one shape. Errors: `ValueError` for a format that is no quad."""
    if form not in QUADS:
        raise ValueError(f"{form.name} is no quad; {[f.name for f in QUADS]} are")
    words, codes = np.asarray(containers, np.int64), np.asarray(scales, np.int64)
    elements = np.stack([words >> form.bits * j & (1 << form.bits) - 1 for j in range(form.elements)])
    scale = np.where(codes == SCALE_NAN, np.nan, np.ldexp(1.0, (codes - SCALE_BIAS).astype(np.int32)))
    return QuadOperand(short_elements(form, elements), scale)


def quad_sum(a: QuadOperand, b: QuadOperand) -> Doubles:
    """addend, as `spec/quads.py` has it; exact in doubles."""
    return np.asarray(pair_sum(a.elements, b.elements) * a.scale * b.scale)


def quad_column_chain_definition(weights: QuadOperand, columns: QuadOperand) -> NDArray[np.uint32]:
    """What `quad_column_chain` is equal to: every sum in integers, every step of the chain in doubles."""
    rows, m, n = weights.scale.shape[0], weights.scale.shape[1], columns.scale.shape[1]
    chain = np.zeros((m, n), np.uint32)
    for k in range(rows):
        chain = chain_sum(quad_sum(weights.at(k, slice(None), None), columns.at(k, None)), chain)
    return chain


_LAST_PLACE = PAIR_SHIFT + 2 * (PAIR_SIGNIFICAND_BITS - 1)
"""Of the frame, below the largest exponent."""
_NONE, _LOWEST = -1000, -64
"""Exponent of an element that is 0; lowest that a frame is placed at, below every product's."""
_PLACES = np.exp2(_LAST_PLACE - np.arange(_LOWEST, -_LOWEST)).astype(np.float32)


def quad_column_chain(weights: QuadOperand, columns: QuadOperand) -> NDArray[np.uint32]:
    """dst[M, N], fp32 bits: chain over k of the sums of weights [k, M] and columns [k, N], one rounding a row.

    Subnormals are kept. A product and the cut at its frame are exact in float32, and so is the sum of four cut ones in
    units of the frame's last place, which has 24 bits.
    """
    w, x = (side.elements.value.astype(np.float32) for side in (weights, columns))
    exponents = [
        np.where(side.elements.significand == 0, _NONE, side.elements.exponent).astype(np.int16)
        for side in (weights, columns)
    ]
    chain = np.zeros((w.shape[2], x.shape[2]), np.uint32)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for k in range(w.shape[1]):
            most = np.full(chain.shape, _LOWEST, np.int16)
            for j in range(len(w)):
                np.maximum(most, np.add.outer(exponents[0][j, k], exponents[1][j, k]), out=most)
            up = _PLACES[most - _LOWEST]
            total = sum(np.trunc(np.multiply.outer(w[j, k], x[j, k]) * up) for j in range(len(w)))
            addend = np.asarray(total, np.float64) / up
            addend *= weights.scale[k, :, None]
            addend *= columns.scale[k]
            chain = chain_sum(addend + 0.0, chain)
    return np.where(np.isnan(chain.view(np.float32)), np.uint32(FP32.canonical_nan), chain)
