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
from makalu.spec.quads import QUAD_BITS, QUAD_ELEMENTS, SCALE_BITS

__all__ = ["ADDEND", "CHAIN_WORD", "OPERAND", "PAIR", "QUAD", "WIDE_OPERAND", "operand_word"]

OPERAND = data.StructLayout(
    {"kind": KIND_BITS, "significand": SIGNIFICAND_BITS, "exponent": signed(OPERAND_EXPONENT_BITS), "sign": 1}
)
"""One unpacked element on its way through the array."""

WIDE_OPERAND = data.StructLayout({"operand": OPERAND, "upper": QUAD_BITS - OPERAND.size})
"""An operand where it may be a quad; `upper` of a single one means nothing."""


def operand_word(products: int) -> data.StructLayout:
    """What an operand is in an array of so many products a PE and cycle."""
    return WIDE_OPERAND if products == QUAD_ELEMENTS else OPERAND


_SIGNIFICANDS = OPERAND["significand"].offset
_FIRST = (_SIGNIFICANDS, _SIGNIFICANDS + PAIR_ELEMENT_BITS, OPERAND.size, OPERAND.size + PAIR_ELEMENT_BITS)
"""First bit of each element; the sign is its last one, but the second's is where an operand has its own."""


def _elements(count: int) -> dict[str, data.Field]:
    return {
        f"{name}{j}": data.Field(bits, OPERAND["sign"].offset if (name, j) == ("sign", 1) else first + place)
        for j, first in enumerate(_FIRST[:count])
        for name, bits, place in (
            ("significand", PAIR_SIGNIFICAND_BITS, 0),
            ("exponent", PAIR_EXPONENT_BITS, PAIR_SIGNIFICAND_BITS),
            ("sign", 1, PAIR_SIGNIFICAND_BITS + PAIR_EXPONENT_BITS),
        )
    }


PAIR = data.FlexibleLayout(OPERAND.size, _elements(2))
"""Two short elements in the word of an OPERAND, of which kind and the upper bits of the exponent are 0: as an operand,
which it is beside an inactive element, it is a number whose product with 0 lies below every chain word."""
QUAD = data.FlexibleLayout(
    QUAD_BITS, {**_elements(QUAD_ELEMENTS), "scale": data.Field(SCALE_BITS, QUAD_BITS - SCALE_BITS)}
)
"""Four short elements and the code of their scale in a WIDE_OPERAND, the first two as in a PAIR."""

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
