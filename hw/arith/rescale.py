"""A number over the scale of its group."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import CODE_BITS
from makalu.spec.formats import FP32
from makalu.spec.lanes import LIFTED
from makalu.spec.quads import SCALE_BIAS, SCALE_BITS, SCALE_NAN
from makalu.spec.quantize import QUANTIZED

__all__ = ["Rescale"]

_ZERO, _NAN = 0, FP32.canonical_nan


class Rescale(wiring.Component):
    """o = i * 2^(127 - code), by 2^-LIFTED more of what was lifted; beyond the largest number of `dtype`: that number.

    With the NaN as code the canonical NaN. What becomes smaller than fp32's normal numbers is a zero.

    Does not: take subnormals (they are lifted), round, nor take a code that its group does not have: i * 2^(127 - code)
    is below 2^16.

    Members
    -------
    i: In(32), fp32;  lifted: In(1);  code: In(8), e8m0;  dtype: In, code of a row of `QUANTIZED`;  o: Out(32), fp32

    Timing: combinational.
    """

    def __init__(self) -> None:
        bits = FP32.bits
        super().__init__(
            {"i": In(bits), "lifted": In(1), "code": In(SCALE_BITS), "dtype": In(CODE_BITS), "o": Out(bits)}
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return ()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places = FP32.fraction_bits
        fraction, exponent = self.i[:places], self.i[places:-1]
        target = Signal(signed(FP32.exponent_bits + 2))
        magnitude, largest = Signal(FP32.bits - 1), Signal(FP32.bits - 1)
        m.d.comb += [
            target.eq(exponent - self.code + Mux(self.lifted, SCALE_BIAS - LIFTED, SCALE_BIAS)),
            magnitude.eq(Cat(fraction, target[: FP32.exponent_bits])),
        ]
        for form in QUANTIZED:
            with m.If(self.dtype == form.code):
                m.d.comb += largest.eq(_as_fp32(form.largest, form.bias, form.fraction_bits))
        with m.If(self.code == SCALE_NAN):
            m.d.comb += self.o.eq(_NAN)
        with m.Elif((exponent == 0) | (target <= 0)):
            m.d.comb += self.o.eq(Cat(Const(_ZERO, FP32.bits - 1), self.i[-1]))
        with m.Else():
            m.d.comb += self.o.eq(Cat(Mux(magnitude > largest, largest, magnitude), self.i[-1]))
        return m


def _as_fp32(code: int, bias: int, fraction_bits: int) -> int:
    """Bits of a normal number of another format."""
    return (code << FP32.fraction_bits - fraction_bits) + (FP32.bias - bias << FP32.fraction_bits)
