"""Shared modules and Amaranth's own hierarchy: one bench, one equation."""

from dataclasses import replace

from verif.emit.nest import Top
from verif.lib.cases import Case

__all__ = ["CASES"]

ROWS, CELLS = 2, 3


def top() -> Top:
    return Top(rows=ROWS, cells=CELLS)


EMITTED = Case(
    name="emitted",
    module="verif.emit.test_emit",
    tests=1,
    component=top,
    params={"cells": ROWS * CELLS},
    hierarchical=True,
)
INLINED = replace(EMITTED, name="inlined", inlined=True, hierarchical=False)

CASES = (EMITTED, EMITTED.on_icarus(), INLINED, INLINED.on_icarus())
