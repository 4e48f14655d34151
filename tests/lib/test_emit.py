# amaranth: UnusedElaboratable=no
"""Emit once: one module for many placements, the same behaviour as the inlined variant, errors that say why."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from makalu.hw.lib.emit import NET_LIMIT, Emission, EmitError, inlined_verilog, module_name, place
from makalu.sw.rtl.runner import run_bench

PLACEMENTS = 64


class StepCell(wiring.Component):
    """`o(t+1) = i(t) + step`, and a struct port to see how it is packed."""

    hier_block = True

    def __init__(self, *, width, step):
        self.width, self.step = width, step
        pair = data.StructLayout({"low": 3, "high": 5})
        super().__init__({"i": In(width), "o": Out(width), "none": Out(0), "pair": Out(pair)})

    @property
    def emit_key(self):
        return (self.width, self.step)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i + self.step)
        m.d.comb += self.pair.low.eq(self.i)
        return m


class Row(wiring.Component):
    """A chain of cells, placed itself, so that placing nests."""

    def __init__(self, *, cells):
        self.cells = cells
        super().__init__({"i": In(8), "o": Out(8)})

    @property
    def emit_key(self):
        return (self.cells,)

    def elaborate(self, platform):
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
    def __init__(self, *, rows=4, cells=PLACEMENTS // 4):
        self.rows, self.cells = rows, cells
        super().__init__({"i": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for n in range(self.rows):
            row = Row(cells=self.cells)
            m.submodules[f"row_{n}"] = place(row, platform)
            m.d.comb += row.i.eq(value)
            value = row.o
        m.d.comb += self.o.eq(value)
        return m


def test_many_placements_are_one_module():
    emission = Emission()
    text = emission.verilog(Top(), name="top")
    assert emission.modules == ("row_16", "step_cell_8_1")
    assert text.count("\nmodule ") == 3
    assert inlined_verilog(Top(), name="top").count("\nmodule ") == 1 + 4 + PLACEMENTS


def test_same_bytes_each_time():
    assert Emission().verilog(Top(), name="top") == Emission().verilog(Top(), name="top")


def test_ports_are_flattened_and_marked():
    text = Emission().verilog(Top(), name="top")
    header = next(line for line in text.splitlines() if line.startswith("module step_cell_8_1"))
    assert header.endswith("/* verilator hier_block */")
    assert "none" not in header and "pair" in header and "clk" in header and "rst" in header
    assert "output [7:0] pair;" in text


@pytest.mark.parametrize("inlined", [False, True], ids=["emitted", "inlined"])
@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.icarus)])
def test_both_variants_behave_the_same(simulator, inlined):
    """One bench, one equation; in Verilator the emitted one with each shared module compiled apart."""
    ran = run_bench(
        Top(rows=2, cells=3),
        name=f"emit-{'inlined' if inlined else 'emitted'}",
        test_module="verif.emit.test_emit",
        simulator=simulator,
        params={"cells": 6},
        hierarchical=simulator == "verilator" and not inlined,
        inlined=inlined,
    )
    assert ran == 1


def test_inlined_variant_simulates():
    dut = Top(rows=2, cells=3)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        ctx.set(dut.i, 5)
        await ctx.tick().repeat(6)
        assert ctx.get(dut.o) == 5 + 6

    simulator.add_testbench(bench)
    simulator.run()


def test_module_name_is_digest_of_long_keys():
    class Long(StepCell):
        @property
        def emit_key(self):
            return ("a" * 40,)

    assert module_name(StepCell(width=8, step=2)) == "step_cell_8_2"
    assert module_name(Long(width=8, step=1)).startswith("long_") and len(module_name(Long(width=8, step=1))) == 13


def _placing(*cells):
    class Parent(wiring.Component):
        o: Out(8)

        def elaborate(self, platform):
            m = Module()
            total = Signal(8)
            for n, cell in enumerate(cells):
                m.submodules[f"cell_{n}"] = place(cell, platform)
            m.d.comb += [total.eq(sum(cell.o for cell in cells)), self.o.eq(total)]
            return m

    return Parent()


def test_key_must_exist():
    class NoKey(StepCell):
        emit_key = None

    with pytest.raises(EmitError, match="NoKey.emit_key must be a tuple"):
        Emission().verilog(_placing(NoKey(width=8, step=1)), name="top")


def test_key_must_be_reproducible():
    class Address(StepCell):
        @property
        def emit_key(self):
            return (object(),)

    with pytest.raises(EmitError, match="reproducible"):
        Emission().verilog(_placing(Address(width=8, step=1)), name="top")


def test_key_must_cover_the_ports():
    class SameKey(StepCell):
        @property
        def emit_key(self):
            return ()

    with pytest.raises(EmitError, match="one key and one set of ports"):
        Emission().verilog(_placing(SameKey(width=8, step=1), SameKey(width=4, step=1)), name="top")


def test_width_has_a_limit_with_a_name():
    class Wide(wiring.Component):
        i: In(NET_LIMIT + 1)
        emit_key = ()

    with pytest.raises(EmitError, match="module wide must have at most 65534 bits of inputs, not 65535"):
        Emission().verilog(_placing(Wide()), name="top")


def test_an_emission_writes_one_text():
    emission = Emission()
    emission.verilog(Top(), name="top")
    with pytest.raises(EmitError, match="one text"):
        emission.verilog(Top(), name="other")
