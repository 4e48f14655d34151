"""Which of an engine's own requests goes to a memory, when it may make one a cycle and must hold it until granted."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules

__all__ = ["HeldPriority"]


class HeldPriority(wiring.Component):
    """chosen = the request of the last cycle if it was not granted, else the lowest bit of `want`; one-hot or 0.

    Does not: register anything in the way; `chosen` is combinational from `want`. A `want` that is chosen must stay.

    Parameters
    ----------
    count : requests

    Members
    -------
    want: In(count);  chosen: Out(count);  grant: In(1), of the chosen one in this cycle

    Timing: chosen in the cycle of `want`; without `grant` in t the same one is chosen in t + 1, after a grant any may.
    """

    def __init__(self, *, count: int):
        self.count = count
        super().__init__({"want": In(count), "chosen": Out(count), "grant": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, lowest = Signal(self.count), Signal(self.count)
        m.d.comb += [
            lowest.eq(self.want & -self.want),
            self.chosen.eq(Mux(held.any(), held, lowest)),
        ]
        m.d.sync += held.eq(Mux(self.grant, 0, self.chosen))

        rules = Rules(m, platform)
        rules.one_at_most(self.chosen, "one request is chosen")
        rules.never(self.chosen & ~self.want, "what is chosen asks until it is granted")
        rules.never(self.want.any() & ~self.chosen.any(), "where something asks something is chosen")
        rules.never(self.grant & ~self.chosen.any(), "a grant is for what is chosen")
        return m
