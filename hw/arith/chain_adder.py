"""The adder of the column chain: one correctly rounded fp32 addition whose rounding step is left to the next word."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import leading_zeros
from makalu.hw.arith.words import ADDEND, CHAIN_WORD
from makalu.spec.chain import (
    ADD_CUTS,
    ADDEND_EXPONENT_BITS,
    CHAIN_EXPONENT_BITS,
    CHAIN_INFINITY_EXPONENT,
    CHAIN_NAN_EXPONENT,
    GUARD_BITS,
    PRODUCT_BITS,
)
from makalu.spec.formats import FP32

__all__ = ["ChainAdder"]

NUMBER_BITS = PRODUCT_BITS + 1
"""A significand and the carry of the increment that came with it."""
FRAME_BITS = NUMBER_BITS + GUARD_BITS + 1
"""What is added: number, guard bits, sticky bit."""
SHIFT_BITS = (FRAME_BITS - 1).bit_length()


class ChainAdder(wiring.Component):
    """o = round(addend + i), nearest even; the rounding is an increment bit in `o`, added by whoever reads `o` next.

    Steps: align the smaller number (the increment of `i` is added beside the exponents' difference); add both ways;
    select the positive one; normalise and decide the increment. A one-hot marker at the place of the smallest exponent
    joins the leading-zero count, so that a subnormal result needs neither comparison nor second shift. Overflow is not
    decided here either: exponents of 255 and more are infinity to the reader.

    Does not: finalise (`Finalise` does); stall (an enable is put around it where needed).

    Parameters
    ----------
    add_stages : int
        1 to 3 registers, the last at the output; the others lie after the steps in ADD_CUTS.
    subnormals : str
        `keep`: gradual underflow. `flush`: an exact result below 2^-126 is a zero of its sign, also if rounding would
        have lifted it to 2^-126; a chain word with exponent 0 counts as zero.

    Members
    -------
    addend : In(ADDEND)
    i : In(CHAIN_WORD)
    o : Out(CHAIN_WORD)

    Timing: latency = add_stages (`latency_cycles`), one a cycle.

    Numerics: IEEE 754 binary32 addition of the exact addend; an exact 0 of a subtraction is +0. NaN only as a class.
    """

    def __init__(self, *, add_stages: int, subnormals: str) -> None:
        if add_stages not in ADD_CUTS:
            raise ValueError(f"add_stages must be one of {list(ADD_CUTS)}, not {add_stages}")
        if subnormals not in ("keep", "flush"):
            raise ValueError(f"subnormals must be keep or flush, not {subnormals!r}")
        self.latency_cycles, self.keep = add_stages, subnormals == "keep"
        super().__init__({"addend": In(ADDEND), "i": In(CHAIN_WORD), "o": Out(CHAIN_WORD)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._stage = 0
        self._align(m)
        self._add(m)
        self._select(m)
        self._normalise(m)
        return m

    def _cut(self, m: Module, step: str, **values: Signal) -> tuple[Signal, ...]:
        """The values one register later if this pipeline is cut after `step`, else as they are."""
        if step not in ADD_CUTS[self.latency_cycles]:
            return tuple(values.values())
        self._stage += 1
        registers = []
        for name, value in values.items():
            register = Signal.like(value, name=f"s{self._stage}_{name}", reset_less=True)
            m.d.sync += register.eq(value)
            registers.append(register)
        return tuple(registers)

    def _align(self, m: Module) -> None:
        addend, word = self.addend, self.i
        low, nan, infinite, carried = Signal(), Signal(), Signal(), Signal()
        number = Signal(NUMBER_BITS)
        exponent = Signal(CHAIN_EXPONENT_BITS)
        full = Signal()
        m.d.comb += [
            low.eq(~word.exponent.any()),
            nan.eq(word.exponent == CHAIN_NAN_EXPONENT),
            full.eq(word.fraction.all() & word.increment),
            carried.eq((word.exponent == CHAIN_INFINITY_EXPONENT - 1) & full),
            infinite.eq((word.exponent >= CHAIN_INFINITY_EXPONENT) | carried),
            # a subnormal's exponent is that of the smallest normal number
            exponent.eq(Cat(word.exponent[0] | low, word.exponent[1:])),
        ]
        if self.keep:
            m.d.comb += number.eq(Cat(word.fraction, ~low) + word.increment)
        else:
            m.d.comb += number.eq(Mux(low, 0, Cat(word.fraction, Const(1, 1)) + word.increment))

        # both differences, so that neither waits for the other's sign
        above, below = Signal(ADDEND_EXPONENT_BITS + 1), Signal(ADDEND_EXPONENT_BITS + 1)
        word_larger = Signal()
        distance = Signal(ADDEND_EXPONENT_BITS)
        big, small = Signal(NUMBER_BITS), Signal(NUMBER_BITS)
        big_exponent = Signal(CHAIN_EXPONENT_BITS)
        sign, subtract, infinite_sign, any_nan, any_infinite = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            above.eq(addend.exponent - exponent),
            below.eq(exponent - addend.exponent),
            word_larger.eq(above[-1]),
            distance.eq(Mux(word_larger, below, above)),
            big.eq(Mux(word_larger, number, addend.significand)),
            small.eq(Mux(word_larger, addend.significand, number)),
            # the addend's exponent is at least 1 where it is taken
            big_exponent.eq(Mux(word_larger, exponent, addend.exponent)),
            sign.eq(Mux(word_larger, word.sign, addend.sign)),
            subtract.eq(addend.sign ^ word.sign),
            any_nan.eq(addend.nan | nan | (addend.infinite & infinite & subtract)),
            any_infinite.eq(addend.infinite | infinite),
            infinite_sign.eq(Mux(addend.infinite, addend.sign, word.sign)),
        ]
        aligned = self._shift_right(m, small, distance)
        (
            self._big, self._small, self._exponent, self._subtract, self._sign,
            self._nan, self._infinite, self._infinite_sign,
        ) = self._cut(
            m, "align", big=big, aligned=aligned, exponent=big_exponent, subtract=subtract, sign=sign,
            nan=any_nan, infinite=any_infinite, infinite_sign=infinite_sign,
        )  # fmt: skip

    def _shift_right(self, m: Module, small: Signal, distance: Signal) -> Signal:
        """small * 2^GUARD_BITS >> distance, with a sticky bit below."""
        value: Value = Cat(Const(0, GUARD_BITS), small)
        sticky: Value = Const(0, 1)
        for i in reversed(range(SHIFT_BITS)):
            shifted, lost = Signal(FRAME_BITS - 1, name=f"shifted{i}"), Signal(name=f"lost{i}")
            m.d.comb += [
                shifted.eq(Mux(distance[i], value >> (1 << i), value)),
                lost.eq(sticky | (distance[i] & value[: 1 << i].any())),
            ]
            value, sticky = shifted, lost
        far, aligned = Signal(), Signal(FRAME_BITS)
        m.d.comb += [
            far.eq(distance[SHIFT_BITS:].any()),
            aligned.eq(Mux(far, small.any(), Cat(sticky, value))),
        ]
        return aligned

    def _add(self, m: Module) -> None:
        operand = Signal(FRAME_BITS)
        forward, backward = Signal(FRAME_BITS + 1), Signal(FRAME_BITS)
        guard = Const(0, GUARD_BITS)
        m.d.comb += [
            operand.eq(Mux(self._subtract, ~self._small, self._small)),
            # big has no sticky bit: in its place goes the 1 that completes the two's complement
            forward.eq(Cat(self._subtract, guard, self._big) + operand),
            backward.eq(self._small - Cat(Const(0, 1), guard, self._big)),
        ]
        marker = Signal(FRAME_BITS)
        if self.keep:
            near = Signal()
            m.d.comb += near.eq(~self._exponent[SHIFT_BITS:].any())
            for i in range(1, FRAME_BITS):  # an exponent here is at least 1
                # shifting left by `exponent` brings the result's exponent to 1, the smallest
                m.d.comb += marker[FRAME_BITS - 1 - i].eq(near & (self._exponent[:SHIFT_BITS] == i))
        (
            self._forward, self._backward, self._marker, self._exponent, self._subtract, self._sign,
            self._nan, self._infinite, self._infinite_sign,
        ) = self._cut(
            m, "add", forward=forward, backward=backward, marker=marker, exponent=self._exponent,
            subtract=self._subtract, sign=self._sign, nan=self._nan, infinite=self._infinite,
            infinite_sign=self._infinite_sign,
        )  # fmt: skip

    def _select(self, m: Module) -> None:
        negative, sign = Signal(), Signal(name="sum_sign")
        total, marked = Signal(FRAME_BITS), Signal(FRAME_BITS)
        m.d.comb += [
            negative.eq(self._subtract & ~self._forward[-1]),
            total.eq(Mux(negative, self._backward, self._forward[:FRAME_BITS])),
            sign.eq(self._sign ^ negative),
            marked.eq(total | self._marker),
        ]
        (
            self._total, self._marked, self._exponent, self._subtract, self._sign,
            self._nan, self._infinite, self._infinite_sign,
        ) = self._cut(
            m, "select", total=total, marked=marked, exponent=self._exponent, subtract=self._subtract, sign=sign,
            nan=self._nan, infinite=self._infinite, infinite_sign=self._infinite_sign,
        )  # fmt: skip

    def _normalise(self, m: Module) -> None:
        shift = leading_zeros(m, self._marked, name="sum")
        normal = Signal(FRAME_BITS)
        # top bit of the frame: the carry, one place above the larger number's leading bit
        exponent = Signal(CHAIN_EXPONENT_BITS + 1)
        lead, zero, half, rest = Signal(), Signal(), Signal(), Signal()
        fraction = normal[-1 - FP32.fraction_bits : -1]
        below = FRAME_BITS - 2 - FP32.fraction_bits
        m.d.comb += [
            normal.eq(self._total << shift),
            exponent.eq(self._exponent + 1 - shift),
            zero.eq(~self._total.any()),
            half.eq(normal[below]),
            rest.eq(normal[:below].any()),
        ]
        if self.keep:
            m.d.comb += lead.eq(normal[-1])
        else:
            # negative (modulo) or 0: below the smallest normal number; the reader ignores fraction and increment
            m.d.comb += lead.eq(normal[-1] & ~exponent[-1] & exponent[:-1].any())
        result = Signal(CHAIN_WORD)
        m.d.comb += [
            result.fraction.eq(fraction),
            result.exponent.eq(Mux(lead, exponent[:CHAIN_EXPONENT_BITS], 0)),
            result.increment.eq(half & (rest | fraction[0])),
            result.sign.eq(self._sign & ~(self._subtract & zero)),
        ]
        with m.If(self._infinite):
            m.d.comb += [
                result.exponent.eq(CHAIN_INFINITY_EXPONENT),
                result.sign.eq(self._infinite_sign),
                result.increment.eq(0),
            ]
        with m.If(self._nan):
            m.d.comb += result.exponent.eq(CHAIN_NAN_EXPONENT)
        word = Signal(CHAIN_WORD, name=f"s{self._stage + 1}_word", reset_less=True)
        m.d.sync += word.eq(result)
        m.d.comb += self.o.eq(word)
