"""Who may use a bank in the next cycle: Vector against Scalar, in SBUF and in PSUM."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.psum.layouts import bank_elems_bits, psum_commands, psum_requests
from makalu.hw.sbuf.layouts import access_commands, access_requests, bank_select_bits, bank_words_bits, granule_count
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES, SCALAR, VECTOR

__all__ = ["AccessArbiter"]


class AccessArbiter(wiring.Component):
    """command[e] = request[e] granted in the cycle before; at most one engine a bank and cycle.

    Does not: look at partitions (two engines on one bank conflict whatever their partitions are), queue requests, or
    know data. Does not arbitrate port B: slots do.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    request: In(ArrayLayout({valid, write, address, mask, start, count}, 2)), grant: Out(2)
        SBUF. Engine 0 Vector, 1 Scalar. A request stays as it is until granted.
    command: Out(ArrayLayout({enable, write, address, mask, start, count}, 2))
        To the slices, registered.
    psum_request: In(ArrayLayout({valid, address, start, count}, 2)), psum_grant: Out(2)
    psum_command: Out(ArrayLayout({enable, address, start, count}, 2))
        The same for reads of PSUM.
    owned: In(8)
        PSUM banks that the tensor engine uses; requests to them wait.

    Timing
    ------
    `grant` in cycle t is combinational from the requests of t; `command` shows it in t + 1. No engine alone on a bank
    ever waits, except that a write with a partly set granule takes two turns: cycle t sends a read command without
    grant, t + 1 is granted and sends the write command; the bank stays with the engine in t + 1.
    Conflict = both requests valid (in PSUM: and not owned) and to the same bank. It is won by the engine whose bank it
    stays with, else by the engine that lost the memory's last conflict; Vector after reset. The loser waits.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "request": In(access_requests(config)),
                "grant": Out(ENGINES),
                "command": Out(access_commands(config)),
                "psum_request": In(psum_requests(config.psum)),
                "psum_grant": Out(ENGINES),
                "psum_command": Out(psum_commands(config.psum)),
                "owned": In(config.psum.banks),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.sbuf, self.config.psum)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._sbuf(m)
        self._psum(m)
        return m

    @staticmethod
    def _choose(m: Module, memory: str, wants: list[Signal], banks: list[Signal], keeps: list[Signal]) -> list[Signal]:
        """Which engines go in this cycle; keeps the memory's turn."""
        turn = Signal(name=f"{memory}_turn")  # the winner of the next conflict
        conflict = Signal(name=f"{memory}_conflict")
        winner = Signal(name=f"{memory}_winner")
        m.d.comb += [conflict.eq(wants[VECTOR] & wants[SCALAR] & (banks[VECTOR] == banks[SCALAR])), winner.eq(turn)]
        for e in range(ENGINES):
            with m.If(keeps[e]):
                m.d.comb += winner.eq(e)
        with m.If(conflict):
            m.d.sync += turn.eq(~winner)
        goes = [Signal(name=f"{memory}_goes{e}") for e in range(ENGINES)]
        for e in range(ENGINES):
            m.d.comb += goes[e].eq(wants[e] & (~conflict | (winner == e)))
        return goes

    def _sbuf(self, m: Module) -> None:
        sbuf = self.config.sbuf
        wants = [Signal(name=f"sbuf_wants{e}") for e in range(ENGINES)]
        banks = [Signal(bank_select_bits(sbuf), name=f"sbuf_bank{e}") for e in range(ENGINES)]
        keeps = [Signal(name=f"s1_merges{e}") for e in range(ENGINES)]  # the read turn of a merge was the last cycle
        for e in range(ENGINES):
            m.d.comb += [
                wants[e].eq(self.request[e].valid),
                banks[e].eq(self.request[e].address[bank_words_bits(sbuf) :]),
            ]
        goes = self._choose(m, "sbuf", wants, banks, keeps)
        for e in range(ENGINES):
            request, command = self.request[e], self.command[e]
            granules = [request.mask[GRANULE_BYTES * g : GRANULE_BYTES * (g + 1)] for g in range(granule_count(sbuf))]
            reads_first = Signal(name=f"reads_first{e}")
            m.d.comb += [
                reads_first.eq(request.write & Cat(g.any() & ~g.all() for g in granules).any() & ~keeps[e]),
                self.grant[e].eq(goes[e] & ~reads_first),
            ]
            m.d.sync += [
                keeps[e].eq(goes[e] & reads_first),
                command.enable.eq(goes[e]),
                command.write.eq(request.write & ~reads_first),
                command.address.eq(request.address),
                command.mask.eq(request.mask),
                command.start.eq(request.start),
                command.count.eq(request.count),
            ]

    def _psum(self, m: Module) -> None:
        psum = self.config.psum
        wants = [Signal(name=f"psum_wants{e}") for e in range(ENGINES)]
        banks = [Signal(ceil_log2(psum.banks), name=f"psum_bank{e}") for e in range(ENGINES)]
        nothing = [Signal(name=f"psum_keeps{e}") for e in range(ENGINES)]
        for e in range(ENGINES):
            request = self.psum_request[e]
            owned_from = Signal(psum.banks, name=f"owned_from{e}")  # bit 0 is the request's bank
            m.d.comb += [
                banks[e].eq(request.address[bank_elems_bits(psum) :]),
                owned_from.eq(self.owned >> banks[e]),
                wants[e].eq(request.valid & ~owned_from[0]),
            ]
        goes = self._choose(m, "psum", wants, banks, nothing)
        for e in range(ENGINES):
            request, command = self.psum_request[e], self.psum_command[e]
            m.d.comb += self.psum_grant[e].eq(goes[e])
            m.d.sync += [
                command.enable.eq(goes[e]),
                command.address.eq(request.address),
                command.start.eq(request.start),
                command.count.eq(request.count),
            ]
