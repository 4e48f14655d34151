# amaranth: UnusedElaboratable=no
"""Modules with what the compiler replaces by one operation: leading-zero counts, words of decoded bits."""

import random
from collections.abc import Sequence
from dataclasses import replace

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import leading_zeros
from makalu.hw.lib.emit import Emission
from tests.rtl.lanes.cell_bench import INSTANCES, Case
from tests.rtl.lanes.cell_modules import Bits, Builder

__all__ = ["COUNTED", "counts", "decoders"]

COUNTED = range(2, 65)
"""Widths of the operands of counts."""


class Counts(wiring.Component):
    """A leading-zero count of each width in `COUNTED`."""

    def __init__(self):
        ports = {f"i{n}": In(n) for n in COUNTED} | {f"count{n}": Out((n - 1).bit_length()) for n in COUNTED}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        for n in COUNTED:
            m.d.comb += getattr(self, f"count{n}").eq(leading_zeros(m, getattr(self, f"i{n}"), name=f"of{n}"))
        return m


def counts(cycles: int) -> Case:
    """The counts' gates, as flattened by Yosys; operands with every place of the highest one, and 0."""
    module = Emission().netlist(Counts(), name="counts", boxes=())["counts"]
    r = random.Random("counts")
    stimulus = []
    for lane in range(INSTANCES):
        cycle = []
        for t in range(cycles):
            place = {n: (t * INSTANCES + lane) % (n + 1) for n in COUNTED}
            cycle.append({f"i{n}": 1 << k >> 1 | r.getrandbits(n) & ((1 << k >> 1) - 1) for n, k in place.items() if k})
            cycle[-1] |= {f"i{n}": 0 for n, k in place.items() if not k}
        stimulus.append(cycle)
    return Case("leading zeros", module, stimulus, [{}] * INSTANCES, patterns=True)


# ---- decoders


def _equal(b: Builder, x: Bits, k: int, *, enable: Bits | None, width: int, signed: int = 0, bit: int = 0) -> int | str:
    """A new bit `enable & (x == k)`, k of `width` bits; or `bit` of a longer output."""
    y, name = b.wire(bit + 1), f"cell{len(b.module['cells'])}"
    parameters = {"A_SIGNED": signed, "A_WIDTH": len(x), "B_SIGNED": signed, "B_WIDTH": width, "Y_WIDTH": bit + 1}
    b.cell(name, "$eq", parameters, A=x, B=[str(k >> i & 1) for i in range(width)], Y=y)
    if enable is None:
        return y[bit]
    both = b.wire(1)
    ones = {f"{port}_{what}": what == "WIDTH" for port in "AB" for what in ("SIGNED", "WIDTH")} | {"Y_WIDTH": 1}
    operands = (y, enable) if k % 2 else (enable, y)
    b.cell(f"{name} enabled", "$and", ones, A=operands[0], B=operands[1], Y=both)
    return both[0]


def _decoder(
    name: str,
    ks: Sequence[int | None],
    width: int,
    cycles: int,
    *,
    enables: int = 0,
    constant: int | None = None,
    **options: int,
) -> Case:
    """A word whose bits are x == k for the `ks`, or a bit of another input for None. x: `width` bits.

    `enables`: how many there are, each of as many bits in a row; `constant`: bits of each k, by default as it needs.
    """
    r = random.Random(name)
    b = Builder()
    source = b.input("x", width + 2, 3)
    x = source[2:] if width < 5 else source[5:] + source[:3]
    other = b.input("other", 40)
    gates = [b.input(f"enable{i}", 1) for i in range(enables)]
    word: Bits = []
    for i, k in enumerate(ks):
        if k is None:
            word.append(other[i])
        else:
            enable = gates[i * enables // len(ks)] if enables else None
            bits = k.bit_length() if constant is None else constant
            word.append(_equal(b, x, k, enable=enable, width=bits, **options))
    b.output("word", word)
    b.output("part", word[1:])
    known = [k for k in ks if k is not None]
    stimulus = []
    for _ in range(INSTANCES):
        stimulus.append([])
        for _ in range(cycles):
            values = {port: r.getrandbits(bits) for port, bits in b.widths.items()}
            near = r.choice(known) + r.choice((0, 0, 0, 0, -1, 1, 7))
            if r.random() < 0.9:
                for i, bit in enumerate(x):
                    place = source.index(bit)
                    values["x"] = values["x"] & ~(1 << place) | (near >> i & 1) << place
            values |= {f"enable{i}": r.random() < 0.7 for i in range(enables)}
            stimulus[-1].append({port: int(value) for port, value in values.items()})
    return replace(Case(name, b.module, stimulus, [{}] * INSTANCES), cuts=b.cuts)


def decoders(cycles: int) -> tuple[list[Case], list[Case]]:
    """Cases with a run that is replaced, and cases where none may be."""
    down = [(n, range(n + 2, 2, -1)) for n in (6, 7, 16, 31, 32)]
    yes = [_decoder(f"{n} bits of {w}", ks, w, cycles) for n, ks in down for w in (4, 6, 32) if n + 2 < 1 << w]
    yes += [
        _decoder(f"{n} bits of {w}, enabled", ks, w, cycles, enables=1)
        for n, ks in down
        for w in (5, 8)
        if n + 2 < 1 << w
    ]
    top = (1 << 32) - 1
    plans: dict[str, tuple[Sequence[int | None], int]] = {
        "to 0": (range(7, -1, -1), 3),
        "to 0 and on": ([*range(7, -1, -1), None, None, 90], 4),
        "behind others": ([None] * 5 + [*range(11, 2, -1), None], 6),
        "at a word's end": ([None] * 26 + [*range(9, 3, -1)], 5),
        "over a word's end": ([None] * 20 + [*range(30, 10, -1)], 6),
        "the highest numbers": (range(top, top - 20, -1), 32),
        "two runs": ([*range(9, 2, -1), 40, *range(30, 22, -1)], 6),
        "constants beyond x": ([*range(12, 0, -1)], 3),
    }
    yes += [_decoder(name, ks, width, cycles) for name, (ks, width) in plans.items()]
    long = {f"{name}, two enables": plan for name, plan in plans.items() if len(plan[0]) > 12}
    yes += [_decoder(name, ks, width, cycles, enables=2) for name, (ks, width) in long.items()]
    yes.append(_decoder("constants longer than x", [*range(7, -1, -1)], 3, cycles, constant=9))
    no = [
        _decoder("5 bits", range(8, 3, -1), 4, cycles),
        _decoder("upwards", range(3, 20), 5, cycles),
        _decoder("with gaps", range(40, 2, -2), 6, cycles),
        _decoder("more enables than bits in a row", range(20, 4, -1), 5, cycles, enables=4),
        _decoder("signed numbers", range(12, 0, -1), 4, cycles, signed=1, constant=4),
        _decoder("the zeros above the answers", range(12, 0, -1), 4, cycles, bit=1),
    ]
    return yes, no
