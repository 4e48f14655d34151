"""fp32 multiplier of the vector engines."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import leading_zeros
from makalu.spec.formats import FP32

__all__ = ["Fp32Mul"]

SIGNIFICAND = FP32.fraction_bits + 1
PRODUCT = 2 * SIGNIFICAND
EXPONENT_BITS = FP32.exponent_bits + 3
"""Signed: from the product of two subnormals, normalised (-172), to that of the largest numbers (383)."""
KEPT = SIGNIFICAND + 1
"""Significand and rounding bit of the normalised product; a sticky bit stands for the rest."""
SHIFT_BITS = KEPT.bit_length()

CUTS: dict[int, tuple[str, ...]] = {1: (), 2: ("multiply",), 3: ("multiply", "normalise")}
"""After which steps a register lies, beside the one at the output."""


class Fp32Mul(wiring.Component):
    """o = round(a * b)

    Steps: multiply the significands; count and shift the product up; if its exponent is too small, shift it down again
    to the subnormals' place, and round.

    Parameters
    ----------
    stages : int
        1 to 3.

    Members
    -------
    enable : In(1)
        Registers move only in cycles with 1.
    a, b : In(32)
    o : Out(32)

    Timing: latency = stages enabled cycles (`latency_cycles`), one pair an enabled cycle.

    Numerics: IEEE 754 binary32, nearest even, subnormals kept, canonical NaN.
    """

    def __init__(self, *, stages: int) -> None:
        if stages not in CUTS:
            raise ValueError(f"stages must be one of {list(CUTS)}, not {stages}")
        self.latency_cycles = stages
        super().__init__({"enable": In(1), "a": In(FP32.bits), "b": In(FP32.bits), "o": Out(FP32.bits)})

    def _cut(self, m: Module, step: str, **values: Signal) -> tuple[Signal, ...]:
        if step not in CUTS[self.latency_cycles]:
            return tuple(values.values())
        self._stage += 1
        registers = []
        for name, value in values.items():
            register = Signal.like(value, name=f"s{self._stage}_{name}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += register.eq(value)
            registers.append(register)
        return tuple(registers)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._stage = 0
        product, exponent, sign, nan, infinite = self._multiply(m)
        kept, exponent, sign, nan, infinite = self._normalise(m, product, exponent, sign, nan, infinite)
        self._round(m, kept, exponent, sign, nan, infinite)
        return m

    def _multiply(self, m: Module) -> tuple[Signal, ...]:
        exponents, significands, zeros, infinities, nans = [], [], [], [], []
        for name, bits in (("a", self.a), ("b", self.b)):
            fraction, exponent = bits[: FP32.fraction_bits], bits[FP32.fraction_bits : -1]
            low, full, empty = Signal(name=f"{name}_low"), Signal(name=f"{name}_full"), Signal(name=f"{name}_empty")
            m.d.comb += [low.eq(~exponent.any()), full.eq(exponent.all()), empty.eq(~fraction.any())]
            exponents.append(exponent | low)
            significands.append(Cat(fraction, ~low))
            zeros.append(low & empty)
            infinities.append(full & empty)
            nans.append(full & ~empty)
        product = Signal(PRODUCT)
        exponent = Signal(signed(EXPONENT_BITS))
        sign, nan, infinite = Signal(name="product_sign"), Signal(name="invalid"), Signal(name="infinite")
        m.d.comb += [
            product.eq(significands[0] * significands[1]),
            # of the product's top bit, biased
            exponent.eq(exponents[0] + exponents[1] - (FP32.bias - 1)),
            sign.eq(self.a[-1] ^ self.b[-1]),
            nan.eq(nans[0] | nans[1] | (zeros[0] & infinities[1]) | (zeros[1] & infinities[0])),
            infinite.eq(infinities[0] | infinities[1]),
        ]
        return self._cut(m, "multiply", product=product, exponent=exponent, sign=sign, nan=nan, infinite=infinite)

    def _normalise(self, m: Module, product: Signal, exponent: Signal, *flags: Signal) -> tuple[Signal, ...]:
        sign, nan, infinite = flags
        zeros = leading_zeros(m, product, name="product")
        normal, kept = Signal(PRODUCT), Signal(KEPT + 1)
        small = Signal(signed(EXPONENT_BITS))
        m.d.comb += [
            normal.eq(product << zeros),
            kept.eq(Cat(normal[:-KEPT].any(), normal[-KEPT:])),
            small.eq(exponent - zeros),
        ]
        return self._cut(m, "normalise", kept=kept, exponent=small, sign=sign, nan=nan, infinite=infinite)

    def _round(self, m: Module, kept: Signal, exponent: Signal, *flags: Signal) -> None:
        sign, nan, infinite = flags
        low, excess = Signal(), Signal()
        distance = Signal(EXPONENT_BITS)
        m.d.comb += [low.eq(exponent < 1), distance.eq(Mux(low, 1 - exponent, 0))]
        value: Value = kept[1:]
        sticky: Value = kept[0]
        for i in reversed(range(SHIFT_BITS)):
            shifted, lost = Signal(KEPT, name=f"shifted{i}"), Signal(name=f"lost{i}")
            m.d.comb += [
                shifted.eq(Mux(distance[i], value >> (1 << i), value)),
                lost.eq(sticky | (distance[i] & value[: 1 << i].any())),
            ]
            value, sticky = shifted, lost
        far, half, increment = Signal(), Signal(), Signal()
        significand = Signal(SIGNIFICAND)
        magnitude = Signal(EXPONENT_BITS + FP32.fraction_bits)
        m.d.comb += [
            far.eq(distance[SHIFT_BITS:].any()),
            significand.eq(Mux(far, 0, value[1:])),
            half.eq(value[0] & ~far),
            increment.eq(half & (sticky | significand[0])),
            # no leading bit: zero or subnormal, which the increment may make the smallest normal number
            magnitude.eq(Cat(significand[:-1], Mux(significand[-1], exponent[:-1], 0)) + increment),
            excess.eq(infinite | (magnitude[FP32.fraction_bits :] >= FP32.exponent_mask)),
        ]
        bits = Signal(FP32.bits)
        m.d.comb += bits.eq(Cat(magnitude[: FP32.bits - 1], sign))
        with m.If(excess):
            m.d.comb += bits.eq(Cat(Const(FP32.exponent_mask << FP32.fraction_bits, FP32.bits - 1), sign))
        with m.If(nan):
            m.d.comb += bits.eq(FP32.canonical_nan)
        register = Signal(FP32.bits, name=f"s{self._stage + 1}_bits", reset_less=True)
        with m.If(self.enable):
            m.d.sync += register.eq(bits)
        m.d.comb += self.o.eq(register)
