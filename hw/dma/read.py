"""The load channel: descriptors to AR bursts, R beats to lines for the lanes."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.dma.aligner import Aligner
from makalu.hw.dma.descriptor import DescriptorQueue
from makalu.hw.dma.layouts import beat_bits, burst, flight_places, lane_status, line, plan, slot_bits, word_bits
from makalu.hw.dma.plan import BurstPlan
from makalu.hw.dma.walker import BurstWalker
from makalu.hw.lib.axi import AxiSignature, within_page
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.spec.axi import BURST_INCR
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import INDEX_BITS

__all__ = ["ReadChannel"]


def _flight(config: CoreConfig) -> data.StructLayout:
    """What an R beat needs to know of its burst."""
    target = {name: burst(config)[name].shape for name in ("offset", "partition", "slot", "last")}
    return data.StructLayout({"plan": plan(config), **target})


class ReadChannel(wiring.Component):
    """sbuf[p, pattern] = memory[p, pattern]: AR and R on the bus, lines to the lanes.

    Does not: write SBUF (the lanes do), move other bytes than the descriptor names (lanes mask them).

    Parameters
    ----------
    config
        The core.

    Members
    -------
    command: In(stream.Signature(INSTRUCTION))
        dma_load; at most `dma.queue` from acceptance to finish.
    ar, r
        AXI4 read channels of the master.
    line_valid, line_partition, line: Out
        Registered, to all lanes.
    lanes: In(lane_status).array(P)
    finish, error, active: Out(1)

    Timing
    ------
    Accepted in t, channel idle: `ar.valid` in t + 3. AR takes a burst a cycle while fewer than `outstanding_reads` are
    between AR and their last step. An R beat taken in t is on `line` in t + 1; `r.ready` looks at the lane's room, not
    at `r.valid`. A burst whose last beat still holds bytes of one more line takes one step without R.
    `finish` in the cycle after the last word has been written in SBUF (later if a line is on its way).

    Errors
    ------
    A beat with SLVERR or DECERR: from it on no line of any burst goes to a lane and no AR is begun; `error` for one
    cycle when AR is idle, no burst is in flight and all lanes are empty. Earlier descriptors have finished by then;
    this and later ones are forgotten, and the channel is as after reset.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        bus = AxiSignature(
            read=True, write=False, data_bytes=config.bus.data_bytes, address_bits=config.bus.address_bits
        )
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "bus": Out(bus),
                "line_valid": Out(1),
                "line_partition": Out(INDEX_BITS),
                "line": Out(line(config)),
                "lanes": In(lane_status(config)).array(config.partitions),
                "finish": Out(1),
                "error": Out(1),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, layout = self.config, _flight(self.config)
        queue = DescriptorQueue(config=config, operand="dst", readers=1)
        walker = BurstWalker(config=config)
        # what is left of the descriptors that failed
        m.submodules.queue = ResetInserter(self.error)(queue)
        m.submodules.walker = ResetInserter(self.error)(walker)
        m.submodules.flights = flights = SyncFIFO(width=layout.size, depth=flight_places(config.dma.outstanding_reads))
        failed = Signal()
        connect(m, flipped(self.command), queue.command)
        connect(m, queue.starts[0], walker.start)
        m.d.comb += [
            queue.stopped.eq(failed),
            queue.finish.eq(self.finish),
            self.active.eq(queue.active),
        ]
        self._address(m, walker, flights, failed)
        flight = Signal(layout)
        m.d.comb += flight.eq(data.View(layout, flights.r_data))
        complete = self._beats(m, flight, flights, failed)
        self._finish(m, queue, flights, complete, failed)

        rules, ar, r = Rules(m, platform), self.bus.ar, self.bus.r
        rules.stays(ar.valid, ar.ready, Cat(ar.addr, ar.len), "AR stays until it is taken")
        rules.follows(ar.valid, within_page(ar), "no burst of AR crosses 4 KiB")
        rules.never(r.valid & ~flights.r_rdy, "R comes only for a burst that was asked for")
        rules.never(flights.w_en & ~flights.w_rdy, "a burst has a place among those in flight")
        rules.always(flights.level <= config.dma.outstanding_reads, "no more reads are open than may be")
        rules.never(failed & (flights.w_en | self.line_valid), "behind an error no burst begins and no line goes on")
        rules.never(complete & ~queue.active, "only a load that is there is complete")
        return m

    def _address(self, m: Module, walker: BurstWalker, flights: SyncFIFO, failed: Signal) -> None:
        config, b = self.config, walker.bursts.payload
        bits = beat_bits(config)
        m.submodules.planner = planner = BurstPlan(config=config)
        go = Signal()
        entry = data.View(_flight(config), flights.w_data)
        ar = self.bus.ar
        s1_valid = Signal()
        s1_addr = Signal.like(ar.addr, reset_less=True)
        s1_len = Signal.like(ar.len, reset_less=True)
        m.d.comb += [
            planner.place_in.eq(b.address),
            planner.place_out.eq(b.offset[: word_bits(config)]),
            planner.length.eq(b.length),
            walker.bursts.ready.eq((~s1_valid | ar.ready) & (flights.level < config.dma.outstanding_reads) & ~failed),
            go.eq(walker.bursts.valid & walker.bursts.ready),
            flights.w_en.eq(go),
            entry.plan.eq(planner.plan),
            entry.offset.eq(b.offset),
            entry.partition.eq(b.partition),
            entry.slot.eq(b.slot),
            entry.last.eq(b.last),
            ar.valid.eq(s1_valid),
            ar.addr.eq(s1_addr),
            ar.len.eq(s1_len),
            ar.size.eq(bits),
            ar.burst.eq(BURST_INCR),
        ]
        with m.If(go):
            m.d.sync += [
                s1_valid.eq(1),
                s1_addr.eq((b.address >> bits) << bits),
                s1_len.eq(planner.plan.units_in - 1),
            ]
        with m.Elif(ar.ready):
            m.d.sync += s1_valid.eq(0)

    def _beats(self, m: Module, flight: Any, flights: SyncFIFO, failed: Signal) -> Signal:
        """R beats to lines; returns "the last line of a descriptor has left the aligner in this cycle"."""
        config, r = self.config, self.bus.r
        m.submodules.aligner = aligner = Aligner(config=config)
        lane = Signal(lane_status(config))
        same = Signal()
        error = Signal()
        push = Signal()
        complete = Signal()
        s1_valid = Signal()
        s1_partition = Signal.like(self.line_partition, reset_less=True)
        s1_line = Signal(line(config), reset_less=True)
        next_word = Signal.like(s1_line.address, reset_less=True)
        words = config.bus.data_bytes // config.sbuf.word_bytes
        first_word = flight.offset >> word_bits(config)
        m.d.comb += [
            lane.eq(Array(self.lanes[p] for p in range(config.partitions))[flight.partition]),
            # the line on its way is not counted by the lane yet
            same.eq(s1_valid & (s1_partition == flight.partition)),
            aligner.burst_valid.eq(flights.r_rdy),
            aligner.plan.eq(flight.plan),
            aligner.in_valid.eq(r.valid),
            aligner.in_data.eq(r.data),
            aligner.out_ready.eq(failed | Mux(same, lane.room_two, lane.room)),
            r.ready.eq(aligner.in_ready),
            flights.r_en.eq(aligner.burst_done),
            error.eq(r.valid & r.ready & r.resp[1]),
            push.eq(aligner.out_valid & ~failed & ~error),
            complete.eq(aligner.burst_done & flight.last & ~failed & ~error),
            self.line_valid.eq(s1_valid),
            self.line_partition.eq(s1_partition),
            self.line.eq(s1_line),
        ]
        m.d.sync += s1_valid.eq(push)
        with m.If(error):
            m.d.sync += failed.eq(1)
        with m.If(aligner.out_valid):
            m.d.sync += [
                s1_partition.eq(flight.partition),
                s1_line.slot.eq(flight.slot),
                s1_line.low.eq(aligner.out.low),
                s1_line.high.eq(aligner.out.high),
                s1_line.data.eq(aligner.out.data),
                s1_line.address.eq(Mux(aligner.out_first, first_word, next_word)),
                next_word.eq(Mux(aligner.out_first, first_word, next_word) + words),
            ]
        return complete

    def _finish(self, m: Module, queue: DescriptorQueue, flights: SyncFIFO, complete: Signal, failed: Signal) -> None:
        """A descriptor is done when its last line has left the aligner and no lane holds a line of it any more."""
        config = self.config
        waiting = Signal(range(config.dma.queue + 1))  # complete, but not finished
        under_way = Signal()
        oldest_here = Signal()
        any_busy = Signal()
        oldest = Signal(slot_bits(config))
        m.d.comb += [
            oldest.eq(queue.oldest),
            under_way.eq(self.line_valid & (self.line.slot == oldest)),
            oldest_here.eq(Cat(lane.busy & (lane.oldest == oldest) for lane in self._status()).any()),
            any_busy.eq(Cat(lane.busy for lane in self._status()).any()),
            self.finish.eq(waiting.any() & ~under_way & ~oldest_here),
            self.error.eq(failed & ~self.bus.ar.valid & ~flights.r_rdy & ~self.line_valid & ~any_busy & ~waiting.any()),
        ]
        m.d.sync += waiting.eq(waiting + complete - self.finish)
        with m.If(self.error):
            m.d.sync += failed.eq(0)

    def _status(self) -> list[Any]:
        return [self.lanes[p] for p in range(self.config.partitions)]
