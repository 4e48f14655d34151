"""Counts cycles in which nothing issues, nothing finishes and no engine works."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.spec.registers import REGISTER_BITS

__all__ = ["Watchdog"]


class Watchdog(wiring.Component):
    """expired = limit != 0 & neither this cycle nor the `limit` cycles before it had activity.

    Does not: decide who stops; every running queue does.

    Members
    -------
    limit : In(32)
        0 switches it off.
    activity : In(1)
        Something issues or finishes, an engine is active and not stalled, or no queue runs.
    expired : Out(1)

    Timing: expired is high for one cycle; the count begins again with the next one.
    """

    def __init__(self):
        super().__init__({"limit": In(REGISTER_BITS), "activity": In(1), "expired": Out(1)})

    def elaborate(self, platform):
        m = Module()
        quiet = Signal(REGISTER_BITS)
        m.d.comb += self.expired.eq((self.limit != 0) & (quiet >= self.limit) & ~self.activity)
        with m.If(self.activity | self.expired | (self.limit == 0)):
            m.d.sync += quiet.eq(0)
        with m.Else():
            m.d.sync += quiet.eq(quiet + 1)
        return m
