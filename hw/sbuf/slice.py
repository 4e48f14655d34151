"""One partition of SBUF: its banks, port A for the engines, port B for the tensor engine and DMA."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.lib.range import in_range, scale_row
from makalu.hw.lib.rules import Rules
from makalu.hw.sbuf.bank import SbufBank
from makalu.hw.sbuf.layouts import (
    access_commands,
    bank_select_bits,
    bank_words_bits,
    dma_port,
    granule_count,
    tensor_read,
    words_of_engines,
    written,
)
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES, INDEX_BITS
from makalu.spec.scales import quadrant

__all__ = ["SbufSlice"]


class SbufSlice(wiring.Component):
    """word[address] of one partition: a read or write by each engine on port A, one by tensor engine or DMA on port B.

    Does not: arbitrate. `AccessArbiter` keeps the two engines out of one bank, the frame keeps the tensor engine and
    DMA out of one cycle (both asserted). Two writes of the same word by port A and B in one cycle leave it undefined.
    Does not check addresses: the sequencer did (asserted).

    Parameters
    ----------
    config
        The core.

    Members
    -------
    index: In(7)
        Partition number, constant at the instance.
    access: In(ArrayLayout({enable, write, address, mask, start, count}, 2))
        Port A, engine 0 Vector, 1 Scalar; takes part when `enable & start <= index < start + count`, and with `scales`
        (where there is MX) only in the first partitions of a quadrant from `start` on.
    write_data: In(ArrayLayout(8 * word_bytes, 2))
        Used in the cycle of a write command.
    read_data: Out(ArrayLayout(8 * word_bytes, 2))
        Output of the bank from which the engine read last.
    tensor: In({enable, address}), dma: In({enable, write, address, granules, data})
        Port B.
    b_data: Out(8 * word_bytes)
        Output of the bank from which port B read last.
    written_a: Out(ArrayLayout({enable, address, granules, data}, 2)), written_b: Out({...})
        What the memory commits in this cycle's edge, with merged data. For observation.

    Timing
    ------
    Read in cycle t: `read_data` and `b_data` show the word in t + 1, and until the same bank's port reads again.
    Write in t: seen by reads from t + 1 on; a read in t gets the old word. Port A of every bank: one command a cycle.
    Port A, granule that `mask` sets only partly: its other bytes are those that `read_data` shows in the cycle of the
    write, so the engine's previous command must have been a read of the same word (asserted).
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "index": In(INDEX_BITS),
                "access": In(access_commands(config)),
                "write_data": In(words_of_engines(config)),
                "read_data": Out(words_of_engines(config)),
                "tensor": In(tensor_read(config)),
                "dma": In(dma_port(config)),
                "b_data": Out(8 * config.sbuf.word_bytes),
                "written_a": Out(data.ArrayLayout(written(config), ENGINES)),
                "written_b": Out(written(config)),
            }
        )

    @property
    def emit_key(self) -> tuple[int, int, int, int]:
        sbuf = self.config.sbuf
        return (sbuf.banks, sbuf.bank_words, sbuf.word_bytes, quadrant(self.config) if self._scaled else 0)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        sbuf = self.config.sbuf
        banks = [SbufBank(sbuf=sbuf) for _ in range(sbuf.banks)]
        for number, bank in enumerate(banks):
            m.submodules[f"bank{number}"] = place(bank, platform)
        rules = Rules(m, platform)
        self._port_a(m, banks, rules)
        self._port_b(m, banks, rules)
        return m

    def _port_a(self, m: Module, banks: list[SbufBank], rules: Rules) -> None:
        sbuf = self.config.sbuf
        low_bits = bank_words_bits(sbuf)
        bank_bits = bank_select_bits(sbuf)
        takes_part = [Signal(name=f"takes_part{e}") for e in range(ENGINES)]
        bank_of = [Signal(bank_bits, name=f"bank_of{e}") for e in range(ENGINES)]
        for e in range(ENGINES):
            command, commit = self.access[e], self.written_a[e]
            s1_bank = Signal(bank_bits, name=f"s1_bank{e}")  # with reset: a multiplexer never shows a bank that is not
            m.d.comb += [
                takes_part[e].eq(command.enable & self._in_range(command)),
                bank_of[e].eq(command.address[low_bits:]),
                commit.enable.eq(takes_part[e] & command.write),
                commit.address.eq(command.address),
            ]
            with m.If(takes_part[e] & ~command.write):
                m.d.sync += s1_bank.eq(bank_of[e])
            with m.Switch(s1_bank):
                for number, bank in enumerate(banks):
                    with m.Case(number):
                        m.d.comb += self.read_data[e].eq(bank.a_data)

            # read-merge-write: the bytes that the mask leaves out are those of the word just read
            for i in range(sbuf.word_bytes):
                byte = slice(8 * i, 8 * i + 8)
                chosen = Mux(command.mask[i], self.write_data[e][byte], self.read_data[e][byte])
                m.d.comb += commit.data[byte].eq(chosen)
            m.d.comb += commit.granules.eq(
                Cat(command.mask[GRANULE_BYTES * g : GRANULE_BYTES * (g + 1)].any() for g in range(granule_count(sbuf)))
            )

        self._rules_of_port_a(rules, takes_part, bank_of)
        for e in reversed(range(ENGINES)):
            with m.If(takes_part[e]), m.Switch(bank_of[e]):
                for number, bank in enumerate(banks):
                    with m.Case(number):
                        m.d.comb += [
                            bank.a.enable.eq(1),
                            bank.a.write.eq(self.access[e].write),
                            bank.a.address.eq(self.access[e].address),
                            bank.a.granules.eq(self.written_a[e].granules),
                            bank.a.data.eq(self.written_a[e].data),
                        ]

    def _in_range(self, command: data.View) -> Value:
        """This partition is one of the command's."""
        inside = in_range(self.index, command.start, command.count)
        if not self._scaled:
            return inside
        return inside & (~command.scales | scale_row(self.index, command.start, self.config))

    @property
    def _scaled(self) -> bool:
        return bool(self.config.tensor.quads)

    def _rules_of_port_a(self, rules: Rules, takes_part: list[Signal], bank_of: list[Signal]) -> None:
        for e in range(ENGINES):
            command, commit = self.access[e], self.written_a[e]
            groups = [command.mask[g : g + GRANULE_BYTES] for g in range(0, len(command.mask), GRANULE_BYTES)]
            was_read = rules.before(takes_part[e] & ~command.write, reset_less=False)
            rules.follows(
                commit.enable & Cat(group.any() & ~group.all() for group in groups).any(),
                was_read & (rules.before(command.address) == command.address),
                "a granule is written partly in the cycle behind the read of its word",
            )
            rules.follows(takes_part[e], bank_of[e] < self.config.sbuf.banks, "an engine's address lies in SBUF")
        rules.never(takes_part[0] & takes_part[1] & (bank_of[0] == bank_of[1]), "one engine a bank of SBUF and cycle")

    def _port_b(self, m: Module, banks: list[SbufBank], rules: Rules) -> None:
        low_bits = bank_words_bits(self.config.sbuf)
        bank_bits = bank_select_bits(self.config.sbuf)
        address = Signal.like(self.dma.address, name="b_address")
        enable = Signal(name="b_enable")
        write = Signal(name="b_write")
        bank_of = Signal(bank_bits, name="b_bank")
        s1_bank = Signal(bank_bits, name="s1_b_bank")
        m.d.comb += [
            enable.eq(self.tensor.enable | self.dma.enable),
            write.eq(self.dma.enable & self.dma.write),
            address.eq(Mux(self.dma.enable, self.dma.address, self.tensor.address)),
            bank_of.eq(address[low_bits:]),
            self.written_b.enable.eq(write),
            self.written_b.address.eq(self.dma.address),
            self.written_b.granules.eq(self.dma.granules),
            self.written_b.data.eq(self.dma.data),
        ]
        rules.never(self.tensor.enable & self.dma.enable, "tensor engine and DMA have slots of their own on port B")
        rules.follows(enable, bank_of < self.config.sbuf.banks, "an address of port B lies in SBUF")
        with m.If(enable & ~write):
            m.d.sync += s1_bank.eq(bank_of)
        with m.Switch(s1_bank):
            for number, bank in enumerate(banks):
                with m.Case(number):
                    m.d.comb += self.b_data.eq(bank.b_data)
        with m.If(enable), m.Switch(bank_of):
            for number, bank in enumerate(banks):
                with m.Case(number):
                    m.d.comb += bank.b.enable.eq(1)
        for bank in banks:
            m.d.comb += [
                bank.b.write.eq(write),
                bank.b.address.eq(address),
                bank.b.granules.eq(self.dma.granules),
                bank.b.data.eq(self.dma.data),
            ]
