# amaranth: UnusedElaboratable=no
"""What the text says about memories, and what it leaves out."""

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import Emission, inlined_verilog
from makalu.hw.lib.memories import NO_CHECK

ATTRIBUTES = re.compile(r"(?m)^  \(\* (\w+) = (.*) \*\)$")
BEHIND = {name: value if value.startswith('"') else f"32'd{value}" for name, value in NO_CHECK.items()}
AT_ONCE = {"ram_style": '"distributed"'}


class Store(wiring.Component):
    """Sixteen bytes with one read port."""

    def __init__(self, *, domain="sync", init=(), write=True, transparent=False, attrs=None):
        self.domain, self.init, self.write, self.transparent, self.attrs = domain, init, write, transparent, attrs
        super().__init__({"at": In(4), "value": In(8), "set": In(1), "place": In(4), "shown": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=8, depth=16, init=self.init, attrs=self.attrs)
        others = ()
        if self.write:
            write = words.write_port()
            m.d.comb += [write.addr.eq(self.place), write.data.eq(self.value), write.en.eq(self.set)]
            others = (write,) if self.transparent else ()
        read = words.read_port(domain=self.domain, transparent_for=others)
        m.d.comb += [read.addr.eq(self.at), self.shown.eq(read.data)]
        return m


def said(**options):
    return dict(ATTRIBUTES.findall(Emission().verilog(Store(**options), name="dut")))


def test_behind_the_clock_collisions_do_not_matter():
    assert said() == BEHIND
    assert said(attrs={"ram_style": "block"}) == {**BEHIND, "ram_style": '"block"'}


def test_read_at_once_is_distributed_ram():
    assert said(domain="comb") == AT_ONCE


def test_nothing_about_a_memory_whose_collisions_are_defined_or_that_is_a_table():
    assert said(transparent=True) == {}
    assert said(write=False, init=range(16)) == {}


@pytest.mark.parametrize("write", [Emission().verilog, inlined_verilog], ids=["emitted", "inlined"])
def test_no_content_unless_there_is_some(write):
    assert "initial" not in write(Store(), name="dut")


def test_content_stays():
    text = Emission().verilog(Store(init=[0, 7]), name="dut")
    assert re.search(r"words\[1\] = 8'h07;", text)


def test_collisions_can_be_x():
    with pytest.raises(ValueError, match="collisions must be old or x, not 'new'"):
        Emission(collisions="new")
    old, undefined = (Emission(collisions=way).verilog(Store(), name="dut") for way in ("old", "x"))
    assert "8'hxx" in undefined and "8'hxx" not in old
