"""The order in which matmuls and transposes are told to have finished: that in which they were accepted."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.rules import Rules
from makalu.spec.config import CoreConfig
from makalu.spec.engines import Channel, finish_depth

__all__ = ["InOrder"]


class InOrder(wiring.Component):
    """An end of the oldest that has not been told, as soon as it is there; each kind ends in its own order.

    Does not: look at banks; hold more than the sequencer lets be unfinished.

    Parameters
    ----------
    config
        The core: `finish_depth` of the channel.

    Members
    -------
    matmul: In(1), transpose: In(1)
        One is accepted in this cycle.
    finished, failed, transposed: In(1)
        A matmul has finished, or ends as an error, or a transpose has finished, in this cycle.
    finish: Out(1), error: Out(1)
        To the sequencer.

    Timing: in the cycle of its end, if those before it were told; else in the cycle after the one before was.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.depth = finish_depth(config, Channel.MATMUL)
        ins = ("matmul", "transpose", "finished", "failed", "transposed")
        super().__init__({**{name: In(1) for name in ins}, "finish": Out(1), "error": Out(1)})

    @property
    def emit_key(self) -> tuple[int]:
        return (self.depth,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kinds = Array(Signal(name=f"kind{n}", reset_less=True) for n in range(self.depth))
        head, tail = Signal(ceil_log2(self.depth)), Signal(ceil_log2(self.depth))
        accepted, told = Signal(), Signal()
        m.d.comb += [accepted.eq(self.matmul | self.transpose), told.eq(self.finish | self.error)]
        with m.If(accepted):
            m.d.sync += [kinds[head].eq(self.transpose), head.eq(head + 1)]
        with m.If(told):
            m.d.sync += tail.eq(tail + 1)

        # ends that wait for their turn; a matmul that failed is followed by none that did not
        takes = {name: Signal(name=f"takes_{name}") for name in ("finished", "failed", "transposed")}
        there = {}
        for name, taken in takes.items():
            waiting = Signal(range(self.depth + 1), name=f"{name}_waiting")
            there[name] = waiting.any() | getattr(self, name)
            m.d.sync += waiting.eq(waiting + getattr(self, name) - taken)
        oldest = kinds[tail]
        m.d.comb += [
            takes["finished"].eq(~oldest & there["finished"]),
            takes["failed"].eq(~oldest & there["failed"] & ~there["finished"]),
            takes["transposed"].eq(oldest & there["transposed"]),
            self.finish.eq(takes["finished"] | takes["transposed"]),
            self.error.eq(takes["failed"]),
        ]

        rules = Rules(m, platform)
        count = Signal(range(self.depth + 1))
        m.d.sync += count.eq(count + accepted - told)
        rules.follows(accepted, count < self.depth, "no more are under way than there are places")
        rules.follows(told, count, "what is told was accepted")
        return m
