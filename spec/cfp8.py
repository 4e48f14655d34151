"""cFP8: fp8 operands whose exponent bias an instruction moves; the documents of trn1 and trn2 name it, no more.

The array multiplies x * 2^offset instead of the element x, with the signed `exponent_offset` of the load_stationary and
of the matmul, each for its own side; 0 is the format's own bias. Zeros, infinities and NaNs stay what they are,
subnormals are moved as normal numbers are. Nothing is rounded: a significand keeps its bits.

How far: an offset has the most bits with which no product is rounded or overflows by itself, as none does without one.
Of OFFSETTABLE e5m2 reaches farthest, both ways: its magnitudes are 2^-16 to 1.75 * 2^15. With OFFSETS = 32 its products
are multiples of 2^(2 * (-16 - 32)) = 2^-96, and below 2^(2 * (16 + 31)) = 2^94, which the chain's fp32 has exactly; its
exponents, -14 - 32 to 15 + 31, lie within those of bf16's numbers, which an operand has on either side. With 64 the
smallest product would be 2^-160, below fp32's last place (2^-149), and the largest above 2^128.

Not in double row, MX and sparse tiles: pairs and quads have exponents of their own width, without room, MX has scales,
and the decoders of candidates have no adder.

Does not: compute.
"""

from .formats import E3M4, E4M3, E5M2, Format

__all__ = ["CFP8", "OFFSETS", "OFFSETTABLE", "OFFSET_BITS"]

CFP8 = "cfp8"
"""The feature of a core that has it."""
OFFSETTABLE: tuple[Format, ...] = (E5M2, E4M3, E3M4)
"""Types of an operand whose bias may be moved."""
OFFSET_BITS = 6
"""Two's complement."""
OFFSETS = 1 << OFFSET_BITS - 1
"""Offsets are -OFFSETS .. OFFSETS - 1: all that the field has."""
