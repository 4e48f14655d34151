"""An element's bits to the array's operand, at the edge of the array."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.words import OPERAND
from makalu.spec.chain import STATIONARY_BIAS, ZERO_EXPONENT, Kind
from makalu.spec.formats import SIGNIFICAND_BITS, Format, FormatKind

__all__ = ["OperandDecode"]


class OperandDecode(wiring.Component):
    """operand = the element, unpacked; a stationary operand's exponent is larger by STATIONARY_BIAS.

    Does not: normalise subnormals (leading bit 0, exponent of the smallest normal number); the PE normalises products.
    Nor know formats other than IEEE's kind with a significand of SIGNIFICAND_BITS or less (`ValueError`).

    Parameters
    ----------
    form : Format
        Of the element.
    stationary : bool
        For the stationary side of the multiplier.
    subnormals : str
        `keep`, or `flush`: a subnormal is a zero of its sign.

    Members
    -------
    bits : In(form.bits)
    operand : Out(OPERAND)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, *, form: Format, stationary: bool, subnormals: str) -> None:
        if form.kind is not FormatKind.IEEE or form.fraction_bits >= SIGNIFICAND_BITS:
            raise ValueError(f"an operand is an IEEE format of up to {SIGNIFICAND_BITS} bits, not {form.name}")
        if subnormals not in ("keep", "flush"):
            raise ValueError(f"subnormals must be keep or flush, not {subnormals!r}")
        self.form, self.stationary, self.subnormals = form, stationary, subnormals
        super().__init__({"bits": In(form.bits), "operand": Out(OPERAND)})

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.form.name, "stationary" if self.stationary else "moving", self.subnormals)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        form = self.form
        fraction = self.bits[: form.fraction_bits]
        exponent = self.bits[form.fraction_bits : -1]
        low, full, empty, zero = Signal(), Signal(), Signal(), Signal()
        biased = Signal(form.exponent_bits)
        m.d.comb += [
            low.eq(~exponent.any()),
            full.eq(exponent.all()),
            empty.eq(~fraction.any()),
            zero.eq(low if self.subnormals == "flush" else low & empty),
        ]
        bias = STATIONARY_BIAS if self.stationary else 0
        below = SIGNIFICAND_BITS - 1 - form.fraction_bits
        operand = self.operand
        m.d.comb += [
            operand.sign.eq(self.bits[-1]),
            operand.significand.eq(Mux(zero, 0, Cat(fraction, ~low) << below)),
            # 1 for a subnormal; 254 for infinity and NaN, whose exponent means nothing but must fit with the bias
            biased.eq(Cat((exponent[0] | low) & ~full, exponent[1:])),
            operand.exponent.eq(Mux(zero, ZERO_EXPONENT + bias, biased - (form.bias - bias))),
            operand.kind.eq(Kind.FINITE),
        ]
        with m.If(zero):
            m.d.comb += operand.kind.eq(Kind.ZERO)
        with m.If(full):
            m.d.comb += operand.kind.eq(Mux(empty, Kind.INFINITE, Kind.NAN))
        return m
