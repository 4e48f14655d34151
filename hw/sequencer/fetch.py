"""Instruction fetch of all queues through one read-only AXI4 port: a burst an instruction, queues in turn."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.axi import AxiSignature
from makalu.hw.lib.rules import Rules
from makalu.hw.sequencer.buffer import fill_layout
from makalu.spec.axi import BURST_INCR
from makalu.spec.config import CoreConfig
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, QUEUES, Opcode

__all__ = ["Fetch"]

_INSTRUCTION_SHIFT = INSTRUCTION_BYTES.bit_length() - 1


class Fetch(wiring.Component):
    """fill = the instructions of each running queue, in order, from its program's address up to its halt.

    A queue requests while it runs, its stream has not ended and fewer than `buffer_instructions` of its instructions
    are requested or buffered. A stream ends with the last beat of a halt or of an instruction whose fetch failed; what
    was requested beyond is dropped when it arrives. Bursts are aligned to 128 bytes, so none crosses 4 KiB.

    Order: when the address channel is free, the next requesting queue after the one that was last chosen, in the order
    of `Queue`; after reset and after start the Tensor queue comes first. Responses come in order (one ID, 0).

    Does not: check the alignment of a program (`Queue` refuses it at start), nor count beats by RLAST.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    bus : Out(AxiSignature)
        Instruction port.
    start : In(1)
        Take `addresses` and forget everything; only while `quiet`.
    addresses : In(ArrayLayout(address_bits, 5))
    running : In(5)
    taken : In(5)
        An instruction leaves the queue's buffer.
    fill_valid, fill : Out(5), Out(fill_layout)
        A beat for one queue's buffer, in the cycle in which it is on the bus.
    quiet : Out(1)
        No burst is open.

    Timing: a queue that requests in cycle t (running visible) has ARVALID in t + 1, at most one burst a cycle; RREADY
    is always high.
    """

    def __init__(self, *, config: CoreConfig):
        self._config = config
        self._beats = INSTRUCTION_BYTES // config.bus.instruction_bytes
        bits = config.bus.address_bits
        self._bus = AxiSignature(read=True, write=False, data_bytes=config.bus.instruction_bytes, address_bits=bits)
        super().__init__(
            {
                "bus": Out(self._bus),
                "start": In(1),
                "addresses": In(data.ArrayLayout(bits, len(QUEUES))),
                "running": In(len(QUEUES)),
                "taken": In(len(QUEUES)),
                "fill_valid": Out(len(QUEUES)),
                "fill": Out(fill_layout(config)),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self._config.sequencer.buffer_instructions
        count = len(QUEUES)
        number_bits = self._config.bus.address_bits - _INSTRUCTION_SHIFT
        m.submodules.open = open_bursts = SyncFIFO(width=ceil_log2(count), depth=count * depth)

        rules = Rules(m, platform)
        # requests: instruction number, credits and end of each stream
        numbers = Array(Signal(number_bits, name=f"number_{q.name.lower()}") for q in QUEUES)
        wants, chosen = Signal(count), Signal(count)
        ended = Signal(count)
        for q in QUEUES:
            held = Signal(range(depth + 1), name=f"held_{q.name.lower()}")
            m.d.comb += wants[q].eq(self.running[q] & ~ended[q] & (held != depth))
            m.d.sync += held.eq(held + chosen[q] - self.taken[q])
            rules.never(self.taken[q] & (held == 0), "only an instruction that was fetched is taken")
            rules.always(held <= depth, "no more instructions are fetched than the buffer holds")
            with m.If(chosen[q]):
                m.d.sync += numbers[q].eq(numbers[q] + 1)
            with m.If(self.start):
                m.d.sync += [held.eq(0), numbers[q].eq(self.addresses[q][_INSTRUCTION_SHIFT:]), ended[q].eq(0)]

        # choice: the first that wants after the last one chosen
        last = Signal(range(count), init=count - 1)
        pick = Signal(range(count))
        with m.Switch(last):
            for before in range(count):
                with m.Case(before):
                    order = [(before + n) % count for n in range(count, 0, -1)]
                    for q in order:
                        with m.If(wants[q]):
                            m.d.comb += pick.eq(q)
        address_free, choose = Signal(), Signal()
        m.d.comb += [
            address_free.eq(~self.bus.ar.valid | self.bus.ar.ready),
            choose.eq(address_free & wants.any()),
            chosen.eq(Mux(choose, 1 << pick, 0)),
            self.bus.ar.len.eq(self._beats - 1),
            self.bus.ar.size.eq(self._bus.size),
            self.bus.ar.burst.eq(BURST_INCR),
            self.bus.ar.id.eq(0),
            open_bursts.w_en.eq(choose),
            open_bursts.w_data.eq(pick),
        ]
        with m.If(address_free):
            m.d.sync += self.bus.ar.valid.eq(choose)
        with m.If(choose):
            m.d.sync += [last.eq(pick), self.bus.ar.addr.eq(numbers[pick] << _INSTRUCTION_SHIFT)]
        with m.If(self.start):
            m.d.sync += last.eq(count - 1)

        # responses
        beat = Signal(range(self._beats))
        failed, halting = Signal(), Signal()
        beat_failed, is_halt = Signal(), Signal()
        opcode = Signal(FIELDS["opcode"].bits)
        owner = Signal(range(count))
        m.d.comb += [
            self.bus.r.ready.eq(1),
            self.quiet.eq(open_bursts.level == 0),
            owner.eq(open_bursts.r_data),
            opcode.eq(self.bus.r.data),
            beat_failed.eq(self.bus.r.resp[1] | (failed & (beat != 0))),
            is_halt.eq(Mux(beat == 0, opcode == Opcode.HALT, halting)),
            self.fill.data.eq(self.bus.r.data),
            self.fill.beat.eq(beat),
            self.fill.last.eq(beat == self._beats - 1),
            self.fill.fault.eq(beat_failed),
        ]
        with m.If(self.bus.r.valid):
            m.d.comb += [
                self.fill_valid.eq((1 << owner) & ~ended),
                open_bursts.r_en.eq(self.fill.last),
            ]
            m.d.sync += [beat.eq(beat + 1), failed.eq(beat_failed), halting.eq(is_halt)]
            with m.If(self.fill.last & (beat_failed | is_halt)):
                m.d.sync += ended.eq(ended | Cat(owner == q for q in QUEUES))

        ar, r = self.bus.ar, self.bus.r
        rules.stays(ar.valid, ar.ready, ar.addr, "the address of a fetch stays until it is taken")
        rules.never(ar.valid & ar.addr[:_INSTRUCTION_SHIFT].any(), "a fetch begins with an instruction")
        rules.never(choose & ~open_bursts.w_rdy, "a fetch has a place among those that are open")
        rules.never(r.valid & self.quiet, "a beat comes only for a fetch that is open")
        rules.never(r.valid & (r.last != self.fill.last), "RLAST comes with an instruction's last beat")
        rules.never(self.start & ~self.quiet, "a start waits for the fetches that are open")
        rules.one_at_most(chosen, "one queue fetches in a cycle")
        rules.one_at_most(self.fill_valid, "a beat is one queue's")
        return m
