"""Layouts of the array's words (see `spec/chain.py` for what they mean)."""

from amaranth.hdl import signed
from amaranth.lib import data

from makalu.spec.chain import (
    ADDEND_EXPONENT_BITS,
    CHAIN_EXPONENT_BITS,
    KIND_BITS,
    OPERAND_EXPONENT_BITS,
    PRODUCT_BITS,
)
from makalu.spec.formats import FP32, SIGNIFICAND_BITS
from makalu.spec.pairs import PAIR_ELEMENT_BITS, PAIR_EXPONENT_BITS, PAIR_SIGNIFICAND_BITS

__all__ = ["ADDEND", "CHAIN_WORD", "OPERAND", "PAIR"]

OPERAND = data.StructLayout(
    {"kind": KIND_BITS, "significand": SIGNIFICAND_BITS, "exponent": signed(OPERAND_EXPONENT_BITS), "sign": 1}
)
"""One unpacked element on its way through the array."""

_SIGNIFICANDS = OPERAND["significand"].offset
_SIDES = (_SIGNIFICANDS, _SIGNIFICANDS + PAIR_ELEMENT_BITS)
"""First bit of each element of a pair; its sign is the last one, but the second's is where an operand has its own."""
PAIR = data.FlexibleLayout(
    OPERAND.size,
    {
        f"{name}{j}": data.Field(bits, OPERAND["sign"].offset if (name, j) == ("sign", 1) else first + place)
        for j, first in enumerate(_SIDES)
        for name, bits, place in (
            ("significand", PAIR_SIGNIFICAND_BITS, 0),
            ("exponent", PAIR_EXPONENT_BITS, PAIR_SIGNIFICAND_BITS),
            ("sign", 1, PAIR_SIGNIFICAND_BITS + PAIR_EXPONENT_BITS),
        )
    },
)
"""Two short elements in the word of an OPERAND, of which kind and the upper bits of the exponent are 0: as an operand,
which it is beside an inactive element, it is a number whose product with 0 lies below every chain word."""

ADDEND = data.StructLayout(
    {
        "significand": PRODUCT_BITS,
        "exponent": signed(ADDEND_EXPONENT_BITS),
        "sign": 1,
        "infinite": 1,
        "nan": 1,
    }
)
"""What a chain adder adds: `significand / 2^23 * 2^(exponent - 127)`. The leading bit is 1 unless the exponent is 1 or
less, as in a chain word: the larger exponent is the larger number."""

CHAIN_WORD = data.StructLayout(
    {"fraction": FP32.fraction_bits, "exponent": CHAIN_EXPONENT_BITS, "sign": 1, "increment": 1}
)
"""An fp32 number with its last rounding step pending."""
