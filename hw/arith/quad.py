"""Quads of short operands: four elements and their scale to one word, and the sum of four products, not normalised."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
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
from makalu.hw.arith.words import ADDEND, QUAD, WIDE_OPERAND
from makalu.hw.lib.element import chosen, code_bits
from makalu.spec.chain import ADDEND_EXPONENT_BITS, PRODUCT_BITS
from makalu.spec.formats import Format
from makalu.spec.pairs import PAIR_SHIFT
from makalu.spec.quads import QUAD_ELEMENTS, QUADS, SCALE_BIAS, SCALE_BITS, SCALE_NAN

__all__ = ["QuadDecode", "QuadSum"]

_FRAME = SHORT_PRODUCT_BITS + PAIR_SHIFT


class QuadDecode(wiring.Component):
    """operand = the QUAD of four elements in one container and of their scale, unpacked; of either side.

    Does not: normalise subnormals.

    Parameters
    ----------
    forms : sequence of Format
        Among which `dtype` chooses; of QUADS.

    Members
    -------
    bits : In(32)
        The container, a shorter one in the low bits.
    dtype : In
        Code of the format; any other counts as the first of `forms`. No bit where there is one format.
    scale : In(8)
        Code of the scale.
    operand : Out(WIDE_OPERAND)

    Timing: combinational.
    """

    latency_cycles = 0

    def __init__(self, *, forms: Sequence[Format]) -> None:
        if not set(forms) <= set(QUADS):
            raise ValueError(f"{[form.name for form in forms]}: quads are of {[form.name for form in QUADS]}")
        self.forms = tuple(forms)
        bits = max(8 * form.bytes for form in QUADS)
        inputs = {"bits": In(bits), "dtype": In(code_bits(forms)), "scale": In(SCALE_BITS)}
        super().__init__({**inputs, "operand": Out(WIDE_OPERAND)})

    @property
    def emit_key(self) -> tuple[str]:
        return ("-".join(form.name for form in self.forms),)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        quad = Signal(QUAD)
        for j in range(QUAD_ELEMENTS):
            fields = [unpacked(m, form, self.bits.word_select(j, form.bits), j) for form in self.forms]
            columns = zip(("sign", "significand", "exponent"), zip(*fields, strict=True), strict=True)
            m.d.comb += [quad[f"{name}{j}"].eq(chosen(self.dtype, self.forms, column)) for name, column in columns]
        m.d.comb += [quad.scale.eq(self.scale), self.operand.eq(quad)]
        return m


class QuadSum(wiring.Component):
    """addend = sum over j of moving[j] * stationary[j], each product cut at the common frame, times both scales

    The equation is that of `spec/quads.py`.

    Does not: normalise, and look at anything but two quads.

    Parameters
    ----------
    cut : str
        Where a register lies: `none`, `products`, in front of the alignment, or `aligned`, behind it.

    Members
    -------
    moving, stationary : In(WIDE_OPERAND)
        Words that are a QUAD.
    active : In(1)
        0: where there is a register, the addend's significand is 0.
    addend : Out(ADDEND)
        The leading bit may be anywhere; of 0 sign and exponent mean nothing (`Product` knows them).

    Timing: latency = 0 or, where there is a register, 1 (`latency_cycles`), one a cycle, never stalls.
    """

    def __init__(self, *, cut: str) -> None:
        self.cut, self.latency_cycles = cut, int(cut != "none")
        super().__init__(
            {"moving": In(WIDE_OPERAND), "stationary": In(WIDE_OPERAND), "active": In(1), "addend": Out(ADDEND)}
        )

    @property
    def emit_key(self) -> tuple[str]:
        return (self.cut,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = (QUAD(data.View.as_value(side)) for side in (self.moving, self.stationary))
        products = [short_product(m, j, *(element_of(side, j) for side in (a, b))) for j in range(QUAD_ELEMENTS)]
        facts = self._later(m, "products", self._facts(m, products) | self._scale(m, a.scale, b.scale))
        self._add(m, self._later(m, "aligned", self._aligned(m, facts)))
        return m

    def _later(self, m: Module, cut: str, values: dict[str, Signal]) -> dict[str, Signal]:
        """The values one register later if it lies here, else as they are."""
        if cut != self.cut:
            return values
        parts = [name for name in values if name[:-1] in ("magnitude", "frame")]
        return resting(m, values, self.active, cleared=(*parts, "subtract"))

    def _facts(self, m: Module, products: Sequence[dict[str, Signal]]) -> dict[str, Signal]:
        """Magnitudes, how far each is below the largest exponent, which of them are taken off, and what the sum is.

        Signs count from the first product's, so that each addition takes one operand off or none.
        """
        names = {"exponent": PRODUCT_EXPONENT_BITS, "subtract": QUAD_ELEMENTS, "sign": 1}
        names |= {"infinite": 1, "infinite_sign": 1, "nan": 1}
        out = {name: Signal(bits, name=name) for name, bits in names.items()}
        first, second = (self._larger(m, products[i], products[i + 1], i) for i in (0, 2))
        most = out["exponent"]
        m.d.comb += most.eq(Mux(first > second, first, second))
        for j, product in enumerate(products):
            out[f"magnitude{j}"] = product["magnitude"]
            out[f"distance{j}"] = distance = Signal(PRODUCT_EXPONENT_BITS, name=f"distance{j}")
            m.d.comb += [
                distance.eq(most - product["exponent"]),
                out["subtract"][j].eq(product["sign"] ^ products[0]["sign"]),
            ]
        positive, negative = (Cat(p["infinite"] & (p["sign"] == sign) for p in products).any() for sign in (0, 1))
        m.d.comb += [
            out["sign"].eq(products[0]["sign"]),
            out["infinite"].eq(positive | negative),
            out["infinite_sign"].eq(negative),
            out["nan"].eq(Cat(p["nan"] for p in products).any() | (positive & negative)),
        ]
        return out

    def _aligned(self, m: Module, facts: dict[str, Signal]) -> dict[str, Signal]:
        """The magnitudes in the frame, right shifted: by up to 7 first, then each bit comes from one of two bytes.

        By 24 and more nothing is left. So the last step is one choice of two a bit, which one LUT makes.
        """
        out = {}
        for j in range(QUAD_ELEMENTS):
            distance = facts[f"distance{j}"]
            out[f"frame{j}"] = frame = Signal(_FRAME, name=f"frame{j}")
            near, by = Signal(SHORT_PRODUCT_BITS + 7, name=f"near{j}"), Signal(3, name=f"bytes{j}")
            m.d.comb += [
                near.eq(Cat(Const(0, 7), facts[f"magnitude{j}"]) >> distance[:3]),
                by.eq(Cat(distance[3:] == n for n in range(3))),
            ]
            for i in range(_FRAME):
                places = [(n, i - (_FRAME - len(near)) + 8 * n) for n in range(3)]
                m.d.comb += frame[i].eq(Cat(by[n] & near[p] for n, p in places if 0 <= p < len(near)).any())
        return out | {name: value for name, value in facts.items() if name[:-1] not in ("magnitude", "distance")}

    def _larger(self, m: Module, p: dict[str, Signal], q: dict[str, Signal], place: int) -> Signal:
        larger = Signal(PRODUCT_EXPONENT_BITS, name=f"larger{place}")
        m.d.comb += larger.eq(Mux(p["exponent"] > q["exponent"], p["exponent"], q["exponent"]))
        return larger

    def _scale(self, m: Module, first: Value, second: Value) -> dict[str, Signal]:
        """Both scales' codes added, and whether one is a NaN."""
        scale, none = Signal(SCALE_BITS + 1, name="scale"), Signal(name="no_scale")
        m.d.comb += [scale.eq(first + second), none.eq((first == SCALE_NAN) | (second == SCALE_NAN))]
        return {"scale": scale, "no_scale": none}

    def _add(self, m: Module, aligned: dict[str, Signal]) -> None:
        subtract = aligned["subtract"]
        terms = [Mux(subtract[j], ~aligned[f"frame{j}"], aligned[f"frame{j}"]) for j in range(QUAD_ELEMENTS)]
        # in two's complement: the ones above a negated frame, the 1 that completes it where an addition has none
        signed = [Cat(term, subtract[j].replicate(PRODUCT_BITS + 1 - _FRAME)) for j, term in enumerate(terms)]
        low, high, total = (Signal(PRODUCT_BITS + 1, name=name) for name in ("low", "high", "total"))
        negative, exponent = Signal(), Signal(ADDEND_EXPONENT_BITS)
        m.d.comb += [
            low.eq(signed[0] + signed[1] + subtract[1]),
            high.eq(signed[2] + signed[3] + subtract[2]),
            total.eq(low + high + subtract[3]),
            negative.eq(total[-1]),
            exponent.eq(aligned["exponent"] + aligned["scale"] + (SUM_EXPONENT - 2 * SCALE_BIAS)),
            self.addend.significand.eq(Mux(negative, -total, total)),
            self.addend.exponent.eq(exponent),
            self.addend.sign.eq(Mux(aligned["infinite"], aligned["infinite_sign"], aligned["sign"] ^ negative)),
            self.addend.infinite.eq(aligned["infinite"]),
            self.addend.nan.eq(aligned["nan"] | aligned["no_scale"]),
        ]
