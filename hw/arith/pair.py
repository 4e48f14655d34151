"""Pairs of short operands: two elements to the word of one, and the sum of two products, not yet normalised."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.words import ADDEND, OPERAND, PAIR
from makalu.hw.lib.element import chosen, code_bits
from makalu.spec.chain import PRODUCT_BITS
from makalu.spec.formats import FP32, Format
from makalu.spec.pairs import (
    PAIR_BIAS,
    PAIR_EXPONENT_BITS,
    PAIR_SHIFT,
    PAIR_SIGNIFICAND_BITS,
    PAIR_SPECIAL,
    PAIRABLE,
)

__all__ = ["PairDecode", "PairSum"]

_PRODUCT = 2 * PAIR_SIGNIFICAND_BITS
_FRAME = _PRODUCT + PAIR_SHIFT
# the addend's leading place is PRODUCT_BITS - 1 above the frame's last, whose weight is 2^(e - 6 - PAIR_SHIFT)
_EXPONENT = FP32.bias + PRODUCT_BITS - 1 - PAIR_SHIFT - 2 * (PAIR_SIGNIFICAND_BITS - 1) - 2 * PAIR_BIAS


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
            fields = [self._fields(m, form, self.bits.word_select(j, 8), j) for form in self.forms]
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

    def _fields(self, m: Module, form: Format, bits: Value, j: int) -> tuple[Value, ...]:
        """Sign, significand, exponent of an element as one of `form`."""
        fraction, exponent = bits[: form.fraction_bits], bits[form.fraction_bits : -1]
        low, special, nan = (Signal(name=f"{form.name}_{name}{j}") for name in ("low", "special", "nan"))
        full = exponent.all()
        m.d.comb += [
            low.eq(~exponent.any()),
            special.eq(full if form.has_infinity else full & fraction.all()),
            nan.eq(fraction.any()),  # of a special one
        ]
        below = PAIR_SIGNIFICAND_BITS - 1 - form.fraction_bits
        number = Cat(Const(0, below), fraction, ~low)
        biased = (exponent | low) + (PAIR_BIAS - form.bias)
        return (
            bits[-1],
            Mux(special, Cat(Const(0, PAIR_SIGNIFICAND_BITS - 2), nan, 1), number),
            Mux(special, PAIR_SPECIAL, Mux(low & ~nan, 0, biased)),
        )


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
    addend : Out(ADDEND)
        The leading bit may be anywhere; of 0 sign and exponent mean nothing (`Product` knows them).

    Timing: latency = stages (`latency_cycles`), one a cycle, never stalls.
    """

    def __init__(self, *, stages: int) -> None:
        self.latency_cycles = stages
        super().__init__({"moving": In(OPERAND), "stationary": In(OPERAND), "addend": Out(ADDEND)})

    @property
    def emit_key(self) -> tuple[int]:
        return (self.latency_cycles,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = (PAIR(data.View.as_value(side)) for side in (self.moving, self.stationary))
        aligned = self._align(m, *(self._product(m, j, *(_element(side, j) for side in (a, b))) for j in range(2)))
        if self.latency_cycles:
            registers = {name: Signal.like(v, name=f"s1_{name}", reset_less=True) for name, v in aligned.items()}
            m.d.sync += [registers[name].eq(value) for name, value in aligned.items()]
            aligned = registers
        self._add(m, aligned)
        return m

    def _product(self, m: Module, j: int, a: dict[str, Value], b: dict[str, Value]) -> dict[str, Signal]:
        """Magnitude, exponent (0 of a product that is 0), sign, infinity, NaN."""
        names = {"magnitude": _PRODUCT, "exponent": PAIR_EXPONENT_BITS + 1, "sign": 1, "infinite": 1, "nan": 1}
        out = {name: Signal(bits, name=f"{name}{j}") for name, bits in names.items()}
        special, nan, zero = [], [], []
        for side in (a, b):
            special.append(side["exponent"] == PAIR_SPECIAL)
            nan.append(special[-1] & side["significand"][-2])
            zero.append(~side["significand"].any())
        # partial products, so that synthesis spends no multiplier on four bits
        rows = [Mux(a["significand"][i], b["significand"] << i, 0) for i in range(PAIR_SIGNIFICAND_BITS)]
        m.d.comb += [
            out["magnitude"].eq((rows[0] + rows[1]) + (rows[2] + rows[3])),
            out["exponent"].eq(Mux(zero[0] | zero[1], 0, a["exponent"] + b["exponent"])),
            out["sign"].eq(a["sign"] ^ b["sign"]),
            out["infinite"].eq(special[0] | special[1]),
            out["nan"].eq(nan[0] | nan[1] | (special[0] & zero[1]) | (special[1] & zero[0])),
        ]
        return out

    def _align(self, m: Module, p: dict[str, Signal], q: dict[str, Signal]) -> dict[str, Signal]:
        """The product of the larger exponent, the other one in the frame, and what else their sum is."""
        names = {"big": _PRODUCT, "small": _FRAME, "exponent": PAIR_EXPONENT_BITS + 1}
        names |= {"sign": 1, "subtract": 1, "infinite": 1, "nan": 1}
        out = {name: Signal(bits, name=name) for name, bits in names.items()}
        above, below = (Signal(PAIR_EXPONENT_BITS + 2, name=name) for name in ("above", "below"))
        larger, distance, subtract = Signal(), Signal(PAIR_EXPONENT_BITS + 1), p["sign"] ^ q["sign"]
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
            self.addend.exponent.eq(aligned["exponent"] + _EXPONENT),
            self.addend.sign.eq(aligned["sign"] ^ (negative & ~aligned["infinite"])),
            self.addend.infinite.eq(aligned["infinite"]),
            self.addend.nan.eq(aligned["nan"]),
        ]


def _element(pair: data.View, j: int) -> dict[str, Value]:
    return {name: pair[f"{name}{j}"] for name in ("significand", "exponent", "sign")}
