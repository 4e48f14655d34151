"""The control port: AXI4-Lite slave in front of the registers of `spec/registers.py`, and the interrupt."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.axi import AxiLiteSignature
from makalu.hw.lib.rules import Rules
from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from makalu.spec.isa import QUEUES
from makalu.spec.registers import DIGEST_BITS, IDENTITY, REGISTER_BITS, REGISTERS, START, Status, registers_of

__all__ = ["ControlPort", "status_layout"]

_CONSTANT = ("identity", "digest", "control")


def status_layout() -> data.StructLayout:
    """Every read-only register whose value comes from the core."""
    names = [r.name for r in REGISTERS.values() if r.access == "ro" and r.name not in _CONSTANT]
    return data.StructLayout({name: REGISTER_BITS for name in names})


class ControlPort(wiring.Component):
    """Reads and writes of the core's registers; irq = any bit of `interrupt`.

    Does not: queue transfers; one write and one read may be open.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    bus : In(AxiLiteSignature)
    status : In(status_layout)
        Read-only registers.
    done, error : In(1)
        Set the interrupt's bits; a set wins over a clear in the same cycle.
    start : Out(1)
        `control` is written with bit 0 set in this cycle.
    enable, watchdog, addresses, seed : Out
        Stored registers; addresses have the width of the bus; `seed` where there is stochastic rounding.
    irq : Out(1)

    Timing: a write is accepted in a cycle in which AWVALID and WVALID are high and no B waits; BVALID follows in the
    next cycle, and there the new value is visible. A read is accepted when no R waits and answers in the next
    cycle with the values of the cycle of its acceptance.
    """

    def __init__(self, *, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "bus": In(AxiLiteSignature()),
                "status": In(status_layout()),
                "done": In(1),
                "error": In(1),
                "start": Out(1),
                "enable": Out(len(QUEUES)),
                "watchdog": Out(REGISTER_BITS),
                "addresses": Out(data.ArrayLayout(config.bus.address_bits, len(QUEUES))),
                "irq": Out(1),
                **({"seed": Out(REGISTER_BITS)} if config.stochastic else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        interrupt = Signal(REGISTER_BITS)
        digest = int(self._config.digest[: DIGEST_BITS // 4], 16)
        stored = {"interrupt": interrupt, "enable": self.enable, "watchdog": self.watchdog}
        if self._config.stochastic:
            stored["seed"] = self.seed
        for q in QUEUES:
            address = self.addresses[q]
            stored[f"{q.name.lower()}_address_low"] = address[:REGISTER_BITS]
            stored[f"{q.name.lower()}_address_high"] = address[REGISTER_BITS:]
        values = {"identity": IDENTITY, "digest": digest, "control": 0} | stored
        values |= {name: self.status[name] for name in status_layout().members}

        accept = Signal()
        allowed, strobed = Signal(), Signal()
        m.d.comb += [
            accept.eq(bus.aw.valid & bus.w.valid & ~bus.b.valid),
            bus.aw.ready.eq(accept),
            bus.w.ready.eq(accept),
            strobed.eq(bus.w.strb.all()),
            self.irq.eq(interrupt.any()),
        ]
        with m.If(bus.b.ready):
            m.d.sync += bus.b.valid.eq(0)
        with m.If(accept):
            m.d.sync += [
                bus.b.valid.eq(1),
                bus.b.resp.eq(Mux(allowed & strobed, Response.OKAY, Response.SLVERR)),
            ]
        with m.Switch(bus.aw.addr):
            for name, register in registers_of(self._config).items():
                if register.access == "ro":
                    continue
                with m.Case(register.address):
                    m.d.comb += allowed.eq(1)
                    with m.If(accept & strobed):
                        if name == "control":
                            m.d.comb += self.start.eq((bus.w.data & START).any())
                        elif name == "interrupt":
                            m.d.sync += interrupt.eq(interrupt & ~bus.w.data)
                        else:
                            m.d.sync += stored[name].eq(bus.w.data)
        with m.If(self.done):
            m.d.sync += interrupt[Status.DONE.bit_length() - 1].eq(1)
        with m.If(self.error):
            m.d.sync += interrupt[Status.ERROR.bit_length() - 1].eq(1)

        m.d.comb += bus.ar.ready.eq(~bus.r.valid)
        with m.If(bus.r.ready):
            m.d.sync += bus.r.valid.eq(0)
        with m.If(bus.ar.valid & bus.ar.ready):
            m.d.sync += [bus.r.valid.eq(1), bus.r.data.eq(0), bus.r.resp.eq(Response.SLVERR)]
            with m.Switch(bus.ar.addr):
                for name, register in registers_of(self._config).items():
                    with m.Case(register.address):
                        m.d.sync += [bus.r.data.eq(values[name]), bus.r.resp.eq(Response.OKAY)]

        rules = Rules(m, platform)
        rules.stays(bus.aw.valid, bus.aw.ready, bus.aw.addr, "the host's AW stays until it is taken")
        rules.stays(bus.w.valid, bus.w.ready, Cat(bus.w.data, bus.w.strb), "the host's W stays until it is taken")
        rules.stays(bus.ar.valid, bus.ar.ready, bus.ar.addr, "the host's AR stays until it is taken")
        rules.stays(bus.b.valid, bus.b.ready, bus.b.resp, "B stays until the host takes it")
        rules.stays(bus.r.valid, bus.r.ready, Cat(bus.r.data, bus.r.resp), "R stays until the host takes it")
        rules.never(self.start & ~accept, "only a write starts")
        return m
