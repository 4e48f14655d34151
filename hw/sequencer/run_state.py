"""Start, end and length of a run: when it begins, whether it is done, what the interrupt latches."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules
from makalu.spec.isa import QUEUES
from makalu.spec.registers import REGISTER_BITS, Status

__all__ = ["RunState"]


class RunState(wiring.Component):
    """done = nothing runs, nothing is in error, something has halted; start = a requested start, once drained.

    Does not: decide which queues start.

    Members
    -------
    request : In(1)
        A start is written; ignored while a queue runs.
    drained : In(1)
        No fetch is open, no instruction unfinished, no engine active.
    running, halted, errors : In(5)
        States of the queues.
    start : Out(1)
        The start takes place in this cycle.
    done_rises, error_rises : Out(1)
        For the interrupt; each queue's entry into error counts, also from error to error through a start.
    status : Out(32)
        Bits of `Status`.
    cycles : Out(32)
        Cycles since the start in which a queue was running.

    Timing: request in cycle t: start in the first drained cycle from t + 1 on. The rises are high in the first cycle
    that shows the new state.
    """

    def __init__(self):
        count = len(QUEUES)
        super().__init__(
            {
                "request": In(1),
                "drained": In(1),
                "running": In(count),
                "halted": In(count),
                "errors": In(count),
                "start": Out(1),
                "done_rises": Out(1),
                "error_rises": Out(1),
                "status": Out(REGISTER_BITS),
                "cycles": Out(REGISTER_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        starting, done, was_done, any_running = Signal(), Signal(), Signal(), Signal()
        were_errors = Signal.like(self.errors)
        m.d.comb += [
            any_running.eq(self.running.any()),
            self.start.eq(starting & self.drained),
            done.eq(~any_running & ~self.errors.any() & self.halted.any()),
            self.done_rises.eq(done & ~was_done),
            self.error_rises.eq((self.errors & ~were_errors).any()),
            self.status.eq(
                Mux(starting | any_running, Status.RUNNING, 0)
                | Mux(done, Status.DONE, 0)
                | Mux(self.errors.any(), Status.ERROR, 0)
            ),
        ]
        with m.If(self.start):
            m.d.sync += starting.eq(0)
        with m.Elif(self.request & ~any_running):
            m.d.sync += starting.eq(1)
        m.d.sync += [
            was_done.eq(done),
            were_errors.eq(Mux(self.start, 0, self.errors)),
            self.cycles.eq(Mux(self.start, 0, self.cycles + any_running)),
        ]

        rules = Rules(m, platform)
        rules.never(self.start & any_running, "no start takes place while a queue runs")
        rules.never(
            self.running & self.halted | self.running & self.errors | self.halted & self.errors, "one state a queue"
        )
        return m
