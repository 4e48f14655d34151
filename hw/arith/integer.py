"""Integers to the accumulator's numbers and back."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import leading_zeros
from makalu.spec.formats import ACCUMULATOR, Format, FormatKind

__all__ = ["NarrowInteger", "WidenInteger"]

_SIGNIFICAND = ACCUMULATOR.fraction_bits + 1


def _checked(form: Format) -> Format:
    if form.kind is not FormatKind.INTEGER:
        raise ValueError(f"{form.name} is no integer")
    return form


class WidenInteger(wiring.Component):
    """o = round(i), nearest even: exact up to 2^24.

    Parameters
    ----------
    form : Format
        An integer (else `ValueError`).

    Members
    -------
    i : In(form.bits)
    o : Out(32)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, form: Format) -> None:
        self._form = _checked(form)
        super().__init__({"i": In(form.bits), "o": Out(ACCUMULATOR.bits)})

    @property
    def emit_key(self) -> tuple[str]:
        return (self._form.name,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self._form.bits
        negative, magnitude, raised = Signal(), Signal(bits), Signal(max(bits, _SIGNIFICAND))
        exponent, increment = Signal(ACCUMULATOR.exponent_bits), Signal()
        places = leading_zeros(m, magnitude, name=self._form.name)
        m.d.comb += [
            negative.eq(self.i[-1] & self._form.signed),
            magnitude.eq(Mux(negative, -self.i, self.i)),
            raised.eq((magnitude << places) << (len(raised) - bits)),
            exponent.eq(ACCUMULATOR.bias + bits - 1 - places),
        ]
        below = len(raised) - _SIGNIFICAND
        fraction, rest = raised[below:-1], raised[:below]
        if below:
            m.d.comb += increment.eq(rest[-1] & (rest[:-1].any() | fraction[0]))
        with m.If(magnitude.any()):
            # the carry out of the fraction is the next exponent
            m.d.comb += self.o.eq(Cat((Cat(fraction, exponent) + increment)[: ACCUMULATOR.bits - 1], negative))
        return m


class NarrowInteger(wiring.Component):
    """o = round(i), nearest even, then the nearest integer of the format; a NaN is 0.

    Parameters
    ----------
    form : Format
        An integer (else `ValueError`).

    Members
    -------
    i : In(32)
    o : Out(form.bits)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, form: Format) -> None:
        self._form = _checked(form)
        super().__init__({"i": In(ACCUMULATOR.bits), "o": Out(form.bits)})

    @property
    def emit_key(self) -> tuple[str]:
        return (self._form.name,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        form, fraction = self._form, ACCUMULATOR.fraction_bits
        number, exponent, negative = self.i[:fraction], self.i[fraction:-1], self.i[-1]
        # from one half on; below it everything rounds to 0
        least, most = ACCUMULATOR.bias - 1, ACCUMULATOR.bias + form.fraction_bits
        large, small, nan = Signal(), Signal(), Signal()
        steps = Signal(range(most - least + 1))
        # 24 places of fraction: what is shifted out of the significand's
        fixed = Signal(_SIGNIFICAND + form.fraction_bits + 1)
        m.d.comb += [
            large.eq(exponent > most),
            small.eq(exponent < least),
            nan.eq(exponent.all() & number.any()),
            steps.eq(exponent - least),
            fixed.eq(Cat(number, Const(1, 1)) << steps),
        ]
        kept, rest = fixed[_SIGNIFICAND:], fixed[:_SIGNIFICAND]
        rounded, limit, nearest = Signal(len(kept) + 1), Signal(len(kept) + 1), Signal(signed(len(kept) + 2))
        m.d.comb += [
            rounded.eq(kept + (rest[-1] & (rest[:-1].any() | kept[0]))),
            limit.eq(Mux(negative, -form.lowest, form.largest)),
            nearest.eq(Mux(small, 0, Mux(large | (rounded > limit), limit, rounded))),
            self.o.eq(Mux(nan, 0, Mux(negative, -nearest, nearest))),
        ]
        return m
