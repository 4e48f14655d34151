"""Engine cycles: those core cycles in which an engine at a fraction of the tensor clock moves."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from makalu.hw.lib.rules import Rules
from makalu.spec.config import EngineConfig

__all__ = ["RateTick"]


class RateTick(wiring.Component):
    """tick(t) = (a + num >= den), a := (a + num) mod den every cycle, a = 0 after reset: num ticks in den cycles.

    Does not: stop, nor start with an instruction.

    Parameters
    ----------
    engine : EngineConfig
        num / den is its `ratio`.

    Members
    -------
    tick: Out(1), this is an engine cycle

    Timing: combinational on the accumulator; the first tick is ceil(den / num) - 1 cycles after the first after reset.
    """

    def __init__(self, *, engine: EngineConfig):
        self.engine = engine
        super().__init__({"tick": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        num, den = self.engine.ratio.numerator, self.engine.ratio.denominator
        if num == den:  # nothing to count
            m.d.comb += self.tick.eq(1)
            return m
        total = Signal(range(2 * den))
        phase = Signal(range(den))
        m.d.comb += [total.eq(phase + num), self.tick.eq(total >= den)]
        m.d.sync += phase.eq(Mux(self.tick, total - den, total))
        Rules(m, platform).always(phase < den, "the phase of a clock is below its period")
        return m
