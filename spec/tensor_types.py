"""What the array multiplies: which part of an element an operand is, the passes of a matmul, who may meet whom.

An operand has SIGNIFICAND_BITS of significand. A format that has more of them (fp32) takes part in two: an element is
upper + lower, exactly, and a product of two such elements is the sum of four products, each exact. A pass is one matmul
of one part of each side; passes are instructions of their own, and PSUM adds one to the other in the order of PASSES.

Specials belong to the last pass: in the ones before, an infinity or NaN counts as zero, so that infinity times a lower
part of zero is no NaN. The order, from the smallest products to the largest, is part of the numerics.

A transpose needs bits, not numbers. 16 bits h of an element, whatever they mean, are carried by the number

    (-1)^h[15] * 2^(1 + h[14:11]) * (1 + h[10:0] / 2^11)

which is normal, fits an operand and comes through products with 1 and sums with zeros as it is: a matmul whose moving
operand has one 1 a column and zeros else moves bits, and writes those that its sums carry. Of a sum that is no such
number the same bits are taken.
"""

from enum import IntEnum

from .formats import E4M3, E4M3FN, FP32, TF32, Format

__all__ = ["CARRIED_EXPONENT", "CARRIED_PLACES", "MIXING", "PASSES", "TRANSPOSES", "Part", "mixable", "passes"]


class Part(IntEnum):
    """Of an element, what an operand of the array is."""

    UPPER = 0
    """The upper SIGNIFICAND_BITS of the significand, which is all of it where it fits; infinities and NaNs."""
    FINITE = 1
    """As UPPER; an infinity or NaN is the zero of its sign."""
    LOWER = 2
    """What UPPER leaves, SIGNIFICAND_BITS places below; 0 where all of the significand fits, and of a special."""
    BITS = 3
    """The number that carries the low 16 bits of the container, zeros above a shorter one."""
    UPPER_BITS = 4
    """As BITS, the 16 bits above those; zeros where there are none."""


CARRIED_EXPONENT = 1
"""Exponent of the numbers that carry bits whose [14:11] are 0."""
CARRIED_PLACES = 11
"""Bits that such a number has in its fraction."""
TRANSPOSES = (Part.BITS, Part.UPPER_BITS)
"""Of an element, one for every 16 bits."""


PASSES: tuple[tuple[Part, Part], ...] = (
    (Part.LOWER, Part.LOWER),
    (Part.LOWER, Part.FINITE),
    (Part.FINITE, Part.LOWER),
    (Part.UPPER, Part.UPPER),
)
"""(stationary, moving), in order."""


def passes(stationary_splits: bool, moving_splits: bool) -> tuple[tuple[Part, Part], ...]:
    """Those of a matmul whose sides have a lower part or none: four, two or one."""
    return tuple(
        (s, m) for s, m in PASSES if (stationary_splits or s != Part.LOWER) and (moving_splits or m != Part.LOWER)
    )


_WIDE = (FP32, TF32)
_ALONE = ({E4M3, E4M3FN},)
MIXING = "fp32 and tf32 are multiplied with each other only, and e4m3 is not multiplied with e4m3fn"
"""What `mixable` says. Source: NKI, nisa.nc_matmul, and its release notes."""


def mixable(stationary: Format, moving: Format) -> bool:
    """Whether a matmul may have these types."""
    if (stationary in _WIDE) != (moving in _WIDE):
        return False
    return stationary == moving or {stationary, moving} not in _ALONE
