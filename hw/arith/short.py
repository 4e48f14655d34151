"""Short elements, of 4 significant bits, in the PE: unpacked, and multiplied one by one."""

from collections.abc import Collection, Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from makalu.spec.chain import PRODUCT_BITS
from makalu.spec.formats import FP32, Format
from makalu.spec.pairs import PAIR_BIAS, PAIR_EXPONENT_BITS, PAIR_SHIFT, PAIR_SIGNIFICAND_BITS, PAIR_SPECIAL

__all__ = [
    "PRODUCT_EXPONENT_BITS",
    "SHORT_PRODUCT_BITS",
    "SUM_EXPONENT",
    "element_of",
    "resting",
    "short_product",
    "unpacked",
]

SHORT_PRODUCT_BITS = 2 * PAIR_SIGNIFICAND_BITS
PRODUCT_EXPONENT_BITS = PAIR_EXPONENT_BITS + 1
# the addend's leading place is PRODUCT_BITS - 1 above the frame's last, whose weight is 2^(e - 6 - PAIR_SHIFT)
SUM_EXPONENT = FP32.bias + PRODUCT_BITS - 1 - PAIR_SHIFT - 2 * (PAIR_SIGNIFICAND_BITS - 1) - 2 * PAIR_BIAS


def unpacked(m: Module, form: Format, bits: Value, j: int) -> tuple[Value, ...]:
    """Sign, significand, exponent of an element as one of `form`."""
    fraction, exponent = bits[: form.fraction_bits], bits[form.fraction_bits : -1]
    low, special, nan = (Signal(name=f"{form.name}_{name}{j}") for name in ("low", "special", "nan"))
    full = exponent.all()
    m.d.comb += [
        low.eq(~exponent.any()),
        special.eq((full if form.has_infinity else full & fraction.all()) if form.has_nan else 0),
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


def element_of(pair: data.View, j: int) -> dict[str, Value]:
    """Element j of a PAIR or QUAD."""
    return {name: pair[f"{name}{j}"] for name in ("significand", "exponent", "sign")}


def short_product(m: Module, j: int, a: dict[str, Value], b: dict[str, Value]) -> dict[str, Signal]:
    """Magnitude, exponent (0 of a product that is 0), sign, infinity, NaN."""
    names = {"magnitude": SHORT_PRODUCT_BITS, "exponent": PRODUCT_EXPONENT_BITS, "sign": 1, "infinite": 1, "nan": 1}
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


def resting(m: Module, values: Mapping[str, Signal], active: Signal, *, cleared: Collection[str]) -> dict[str, Signal]:
    """The values one register later; while not `active` those of `cleared` are 0, and nothing is enabled any more."""
    registers = {name: Signal.like(value, name=f"s1_{name}", reset_less=True) for name, value in values.items()}
    clear = Signal(name="s1_clear")  # with reset: what the registers have at first is not known
    m.d.sync += clear.eq(~active)
    with m.If(active | ~clear):
        m.d.sync += [registers[name].eq(value) for name, value in values.items()]
        with m.If(~active):
            m.d.sync += [registers[name].eq(0) for name in cleared]
    return registers
