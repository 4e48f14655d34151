"""DMA engine, its lanes and the SBUF slices behind them: what the DMA benches drive."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.dma.engine import DmaEngine
from makalu.hw.dma.lane import DmaLane
from makalu.hw.lib.axi import AxiSignature
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.sbuf.layouts import access_commands, dma_port, tensor_read, words_of_engines
from makalu.hw.sbuf.slice import SbufSlice
from makalu.spec.config import CoreConfig
from makalu.spec.frame import PHASE_BITS

__all__ = ["SINGLE_BITS", "DmaAssembly"]

SINGLE_BITS = (
    "finish_load",
    "finish_store",
    "error_load",
    "error_store",
    "active_load",
    "active_store",
    "stalled_load",
    "stalled_store",
)


class DmaAssembly(wiring.Component):
    """DmaEngine + P DmaLane + P SbufSlice; per-partition ports as arrays over partitions.

    `access`, `write_data`: port A, to fill SBUF. `tensor`: other reads on port B. `sbuf`: what the lanes do.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        bus = AxiSignature(
            read=True, write=True, data_bytes=config.bus.data_bytes, address_bits=config.bus.address_bits
        )
        count = config.partitions
        super().__init__(
            {
                "load": In(stream.Signature(INSTRUCTION)),
                "store": In(stream.Signature(INSTRUCTION)),
                **{name: Out(1) for name in SINGLE_BITS},
                "bus": Out(bus),
                "access": In(access_commands(config)),
                "write_data": In(data.ArrayLayout(words_of_engines(config), count)),
                "tensor": In(data.ArrayLayout(tensor_read(config), count)),
                "sbuf": Out(data.ArrayLayout(dma_port(config), count)),
                "b_data": Out(data.ArrayLayout(8 * config.sbuf.word_bytes, count)),
            }
        )

    @property
    def emit_key(self) -> tuple[CoreConfig]:
        return (self.config,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        engine = DmaEngine(config=config)
        m.submodules.engine = place(engine, platform)
        frame = Signal(PHASE_BITS)
        m.d.sync += frame.eq(frame + 1)
        connect(m, flipped(self.load), engine.load)
        connect(m, flipped(self.store), engine.store)
        connect(m, flipped(self.bus), engine.bus)
        m.d.comb += [getattr(self, name).eq(getattr(engine, name)) for name in SINGLE_BITS]
        for p in range(config.partitions):
            lane, part = DmaLane(config=config), SbufSlice(config=config)
            m.submodules[f"lane{p}"] = place(lane, platform)
            m.submodules[f"slice{p}"] = place(part, platform)
            m.d.comb += [
                lane.index.eq(p),
                lane.phase.eq(frame - p * config.tensor.add_stages),
                lane.control.eq(engine.to_lanes),
                engine.from_lanes[p].eq(lane.status),
                lane.sbuf_data.eq(part.b_data),
                part.index.eq(p),
                part.access.eq(self.access),
                part.write_data.eq(self.write_data[p]),
                part.tensor.eq(self.tensor[p]),
                part.dma.eq(lane.sbuf),
                self.sbuf[p].eq(lane.sbuf),
                self.b_data[p].eq(part.b_data),
            ]
        return m
