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

__all__ = ["ADDEND", "CHAIN_WORD", "OPERAND"]

OPERAND = data.StructLayout(
    {"kind": KIND_BITS, "significand": SIGNIFICAND_BITS, "exponent": signed(OPERAND_EXPONENT_BITS), "sign": 1}
)
"""One unpacked element on its way through the array."""

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
