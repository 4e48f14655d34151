"""Moves a burst's bytes from the units of one side (memory beats, SBUF lines) to those of the other."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.dma.layouts import beat_bits, plan, unit_bits
from makalu.hw.lib.rules import Rules
from makalu.spec.config import CoreConfig

__all__ = ["Aligner", "aligned"]


def aligned(config: CoreConfig) -> data.StructLayout:
    """A unit that goes out: its bytes low .. high-1 belong to the burst."""
    bits = beat_bits(config)
    return data.StructLayout({"low": bits, "high": bits + 1, "data": 8 * config.bus.data_bytes})


class Aligner(wiring.Component):
    """out_unit[j][b] = rotate(in_unit[u], shift)[b], u = j (b >= shift) or the one before (b < shift).

    A burst takes `units_out + prefill` steps. A step takes a unit while some are left, and gives a unit unless it is
    the prefill: so a burst that needs a bit of its last unit for one unit more takes a step without input.

    Does not: buffer; input and output move in the cycle of the step.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    burst_valid: In(1), plan: In(plan), burst_done: Out(1)
        The burst under way; stays until `burst_done`, the cycle of its last step.
    in_valid: In(1), in_data: In, in_ready: Out(1)
        Units of the source.
    out_valid: Out(1), out: Out({low, high, data}), out_first: Out(1), out_ready: In(1)
        Units of the destination; `out_valid` only in the cycle in which the unit goes.

    Timing: combinational from input to output; one step a cycle. `in_ready` does not look at `in_valid`.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "burst_valid": In(1),
                "plan": In(plan(config)),
                "burst_done": Out(1),
                "in_valid": In(1),
                "in_data": In(8 * config.bus.data_bytes),
                "in_ready": Out(1),
                "out_valid": Out(1),
                "out_first": Out(1),
                "out": Out(aligned(config)),
                "out_ready": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self.config.bus.data_bytes
        step = Signal(unit_bits(self.config))
        steps = Signal.like(step)
        takes = Signal()
        gives = Signal()
        go = Signal()
        last = Signal()
        carry = Signal(8 * width, reset_less=True)
        rotated = Signal(8 * width)
        p = self.plan
        m.d.comb += [
            steps.eq(p.units_out + p.prefill),
            takes.eq(step < p.units_in),
            gives.eq(~p.prefill | step.any()),
            last.eq(step == steps - 1),
            self.in_ready.eq(self.burst_valid & takes & (~gives | self.out_ready)),
            go.eq(self.burst_valid & (~takes | self.in_valid) & (~gives | self.out_ready)),
            self.burst_done.eq(go & last),
            self.out_valid.eq(go & gives),
            self.out_first.eq(step == p.prefill),
            self.out.low.eq(Mux(self.out_first, p.low, 0)),
            self.out.high.eq(Mux(last, p.high, width)),
        ]
        turned = self.in_data
        for bit in range(len(p.shift)):
            following = Signal(8 * width, name=f"turned{bit}")
            m.d.comb += following.eq(Mux(p.shift[bit], turned.rotate_left(8 << bit), turned))
            turned = following
        m.d.comb += [
            rotated.eq(turned),
            self.out.data.eq(
                Cat(
                    Mux(
                        (p.shift > b) & ~p.single,
                        carry[8 * b : 8 * b + 8],
                        rotated[8 * b : 8 * b + 8],
                    )
                    for b in range(width)
                )
            ),
        ]
        with m.If(go):
            m.d.sync += [carry.eq(rotated), step.eq(Mux(last, 0, step + 1))]

        rules = Rules(m, platform)
        rules.stays(self.burst_valid, self.burst_done, p, "a burst and its plan stay until its last step")
        rules.follows(self.burst_valid, step < steps, "no step is behind a burst's last one")
        rules.follows(self.burst_valid, (p.units_in != 0) & (p.units_out != 0), "a burst has a unit on each side")
        rules.follows(self.burst_valid, p.units_in <= steps, "every unit that comes is taken")
        rules.never(self.burst_valid & p.single & p.prefill, "where one unit becomes one there is no prefill")
        rules.follows(self.out_valid, self.out.low < self.out.high, "a unit that goes out has a byte")
        return m
