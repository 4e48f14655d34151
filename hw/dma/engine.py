"""The DMA engine: two channels that share nothing but the bus's name."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.dma.layouts import lane_control, lane_status
from makalu.hw.dma.read import ReadChannel
from makalu.hw.dma.write import WriteChannel
from makalu.hw.lib.axi import AxiSignature
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.spec.config import CoreConfig

__all__ = ["DmaEngine"]


class DmaEngine(wiring.Component):
    """dma_load: sbuf[P, N] = memory[P, N]; dma_store: memory[P, N] = sbuf[P, N]; bytes move unchanged.

    Does not: cast; order loads against stores; wait for semaphores.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    load, store: In(stream.Signature(INSTRUCTION))
        Each in order, at most `dma.queue` accepted and not finished.
    finish_load, finish_store, error_load, error_store, active_load, active_store: Out(1)
    stalled_load, stalled_store: Out(1)
        Registered; in t: in t - 1 the channel was active, no handshake was on its AR or R, its AW, W or B, and no lane
        read or wrote SBUF for it. The cycles between acceptance and the first AR or SBUF word, and between the last B
        or word and the finish, count as well.
    bus
        AXI4 master; one ID, 0.
    to_lanes: Out(lane_control), from_lanes: In(lane_status).array(P)
        Ports of their own: one signal of 128 lanes' lines would be wider than Amaranth allows.

    Timing, errors: `ReadChannel` and `WriteChannel`. No combinational path from `from_lanes` back through a lane.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        bus = AxiSignature(
            read=True, write=True, data_bytes=config.bus.data_bytes, address_bits=config.bus.address_bits
        )
        super().__init__(
            {
                "load": In(stream.Signature(INSTRUCTION)),
                "store": In(stream.Signature(INSTRUCTION)),
                "finish_load": Out(1),
                "finish_store": Out(1),
                "error_load": Out(1),
                "error_store": Out(1),
                "active_load": Out(1),
                "active_store": Out(1),
                "stalled_load": Out(1),
                "stalled_store": Out(1),
                "bus": Out(bus),
                "to_lanes": Out(lane_control(config)),
                "from_lanes": In(lane_status(config)).array(config.partitions),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        config = self.config
        return (config.partitions, config.sbuf, config.dma, config.bus)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.read = read = ReadChannel(config=self.config)
        m.submodules.write = write = WriteChannel(config=self.config)
        connect(m, flipped(self.load), read.command)
        connect(m, flipped(self.store), write.command)
        for channel, ports in ((read, ("ar", "r")), (write, ("aw", "w", "b"))):
            for port in ports:
                connect(m, flipped(getattr(self.bus, port)), getattr(channel.bus, port))
        control = self.to_lanes
        m.d.comb += [
            *(read.lanes[p].eq(status) for p, status in enumerate(self.from_lanes)),
            *(write.lanes[p].eq(status) for p, status in enumerate(self.from_lanes)),
            control.line_valid.eq(read.line_valid),
            control.line_partition.eq(read.line_partition),
            control.line.eq(read.line),
            control.request_valid.eq(write.request_valid),
            control.request_partition.eq(write.request_partition),
            control.request.eq(write.request),
            control.pop.eq(write.pop),
            control.pop_partition.eq(write.pop_partition),
            control.drop.eq(write.error),
            self.finish_load.eq(read.finish),
            self.finish_store.eq(write.finish),
            self.error_load.eq(read.error),
            self.error_store.eq(write.error),
            self.active_load.eq(read.active),
            self.active_store.eq(write.active),
        ]
        for kind, ports in (("load", ("ar", "r")), ("store", ("aw", "w", "b"))):
            handshakes = [port.valid & port.ready for port in (getattr(self.bus, name) for name in ports)]
            accesses = [getattr(status, f"{kind}_access") for status in self.from_lanes]
            moved = Signal(name=f"moved_{kind}")
            m.d.comb += moved.eq(Cat(handshakes, accesses).any())
            m.d.sync += getattr(self, f"stalled_{kind}").eq(getattr(self, f"active_{kind}") & ~moved)

        rules, last = Rules(m, platform), self.config.partitions - 1
        for channel, name in ((read, "load"), (write, "store")):
            rules.never(channel.finish & ~channel.active, f"only a {name} that was accepted finishes")
            rules.never(channel.finish & channel.error, f"no {name} finishes beside an error")
            rules.never(channel.error & ~channel.active, f"only a {name} that was accepted fails")
        rules.follows(read.line_valid, read.line_partition <= last, "a line is for a partition that there is")
        rules.follows(
            write.request_valid, write.request_partition <= last, "a request is for a partition that there is"
        )
        rules.follows(write.pop, write.pop_partition <= last, "a line is taken from a partition that there is")
        return m
