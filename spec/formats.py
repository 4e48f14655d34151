"""Number formats as records: every width in the RTL and every mask in the models derives from these.

Does not: compute. Arithmetic lives in `hw/arith` (RTL) and `sim_models/golden` (numpy), each written from this page.
"""

from dataclasses import dataclass
from functools import cached_property

__all__ = ["BF16", "FORMATS", "FP32", "SIGNIFICAND_BITS", "Format"]

SIGNIFICAND_BITS = 12
"""Width of an operand's significand inside the array, leading bit included: bf16, fp16, tf32 and every fp8 fit."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """An IEEE-754-style binary format: 1 sign bit, `exponent_bits`, `fraction_bits`, all-ones exponent = inf or NaN."""

    name: str
    code: int
    """Encoding in an instruction operand's `dtype` field."""
    exponent_bits: int
    fraction_bits: int

    @cached_property
    def bits(self) -> int:
        return 1 + self.exponent_bits + self.fraction_bits

    @cached_property
    def bytes(self) -> int:
        return self.bits // 8

    @property
    def bias(self) -> int:
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def exponent_mask(self) -> int:
        return (1 << self.exponent_bits) - 1

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal number; also the exponent of every subnormal."""
        return 1 - self.bias

    @property
    def canonical_nan(self) -> int:
        """Positive quiet NaN with an otherwise empty payload: the only NaN that Makalu writes."""
        return (self.exponent_mask << self.fraction_bits) | (1 << (self.fraction_bits - 1))


FP32 = Format(name="fp32", code=1, exponent_bits=8, fraction_bits=23)
BF16 = Format(name="bf16", code=2, exponent_bits=8, fraction_bits=7)

FORMATS: dict[str, Format] = {f.name: f for f in (FP32, BF16)}
