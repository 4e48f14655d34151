"""A constant delay: registers when it is short, a circular memory when it is long."""

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.rules import Rules

__all__ = ["LONGEST_IN_REGISTERS", "DelayLine"]

LONGEST_IN_REGISTERS = 8
"""Longest delay made of registers; from there on a memory is smaller [cycles]."""


class DelayLine(wiring.Component):
    """after(t + cycles) = before(t); all zero in the first `cycles` cycles after reset.

    Does not: stall; what is in flight at a reset is lost.

    Parameters
    ----------
    shape
        Shape of the value.
    cycles
        Delay, 0 or more.

    Members
    -------
    before: In(shape), after: Out(shape)

    Timing: `cycles` cycles, one value a cycle.
    """

    def __init__(self, *, shape: ShapeLike, cycles: int) -> None:
        if cycles < 0:
            raise ValueError(f"cycles of a delay line must be 0 or more, not {cycles}")
        self.shape, self.cycles = shape, cycles
        super().__init__({"before": In(shape), "after": Out(shape)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.cycles > LONGEST_IN_REGISTERS:
            self._circular(m, platform)
            return m
        value = self.before
        for stage in range(1, self.cycles + 1):
            delayed = Signal(self.shape, name=f"s{stage}_value")
            m.d.sync += delayed.eq(value)
            value = delayed
        m.d.comb += self.after.eq(value)
        return m

    def _circular(self, m: Module, platform: object) -> None:
        """One place a cycle of delay: the place that is written next is the oldest and is read first."""
        values = memory.Memory(shape=self.shape, depth=self.cycles, init=[])
        m.submodules.values = values
        write, read = values.write_port(), values.read_port()
        place = Signal(ceil_log2(self.cycles))
        following = Signal.like(place)
        filled = Signal()  # a reset clears no memory: what it left there must not come out
        at_end = Signal()
        m.d.comb += [
            at_end.eq(place == self.cycles - 1),
            following.eq(place + 1),
            write.addr.eq(place),
            write.data.eq(self.before),
            write.en.eq(1),
            read.addr.eq(following),
            read.en.eq(1),
        ]
        with m.If(at_end):
            m.d.comb += following.eq(0)
            m.d.sync += filled.eq(1)
        with m.If(filled):
            m.d.comb += self.after.eq(read.data)
        m.d.sync += place.eq(following)
        Rules(m, platform).always(place < self.cycles, "the place of a delay line lies in its memory")
