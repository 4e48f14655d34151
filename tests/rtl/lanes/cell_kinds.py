"""Kinds of cells: a list that is chosen with care, and those of a netlist."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from tests.rtl.lanes.circuit import parameters_of
from tests.rtl.lanes.reference import BITS

__all__ = ["WIDTHS", "CellKind", "Kind", "MemoryKind", "kinds_of", "systematic"]

WIDTHS = (1, 2, 5, 8, 12, 24, 31, 32, 33, 48, 64, 65, 100, 130)


@dataclass(frozen=True)
class CellKind:
    """`b` and `s` are 0 where the cell has no such operand; of a `$pmux` `b` is `s` words.

    A constant operand is its bits, the lowest first, "-" if there is none.
    """

    type: str
    a: int
    b: int
    s: int
    y: int
    a_signed: bool = False
    b_signed: bool = False
    a_constant: str = ""
    b_constant: str = ""

    @property
    def constants(self) -> dict[str, str]:
        return {"A": self.a_constant, "B": self.b_constant}

    def __str__(self) -> str:
        widths = " ".join(f"{n}{'s' * signed}" for n, signed in ((self.a, self.a_signed), (self.b, self.b_signed)))
        constants = [
            f"{port}={int(f'0{bits[::-1]}'.rstrip('-'), 2):#x}" for port, bits in self.constants.items() if bits
        ]
        return " ".join([self.type, widths, *([f"S {self.s}"] if self.s else []), f"to {self.y}", *constants])


@dataclass(frozen=True)
class MemoryKind:
    """`clocked`: for each read port whether it is; each of `grains` enables of a write port serves as many bits."""

    width: int
    size: int
    address: int
    clocked: tuple[bool, ...]
    writes: int
    grains: int
    starts: bool = True

    def __str__(self) -> str:
        reads = "".join("c" if clocked else "-" for clocked in self.clocked)
        return f"$mem_v2 {self.size}x{self.width} by {self.address} reads {reads} writes {self.writes} of {self.grains}"


Kind = CellKind | MemoryKind

# (A, Y), (A, B, Y): short and long, equal and not, over the words' borders
PAIRS = [(1, 1), (2, 5), (5, 1), (8, 12), (24, 8), (31, 32), (32, 31), (32, 33), (33, 33), (24, 64), (65, 48)]
PAIRS += [(65, 100), (64, 64), (1, 65), (130, 130)]
REDUCED = [(width, 1) for width in WIDTHS] + [(33, 5), (2, 65)]
LOGIC = [(1, 1, 1), (8, 33, 1), (64, 5, 33), (32, 65, 5)]
TRIPLES = [(1, 1, 1), (1, 1, 2), (2, 5, 5), (8, 8, 9), (12, 1, 13), (24, 31, 12), (31, 31, 31), (32, 32, 32)]
TRIPLES += [(32, 32, 33), (33, 5, 32), (24, 24, 48), (48, 33, 64), (64, 64, 65), (65, 12, 64), (100, 65, 100)]
TRIPLES += [(12, 100, 130)]
COMPARED = [(1, 1, 1), (2, 1, 1), (5, 5, 33), (8, 12, 5), (31, 31, 1), (32, 32, 1), (33, 32, 1), (5, 33, 1)]
COMPARED += [(48, 64, 1), (65, 64, 1), (64, 64, 1), (100, 130, 1)]
SHIFTED = [(1, 1, 1), (5, 2, 8), (8, 5, 8), (12, 5, 24), (16, 2, 19), (31, 5, 32), (32, 5, 32), (32, 6, 31)]
SHIFTED += [(24, 5, 55), (33, 8, 33), (48, 6, 111), (64, 32, 64), (65, 33, 65), (100, 12, 31), (31, 65, 100)]
SHIFTED += [(130, 8, 130)]
BOTH_WAYS = [(1, 2, 5), (8, 5, 8), (31, 6, 31), (32, 32, 32), (12, 8, 48), (65, 8, 12), (64, 7, 32)]
BOTH_WAYS += [(100, 33, 65), (33, 65, 33)]
"""With distances of more than a word: -2**32 was taken for 0."""
CONSTANT = [(5, 3), (8, 8), (32, 5), (33, 32), (65, 7), (3, 0)]
"""Widths of A and of a constant B."""
MUXES = [(1, 2), (2, 7), (5, 3), (12, 8), (32, 4), (33, 3), (31, 33), (64, 4), (65, 2), (130, 3)]
MEMORIES = [
    MemoryKind(1, 2, 1, (False,), 1, 1),
    MemoryKind(8, 4, 2, (True,), 1, 1),
    MemoryKind(15, 2, 1, (False, False), 1, 1),
    MemoryKind(24, 18, 5, (True,), 1, 24),
    MemoryKind(32, 64, 6, (True,), 1, 1),
    MemoryKind(33, 5, 3, (True, False), 1, 1),
    MemoryKind(64, 16, 4, (True, True), 2, 8),
    MemoryKind(65, 16, 4, (False,), 1, 65),
    MemoryKind(100, 8, 3, (True,), 2, 2),
    MemoryKind(128, 16, 4, (True, True), 2, 8),
]


def systematic(*, full: bool = False) -> list[Kind]:
    """Every type of cell, at widths on all sides of a word's borders, with every sign that Yosys allows.

    `full`: each type has all of its shapes and signs; else types whose rules differ by an operator share them out.
    """
    out: list[Kind] = []

    def shared(types: Sequence[str], shapes: Sequence[Any], signs: Sequence[Any] = (False, True)) -> Iterator[Any]:
        for (k, type_), (i, shape), (j, sign) in product(enumerate(types), enumerate(shapes), enumerate(signs)):
            if full or (i + j) % len(types) == k:
                yield type_, *shape, sign

    out += [CellKind(t, a, 0, 0, y, sign) for t, a, y, sign in shared(("$not", "$pos", "$neg"), PAIRS)]
    out += [CellKind(t, a, 0, 0, y, a > 9) for t, a, y, _ in shared((*BITS, "$logic_not"), REDUCED)]
    out += [CellKind(t, a, b, 0, y, a < 9, b < 9) for t, a, b, y, _ in shared(("$logic_and", "$logic_or"), LOGIC)]
    for types in (("$and", "$or", "$xor", "$xnor"), ("$add", "$sub"), ("$mul",)):
        out += [CellKind(t, a, b, 0, y, sign, sign) for t, a, b, y, sign in shared(types, TRIPLES)]
    for types in (("$eq", "$ne", "$eqx", "$nex"), ("$lt", "$le", "$gt", "$ge")):
        out += [CellKind(t, a, b, 0, y, sign, sign) for t, a, b, y, sign in shared(types, COMPARED)]
        out += [CellKind(t, a, b, 0, 1, b_constant=("01101" * 7)[:b] or "-") for t, a, b, _ in shared(types, CONSTANT)]
    for types in (("$shl",), ("$shr", "$sshr"), ("$sshl", "", "")):
        out += [CellKind(t, a, b, 0, y, sign) for t, a, b, y, sign in shared(types, SHIFTED) if t]
    signs = tuple(product((False, True), (False, True)))
    out += [CellKind(t, a, b, 0, y, *sign) for t, a, b, y, sign in shared(("$shift", ""), BOTH_WAYS, signs) if t]
    out += [CellKind("$shiftx", a, b, 0, y, False, sign) for a, b, y in BOTH_WAYS for sign in (False, True) if y <= a]
    out += [CellKind("$mux", w, w, 1, w) for w in WIDTHS]
    out += [CellKind("$pmux", w, w * s, s, w) for w, s in MUXES]
    out += [CellKind("$pmux", w, w * 3, 3, w, a_constant="0" * w) for w in (1, 32, 65)]
    out += [CellKind("$dff", w, 0, 0, w) for w in WIDTHS]
    return list(dict.fromkeys(out)) + MEMORIES


def kinds_of(modules: Mapping[str, Any]) -> list[Kind]:
    """The kinds of a netlist's cells, each once; constants are those of its first cell."""
    found: dict[Any, Kind] = {}
    for module in modules.values():
        for cell in module["cells"].values():
            if cell["type"] not in modules and cell["type"] != "$scopeinfo":
                kind = _memory_kind(cell) if cell["type"] == "$mem_v2" else _cell_kind(cell)
                found.setdefault(_key(kind), kind)
    return list(found.values())


def _key(kind: Kind) -> Any:
    if isinstance(kind, MemoryKind):
        return kind
    return replace(kind, a_constant="-" * bool(kind.a_constant), b_constant="-" * bool(kind.b_constant))


def _constant(bits: Iterable[int | str]) -> str:
    """The bits if all are constant, "-" if there are none; undefined ones are 0."""
    bits = list(bits)
    if any(isinstance(bit, int) for bit in bits):
        return ""
    return "".join("1" if bit == "1" else "0" for bit in bits) or "-"


def _cell_kind(cell: Mapping[str, Any]) -> CellKind:
    bits, p = cell["connections"], parameters_of(cell)
    if cell["type"] == "$dff":
        return CellKind("$dff", len(bits["D"]), 0, 0, len(bits["Q"]))
    widths = [len(bits.get(port, [])) for port in "ABSY"]
    signs = [bool(p.get(f"{port}_SIGNED")) for port in "AB"]
    return CellKind(cell["type"], *widths, *signs, *(_constant(bits[port]) if port in bits else "" for port in "AB"))


def _memory_kind(cell: Mapping[str, Any]) -> MemoryKind:
    bits, p = cell["connections"], parameters_of(cell)
    width = p["WIDTH"]
    enable = bits["WR_EN"][:width]
    grains = max(1, len(set(enable)))
    clocked = tuple(bool(p["RD_CLK_ENABLE"] >> k & 1) for k in range(p["RD_PORTS"]))
    grains = grains if width % grains == 0 else 1
    return MemoryKind(width, p["SIZE"], p["ABITS"], clocked, p["WR_PORTS"], grains, p["INIT"] != 0)
