"""Four products of short elements in one PE and cycle, and the scales of their groups: MX.

A *quad* is a pair (`pairs.py`) with two more elements and a scale, a power of two that all four share. The sum is that
of a pair over four products, times both scales:

    addend = S * 2^(e - 2 * (PAIR_SIGNIFICAND_BITS - 1) - PAIR_SHIFT) * 2^(ka - SCALE_BIAS) * 2^(kb - SCALE_BIAS)

k are the codes of the scales (e8m0). S has up to 24 bits, so nothing is rounded before the chain adds the addend, once,
and no order of the four makes a difference. A scale that is a NaN makes the addend a NaN, whatever the elements are.
A pair is a quad whose elements 2 and 3 are zeros and whose scale is 1 (PAIR_UPPER).

Does not: compute.
"""

from .chain import OPERAND_BITS
from .formats import E2M1_X4, E4M3FN_X4, E5M2_X4, E8M0, Format
from .pairs import PAIR_ELEMENT_BITS

__all__ = ["PAIR_UPPER", "QUADS", "QUAD_BITS", "QUAD_ELEMENTS", "SCALE_BIAS", "SCALE_BITS", "SCALE_NAN"]

QUADS: tuple[Format, ...] = (E4M3FN_X4, E5M2_X4, E2M1_X4)
"""Containers of four elements that may be a quad: MXFP8 and MXFP4 of the OCP specification."""
QUAD_ELEMENTS = 4
SCALE_BITS, SCALE_BIAS, SCALE_NAN = E8M0.bits, E8M0.bias, E8M0.canonical_nan

_UPPER_BITS = (QUAD_ELEMENTS - 2) * PAIR_ELEMENT_BITS
QUAD_BITS = OPERAND_BITS + _UPPER_BITS + SCALE_BITS
"""The word of a pair, above it elements 2 and 3, each from its significand up to its sign, then the scale's code."""
PAIR_UPPER = SCALE_BIAS << _UPPER_BITS
"""What lies above a pair's word where a quad may be."""
