"""Two products of short elements in one PE and cycle: the word of a pair of operands, and the frame of their sum.

Not to be confused with the lanes of Vector and Scalar: a *pair* is two operands of 4 significant bits that lie in the
word of one (`chain.py`), and meet another pair, element by element.

    e = max(ea[j] + eb[j]) over the pair's products other than 0
    S = sum over j of (-1)^s[j] * floor(sa[j] * sb[j] * 2^PAIR_SHIFT / 2^(e - ea[j] - eb[j]))
    addend = S * 2^(e - 2 * (PAIR_SIGNIFICAND_BITS - 1) - PAIR_SHIFT)

s are the elements' significands as integers, ea and eb their exponents, of a subnormal that of the smallest normal
number. The products are exact, each is cut at the frame's last bit, towards 0; the sum of both is exact. Two products
that are less than 2^PAIR_SHIFT apart lose nothing. The addend goes to the chain as a single product does, which rounds
once. If S is 0, so is the addend, +0. An infinity or NaN is one of the element-wise products and of their sum.

Does not: compute.
"""

from .formats import E4M3, E4M3FN, E5M2, Format

__all__ = [
    "PAIRABLE",
    "PAIR_BIAS",
    "PAIR_ELEMENT_BITS",
    "PAIR_EXPONENT_BITS",
    "PAIR_SHIFT",
    "PAIR_SIGNIFICAND_BITS",
    "PAIR_SPECIAL",
]

PAIRABLE: tuple[Format, ...] = (E5M2, E4M3, E4M3FN)
"""Formats whose elements may be one of a pair: e3m4 has a bit too many."""
PAIR_SIGNIFICAND_BITS = 4
"""Leading bit included, value `significand / 2^3`; of e5m2 the last one is 0."""
PAIR_EXPONENT_BITS = 5
PAIR_BIAS = 15
"""Of an element's exponent, e5m2's: 1 .. 30 are numbers, 0 a zero."""
PAIR_SPECIAL = (1 << PAIR_EXPONENT_BITS) - 1
"""Exponent of an infinity (significand 8) and of a NaN (12)."""
PAIR_ELEMENT_BITS = PAIR_SIGNIFICAND_BITS + PAIR_EXPONENT_BITS + 1
PAIR_SHIFT = 14
