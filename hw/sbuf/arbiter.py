"""Who may use a bank in the next cycle: the engines of lanes against each other, in SBUF and in PSUM."""

from itertools import combinations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.rules import Rules
from makalu.hw.psum.layouts import bank_elems_bits, psum_commands, psum_requests
from makalu.hw.sbuf.layouts import access_commands, access_requests, bank_select_bits, bank_words_bits, granule_count
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES

__all__ = ["AccessArbiter"]


class AccessArbiter(wiring.Component):
    """command[e] = request[e] granted in the cycle before; at most one engine a bank and cycle.

    Does not: look at partitions (two engines on one bank conflict whatever their partitions are), queue requests, or
    know data. Does not arbitrate port B: slots do.

    Parameters
    ----------
    config
        The core.
    engines
        Those that ask, 2 or more; in the core the rows of `ACCESS_ENGINES`, in their order.

    Members
    -------
    request: In(ArrayLayout({valid, write, address, mask, start, count, [scales]}, engines)), grant: Out(engines)
        SBUF. A request stays as it is until granted.
    command: Out(ArrayLayout({enable, write, address, mask, start, count, [scales]}, engines))
        To the slices, registered.
    psum_request: In(ArrayLayout({valid, address, start, count}, engines)), psum_grant: Out(engines)
    psum_command: Out(ArrayLayout({enable, address, start, count}, engines))
        The same for reads of PSUM.
    owned: In(8)
        PSUM banks that the tensor engine uses; requests to them wait.

    Timing
    ------
    `grant` in cycle t is combinational from the requests of t; `command` shows it in t + 1. No engine alone on a bank
    ever waits, except that a write with a partly set granule takes two turns: cycle t sends a read command without
    grant, t + 1 is granted and sends the write command; the bank stays with the engine in t + 1.
    Conflict = several requests valid (in PSUM: and not owned) and to the same bank. It is won by the engine whose bank
    it stays with, else by the first in a round that begins behind the winner of the memory's last conflict (of several
    in one cycle, behind the highest number), after reset with engine 0: of two, by the loser. The others wait.
    """

    def __init__(self, *, config: CoreConfig, engines: int = ENGINES) -> None:
        self.config, self.engines = config, engines
        super().__init__(
            {
                "request": In(access_requests(config, engines)),
                "grant": Out(engines),
                "command": Out(access_commands(config, engines)),
                "psum_request": In(psum_requests(config.psum, engines)),
                "psum_grant": Out(engines),
                "psum_command": Out(psum_commands(config.psum, engines)),
                "owned": In(config.psum.banks),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.sbuf, self.config.psum, self.engines)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rules = Rules(m, platform)
        self._sbuf(m, rules)
        self._psum(m, rules)
        for e in range(self.engines):
            for kind, request, grant in (
                ("SBUF", self.request[e], self.grant[e]),
                ("PSUM", self.psum_request[e], self.psum_grant[e]),
            ):
                rules.stays(request.valid, grant, request, f"a request for {kind} stays as it is until granted")
                rules.follows(grant, request.valid, f"only a request for {kind} is granted")
        return m

    def _choose(
        self, m: Module, rules: Rules, memory: str, wants: list[Signal], banks: list[Signal], keeps: list[Signal]
    ) -> list[Signal]:
        """Which engines go in this cycle; keeps the place where the memory's round begins."""
        everyone = range(self.engines)
        turn = Signal(everyone, name=f"{memory}_turn")
        meets = {}
        for e, f in combinations(everyone, 2):
            meets[e, f] = meets[f, e] = Signal(name=f"{memory}_meets{e}{f}")
            m.d.comb += meets[e, f].eq(wants[e] & wants[f] & (banks[e] == banks[f]))

        def before(f: int, e: int) -> Value:
            between = (turn > min(e, f)) & (turn <= max(e, f))
            return keeps[f] | ~keeps[e] & (between if f > e else ~between)

        goes = [Signal(name=f"{memory}_goes{e}") for e in everyone]
        for e in everyone:
            rivals = [f for f in everyone if f != e]
            m.d.comb += goes[e].eq(wants[e] & ~Cat(meets[e, f] & before(f, e) for f in rivals).any())
            with m.If(goes[e] & Cat(meets[e, f] for f in rivals).any()):
                m.d.sync += turn.eq((e + 1) % self.engines)
            others = Cat(goes[f] & meets[e, f] for f in rivals).any()
            rules.follows(wants[e], goes[e] | others, f"a bank of {memory} that is wanted is given to somebody")
        for e, f in combinations(everyone, 2):
            rules.never(goes[e] & goes[f] & meets[e, f], f"one engine a bank of {memory}")
        rules.always(turn < self.engines, f"the round of {memory} begins with an engine")
        return goes

    def _sbuf(self, m: Module, rules: Rules) -> None:
        sbuf = self.config.sbuf
        wants = [Signal(name=f"sbuf_wants{e}") for e in range(self.engines)]
        banks = [Signal(bank_select_bits(sbuf), name=f"sbuf_bank{e}") for e in range(self.engines)]
        keeps = [
            Signal(name=f"s1_merges{e}") for e in range(self.engines)
        ]  # the read turn of a merge was the last cycle
        for e in range(self.engines):
            m.d.comb += [
                wants[e].eq(self.request[e].valid),
                banks[e].eq(self.request[e].address[bank_words_bits(sbuf) :]),
            ]
        goes = self._choose(m, rules, "sbuf", wants, banks, keeps)
        for e in range(self.engines):
            rules.follows(keeps[e], goes[e], "behind a read turn the bank stays with its engine")
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
            if self.config.tensor.quads:
                m.d.sync += command.scales.eq(request.scales)

    def _psum(self, m: Module, rules: Rules) -> None:
        psum = self.config.psum
        wants = [Signal(name=f"psum_wants{e}") for e in range(self.engines)]
        banks = [Signal(ceil_log2(psum.banks), name=f"psum_bank{e}") for e in range(self.engines)]
        nothing = [Signal(name=f"psum_keeps{e}") for e in range(self.engines)]
        for e in range(self.engines):
            request = self.psum_request[e]
            owned_from = Signal(psum.banks, name=f"owned_from{e}")  # bit 0 is the request's bank
            m.d.comb += [
                banks[e].eq(request.address[bank_elems_bits(psum) :]),
                owned_from.eq(self.owned >> banks[e]),
                wants[e].eq(request.valid & ~owned_from[0]),
            ]
        goes = self._choose(m, rules, "psum", wants, banks, nothing)
        for e in range(self.engines):
            request, command = self.psum_request[e], self.psum_command[e]
            m.d.comb += self.psum_grant[e].eq(goes[e])
            rules.never(self.psum_grant[e] & self.owned.bit_select(banks[e], 1), "no read of an owned bank is granted")
            m.d.sync += [
                command.enable.eq(goes[e]),
                command.address.eq(request.address),
                command.start.eq(request.start),
                command.count.eq(request.count),
            ]
