"""Where each cycle of a queue went."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules
from makalu.spec.registers import COUNTERS, REGISTER_BITS

__all__ = ["QueueCounters"]


class QueueCounters(wiring.Component):
    """counters[c] += 1 for exactly one c in every cycle of `count`.

    Does not: saturate; counters wrap at 2^32.

    Members
    -------
    clear, count : In(1)
    running, issue, ready_to_issue, decoded : In(1)
        From the queue.
    active, stalled : In(1)
        From its engine.
    counters : Out(StructLayout)
        By the names and rules of `COUNTERS` in `spec/registers.py`.

    Timing: the cycle t shows in the counters in t + 1.
    """

    def __init__(self):
        super().__init__(
            {
                "clear": In(1),
                "count": In(1),
                "running": In(1),
                "issue": In(1),
                "ready_to_issue": In(1),
                "decoded": In(1),
                "active": In(1),
                "stalled": In(1),
                "counters": Out(data.StructLayout({name: REGISTER_BITS for name in COUNTERS})),
            }
        )

    @property
    def emit_key(self) -> tuple[()]:
        return ()

    def elaborate(self, platform):
        m = Module()
        hits = {name: Signal(name=f"in_{name}") for name in COUNTERS}
        with m.If(self.issue | (self.active & ~self.stalled)):
            m.d.comb += hits["busy"].eq(1)
        with m.Elif(self.active | self.ready_to_issue):
            m.d.comb += hits["stall_port"].eq(1)
        with m.Elif(~self.running):
            m.d.comb += hits["idle"].eq(1)
        with m.Elif(self.decoded):
            m.d.comb += hits["stall_semaphore"].eq(1)
        with m.Else():
            m.d.comb += hits["stall_fetch"].eq(1)
        with m.If(self.clear):
            m.d.sync += self.counters.eq(0)
        with m.Elif(self.count):
            m.d.sync += [self.counters[name].eq(self.counters[name] + hits[name]) for name in COUNTERS]

        rules, every = Rules(m, platform), Cat(hits.values())
        rules.always(every, "a cycle counts somewhere")
        rules.one_at_most(every, "a cycle counts once")
        rules.never(self.issue & ~self.running, "only a queue that runs issues")
        rules.never(self.ready_to_issue & ~self.decoded, "only what is decoded waits for its engine")
        return m
