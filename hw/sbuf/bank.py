"""One bank of one partition's SBUF: a true dual-port memory of words."""

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.sbuf.layouts import bank_port
from makalu.spec.config import SbufConfig
from makalu.spec.memory_map import GRANULE_BITS

__all__ = ["SbufBank"]


class SbufBank(wiring.Component):
    """data[word] of `bank_words` words, two ports that read or write one word a cycle each.

    Does not: define a read beside the other port's write of the same word (simulators show the old word, a block RAM
    anything), nor a granule that both ports write in one cycle: a race that programs do not have. So the text declares
    it not to matter (`hw/lib/memories.py`), and a port that writes does not read, as block RAMs have it ("no change"):
    the bank is block RAM and nothing else, or its synthesis stops.

    Parameters
    ----------
    sbuf
        Bank size and word size.

    Members
    -------
    a, b: In({enable, write, address, granules, data})
        `write`: the 32-bit granules that are set take `data`, the read data stay as they are. Else the word is read.
    a_data, b_data: Out(8 * word_bytes)
        Word of the port's last read; undefined before the first. The words are undefined before they are written.

    Timing
    ------
    A read in cycle t shows in t + 1 and stays until the port's next read. A write in t is seen by reads from t + 1 on.
    """

    def __init__(self, *, sbuf: SbufConfig) -> None:
        self.sbuf = sbuf
        word = 8 * sbuf.word_bytes
        super().__init__({"a": In(bank_port(sbuf)), "b": In(bank_port(sbuf)), "a_data": Out(word), "b_data": Out(word)})

    @property
    def emit_key(self) -> tuple[int, int]:
        return (self.sbuf.bank_words, self.sbuf.word_bytes)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth = 8 * self.sbuf.word_bytes, self.sbuf.bank_words
        words = memory.Memory(shape=width, depth=depth, init=[], attrs={"ram_style": "block"})
        m.submodules.words = words
        for port, out in ((self.a, self.a_data), (self.b, self.b_data)):
            write = words.write_port(granularity=GRANULE_BITS)
            read = words.read_port()
            m.d.comb += [
                read.addr.eq(port.address),
                read.en.eq(port.enable & ~port.write),
                out.eq(read.data),
                write.addr.eq(port.address),
                write.data.eq(port.data),
            ]
            with m.If(port.enable & port.write):
                m.d.comb += write.en.eq(port.granules)
        return m
