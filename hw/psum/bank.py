"""One bank of one partition's PSUM: a memory of fp32 elements with a read port and a write port."""

from amaranth.hdl import Module
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.psum.layouts import bank_elems_bits
from makalu.spec.config import PsumConfig
from makalu.spec.memory_map import PSUM_WORD_BITS

__all__ = ["PsumBank"]


class PsumBank(wiring.Component):
    """element[address] of `bank_elems` fp32 elements: one read and one write a cycle.

    Does not: define a read beside a write of the same element (simulators show the old one, a block RAM anything), and
    the text declares it not to matter (`hw/lib/memories.py`): the tensor head's hazard rule and `owned` keep such reads
    away. Does not say which RAM it becomes: that of small presets is too shallow for a block RAM of every part.

    Parameters
    ----------
    psum
        Bank size.

    Members
    -------
    read: In({enable, address}), read_data: Out(32)
        Element of the last read; undefined before the first. Elements are undefined before they are written.
    write: In({enable, address, data})

    Timing
    ------
    A read in cycle t shows in t + 1 and stays until the next read. A write in t is seen by reads from t + 1 on.
    """

    def __init__(self, *, psum: PsumConfig) -> None:
        self.psum = psum
        address = bank_elems_bits(psum)
        super().__init__(
            {
                "read": In(data.StructLayout({"enable": 1, "address": address})),
                "read_data": Out(PSUM_WORD_BITS),
                "write": In(data.StructLayout({"enable": 1, "address": address, "data": PSUM_WORD_BITS})),
            }
        )

    @property
    def emit_key(self) -> tuple[int]:
        return (self.psum.bank_elems,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        elements = memory.Memory(shape=PSUM_WORD_BITS, depth=self.psum.bank_elems, init=[])
        m.submodules.elements = elements
        write, read = elements.write_port(), elements.read_port()
        m.d.comb += [
            read.addr.eq(self.read.address),
            read.en.eq(self.read.enable),
            self.read_data.eq(read.data),
            write.addr.eq(self.write.address),
            write.data.eq(self.write.data),
            write.en.eq(self.write.enable),
        ]
        return m
