"""The rules of `hw/lib/rules.py`: each kind holds or is broken, in Amaranth's simulator, in the text, on lanes."""

import re

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from makalu.hw.lib.emit import Emission, inlined_verilog, place
from makalu.hw.lib.rules import Rules
from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.nets import NetlistError
from tests.rtl.lanes.bench import TOP, Bench, Difference, model_of

BITS, COUNT = 4, 5
RULES = {
    "always": ("bit 0 is always there", (0b0001, 0b1111), 0b1110),
    "never": ("bits 0 and 1 are never there", (0b1100, 0), 0b0010),
    "follows": ("bit 1 comes with bit 0", (0b0011, 0b0010, 0), 0b0001),
    "one_at_most": ("at most one bit", (0, 0b1000, 0b0001), 0b1010),
    "stays": ("bit 0 stays with bits 2 and 3 until bit 1", (0b0101, 0b0101, 0b0111, 0, 0b1001), 0b1101),
}
"""Its text, inputs that keep it, one after the other, and one that then breaks it."""


class Ruled(wiring.Component):
    """One rule about the input."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__({"i": In(BITS), "o": Out(BITS)})

    @property
    def emit_key(self):
        return (self.kind,)

    def elaborate(self, platform):
        m = Module()
        i, rules = self.i, Rules(m, platform)
        about = {
            "always": [i[0]],
            "never": [i[:2]],
            "follows": [i[0], i[1]],
            "one_at_most": [i],
            "stays": [i[0], i[1], i[2:]],
        }
        getattr(rules, self.kind)(*about[self.kind], RULES[self.kind][0])
        m.d.sync += self.o.eq(i)
        return m


class Row(wiring.Component):
    """`COUNT` of them side by side."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__({"i": In(BITS * COUNT), "o": Out(BITS * COUNT)})

    @property
    def emit_key(self):
        return (self.kind,)

    def elaborate(self, platform):
        m = Module()
        for n in range(COUNT):
            ruled = Ruled(self.kind)
            m.submodules[f"ruled{n}"] = place(ruled, platform)
            m.d.comb += [ruled.i.eq(self.i.word_select(n, BITS)), self.o.word_select(n, BITS).eq(ruled.o)]
        return m


def run(kind, values):
    dut = Ruled(kind)

    async def bench(ctx):
        for value in values:
            ctx.set(dut.i, value)
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("kind", RULES)
def test_amaranth_sees_what_breaks_a_rule(kind):
    text, good, bad = RULES[kind]
    run(kind, (*good, good[-1]))
    with pytest.raises(AssertionError, match=f"Assertion violated: {text}"):
        run(kind, (*good, bad))


@pytest.mark.parametrize("kind", RULES)
def test_text_has_it_only_where_it_is_asked_for(kind):
    component = Ruled(kind)
    text = Emission(assertions=True).verilog(component, name="dut")
    line = rf"^ *assert \(\S+ !== 1'h0\) else \$fatal\(1, \"{RULES[kind][0]}\"\);$"
    assert re.search(line, text, re.MULTILINE)
    assert "$write" not in text and inlined_verilog(component, name="dut") == text
    plain = Emission().verilog(component, name="dut")
    assert "assert" not in plain and "rule_" not in plain


@pytest.mark.parametrize("form", ["plain", "avx2"])
@pytest.mark.parametrize("broken_at", [None, 0, COUNT - 1])
def test_lanes_names_rule_instance_and_cycle(form, broken_at):
    """Five instances in two chunks of four: the lanes that are none break the rule all the time."""
    text, good, bad = RULES["always"]
    rows = np.array([[sum(good[0] << BITS * n for n in range(COUNT))]] * 4, np.uint32)
    row = Row("always")
    bench = Bench.build(row, model_of(row, form=form, boxes={"Ruled"}, assertions=True).files, form=form)
    if broken_at is None:
        bench.run(rows)
        return
    rows[2, 0] ^= (good[0] ^ bad) << BITS * broken_at
    with pytest.raises(Difference, match=rf"cycle 2: assertion failed: {text} \(ruled_always {broken_at}\)"):
        bench.run(rows)


@pytest.mark.parametrize("change", [{"FLAVOR": "assume"}, {"TRG_POLARITY": "0"}])
def test_lanes_refuses_another_kind_of_assertion(change):
    module = Emission(assertions=True).netlist(Ruled("never"), name=TOP, boxes=())[TOP]
    (cell,) = [cell for cell in module["cells"].values() if cell["type"] == "$check"]
    cell["parameters"] |= change
    with pytest.raises(NetlistError, match=r"\$check.*must be an assertion with a plain text"):
        Netlist(TOP, module, {})
