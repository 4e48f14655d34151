"""Destinations whose sums are still on their way to PSUM."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.psum.layouts import element_address_bits
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import PSUM_HALVES

__all__ = ["HazardWindow", "meets"]


def meets(ago: int, config: CoreConfig, halves: Value, others: Value) -> Value:
    """A sum of these halves may not follow one of `others` of the same word so many cycles later, 1 .. A + 1.

    It would miss the halves that both have; A + 1 cycles later it would read the word beside the other one's write.
    """
    return (halves & others).any() | (ago == config.psum.add_stages + 1)


class HazardWindow(wiring.Component):
    """hit = a part of the candidate's element was sent in one of the last A + 1 cycles, or its word A + 1 cycles ago.

    Does not: know whether the candidate accumulates (a column that overwrites needs no old sum), nor compare M.

    Parameters
    ----------
    config
        A = psum.add_stages: a commit in cycle c + A is seen by the read of a column of cycle c + A + 2.

    Members
    -------
    address: In, halves: In
        Word of the candidate column; which halves of it, where sums may have one: elsewhere a sum meets every other.
    send: In(1)
        The candidate is sent in this cycle.
    hit: Out(1)
        Combinational from `address` and `halves`.

    Timing: a column sent in cycle t hits in t + 1 .. t + A + 1, in another half of its word in t + A + 1 alone.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        halves = PSUM_HALVES if config.tensor.rounds else 0
        ports = {"address": In(element_address_bits(config.psum)), "halves": In(halves), "send": In(1), "hit": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid, address, halves = self.send, self.address, self.halves
        same = []
        for stage in range(1, self.config.psum.add_stages + 2):
            s_valid = Signal(name=f"s{stage}_valid")
            s_address = Signal.like(self.address, name=f"s{stage}_address", reset_less=True)
            s_halves = Signal.like(self.halves, name=f"s{stage}_halves", reset_less=True)
            m.d.sync += [s_valid.eq(valid), s_address.eq(address), s_halves.eq(halves)]
            overlap = meets(stage, self.config, self.halves, s_halves) if len(self.halves) else 1
            same.append(s_valid & (s_address == self.address) & overlap)
            valid, address, halves = s_valid, s_address, s_halves
        m.d.comb += self.hit.eq(Cat(same).any())
        return m
