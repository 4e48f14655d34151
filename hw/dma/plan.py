"""The aligner's plan of a burst, from the two places of its first byte and its length."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from makalu.hw.dma.layouts import beat_bits, plan
from makalu.spec.config import CoreConfig

__all__ = ["BurstPlan"]


class BurstPlan(wiring.Component):
    """units_x = ceil((x + length) / B); shift = (out - in) mod B; prefill = out < in, unless one unit becomes one.

    Does not: hold anything.

    Parameters
    ----------
    config
        The core; B = `bus.data_bytes`.

    Members
    -------
    place_in, place_out: In
        Byte of the first unit where the burst begins.
    length: In
        Bytes, at least 1.
    plan: Out(plan)

    Timing: combinational.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        bits = beat_bits(config)
        super().__init__(
            {
                "place_in": In(bits),
                "place_out": In(bits),
                "length": In(bits_for(config.dma.burst_bytes)),
                "plan": Out(plan(config)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits, out = beat_bits(self.config), self.plan
        # the last byte's place, counted from the first unit: its upper bits are the number of the last unit
        last_bits = bits_for(self.config.dma.burst_bytes + self.config.bus.data_bytes)
        last_in = Signal(last_bits)
        last_out = Signal(last_bits)
        m.d.comb += [
            last_in.eq(self.place_in + self.length - 1),
            last_out.eq(self.place_out + self.length - 1),
            out.units_in.eq(last_in[bits:] + 1),
            out.units_out.eq(last_out[bits:] + 1),
            out.shift.eq(self.place_out - self.place_in),
            out.single.eq(~last_in[bits:].any() & ~last_out[bits:].any()),
            out.prefill.eq((self.place_out < self.place_in) & ~out.single),
            out.low.eq(self.place_out),
            out.high.eq(last_out[:bits] + 1),
        ]
        return m
