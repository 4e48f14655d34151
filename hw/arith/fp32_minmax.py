"""Larger or smaller of two fp32 numbers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.spec.formats import FP32

__all__ = ["Fp32MinMax"]


class Fp32MinMax(wiring.Component):
    """o = min(a, b) if `smaller` else max(a, b)

    Members
    -------
    a, b : In(32)
    smaller : In(1)
    o : Out(32)

    Timing: combinational.

    Numerics: -0 lies below +0; canonical NaN if either is NaN.
    """

    latency_cycles = 0

    def __init__(self) -> None:
        super().__init__({"a": In(FP32.bits), "b": In(FP32.bits), "smaller": In(1), "o": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ordered, nans = [], []
        for name, bits in (("a", self.a), ("b", self.b)):
            key, nan = Signal(FP32.bits, name=f"{name}_key"), Signal(name=f"{name}_nan")
            m.d.comb += [
                # unsigned numbers in the order of the values
                key.eq(Mux(bits[-1], ~bits, Cat(bits[:-1], 1))),
                nan.eq(bits[FP32.fraction_bits : -1].all() & bits[: FP32.fraction_bits].any()),
            ]
            ordered.append(key)
            nans.append(nan)
        take_a = Signal()
        m.d.comb += [take_a.eq((ordered[0] > ordered[1]) ^ self.smaller), self.o.eq(Mux(take_a, self.a, self.b))]
        with m.If(nans[0] | nans[1]):
            m.d.comb += self.o.eq(FP32.canonical_nan)
        return m
