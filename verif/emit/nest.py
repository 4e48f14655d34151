"""A nest of placed components: cells in rows in a top. What the bench drives and the tests of emission take apart."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place

__all__ = ["Row", "StepCell", "Top"]


class StepCell(wiring.Component):
    """`o(t+1) = i(t) + step`, and a struct port to see how it is packed."""

    hier_block = True

    def __init__(self, *, width: int, step: int) -> None:
        self.width, self.step = width, step
        pair = data.StructLayout({"low": 3, "high": 5})
        super().__init__({"i": In(width), "o": Out(width), "none": Out(0), "pair": Out(pair)})

    @property
    def emit_key(self) -> tuple[int, ...]:
        return (self.width, self.step)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i + self.step)
        m.d.comb += self.pair.low.eq(self.i)
        return m


class Row(wiring.Component):
    """A chain of cells, placed itself, so that placing nests."""

    def __init__(self, *, cells: int) -> None:
        self.cells = cells
        super().__init__({"i": In(8), "o": Out(8)})

    @property
    def emit_key(self) -> tuple[int, ...]:
        return (self.cells,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value = self.i
        for n in range(self.cells):
            cell = StepCell(width=8, step=1)
            m.submodules[f"cell_{n}"] = place(cell, platform)
            m.d.comb += cell.i.eq(value)
            value = cell.o
        m.d.comb += self.o.eq(value)
        return m


class Top(wiring.Component):
    """Rows one behind the other: `o(t + rows * cells) = i(t) + rows * cells`."""

    def __init__(self, *, rows: int, cells: int) -> None:
        self.rows, self.cells = rows, cells
        super().__init__({"i": In(8), "o": Out(8)})

    @property
    def emit_key(self) -> tuple[int, ...]:
        return (self.rows, self.cells)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value = self.i
        for n in range(self.rows):
            row = Row(cells=self.cells)
            m.submodules[f"row_{n}"] = place(row, platform)
            m.d.comb += row.i.eq(value)
            value = row.o
        m.d.comb += self.o.eq(value)
        return m
