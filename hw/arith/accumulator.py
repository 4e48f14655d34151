"""PSUM's adder: the old fp32 element and a finished column sum, rounded once."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.chain_adder import ChainAdder
from makalu.hw.arith.finalise import Finalise
from makalu.hw.arith.words import ADDEND, CHAIN_WORD
from makalu.spec.chain import CHAIN_BITS
from makalu.spec.formats import FP32

__all__ = ["Accumulator", "Fp32Addend"]


class Fp32Addend(wiring.Component):
    """addend = fp32 bits, or -0 if not `active`.

    A subnormal has exponent 1 and leading bit 0, as in a chain word: it needs no normalisation to be aligned with one.

    Members
    -------
    active : In(1)
    bits : In(32)
    addend : Out(ADDEND)

    Timing: combinational. Parameters: subnormals, `flush`: a subnormal is a zero of its sign.
    """

    latency_cycles = 0

    def __init__(self, *, subnormals: str) -> None:
        self.flush = subnormals == "flush"
        super().__init__({"active": In(1), "bits": In(FP32.bits), "addend": Out(ADDEND)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fraction = self.bits[: FP32.fraction_bits]
        exponent = self.bits[FP32.fraction_bits : -1]
        low, full, empty, zero = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            low.eq(~exponent.any()),
            full.eq(exponent.all() & self.active),
            empty.eq(~fraction.any()),
            # exponent 0 lies below every chain word's: a zero never decides the alignment
            zero.eq(~self.active | (low & (self.flush | empty))),
            self.addend.significand.eq(Mux(zero, 0, Cat(fraction, ~low))),
            self.addend.exponent.eq(Mux(zero, 0, exponent | low)),
            self.addend.sign.eq(self.bits[-1] | ~self.active),
            self.addend.infinite.eq(full & empty),
            self.addend.nan.eq(full & ~empty),
        ]
        return m


class Accumulator(wiring.Component):
    """result = round(chain + old) if accumulate else chain

    Does not: know addresses or hold anything; a new pair enters every cycle.

    Parameters
    ----------
    add_stages : int
        A, 1 to 3.
    subnormals : str
        `keep` or `flush` (see ChainAdder).

    Members
    -------
    chain : In(34)
        Chain word of the array's column.
    old : In(32)
        fp32 bits of the PSUM element; any value if not `accumulate`.
    accumulate : In(1)
    result : Out(32)
        fp32 bits.

    Timing: latency = add_stages (`latency_cycles`), one a cycle, never stalls.

    Numerics: one rounding to nearest even; without `accumulate` the chain's value bit by bit, -0 included; canonical
    NaN.
    """

    def __init__(self, *, add_stages: int, subnormals: str) -> None:
        self.latency_cycles, self.subnormals = add_stages, subnormals
        super().__init__({"chain": In(CHAIN_BITS), "old": In(FP32.bits), "accumulate": In(1), "result": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.addend = addend = Fp32Addend(subnormals=self.subnormals)
        m.submodules.adder = adder = ChainAdder(add_stages=self.latency_cycles, subnormals=self.subnormals)
        m.submodules.finalise = finalise = Finalise(subnormals=self.subnormals)
        m.d.comb += [
            addend.active.eq(self.accumulate),
            addend.bits.eq(self.old),
            adder.addend.eq(addend.addend),
            adder.i.eq(CHAIN_WORD(self.chain)),
            finalise.word.eq(adder.o),
            self.result.eq(finalise.bits),
        ]
        return m
