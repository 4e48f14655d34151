"""Numbers to MX: the scale of a group, and what its elements become.

A group is GROUP_PARTITIONS partitions of GROUP_ELEMENTS elements each, which follow each other in an access pattern.
With E the largest exponent field of its elements as fp32 and D = `dropped(form, rule)`:

    scale   = max(E - D, 0), a code of e8m0: 2^(scale - 127); E = 255, of an infinity or a NaN: the NaN
    element = nearest even of x * 2^(127 - scale), too large: the largest number; with a scale that is a NaN: the NaN

All zeros have the smallest scale. Sources: NKI, nisa.quantize_mx; OCP Microscaling Formats v1.0, section 6.3 (which
leaves infinities and NaNs to the implementation).

Does not: compute. Not built, as in NKI: elements of four bits.
"""

from enum import IntEnum

from .formats import BF16, E4M3FN, E5M2, FP16, Format

__all__ = ["GROUP_ELEMENTS", "QUANTIZED", "UNQUANTIZED", "ScaleRule", "dropped"]

GROUP_ELEMENTS = 4
"""Of a partition; of one container when they are multiplied."""
UNQUANTIZED: tuple[Format, ...] = (BF16, FP16)
"""What is quantised."""
QUANTIZED: tuple[Format, ...] = (E4M3FN, E5M2)
"""What it becomes."""


class ScaleRule(IntEnum):
    """How large the scale of a group is; emax is the exponent of the element type's largest number."""

    ROOM = 0
    """2^(floor(log2(largest)) - emax + 1): nothing is too large, whatever it is rounded to. NKI's."""
    OCP = 1
    """2^(floor(log2(largest)) - emax): half of that; what is above the largest number is cut to it."""


def dropped(form: Format, rule: ScaleRule) -> int:
    """D: what the scale's exponent is below that of the largest element."""
    emax = (form.largest >> form.fraction_bits) - form.bias
    return emax - (rule is ScaleRule.ROOM)
