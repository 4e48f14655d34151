"""Destinations whose sums are still on their way to PSUM."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.psum.layouts import element_address_bits
from makalu.spec.config import PsumConfig

__all__ = ["HazardWindow"]


class HazardWindow(wiring.Component):
    """hit = address was sent in one of the last A + 1 cycles.

    Does not: know whether the candidate accumulates (a column that overwrites needs no old sum), nor compare M.

    Parameters
    ----------
    psum
        A = add_stages: a commit in cycle c + A is seen by the read of a column of cycle c + A + 2.

    Members
    -------
    address: In
        Element index of the candidate column.
    send: In(1)
        The candidate is sent in this cycle.
    hit: Out(1)
        Combinational from `address`.

    Timing: a column sent in cycle t hits in t + 1 .. t + A + 1.
    """

    def __init__(self, *, psum: PsumConfig) -> None:
        self.psum = psum
        super().__init__({"address": In(element_address_bits(psum)), "send": In(1), "hit": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid, address = self.send, self.address
        same = []
        for stage in range(1, self.psum.add_stages + 2):
            s_valid = Signal(name=f"s{stage}_valid")
            s_address = Signal.like(self.address, name=f"s{stage}_address", reset_less=True)
            m.d.sync += [s_valid.eq(valid), s_address.eq(address)]
            same.append(s_valid & (s_address == self.address))
            valid, address = s_valid, s_address
        m.d.comb += self.hit.eq(Cat(same).any())
        return m
