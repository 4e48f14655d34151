"""fp32 adder of the vector engines."""

from amaranth.hdl import EnableInserter, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.accumulator import Fp32Addend
from makalu.hw.arith.chain_adder import ChainAdder
from makalu.hw.arith.finalise import Finalise
from makalu.spec.chain import CHAIN_NAN_EXPONENT
from makalu.spec.formats import FP32

__all__ = ["Fp32Add"]


class Fp32Add(wiring.Component):
    """o = round(a + b), or round(a - b) if `subtract`

    Does not: flush subnormals, whatever the array does.

    Parameters
    ----------
    stages : int
        1 to 3.

    Members
    -------
    enable : In(1)
        Registers move only in cycles with 1.
    a, b : In(32)
    subtract : In(1)
    o : Out(32)

    Timing: latency = stages enabled cycles (`latency_cycles`), one pair an enabled cycle.

    Numerics: IEEE 754 binary32, nearest even, subnormals kept, canonical NaN.
    """

    def __init__(self, *, stages: int) -> None:
        self.latency_cycles = stages
        super().__init__(
            {"enable": In(1), "a": In(FP32.bits), "b": In(FP32.bits), "subtract": In(1), "o": Out(FP32.bits)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        adder = ChainAdder(add_stages=self.latency_cycles, subnormals="keep")
        m.submodules.addend = addend = Fp32Addend(subnormals="keep")
        m.submodules.adder = EnableInserter(self.enable)(adder)
        m.submodules.finalise = finalise = Finalise(subnormals="keep")
        fraction, exponent = self.a[: FP32.fraction_bits], self.a[FP32.fraction_bits : -1]
        m.d.comb += [
            addend.active.eq(1),
            addend.bits.eq(self.b ^ (self.subtract << (FP32.bits - 1))),
            adder.addend.eq(addend.addend),
            adder.i.fraction.eq(fraction),
            # a NaN's exponent must be the chain's
            adder.i.exponent.eq(Mux(exponent.all() & fraction.any(), CHAIN_NAN_EXPONENT, exponent)),
            adder.i.increment.eq(0),
            adder.i.sign.eq(self.a[-1]),
            finalise.word.eq(adder.o),
            self.o.eq(finalise.bits),
        ]
        return m
