"""Prefetch buffer of one queue: filled beat by beat, read an instruction at a time."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules
from makalu.spec.config import CoreConfig
from makalu.spec.isa import INSTRUCTION_BYTES

__all__ = ["InstructionBuffer", "fill_layout"]


def fill_layout(config: CoreConfig) -> data.StructLayout:
    """One beat of an instruction on its way into a buffer; `last` and `fault` belong to its last beat."""
    beats = INSTRUCTION_BYTES // config.bus.instruction_bytes
    return data.StructLayout(
        {"data": 8 * config.bus.instruction_bytes, "beat": (beats - 1).bit_length(), "last": 1, "fault": 1}
    )


class InstructionBuffer(wiring.Component):
    """word[n] = the n-th instruction that was filled, in order.

    Does not: refuse a beat; the fetch unit requests no more instructions than fit (asserted).

    Parameters
    ----------
    config : CoreConfig
        `sequencer.buffer_instructions` places.

    Members
    -------
    clear : In(1)
        Empty the buffer.
    fill_valid, fill : In(1), In(fill_layout)
        A beat.
    available, read : Out(1), In(1)
        A whole instruction is here; take it.
    word, fault : Out(1024), Out(1)
        What was read last.

    Timing: available from the cycle after the last beat; word and fault from the cycle after read until the next read.
    """

    def __init__(self, *, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "clear": In(1),
                "fill_valid": In(1),
                "fill": In(fill_layout(config)),
                "available": Out(1),
                "read": In(1),
                "word": Out(8 * INSTRUCTION_BYTES),
                "fault": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[str]:
        return (self._config.digest,)

    def elaborate(self, platform):
        m = Module()
        depth = self._config.sequencer.buffer_instructions
        beat_bits = 8 * self._config.bus.instruction_bytes
        m.submodules.memory = memory = Memory(shape=8 * INSTRUCTION_BYTES, depth=depth, init=[])
        write = memory.write_port(granularity=beat_bits)
        read = memory.read_port()
        faults = Array(Signal(name=f"fault{n}", reset_less=True) for n in range(depth))
        head, tail = Signal(range(depth)), Signal(range(depth))
        level = Signal(range(depth + 1))
        filled = Signal()
        m.d.comb += [
            filled.eq(self.fill_valid & self.fill.last),
            self.available.eq(level != 0),
            write.addr.eq(tail),
            write.data.eq(self.fill.data.replicate(INSTRUCTION_BYTES * 8 // beat_bits)),
            read.addr.eq(head),
            read.en.eq(self.read),
            self.word.eq(read.data),
        ]
        with m.If(self.fill_valid):
            m.d.comb += write.en.bit_select(self.fill.beat, 1).eq(1)
        with m.If(filled):
            m.d.sync += [faults[tail].eq(self.fill.fault), tail.eq(tail + 1)]
        with m.If(self.read):
            m.d.sync += [self.fault.eq(faults[head]), head.eq(head + 1)]
        m.d.sync += level.eq(level + filled - self.read)
        with m.If(self.clear):
            m.d.sync += [level.eq(0), head.eq(0), tail.eq(0)]

        rules = Rules(m, platform)
        rules.never(self.fill_valid & (level == depth), "an instruction that comes has a place")
        rules.never(self.read & ~self.available, "only a whole instruction is read")
        rules.never(self.fill_valid & self.clear, "no instruction comes while the buffer is cleared")
        return m
