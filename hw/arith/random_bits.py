"""A generator of random bits for stochastic rounding."""

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules
from makalu.spec.random_bits import RANDOM_BITS, SHIFTS, STATE_BITS

__all__ = ["RandomBits", "seeding"]


def seeding() -> data.StructLayout:
    """What a start tells all generators: to take their first state, and the seed."""
    return data.StructLayout({"start": 1, "seed": STATE_BITS})


class RandomBits(wiring.Component):
    """bits = the upper RANDOM_BITS of x; x = xorshift32(x) with `step`, at a start seed ^ key, 1 in place of 0
    (`spec/random_bits.py`).

    Does not: draw anything before the first start; x is 0 then and stays so.

    Members
    -------
    seeding: In({start, seed})
    key: In(32)
        What makes it differ from others, constant at the instance.
    step: In(1)
        The bits have been taken.
    bits: Out(24)

    Timing: registered; the bits of a step or start are there in the next cycle, one draw a cycle.
    """

    def __init__(self) -> None:
        super().__init__({"seeding": In(seeding()), "key": In(STATE_BITS), "step": In(1), "bits": Out(RANDOM_BITS)})

    @property
    def emit_key(self) -> tuple[int, ...]:
        return ()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = Signal(STATE_BITS)
        mixed = Signal(STATE_BITS)
        following: Value = state
        for n, places in enumerate(SHIFTS):
            shifted = Signal(STATE_BITS, name=f"shifted{n}")
            m.d.comb += shifted.eq(following ^ (following << places if places > 0 else following >> -places))
            following = shifted
        m.d.comb += [mixed.eq(self.seeding.seed ^ self.key), self.bits.eq(state[STATE_BITS - RANDOM_BITS :])]
        with m.If(self.step):
            m.d.sync += state.eq(following)
        with m.If(self.seeding.start):
            m.d.sync += state.eq(mixed | (mixed == Const(0)))
        Rules(m, platform).never(self.seeding.start & self.step, "nothing is rounded while the core starts")
        return m
