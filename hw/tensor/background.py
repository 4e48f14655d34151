"""Background transposes: when the turn goes over the array, where its elements go in PSUM, and when all are there."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.delay import DelayLine
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.psum.layouts import background_wave
from makalu.hw.tensor.control import turn_control
from makalu.hw.tensor.ownership import BankOwnership
from makalu.spec.background import TURN, background_commit, background_delay
from makalu.spec.config import CoreConfig
from makalu.spec.formats import CARRIED
from makalu.spec.isa import FIELDS

__all__ = ["BackgroundUnit"]


class BackgroundUnit(wiring.Component):
    """Of each transpose the turn, and then a destination a cycle: dst[m, k] for k = 0 .. K - 1.

    Does not: load the tile; look at banks that matmuls have.

    Parameters
    ----------
    config
        The core; it has a chain of bits.

    Members
    -------
    start: In(1), instruction: In(INSTRUCTION)
        Take this transpose; only in a cycle with `free: Out(1)`.
    turn: Out({valid, start, count})
        To the edge of partition 0: rows that hand their weights' bits on.
    turns: Out(1)
        There is one in the next cycle: the shadow registers are free behind it.
    wave: Out({valid, address, first, columns})
        The destination of the elements that are at PSUM slice 0 in the next cycle.
    finished: Out(1)
        The last element of a tile is written in the last column.
    owned: Out(banks)
        Banks that elements are on their way to.

    Timing
    ------
    `start` in a: turn in h = a + TURN; wave of element k in h + p + k + background_delay, p the tile's first partition;
    free again in max(h, h + p + K - TURN). `owned` in a + 1 .. e, `finished` in e = h + p + K - 1 + background_commit.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(INSTRUCTION),
                "free": Out(1),
                "turn": Out(turn_control(config)),
                "turns": Out(1),
                "wave": Out(background_wave(config)),
                "finished": Out(1),
                "owned": Out(config.psum.banks),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        psum, i = self.config.psum, self.instruction
        m.submodules.ownership = ownership = BankOwnership(psum=psum, cycles=background_commit(self.config))
        places = {
            "address": len(self.wave.address),
            "stride": len(self.wave.address),
            "start": len(self.turn.start),
            "count": len(self.turn.count),
            "first": len(self.wave.first),
            "columns": len(self.wave.columns),
        }

        # until the turn
        s0 = {name: Signal(bits, name=f"s0_{name}", reset_less=True) for name, bits in places.items()}
        left = Signal(range(TURN))
        m.d.comb += self.turns.eq(left == 1)
        m.d.sync += [
            self.turn.valid.eq(self.turns),
            self.turn.start.eq(Mux(self.turns, s0["start"], 0)),
            self.turn.count.eq(Mux(self.turns, s0["count"], 0)),
        ]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.start):
            m.d.sync += [
                left.eq(TURN - 1),
                s0["address"].eq(i.dst_offset >> CARRIED.size_log2),
                s0["stride"].eq(i.dst_stride0),
                s0["start"].eq(i.src0_partition),
                s0["count"].eq(i.partitions),
                s0["first"].eq(i.dst_partition),
                s0["columns"].eq(i.columns),
            ]

        # rows above the tile pass, then one a cycle
        above = Signal(len(self.turn.start), name="above")
        rows = Signal(FIELDS["partitions"].bits, name="rows")
        walk = {name: Signal.like(s0[name], name=name) for name in ("address", "stride", "first", "columns")}
        busy, sends = Signal(), Signal()
        m.submodules.to_psum = to_psum = DelayLine(shape=self.wave.shape(), cycles=background_delay(self.config))
        m.submodules.to_commit = to_commit = DelayLine(shape=1, cycles=background_commit(self.config))
        m.d.comb += [
            busy.eq(rows != 0),
            sends.eq(busy & (above == 0)),
            self.free.eq((left == 0) & (above + rows <= TURN)),
            to_psum.before.valid.eq(sends),
            *(to_psum.before[name].eq(Mux(sends, walk[name], 0)) for name in ("address", "first", "columns")),
            to_commit.before.eq(sends & (rows == 1)),
            self.wave.eq(to_psum.after),
            self.finished.eq(to_commit.after),
        ]
        with m.If(self.turns):
            m.d.sync += [above.eq(s0["start"]), rows.eq(s0["count"])]
            m.d.sync += [walk[name].eq(s0[name]) for name in walk]
        with m.Elif(sends):
            m.d.sync += [rows.eq(rows - 1), walk["address"].eq(walk["address"] + walk["stride"])]
        with m.Elif(busy):
            m.d.sync += above.eq(above - 1)

        def bank(address: Value) -> Value:
            return address[-ceil_log2(psum.banks) :]

        # one bank a transpose: that of its first destination
        m.d.comb += [
            ownership.send.eq(busy),
            ownership.bank.eq(bank(walk["address"])),
            self.owned.eq(
                Cat(
                    ((left != 0) & (bank(s0["address"]) == b)) | (busy & (ownership.bank == b)) | ownership.owned[b]
                    for b in range(psum.banks)
                )
            ),
        ]

        rules = Rules(m, platform)
        rules.follows(self.start, self.free, "a transpose is taken when the one before lets it")
        rules.never(self.turns & (above + rows > 1), "the turn comes when the rows of the one before have passed")
        return m
