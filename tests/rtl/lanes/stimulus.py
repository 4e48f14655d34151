"""Values for the operands of a cell: corners of their widths, distances of every kind, equal and nearly equal pairs."""

import random
from collections.abc import Mapping

from tests.rtl.lanes.cell_kinds import CellKind
from tests.rtl.lanes.reference import SHIFTS

__all__ = ["operands", "word"]


ALTERNATING = int("01" * 100, 2)


def _ones(width: int) -> int:
    return (1 << width) - 1


def word(r: random.Random, width: int) -> int:
    """A value of `width` bits: often 0, all ones, a sign bit, a word's border, one bit of all."""
    if width == 0:
        return 0
    way = r.random()
    if way < 0.4:
        border = 1 << min(width - 1, r.choice((31, 32, 63, 64, 96)))
        corners = (0, -1, 1, -2, 1 << (width - 1), ~(1 << (width - 1)), border, -border, border - 1, ALTERNATING)
        return r.choice(corners) & _ones(width)
    if way < 0.55:
        return (1 << r.randrange(width)) ^ (_ones(width) if r.random() < 0.4 else 0)
    if way < 0.7:
        return r.randrange(-9, 9) & _ones(width)
    return r.getrandbits(width)


def _distance(r: random.Random, kind: CellKind) -> int:
    if kind.type == "$shiftx":
        most = min(kind.a - kind.y, _ones(kind.b - kind.b_signed))
        return r.randint(0, most)
    way = r.random()
    if way < 0.5:
        near = r.choice((0, 0, 31, 32, 64, kind.a, kind.y)) + r.randint(-1, 1)
        return (-near if kind.b_signed and r.random() < 0.5 else near) & _ones(kind.b)
    if way < 0.9:
        return r.randint(-kind.y if kind.b_signed else 0, kind.a + kind.y) & _ones(kind.b)
    return r.choice((-1, 1 << (kind.b - 1), 1 << 32, -1 << 32, (1 << 32) + 3, -3 - (1 << 32), 1 << 31)) & _ones(kind.b)


def operands(r: random.Random, kind: CellKind) -> Mapping[str, int]:
    """What A, B and S shall be."""
    a = word(r, kind.a)
    if kind.type in SHIFTS:
        return {"A": a, "B": _distance(r, kind)}
    if kind.type == "$pmux":
        b = sum(word(r, kind.y) << i * kind.y for i in range(kind.s))
        return {"A": a, "B": b, "S": 1 << r.randrange(kind.s) if r.random() < 0.8 else 0}
    b = word(r, kind.b)
    if kind.b and r.random() < 0.4:  # the same number, or one that differs a little
        b = a | (-1 << kind.a if kind.a_signed and kind.a and a >> (kind.a - 1) else 0)
        b = (b + r.choice((0, 0, 1, -1)) ^ (1 << r.randrange(kind.b) if r.random() < 0.3 else 0)) & _ones(kind.b)
    return {"A": a, "B": b, "S": r.getrandbits(1)}
