"""The smallest thing with a core's ports: when started it copies one burst to an address that it fetched."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.axi import AxiLiteSignature, AxiSignature
from makalu.hw.lib.rules import Rules
from makalu.spec.axi import BURST_INCR
from makalu.spec.registers import REGISTERS, Status

__all__ = ["BEATS", "FORBIDDEN", "CopyCore"]

BEATS = 4
FORBIDDEN = 0x3FC0
"""A target that an assertion forbids."""


class CopyCore(wiring.Component):
    """`memory[word(program) + i] = memory[i] for i < BEATS beats`; word(program) is the first fetched beat.

    `observe` shows (counter, write data, B response): 8 + 64 + 2 bits.
    """

    def __init__(self, *, config):
        self.config = config
        bus = config.bus
        axi = {"address_bits": bus.address_bits}
        super().__init__(
            {
                "control": In(AxiLiteSignature()),
                "instructions": Out(AxiSignature(read=True, write=False, data_bytes=bus.instruction_bytes, **axi)),
                "data": Out(AxiSignature(read=True, write=True, data_bytes=bus.data_bytes, **axi)),
                "irq": Out(1),
                "observe": Out(8 + 8 * bus.data_bytes + 2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        control, data, fetch = self.control, self.data, self.instructions
        program, target = Signal(32), Signal(32)
        start, done, running = Signal(), Signal(), Signal()
        cycles, counter, left = Signal(32), Signal(8), Signal(8)
        response = Signal(2)
        m.d.sync += [counter.eq(counter + 1), cycles.eq(cycles + running)]

        # registers: a write needs both halves in one cycle and is answered in the next
        both = Signal()
        m.d.comb += [
            both.eq(control.aw.valid & control.w.valid & ~control.b.valid),
            control.aw.ready.eq(both),
            control.w.ready.eq(both),
            control.ar.ready.eq(~control.r.valid),
            start.eq(both & (control.aw.addr == REGISTERS["control"].address)),
        ]
        with m.If(both):
            m.d.sync += control.b.valid.eq(1)
            with m.If(control.aw.addr == REGISTERS["tensor_address_low"].address):
                m.d.sync += program.eq(control.w.data)
        with m.Elif(control.b.ready):
            m.d.sync += control.b.valid.eq(0)
        with m.If(control.ar.valid & control.ar.ready):
            m.d.sync += [control.r.valid.eq(1), control.r.data.eq(0)]
            with m.Switch(control.ar.addr):
                with m.Case(REGISTERS["interrupt"].address):
                    m.d.sync += control.r.data.eq(done * Status.DONE)
                with m.Case(REGISTERS["cycles"].address):
                    m.d.sync += control.r.data.eq(cycles)
        with m.Elif(control.r.ready):
            m.d.sync += control.r.valid.eq(0)

        size = self.config.bus.data_bytes.bit_length() - 1
        for channel in (data.ar, data.aw, fetch.ar):
            m.d.comb += [channel.size.eq(size), channel.burst.eq(BURST_INCR)]
        m.d.comb += [
            fetch.ar.addr.eq(program),
            data.ar.len.eq(BEATS - 1),
            data.aw.len.eq(BEATS - 1),
            data.aw.addr.eq(target),
            data.w.data.eq(data.r.data),
            data.w.strb.eq(-1),
            data.w.last.eq(data.r.last),
            self.irq.eq(done),
            running.eq(1),
            self.observe.eq(Cat(counter, data.w.data, response)),
        ]
        Rules(m, platform).never(data.aw.valid & (data.aw.addr == FORBIDDEN), "nothing is copied there")
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += running.eq(0)
                with m.If(start):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += fetch.ar.valid.eq(1)
                with m.If(fetch.ar.ready):
                    m.next = "FETCHED"
            with m.State("FETCHED"):
                m.d.comb += fetch.r.ready.eq(1)
                with m.If(fetch.r.valid):
                    m.d.sync += target.eq(fetch.r.data)
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += data.ar.valid.eq(1)
                with m.If(data.ar.ready):
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += data.aw.valid.eq(1)
                with m.If(data.aw.ready):
                    m.d.sync += left.eq(BEATS)
                    m.next = "COPY"
            with m.State("COPY"):
                m.d.comb += [data.w.valid.eq(data.r.valid), data.r.ready.eq(data.w.ready)]
                with m.If(data.w.valid & data.w.ready & data.w.last):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += data.b.ready.eq(1)
                with m.If(data.b.valid):
                    m.d.sync += [response.eq(data.b.resp), done.eq(1)]
                    m.next = "IDLE"
        return m
