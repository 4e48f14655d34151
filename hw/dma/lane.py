"""One partition's part of the DMA."""

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.dma.layouts import lane_control, lane_status
from makalu.hw.dma.load_lane import LoadLane
from makalu.hw.dma.store_lane import StoreLane
from makalu.hw.lib.rules import Rules
from makalu.hw.sbuf.layouts import dma_port
from makalu.spec.config import CoreConfig
from makalu.spec.frame import LOAD_PHASE, PHASE_BITS, STORE_PHASE
from makalu.spec.memory_map import INDEX_BITS

__all__ = ["DmaLane"]


class DmaLane(wiring.Component):
    """Port B of one partition's SBUF: words of loads in phase 3, words of stores in phase 7.

    Does not: see the bus; everything comes through the engine.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    index: In(7)
        Partition number, constant at the instance.
    phase: In(3)
        The partition's phase of the frame.
    control: In(lane_control), status: Out(lane_status)
    sbuf: Out({enable, write, address, granules, data}), sbuf_data: In(8 * word_bytes)

    Timing: `LoadLane` and `StoreLane`. Neither ever waits for the other.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "index": In(INDEX_BITS),
                "phase": In(PHASE_BITS),
                "control": In(lane_control(config)),
                "status": Out(lane_status(config)),
                "sbuf": Out(dma_port(config)),
                "sbuf_data": In(8 * config.sbuf.word_bytes),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.sbuf, self.config.dma, self.config.bus)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.load = load = LoadLane(config=self.config)
        store = StoreLane(config=self.config)
        control, status = self.control, self.status
        m.submodules.store = ResetInserter(control.drop)(store)
        in_store = Signal()
        m.d.comb += [
            load.valid.eq(control.line_valid & (control.line_partition == self.index)),
            load.line.eq(control.line),
            load.slot.eq(self.phase == LOAD_PHASE),
            load.sbuf_data.eq(self.sbuf_data),
            store.valid.eq(control.request_valid & (control.request_partition == self.index)),
            store.request.eq(control.request),
            store.pop.eq(control.pop & (control.pop_partition == self.index)),
            store.slot.eq(self.phase == STORE_PHASE),
            store.sbuf_data.eq(self.sbuf_data),
            in_store.eq(store.enable),
            self.sbuf.eq(load.sbuf),
            status.room.eq(load.room),
            status.room_two.eq(load.room_two),
            status.busy.eq(load.busy),
            status.oldest.eq(load.oldest),
            status.request_room.eq(store.request_room),
            status.line_valid.eq(store.line_valid),
            status.data.eq(store.line),
            status.load_access.eq(load.sbuf.enable),
            status.store_access.eq(store.enable),
        ]
        with m.If(in_store):
            m.d.comb += [self.sbuf.enable.eq(1), self.sbuf.write.eq(0), self.sbuf.address.eq(store.address)]

        rules = Rules(m, platform)
        rules.never(load.sbuf.enable & store.enable, "loads and stores have phases of their own")
        return m
