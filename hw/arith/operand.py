"""An element's bits to the array's operand, at the edge of the array."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.words import OPERAND
from makalu.hw.lib.element import chosen, code_bits, element_size
from makalu.spec.cfp8 import CFP8, OFFSET_BITS
from makalu.spec.chain import OPERAND_EXPONENT_BITS, STATIONARY_BIAS, ZERO_EXPONENT, Kind
from makalu.spec.formats import SIGNIFICAND_BITS, Format, FormatKind
from makalu.spec.tensor_types import CARRIED_EXPONENT, CARRIED_PLACES, Part

__all__ = ["OperandDecode", "part_bits"]

_FRACTION = SIGNIFICAND_BITS - 1


def part_bits(parts: int) -> int:
    """Width of a part's number, up to `parts`: none where every element is an operand as it is."""
    return parts.bit_length()


class OperandDecode(wiring.Component):
    """operand = a part of the element, unpacked; a stationary operand's exponent is larger by STATIONARY_BIAS.

    Where there is an `offset`, a number's exponent is larger by it too: the element times 2^offset (`spec/cfp8.py`).

    Does not: normalise subnormals and lower parts (leading bit 0); the PE normalises products. Nor know integers,
    scales and packed elements (`ValueError`). Nor look at whether the type or part may have an offset.

    Parameters
    ----------
    forms : sequence of Format
        Among which `dtype` chooses.
    stationary : bool
        For the stationary side of the multiplier.
    subnormals : str
        `keep`, or `flush`: a subnormal is a zero of its sign. Formats with a lower part need `keep` (`ValueError`).
    parts : int
        The last `Part` that there is.
    offsets : bool
        Exponents may be moved.

    Members
    -------
    bits : In(8 * bytes of the largest)
        The element in the low bits.
    dtype : In
        Code of its format; any other counts as the first of `forms`. No bit where there is one format.
    part : In
        A `Part` up to `parts`. No bit where that is the first.
    offset : In
        With `offsets`: added to the exponent of a number other than 0, signed.
    operand : Out(OPERAND)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(
        self, *, forms: Sequence[Format], stationary: bool, subnormals: str, parts: int, offsets: bool = False
    ) -> None:
        for form in forms:
            if form.kind not in (FormatKind.IEEE, FormatKind.FINITE_NAN, FormatKind.FINITE) or form.elements > 1:
                raise ValueError(f"{form.name} is no operand: it is packed, a scale or an integer")
        if subnormals not in ("keep", "flush"):
            raise ValueError(f"subnormals must be keep or flush, not {subnormals!r}")
        if subnormals == "flush" and any(form.splits for form in forms):
            raise ValueError("a lower part is not normalised, so its subnormals cannot be flushed")
        self.forms, self.stationary, self.subnormals, self.parts = tuple(forms), stationary, subnormals, parts
        self.offsets = offsets
        super().__init__(
            {
                "bits": In(8 * max(form.bytes for form in forms)),
                "dtype": In(code_bits(forms)),
                "part": In(part_bits(parts)),
                **({"offset": In(signed(OFFSET_BITS))} if offsets else {}),
                "operand": Out(OPERAND),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        names = "-".join(form.name for form in self.forms)
        key = (names, "stationary" if self.stationary else "moving", self.subnormals, self.parts)
        return (*key, CFP8) if self.offsets else key

    def elaborate(self, platform: object) -> Module:
        m = Module()
        added = STATIONARY_BIAS if self.stationary else 0
        fields = [self._fields(m, form) for form in self.forms]
        sign, low, infinite, nan, fraction, lower, biased, bias = (
            chosen(self.dtype, self.forms, column) for column in zip(*fields, strict=True)
        )
        special, zero = infinite | nan, Signal()
        operand = self.operand
        exponent = Signal(signed(OPERAND_EXPONENT_BITS))
        significand = Signal(SIGNIFICAND_BITS)
        m.d.comb += [
            significand.eq(Cat(fraction, ~low)),
            exponent.eq(biased - bias + self.offset if self.offsets else biased - bias),
            zero.eq(low if self.subnormals == "flush" else low & ~fraction.any()),
            operand.sign.eq(sign),
            operand.significand.eq(significand),
            operand.exponent.eq(exponent),
            operand.kind.eq(Kind.FINITE),
        ]
        with m.If(infinite):
            m.d.comb += operand.kind.eq(Kind.INFINITE)
        with m.If(nan):
            m.d.comb += operand.kind.eq(Kind.NAN)
        nothing = zero
        if self.parts >= Part.LOWER:
            nothing = Signal()
            m.d.comb += nothing.eq(Mux(self.part == Part.UPPER, zero, zero | special))
            with m.If(self.part == Part.LOWER):
                m.d.comb += [
                    nothing.eq(special | ~lower.any()),
                    operand.significand.eq(lower),
                    operand.exponent.eq(exponent - SIGNIFICAND_BITS),
                    operand.kind.eq(Kind.FINITE),
                ]
        with m.If(nothing):
            m.d.comb += [
                operand.significand.eq(0),
                operand.exponent.eq(ZERO_EXPONENT + added),
                operand.kind.eq(Kind.ZERO),
            ]
        if self.parts >= Part.BITS:
            self._carry(m, added)
        return m

    def _carry(self, m: Module, added: int) -> None:
        """The number that carries 16 bits of the container instead: sign, exponent, fraction."""
        bits = Signal(16)
        size = element_size(self.dtype) if len(self.dtype) else Const(self.forms[0].size_log2)
        low = self.bits[:8]
        if len(self.bits) > 8:
            low = Cat(low, Mux(size > 0, self.bits[8:16], 0))
        high = Mux(size > 1, self.bits[16:], 0) if len(self.bits) > 16 else Const(0)
        m.d.comb += bits.eq(Mux(self.part == Part.BITS, low, high))
        with m.If(self.part >= Part.BITS):
            m.d.comb += [
                self.operand.sign.eq(bits[-1]),
                self.operand.significand.eq(Cat(bits[:CARRIED_PLACES], 1)),
                self.operand.exponent.eq(bits[CARRIED_PLACES:-1] + (CARRIED_EXPONENT + added)),
                self.operand.kind.eq(Kind.FINITE),
            ]

    def _fields(self, m: Module, form: Format) -> tuple[Value, ...]:
        """Of the element as one of `form`: sign; no exponent; infinity; NaN; upper fraction; lower part; exponent; what
        is subtracted from it.
        """
        bits = self.bits[form.padding : form.padding + form.bits]
        fraction, exponent = bits[: form.fraction_bits], bits[form.fraction_bits : -1]
        cut = form.fraction_bits - _FRACTION
        upper = fraction[cut:] if form.splits else Cat(Const(0, -cut), fraction)
        lower = fraction[:cut] if form.splits else Const(0, 1)
        low, full, empty = (Signal(name=f"{form.name}_{name}") for name in ("low", "full", "empty"))
        m.d.comb += [low.eq(~exponent.any()), full.eq(exponent.all()), empty.eq(~fraction.any())]
        infinite, nan = Const(0, 1), Const(0, 1)
        if form.has_infinity:
            infinite, nan = full & empty, full & ~empty
        elif form.has_nan:
            nan = full & fraction.all()
        # 1 for a subnormal; of an infinity or NaN the exponent means nothing, but it must fit with the bias
        last = exponent[0] | low
        biased = Cat(last & ~full if form.has_infinity else last, exponent[1:])
        added = STATIONARY_BIAS if self.stationary else 0
        return (
            bits[-1],
            low,
            infinite,
            nan,
            upper,
            lower,
            biased,
            Const(form.bias - added, signed(OPERAND_EXPONENT_BITS)),
        )
