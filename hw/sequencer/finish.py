"""Issued and unfinished instructions of one finish channel."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules
from makalu.spec.isa import FIELDS, SIGNALS

__all__ = ["SIGNAL", "TAG_BITS", "FinishFifo", "issued_layout"]

TAG_BITS = FIELDS["tag"].bits
SIGNAL = data.StructLayout({"valid": 1, "semaphore": FIELDS["signal0_semaphore"].bits})


def issued_layout(address_bits: int) -> data.StructLayout:
    """What is remembered of an instruction until it finishes."""
    return data.StructLayout({"signals": data.ArrayLayout(SIGNAL, SIGNALS), "tag": TAG_BITS, "address": address_bits})


class FinishFifo(wiring.Component):
    """head = the oldest instruction that was pushed and not popped.

    Does not: refuse a push without room (asserted never to come); a pop while empty is ignored.

    Parameters
    ----------
    depth : int
        Power of two.
    address_bits : int
        Of a memory address.

    Members
    -------
    push, entry : In(1), In(issued_layout)
        An instruction issues.
    pop, head : In(1), Out(issued_layout)
        The oldest instruction finishes; `head` is meaningful while not `empty`.
    flush : In(1)
        Forget all, the instruction pushed in this cycle included.
    room, empty : Out(1)

    Timing: a push is seen by head, room and empty in the next cycle; so is a pop.
    """

    def __init__(self, *, depth: int, address_bits: int):
        self._depth = depth
        self._address_bits = address_bits
        self._entry = issued_layout(address_bits)
        super().__init__(
            {
                "push": In(1),
                "entry": In(self._entry),
                "pop": In(1),
                "head": Out(self._entry),
                "flush": In(1),
                "room": Out(1),
                "empty": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[int, int]:
        return (self._depth, self._address_bits)

    def elaborate(self, platform):
        m = Module()
        m.submodules.entries = entries = memory.Memory(shape=self._entry, depth=self._depth, init=[])
        write, read = entries.write_port(), entries.read_port(domain="comb")
        oldest, newest = Signal(range(self._depth)), Signal(range(self._depth))
        level = Signal(range(self._depth + 1))
        popped = Signal()
        m.d.comb += [
            self.empty.eq(level == 0),
            self.room.eq(level != self._depth),
            popped.eq(self.pop & ~self.empty),
            write.en.eq(self.push),
            write.addr.eq(newest),
            write.data.eq(self.entry),
            read.addr.eq(oldest),
            self.head.eq(read.data),
        ]
        m.d.sync += [newest.eq(newest + self.push), oldest.eq(oldest + popped), level.eq(level + self.push - popped)]
        with m.If(self.flush):
            m.d.sync += [level.eq(0), oldest.eq(0), newest.eq(0)]

        rules = Rules(m, platform)
        rules.never(self.push & ~self.room & ~self.flush, "an instruction issues only where its channel has room")
        rules.always(level <= self._depth, "no more instructions are unfinished than a channel has places")
        return m
