"""The store channel: descriptors to requests for the lanes, lines of the lanes to AW, W and B."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from makalu.hw.dma.aligner import Aligner
from makalu.hw.dma.descriptor import DescriptorQueue
from makalu.hw.dma.layouts import beat_bits, flight_places, lane_status, plan, request, word_bits
from makalu.hw.dma.plan import BurstPlan
from makalu.hw.dma.walker import BurstWalker
from makalu.hw.lib.axi import AxiSignature, within_page
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.spec.axi import BURST_INCR
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import INDEX_BITS

__all__ = ["WriteChannel"]


class WriteChannel(wiring.Component):
    """memory[p, pattern] = sbuf[p, pattern]: requests and lines of the lanes, AW, W and B on the bus.

    Two walkers see every descriptor: one runs ahead and asks the lanes for words, one sends the bursts. So the lanes
    read ahead as far as they have room, and no queue between the two is needed.

    Does not: read SBUF (the lanes do).

    Parameters
    ----------
    config
        The core.

    Members
    -------
    command: In(stream.Signature(INSTRUCTION))
        dma_store; at most `dma.queue` from acceptance to finish.
    bus
        AXI4 write channels of the master; `b.ready` is always high.
    request_valid, request_partition, request: Out
        To all lanes; `request_valid` only when the lane has room.
    pop: Out(1), pop_partition: Out
        The lane's line is used in this cycle.
    lanes: In(lane_status).array(P)
    finish, error, active: Out(1)

    Timing
    ------
    Accepted in t, channel idle: first request in t + 2, `aw.valid` in t + 3. AW takes a burst a cycle while fewer than
    `outstanding_writes` are between AW and B. A line that a lane shows in t is on W from t + 1. W may go before its AW.
    `finish` in the cycle after the last B of the descriptor.

    Errors
    ------
    B with SLVERR or DECERR: no AW is begun any more; `error` for one cycle when AW is idle and every burst has its B.
    A descriptor with such a B does not finish, nor does a later one: they are forgotten, also by the lanes (`error`
    makes them drop what they read ahead), and the channel is as after reset.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        bus = AxiSignature(
            read=False, write=True, data_bytes=config.bus.data_bytes, address_bits=config.bus.address_bits
        )
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "bus": Out(bus),
                "request_valid": Out(1),
                "request_partition": Out(INDEX_BITS),
                "request": Out(request(config)),
                "pop": Out(1),
                "pop_partition": Out(INDEX_BITS),
                "lanes": In(lane_status(config)).array(config.partitions),
                "finish": Out(1),
                "error": Out(1),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        queue = DescriptorQueue(config=config, operand="src0", readers=2)
        ahead, walker = BurstWalker(config=config), BurstWalker(config=config)
        # what is left of the descriptors that failed
        m.submodules.queue = ResetInserter(self.error)(queue)
        m.submodules.ahead = ResetInserter(self.error)(ahead)
        m.submodules.walker = ResetInserter(self.error)(walker)
        failed = Signal()
        connect(m, flipped(self.command), queue.command)
        connect(m, queue.starts[0], ahead.start)
        connect(m, queue.starts[1], walker.start)
        m.d.comb += [
            queue.stopped.eq(failed),
            queue.finish.eq(self.finish),
            self.active.eq(queue.active),
        ]
        self._requests(m, ahead)
        rules, aw, w = Rules(m, platform), self.bus.aw, self.bus.w
        begin = self._address(m, walker, failed, rules)
        self._responses(m, walker, begin, failed, rules)

        rules.stays(aw.valid, aw.ready, Cat(aw.addr, aw.len), "AW stays until it is taken")
        rules.stays(w.valid, w.ready, Cat(w.data, w.strb, w.last), "W stays until it is taken")
        rules.follows(aw.valid, within_page(aw), "no burst of AW crosses 4 KiB")
        rules.follows(w.valid, w.strb, "a beat of W has a byte")
        rules.never(failed & begin, "behind an error no burst begins")
        rules.never(self.request_valid & ~ahead.bursts.valid, "only a burst asks for words")
        return m

    def _requests(self, m: Module, ahead: BurstWalker) -> None:
        config, b = self.config, ahead.bursts.payload
        bits = word_bits(config)
        room = Signal()
        # place of the last byte, counted from the first word: its upper bits are the number of the last word
        last = Signal(bits_for(config.dma.burst_bytes + config.sbuf.word_bytes))
        m.d.comb += [
            room.eq(Array(self.lanes[p].request_room for p in range(config.partitions))[b.partition]),
            last.eq(b.offset[:bits] + b.length - 1),
            ahead.bursts.ready.eq(room),
            self.request_valid.eq(ahead.bursts.valid & room),
            self.request_partition.eq(b.partition),
            self.request.address.eq(b.offset >> bits),
            self.request.words.eq(last[bits:] + 1),
        ]

    def _address(self, m: Module, walker: BurstWalker, failed: Signal, rules: Rules) -> Signal:
        """AW, and the queue of bursts whose W beats are to come; returns "a burst begins in this cycle"."""
        config, b = self.config, walker.bursts.payload
        bits = beat_bits(config)
        layout = data.StructLayout({"plan": plan(config), "partition": INDEX_BITS})
        m.submodules.planner = planner = BurstPlan(config=config)
        m.submodules.flights = flights = SyncFIFO(width=layout.size, depth=flight_places(config.dma.outstanding_writes))
        entry = data.View(layout, flights.w_data)
        flight = Signal(layout)
        begin = Signal()
        aw = self.bus.aw
        s1_valid = Signal()
        s1_addr = Signal.like(aw.addr, reset_less=True)
        s1_len = Signal.like(aw.len, reset_less=True)
        m.d.comb += [
            planner.place_in.eq(b.offset[: word_bits(config)]),
            planner.place_out.eq(b.address),
            planner.length.eq(b.length),
            begin.eq(walker.bursts.valid & walker.bursts.ready),
            flights.w_en.eq(begin),
            entry.plan.eq(planner.plan),
            entry.partition.eq(b.partition),
            flight.eq(data.View(layout, flights.r_data)),
            aw.valid.eq(s1_valid),
            aw.addr.eq(s1_addr),
            aw.len.eq(s1_len),
            aw.size.eq(bits),
            aw.burst.eq(BURST_INCR),
        ]
        with m.If(begin):
            m.d.sync += [
                s1_valid.eq(1),
                s1_addr.eq((b.address >> bits) << bits),
                s1_len.eq(planner.plan.units_out - 1),
            ]
        with m.Elif(aw.ready):
            m.d.sync += s1_valid.eq(0)
        self._beats(m, flight, flights)
        rules.never(begin & ~flights.w_rdy, "a burst has a place among those whose beats are to come")
        return begin

    def _beats(self, m: Module, flight: Any, flights: SyncFIFO) -> None:
        config, w = self.config, self.bus.w
        width = config.bus.data_bytes
        m.submodules.aligner = aligner = Aligner(config=config)
        s1_valid = Signal()
        s1_data = Signal.like(w.data, reset_less=True)
        s1_strb = Signal.like(w.strb, reset_less=True)
        s1_last = Signal(reset_less=True)
        shown = Signal()
        lanes = [self.lanes[p] for p in range(config.partitions)]
        m.d.comb += [
            shown.eq(Array(lane.line_valid for lane in lanes)[flight.partition]),
            aligner.burst_valid.eq(flights.r_rdy),
            aligner.plan.eq(flight.plan),
            aligner.in_valid.eq(shown),
            aligner.in_data.eq(Array(lane.data for lane in lanes)[flight.partition]),
            aligner.out_ready.eq(~s1_valid | w.ready),
            flights.r_en.eq(aligner.burst_done),
            self.pop.eq(aligner.in_ready & shown),
            self.pop_partition.eq(flight.partition),
            w.valid.eq(s1_valid),
            w.data.eq(s1_data),
            w.strb.eq(s1_strb),
            w.last.eq(s1_last),
        ]
        with m.If(aligner.out_valid):
            m.d.sync += [
                s1_valid.eq(1),
                s1_data.eq(aligner.out.data),
                s1_strb.eq(Cat((aligner.out.low <= b) & (aligner.out.high > b) for b in range(width))),
                s1_last.eq(aligner.burst_done),
            ]
        with m.Elif(w.ready):
            m.d.sync += s1_valid.eq(0)

    def _responses(self, m: Module, walker: BurstWalker, begin: Signal, failed: Signal, rules: Rules) -> None:
        config, b = self.config, self.bus.b
        m.submodules.open = lasts = SyncFIFO(width=1, depth=flight_places(config.dma.outstanding_writes))
        done = Signal()
        error = Signal()
        s1_finish = Signal()
        room = Signal()
        m.d.comb += [
            room.eq(~self.bus.aw.valid | self.bus.aw.ready),
            walker.bursts.ready.eq(room & (lasts.level < config.dma.outstanding_writes) & ~failed),
            lasts.w_en.eq(begin),
            lasts.w_data.eq(walker.bursts.payload.last),
            b.ready.eq(1),
            done.eq(b.valid & lasts.r_rdy),
            error.eq(done & b.resp[1]),
            lasts.r_en.eq(done),
            self.finish.eq(s1_finish),
            self.error.eq(failed & ~self.bus.aw.valid & ~lasts.r_rdy),
        ]
        m.d.sync += s1_finish.eq(done & lasts.r_data & ~failed & ~error)
        with m.If(error):
            m.d.sync += failed.eq(1)
        with m.If(self.error):
            m.d.sync += failed.eq(0)
        rules.never(begin & ~lasts.w_rdy, "a burst has a place among those whose answer is to come")
        rules.always(lasts.level <= config.dma.outstanding_writes, "no more writes are open than may be")
        rules.never(b.valid & ~lasts.r_rdy, "B comes only for a burst that was begun")
