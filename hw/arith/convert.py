"""Elements of every format to the accumulator's numbers and back: the one place in the RTL that knows how.

`Widen` and `Narrow` are one format's arithmetic; `WidenElement` and `NarrowElement` choose among formats by code.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from makalu.hw.arith.count import leading_zeros
from makalu.hw.arith.integer import NarrowInteger, WidenInteger
from makalu.hw.lib.element import CODE_BITS, chosen, element_at
from makalu.hw.lib.emit import place
from makalu.spec.formats import ACCUMULATOR, Format, FormatKind
from makalu.spec.random_bits import RANDOM_BITS

__all__ = ["Narrow", "NarrowElement", "Widen", "WidenElement"]


def _checked(form: Format) -> Format:
    if form.kind in (FormatKind.INTEGER, FormatKind.SCALE) or form.elements > 1:
        raise ValueError(f"{form.name} has no conversion here: it is packed, a scale or an integer")
    return form


class Widen(wiring.Component):
    """o = i, exact; a NaN keeps its sign, and its payload at the top of the fraction.

    The only NaN of a format without infinities becomes the canonical one, with its sign.

    Does not: convert integers, scales and packed elements (`ValueError`).

    Parameters
    ----------
    form : Format

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
        form, added = self._form, ACCUMULATOR.fraction_bits - self._form.fraction_bits
        if form.exponent_bits == ACCUMULATOR.exponent_bits:
            m.d.comb += self.o.eq(Cat(Const(0, added), self.i))
            return m
        fraction, exponent = self.i[: form.fraction_bits], self.i[form.fraction_bits : -1]
        sign, full = self.i[-1], Const(ACCUMULATOR.exponent_mask, ACCUMULATOR.exponent_bits)
        wide, normal = Signal(ACCUMULATOR.fraction_bits), Signal(ACCUMULATOR.exponent_bits)
        first, raised = Signal.like(normal), Signal.like(wide)
        places = leading_zeros(m, fraction, name=f"{form.name}_subnormal")
        m.d.comb += [
            wide.eq(Cat(Const(0, added), fraction)),
            normal.eq(exponent + (ACCUMULATOR.bias - form.bias)),
            first.eq(ACCUMULATOR.bias - form.bias - places),
            raised.eq(wide << 1 << places),  # the leading one leaves at the top
            self.o.eq(Cat(wide, normal, sign)),
        ]
        with m.If(exponent == 0):
            # a subnormal of the format is a normal number here; 0 stays 0
            m.d.comb += self.o.eq(Cat(Mux(fraction.any(), Cat(raised, first), 0), sign))
        if form.has_infinity:
            with m.If(exponent.all()):
                m.d.comb += self.o.eq(Cat(wide, full, sign))
        elif form.has_nan:
            with m.If(self.i[:-1] == form.canonical_nan):
                m.d.comb += self.o.eq(Cat(Const(ACCUMULATOR.canonical_nan, ACCUMULATOR.bits - 1), sign))
        return m


class Narrow(wiring.Component):
    """o = round(i), nearest even; what is too large becomes what the format's row says, a NaN its canonical one.

    The accumulator's own format keeps its bits, a NaN's payload included. A format without NaN makes a NaN the number
    that is beyond its largest.

    Does not: convert to integers, scales and packed elements (`ValueError`).

    Parameters
    ----------
    form : Format
    rounds : bool
        It can round stochastically too (`spec/random_bits.py`).

    Members
    -------
    i : In(32)
    o : Out(form.bits)
    stochastic : In(1), random : In(24)
        With `rounds`: by these bits, not to nearest even.

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, form: Format, *, rounds: bool = False) -> None:
        self._form = _checked(form)
        self._rounds = rounds and form.fraction_bits < ACCUMULATOR.fraction_bits
        super().__init__(
            {"i": In(ACCUMULATOR.bits), "o": Out(form.bits), **(_rounding_ports() if self._rounds else {})}
        )

    @property
    def emit_key(self) -> tuple[str, ...]:
        return (self._form.name, *(("stochastic",) if self._rounds else ()))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        form, fraction = self._form, ACCUMULATOR.fraction_bits
        dropped = fraction - form.fraction_bits
        if not dropped:
            m.d.comb += self.o.eq(self.i)
            return m
        exponent = self.i[fraction:-1]
        if form.exponent_bits == ACCUMULATOR.exponent_bits:
            kept, rest = self.i[dropped:-1], self.i[:dropped]
        else:
            kept, rest = self._placed(m, exponent, dropped)
        rounded = Signal(len(kept) + 1)
        nan, increment = Signal(), Signal()
        m.d.comb += [
            increment.eq(self._increment(m, kept, rest)),
            nan.eq(exponent.all() & self.i[:fraction].any()),
            # the carry out of the fraction is the next exponent
            rounded.eq(kept + increment),
            self.o.eq(Cat(rounded[: form.bits - 1], self.i[-1])),
        ]
        if form.exponent_bits != ACCUMULATOR.exponent_bits:  # else the carry makes an infinity by itself
            with m.If(rounded > form.largest):
                positive = form.has_nan and form.beyond == form.canonical_nan
                m.d.comb += self.o.eq(Cat(Const(form.beyond, form.bits - 1), self.i[-1] & (not positive)))
        if form.has_nan:
            with m.If(nan):
                m.d.comb += self.o.eq(form.canonical_nan)
        return m

    def _increment(self, m: Module, kept: Value, rest: Value) -> Value:
        """What `rest`, the bits below the last of `kept`, adds to it."""
        nearest = rest[-1] & (rest[:-1].any() | kept[0])
        if not self._rounds:
            return nearest
        used = min(len(rest), RANDOM_BITS)
        total = Signal(used + 1)
        m.d.comb += total.eq(rest[-used:] + self.random[-used:])
        return Mux(self.stochastic, total[-1], nearest)

    def _placed(self, m: Module, exponent: Value, dropped: int) -> tuple[Value, Value]:
        """Magnitude in the format, as long as the accumulator's exponent makes it, and the bits below its last."""
        form, fraction = self._form, ACCUMULATOR.fraction_bits
        most = form.fraction_bits + 2  # two places more than a subnormal has: nothing, and less than one half
        furthest = most + RANDOM_BITS - 1 if self._rounds else most  # nothing that random bits could reach
        target, down = Signal(signed(ACCUMULATOR.exponent_bits + 1)), Signal(range(furthest + 1))
        subnormal = Signal()
        significand = Cat(Const(0, most), self.i[:fraction], exponent.any())
        lowered = Signal(len(significand))
        steps = Signal(ACCUMULATOR.exponent_bits)
        m.d.comb += [
            target.eq(exponent - (ACCUMULATOR.bias - form.bias)),
            subnormal.eq(target < 1),
            down.eq(Mux(target < 1 - furthest, furthest, Mux(subnormal, 1 - target, 0))),
            lowered.eq(significand >> down),
            # the leading bit of a normal number is the last step of its exponent
            steps.eq(Mux(subnormal, 0, target - 1)),
        ]
        placed = Signal(ACCUMULATOR.exponent_bits + form.fraction_bits + 1)
        m.d.comb += placed.eq((steps << form.fraction_bits) + lowered[most + dropped :])
        return placed, lowered[: most + dropped]


def _rounding_ports() -> dict[str, Member]:
    return {"stochastic": In(1), "random": In(RANDOM_BITS)}


class WidenElement(wiring.Component):
    """o = the element of `word` that begins at byte `position`, as a number of the accumulator, exact.

    Does not: look at codes that are not in `formats`; they count as the first.

    Parameters
    ----------
    formats : sequence of Format
        Among which `dtype` chooses.
    word_bytes : int

    Members
    -------
    dtype : In(CODE_BITS)
        Code of the element's format.
    word : In(8 * word_bytes), position : In
        A multiple of the element's bytes.
    o : Out(32)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, *, formats: Sequence[Format], word_bytes: int) -> None:
        self._formats = formats
        super().__init__(
            {
                "dtype": In(CODE_BITS),
                "word": In(8 * word_bytes),
                "position": In(range(word_bytes)),
                "o": Out(ACCUMULATOR.bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results: list[Value] = []
        for form in self._formats:
            widen = WidenInteger(form) if form.kind is FormatKind.INTEGER else Widen(form)
            m.submodules[form.name] = place(widen, platform)
            m.d.comb += widen.i.eq(element_at(self.word, self.position, form.size_log2)[form.padding :])
            results.append(widen.o)
        m.d.comb += self.o.eq(chosen(self.dtype, self._formats, results))
        return m


class NarrowElement(wiring.Component):
    """o = round(i) in the format of code `dtype`, in the low bits; what is above the element is 0.

    Does not: look at codes that are not in `formats`; they count as the first.

    Parameters
    ----------
    formats : sequence of Format
    rounds : bool
        Floats can be rounded stochastically too.

    Members
    -------
    dtype : In(CODE_BITS)
    i : In(32)
    o : Out(8 * bytes of the largest)
    stochastic, random
        With `rounds`, as of `Narrow`; integers and the accumulator's format do not look at them.

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, *, formats: Sequence[Format], rounds: bool = False) -> None:
        self._formats, self._rounds = formats, rounds
        widest = 8 * max(form.bytes for form in formats)
        ports = {"dtype": In(CODE_BITS), "i": In(ACCUMULATOR.bits), "o": Out(widest)}
        super().__init__({**ports, **(_rounding_ports() if rounds else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results: list[Value] = []
        for form in self._formats:
            integer = form.kind is FormatKind.INTEGER
            narrow = NarrowInteger(form) if integer else Narrow(form, rounds=self._rounds)
            m.submodules[form.name] = place(narrow, platform)
            if "random" in narrow.signature.members:
                m.d.comb += [narrow.random.eq(self.random), narrow.stochastic.eq(self.stochastic)]
            m.d.comb += narrow.i.eq(self.i)
            results.append(Cat(Const(0, form.padding), narrow.o))
        m.d.comb += self.o.eq(chosen(self.dtype, self._formats, results))
        return m
