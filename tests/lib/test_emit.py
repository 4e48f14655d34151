# amaranth: UnusedElaboratable=no
"""Emit once: one module for many placements, the same behaviour as the inlined variant, errors that say why."""

import sys

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from makalu.hw.lib.emit import NET_LIMIT, Emission, EmitError, deep_recursion, inlined_verilog, module_name, place
from verif.emit.nest import StepCell, Top

ROWS, CELLS = 4, 16


def top():
    return Top(rows=ROWS, cells=CELLS)


def test_many_placements_are_one_module():
    emission = Emission()
    text = emission.verilog(top(), name="top")
    assert emission.modules == ("row_16", "step_cell_8_1")
    assert text.count("\nmodule ") == 3
    assert inlined_verilog(top(), name="top").count("\nmodule ") == 1 + ROWS + ROWS * CELLS


def test_same_bytes_each_time():
    assert Emission().verilog(top(), name="top") == Emission().verilog(top(), name="top")


def test_ports_are_flattened_and_marked():
    text = Emission().verilog(top(), name="top")
    header = next(line for line in text.splitlines() if line.startswith("module step_cell_8_1"))
    assert header.endswith("/* verilator hier_block */")
    assert "none" not in header and "pair" in header and "clk" in header and "rst" in header
    assert "output [7:0] pair;" in text


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
    emission.verilog(top(), name="top")
    with pytest.raises(EmitError, match="one text"):
        emission.verilog(top(), name="other")


def test_depth_of_calls_is_as_before_a_conversion():
    """Also after one that fails: a raised limit would let an endless recursion end the process."""
    before = sys.getrecursionlimit()
    with pytest.raises(RuntimeError), deep_recursion(10 * before):
        assert sys.getrecursionlimit() == 10 * before
        raise RuntimeError
    Emission().verilog(top(), name="top")
    assert sys.getrecursionlimit() == before
