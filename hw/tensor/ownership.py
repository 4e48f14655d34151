"""PSUM banks that sums of the tensor engine are still on their way to."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.spec.config import PsumConfig

__all__ = ["BankOwnership"]


class BankOwnership(wiring.Component):
    """owned[b] = a column was sent to bank b in one of the last `cycles` cycles.

    Does not: look at partitions: a bank is owned in all of them.

    Parameters
    ----------
    psum
        Banks.
    cycles
        From the cycle after a column's to the commit in the last PE column.

    Members
    -------
    send: In(1), bank: In
        A column is at the array's edge in this cycle, its destination is in `bank`.
    owned: Out(banks)

    Timing: `send` in cycle t: owned in t + 1 .. t + cycles.
    """

    def __init__(self, *, psum: PsumConfig, cycles: int) -> None:
        if cycles < 1:
            raise ValueError(f"cycles of a bank's ownership must be at least 1, not {cycles}")
        self.psum, self.cycles = psum, cycles
        super().__init__({"send": In(1), "bank": In(ceil_log2(psum.banks)), "owned": Out(psum.banks)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sent = Signal(self.psum.banks)
        with m.Switch(self.bank):
            for bank in range(self.psum.banks):
                with m.Case(bank):
                    m.d.comb += sent[bank].eq(self.send)
        for bank in range(self.psum.banks):
            left = Signal(range(self.cycles + 1), name=f"left{bank}")
            m.d.comb += self.owned[bank].eq(left != 0)
            with m.If(sent[bank]):
                m.d.sync += left.eq(self.cycles)
            with m.Elif(self.owned[bank]):
                m.d.sync += left.eq(left - 1)
        return m
