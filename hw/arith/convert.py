"""Elements of every format to the accumulator's numbers and back: the one place in the RTL that knows how.

`Widen` and `Narrow` are one format's arithmetic; `WidenElement` and `NarrowElement` choose among formats by code.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import CODE_BITS, element_at
from makalu.spec.formats import ACCUMULATOR, Format, FormatKind

__all__ = ["Narrow", "NarrowElement", "Widen", "WidenElement"]


def _dropped_bits(form: Format) -> int:
    """Low bits of the accumulator's fraction that `form` lacks; sign and exponent must be the same."""
    if form.kind is not FormatKind.IEEE or form.exponent_bits != ACCUMULATOR.exponent_bits:
        raise ValueError(f"conversions need the accumulator's sign and exponent, which {form.name} does not have")
    return ACCUMULATOR.fraction_bits - form.fraction_bits


def _chosen(dtype: Value, formats: Sequence[Format], results: Sequence[Value]) -> Value:
    """The result of the format whose code is `dtype`; the first where no code matches."""
    chosen = results[0]
    for form, result in zip(formats[1:], results[1:], strict=True):
        chosen = Mux(dtype == form.code, result, chosen)
    return chosen


class Widen(wiring.Component):
    """o = i, exact; a NaN keeps sign and payload.

    Does not: convert formats of another exponent than the accumulator's (`ValueError`).

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
        self._added = _dropped_bits(form)
        super().__init__({"i": In(form.bits), "o": Out(ACCUMULATOR.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(Cat(Const(0, self._added), self.i))
        return m


class Narrow(wiring.Component):
    """o = round(i), nearest even; too large becomes infinity, a NaN the format's canonical one.

    The accumulator's own format keeps its bits, a NaN's payload included.

    Does not: convert to formats of another exponent than the accumulator's (`ValueError`).

    Parameters
    ----------
    form : Format

    Members
    -------
    i : In(32)
    o : Out(form.bits)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, form: Format) -> None:
        self._form, self._dropped = form, _dropped_bits(form)
        super().__init__({"i": In(ACCUMULATOR.bits), "o": Out(form.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self._dropped:
            m.d.comb += self.o.eq(self.i)
            return m
        kept, dropped = self.i[self._dropped :], self.i[: self._dropped]
        increment, nan = Signal(), Signal()
        fraction = ACCUMULATOR.fraction_bits
        m.d.comb += [
            increment.eq(dropped[-1] & (dropped[:-1].any() | kept[0])),
            nan.eq(self.i[fraction:-1].all() & self.i[:fraction].any()),
            # the carry out of the fraction is the next exponent, up to infinity; it cannot reach the sign
            self.o.eq(kept + increment),
        ]
        with m.If(nan):
            m.d.comb += self.o.eq(self._form.canonical_nan)
        return m


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
            m.submodules[form.name] = widen = Widen(form)
            m.d.comb += widen.i.eq(element_at(self.word, self.position, form.size_log2)[form.padding :])
            results.append(widen.o)
        m.d.comb += self.o.eq(_chosen(self.dtype, self._formats, results))
        return m


class NarrowElement(wiring.Component):
    """o = round(i) in the format of code `dtype`, in the low bits; what is above the element is 0.

    Does not: look at codes that are not in `formats`; they count as the first.

    Parameters
    ----------
    formats : sequence of Format

    Members
    -------
    dtype : In(CODE_BITS)
    i : In(32)
    o : Out(8 * bytes of the largest)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, *, formats: Sequence[Format]) -> None:
        self._formats = formats
        widest = 8 * max(form.bytes for form in formats)
        super().__init__({"dtype": In(CODE_BITS), "i": In(ACCUMULATOR.bits), "o": Out(widest)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results: list[Value] = []
        for form in self._formats:
            m.submodules[form.name] = narrow = Narrow(form)
            m.d.comb += narrow.i.eq(self.i)
            results.append(Cat(Const(0, form.padding), narrow.o))
        m.d.comb += self.o.eq(_chosen(self.dtype, self._formats, results))
        return m
