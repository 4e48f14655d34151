"""Chain word to fp32 bits: the rounding step that the chain leaves pending."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.words import CHAIN_WORD
from makalu.spec.chain import CHAIN_EXPONENT_BITS, CHAIN_INFINITY_EXPONENT, CHAIN_NAN_EXPONENT
from makalu.spec.formats import FP32

__all__ = ["Finalise"]


class Finalise(wiring.Component):
    """bits = fp32 of {exponent, fraction} + increment

    Does not: round again; the increment was decided by the adder that made the word.

    Parameters
    ----------
    subnormals : str
        `flush`: a word with exponent 0 is a zero.

    Members
    -------
    word : In(CHAIN_WORD)
    bits : Out(32)

    Timing: combinational.

    Numerics: a NaN is 0x7FC00000; exponents of 255 and more after the increment are infinity.
    """

    latency_cycles = 0

    def __init__(self, *, subnormals: str) -> None:
        self.flush = subnormals == "flush"
        super().__init__({"word": In(CHAIN_WORD), "bits": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = self.word
        magnitude = Signal(CHAIN_EXPONENT_BITS + FP32.fraction_bits)
        fraction, exponent = magnitude[: FP32.fraction_bits], magnitude[FP32.fraction_bits :]
        nan, infinite = Signal(), Signal()
        m.d.comb += [
            magnitude.eq(Cat(word.fraction, word.exponent) + word.increment),
            nan.eq(word.exponent == CHAIN_NAN_EXPONENT),
            infinite.eq(exponent >= CHAIN_INFINITY_EXPONENT),
            self.bits.eq(Cat(Mux(infinite, 0, fraction), Mux(infinite, FP32.exponent_mask, exponent[:-1]), word.sign)),
        ]
        if self.flush:
            with m.If(~word.exponent.any()):
                m.d.comb += self.bits.eq(word.sign << (FP32.bits - 1))
        with m.If(nan):
            m.d.comb += self.bits.eq(FP32.canonical_nan)
        return m
