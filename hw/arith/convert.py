"""bf16 and fp32 into each other."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.spec.formats import BF16, FP32

__all__ = ["Bf16ToFp32", "Fp32ToBf16"]

DROPPED_BITS = FP32.bits - BF16.bits


class Bf16ToFp32(wiring.Component):
    """o = i, exact; a NaN keeps sign and payload.

    Members
    -------
    i : In(16)
    o : Out(32)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self) -> None:
        super().__init__({"i": In(BF16.bits), "o": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(Cat(Const(0, DROPPED_BITS), self.i))
        return m


class Fp32ToBf16(wiring.Component):
    """o = round(i), nearest even; too large becomes infinity, a NaN 0x7FC0.

    Members
    -------
    i : In(32)
    o : Out(16)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self) -> None:
        super().__init__({"i": In(FP32.bits), "o": Out(BF16.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept, dropped = self.i[DROPPED_BITS:], self.i[:DROPPED_BITS]
        increment, nan = Signal(), Signal()
        m.d.comb += [
            increment.eq(dropped[-1] & (dropped[:-1].any() | kept[0])),
            nan.eq(self.i[FP32.fraction_bits : -1].all() & self.i[: FP32.fraction_bits].any()),
            # the carry out of the fraction is the next exponent, up to infinity; it cannot reach the sign
            self.o.eq(kept + increment),
        ]
        with m.If(nan):
            m.d.comb += self.o.eq(BF16.canonical_nan)
        return m
