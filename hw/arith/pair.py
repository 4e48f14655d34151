"""Pairs of short operands: two elements to the word of one, and the sum of two products, not yet normalised."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.short import (
    PRODUCT_EXPONENT_BITS,
    SHORT_PRODUCT_BITS,
    SUM_EXPONENT,
    element_of,
    resting,
    short_product,
    unpacked,
)
from makalu.hw.arith.words import ADDEND, OPERAND, PAIR
from makalu.hw.lib.element import chosen, code_bits
from makalu.spec.formats import Format
from makalu.spec.pairs import PAIR_EXPONENT_BITS, PAIR_SHIFT, PAIRABLE

__all__ = ["PairDecode", "PairSum"]

_FRAME = SHORT_PRODUCT_BITS + PAIR_SHIFT


class PairDecode(wiring.Component):
    """operand = the PAIR of two elements of one byte, unpacked; of either side.

    Does not: normalise subnormals.

    Parameters
    ----------
    forms : sequence of Format
        Among which `dtype` chooses; of PAIRABLE.

    Members
    -------
    bits : In(16)
        The elements, the first one in the low byte.
    dtype : In
        Code of their format; any other counts as the first of `forms`. No bit where there is one format.
    operand : Out(OPERAND)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, *, forms: Sequence[Format]) -> None:
        if not set(forms) <= set(PAIRABLE):
            raise ValueError(f"{[form.name for form in forms]}: pairs are of {[form.name for form in PAIRABLE]}")
        self.forms = tuple(forms)
        super().__init__({"bits": In(16), "dtype": In(code_bits(forms)), "operand": Out(OPERAND)})

    @property
    def emit_key(self) -> tuple[str]:
        return ("-".join(form.name for form in self.forms),)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pair = Signal(PAIR)
        for j in range(2):
            fields = [unpacked(m, form, self.bits.word_select(j, 8), j) for form in self.forms]
            sign, significand, exponent = (
                chosen(self.dtype, self.forms, column) for column in zip(*fields, strict=True)
            )
            m.d.comb += [
                pair[f"sign{j}"].eq(sign),
                pair[f"significand{j}"].eq(significand),
                pair[f"exponent{j}"].eq(exponent),
            ]
        m.d.comb += self.operand.eq(pair)
        return m


class PairSum(wiring.Component):
    """addend = moving[0] * stationary[0] + moving[1] * stationary[1], each product cut at the common frame

    The equation is that of `spec/pairs.py`.

    Does not: normalise, and look at anything but two pairs.

    Parameters
    ----------
    stages : int
        0: combinational. 1: a register behind the alignment.

    Members
    -------
    moving, stationary : In(OPERAND)
        Words that are a PAIR.
    active : In(1)
        0: where there is a register, the addend's significand is 0.
    addend : Out(ADDEND)
        The leading bit may be anywhere; of 0 sign and exponent mean nothing (`Product` knows them).

    Timing: latency = stages (`latency_cycles`), one a cycle, never stalls.
    """

    def __init__(self, *, stages: int) -> None:
        self.latency_cycles = stages
        super().__init__({"moving": In(OPERAND), "stationary": In(OPERAND), "active": In(1), "addend": Out(ADDEND)})

    @property
    def emit_key(self) -> tuple[int]:
        return (self.latency_cycles,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = (PAIR(data.View.as_value(side)) for side in (self.moving, self.stationary))
        aligned = self._align(m, *(short_product(m, j, *(element_of(side, j) for side in (a, b))) for j in range(2)))
        if self.latency_cycles:
            aligned = resting(m, aligned, self.active, cleared=("big", "small", "subtract"))
        self._add(m, aligned)
        return m

    def _align(self, m: Module, p: dict[str, Signal], q: dict[str, Signal]) -> dict[str, Signal]:
        """The product of the larger exponent, the other one in the frame, and what else their sum is."""
        names = {"big": SHORT_PRODUCT_BITS, "small": _FRAME, "exponent": PRODUCT_EXPONENT_BITS}
        names |= {"sign": 1, "subtract": 1, "infinite": 1, "nan": 1}
        out = {name: Signal(bits, name=name) for name, bits in names.items()}
        above, below = (Signal(PAIR_EXPONENT_BITS + 2, name=name) for name in ("above", "below"))
        larger, distance, subtract = Signal(), Signal(PRODUCT_EXPONENT_BITS), p["sign"] ^ q["sign"]
        m.d.comb += [
            above.eq(p["exponent"] - q["exponent"]),
            below.eq(q["exponent"] - p["exponent"]),
            larger.eq(above[-1]),  # q's exponent is the larger one
            distance.eq(Mux(larger, below, above)),
            out["big"].eq(Mux(larger, q["magnitude"], p["magnitude"])),
            out["small"].eq(Cat(Const(0, PAIR_SHIFT), Mux(larger, p["magnitude"], q["magnitude"])) >> distance),
            out["exponent"].eq(Mux(larger, q["exponent"], p["exponent"])),
            # of infinities the first one's: with another sign beside it they are a NaN
            out["sign"].eq(Mux(p["infinite"] | (~q["infinite"] & ~larger), p["sign"], q["sign"])),
            out["subtract"].eq(subtract),
            out["infinite"].eq(p["infinite"] | q["infinite"]),
            out["nan"].eq(p["nan"] | q["nan"] | (p["infinite"] & q["infinite"] & subtract)),
        ]
        return out

    def _add(self, m: Module, aligned: dict[str, Signal]) -> None:
        big, small, subtract = Signal(_FRAME), aligned["small"], aligned["subtract"]
        forward, backward, negative = Signal(_FRAME + 1), Signal(_FRAME), Signal()
        m.d.comb += [
            big.eq(Cat(Const(0, PAIR_SHIFT), aligned["big"])),
            forward.eq(big + Mux(subtract, ~small, small) + subtract),
            backward.eq(small - big),
            negative.eq(subtract & ~forward[-1]),  # of a difference the carry says that it is none
            self.addend.significand.eq(Mux(negative, backward, Cat(forward[:-1], forward[-1] & ~subtract))),
            self.addend.exponent.eq(aligned["exponent"] + SUM_EXPONENT),
            self.addend.sign.eq(aligned["sign"] ^ (negative & ~aligned["infinite"])),
            self.addend.infinite.eq(aligned["infinite"]),
            self.addend.nan.eq(aligned["nan"]),
        ]
