"""One bank of one partition's PSUM: a memory of words with a read port and a write port."""

from amaranth.hdl import Module
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.psum.layouts import bank_elems_bits
from makalu.spec.config import PsumConfig
from makalu.spec.memory_map import PSUM_HALVES, PSUM_WORD_BITS

__all__ = ["PsumBank"]


class PsumBank(wiring.Component):
    """word[address] of `bank_elems` words, a sum each: one read and one write a cycle.

    Does not: define a read beside a write of the same word (simulators show the old one, a block RAM anything), and
    the text declares it not to matter (`hw/lib/memories.py`): the tensor head's hazard rule and `owned` keep such reads
    away. Does not say which RAM it becomes: that of small presets is too shallow for a block RAM of every part.

    Parameters
    ----------
    psum
        Bank size.
    halves
        Each half of a word can be written alone.

    Members
    -------
    read: In({enable, address}), read_data: Out(32)
        Word of the last read; undefined before the first. Words are undefined before they are written.
    write: In({enable, address, data})
        `enable`: a bit for each half, or one.

    Timing
    ------
    A read in cycle t shows in t + 1 and stays until the next read. A write in t is seen by reads from t + 1 on.
    """

    def __init__(self, *, psum: PsumConfig, halves: bool) -> None:
        self.psum, self.halves = psum, halves
        address, enables = bank_elems_bits(psum), PSUM_HALVES if halves else 1
        super().__init__(
            {
                "read": In(data.StructLayout({"enable": 1, "address": address})),
                "read_data": Out(PSUM_WORD_BITS),
                "write": In(data.StructLayout({"enable": enables, "address": address, "data": PSUM_WORD_BITS})),
            }
        )

    @property
    def emit_key(self) -> tuple[int, bool]:
        return (self.psum.bank_elems, self.halves)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = memory.Memory(shape=PSUM_WORD_BITS, depth=self.psum.bank_elems, init=[])
        m.submodules.words = words
        granularity = PSUM_WORD_BITS // PSUM_HALVES if self.halves else None
        write, read = words.write_port(granularity=granularity), words.read_port()
        m.d.comb += [
            read.addr.eq(self.read.address),
            read.en.eq(self.read.enable),
            self.read_data.eq(read.data),
            write.addr.eq(self.write.address),
            write.data.eq(self.write.data),
            write.en.eq(self.write.enable),
        ]
        return m
