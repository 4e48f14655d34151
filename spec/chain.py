"""Words that travel inside the PE array: the unpacked operand and the chain word, as widths and codes.

Does not: compute. `hw/arith` builds the datapaths, `sim_models` the numbers, each from this page.

Operand (24 bits, low to high): kind, significand (leading bit explicit, value `significand / 2^11`), signed exponent,
sign. A subnormal has leading bit 0 and the exponent of the smallest normal: it is not normalised. A zero has
`ZERO_EXPONENT`, so that it can never decide an alignment. An infinity or NaN has the exponent of the
largest number: it means nothing, but fits. A stationary operand of kind NAN whose leading bit is 0 is none: it is
`NEUTRAL`, whose product is -0 whatever it meets, as that of an inactive moving element.
The stationary operand's exponent is `STATIONARY_BIAS` larger, so the exponent of a product's top bit, biased as fp32,
is one addition without constants.

Chain word (34 bits, low to high): fraction, exponent, sign, increment. It is an fp32 number whose last rounding step is
still to be done: `bits = {exponent, fraction} + increment`. Exponent 0: zero or subnormal; `CHAIN_NAN_EXPONENT`: NaN,
whatever the rest; any other exponent of 255 or more after the increment: infinity, whatever the fraction.
"""

from enum import IntEnum

from makalu.spec.formats import FP32, SIGNIFICAND_BITS

__all__ = [
    "ADDEND_EXPONENT_BITS",
    "ADD_CUTS",
    "CHAIN_BITS",
    "CHAIN_EXPONENT_BITS",
    "CHAIN_INFINITY_EXPONENT",
    "CHAIN_NAN_EXPONENT",
    "GUARD_BITS",
    "KIND_BITS",
    "NEUTRAL",
    "OPERAND_BITS",
    "OPERAND_EXPONENT_BITS",
    "PRODUCT_BITS",
    "STATIONARY_BIAS",
    "ZERO_EXPONENT",
    "Kind",
]


class Kind(IntEnum):
    """Class of an operand."""

    FINITE = 0
    ZERO = 1
    INFINITE = 2
    NAN = 3


KIND_BITS = 2
OPERAND_EXPONENT_BITS = 9
"""Signed: of moving fp32's -138 (a lower part) .. 127, of stationary STATIONARY_BIAS more, and the zeros."""
OPERAND_BITS = KIND_BITS + SIGNIFICAND_BITS + OPERAND_EXPONENT_BITS + 1
ZERO_EXPONENT = -(1 << (OPERAND_EXPONENT_BITS - 1))
STATIONARY_BIAS = FP32.bias + 1
_NEUTRAL_EXPONENT = ZERO_EXPONENT + STATIONARY_BIAS & (1 << OPERAND_EXPONENT_BITS) - 1
NEUTRAL = Kind.NAN | _NEUTRAL_EXPONENT << KIND_BITS + SIGNIFICAND_BITS
"""Word of a stationary operand that adds nothing, in no element's place."""
PRODUCT_BITS = 2 * SIGNIFICAND_BITS
ADDEND_EXPONENT_BITS = 10
"""Signed: from two zeros' product, normalised (-408), to the largest sum of scaled ones (414)."""

CHAIN_EXPONENT_BITS = 9
"""One more than fp32: a product beyond fp32's range is recognised as infinity one PE later."""
CHAIN_INFINITY_EXPONENT = FP32.exponent_mask
CHAIN_NAN_EXPONENT = (1 << CHAIN_EXPONENT_BITS) - 1
CHAIN_BITS = FP32.fraction_bits + CHAIN_EXPONENT_BITS + 2

GUARD_BITS = 2
"""Bits kept below the last place when aligning, beside the sticky bit: a subtraction that loses more than one leading
bit has shifted by at most one place, so two are enough for one correct rounding."""

ADD_CUTS: dict[int, tuple[str, ...]] = {1: (), 2: ("add",), 3: ("align", "select")}
"""After which steps of the chain adder (align, add, select, normalise) a register lies, beside the one at its end."""
