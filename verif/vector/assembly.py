"""Vector, Scalar, the access arbiter and all partitions' memories and lanes: what the bench drives."""

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.lanes.control import lane_control
from makalu.hw.lanes.engine import VectorEngine
from makalu.hw.lanes.lane import Lane
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.psum.layouts import psum_requests, wave
from makalu.hw.psum.slice import PsumSlice
from makalu.hw.sbuf.arbiter import AccessArbiter
from makalu.hw.sbuf.layouts import access_requests, dma_port, words_of_engines, written
from makalu.hw.sbuf.slice import SbufSlice
from makalu.hw.scalar.engine import ScalarEngine
from makalu.spec.chain import CHAIN_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES

__all__ = ["LanesAssembly"]


class LanesAssembly(wiring.Component):
    """Both engines over `partitions` slices and lanes; the memories are filled through `dma` and the PSUM wave."""

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        count = config.partitions
        super().__init__(
            {
                "vector": In(stream.Signature(INSTRUCTION)),
                "scalar": In(stream.Signature(INSTRUCTION)),
                "owned": In(config.psum.banks),
                "dma": In(data.ArrayLayout(dma_port(config), count)),
                "wave": In(wave(config.psum)),
                "column": In(data.ArrayLayout(CHAIN_BITS, count)),
                "finish": Out(ENGINES),
                "active": Out(ENGINES),
                "stalled": Out(ENGINES),
                "request": Out(access_requests(config)),
                "grant": Out(ENGINES),
                "psum_request": Out(psum_requests(config.psum)),
                "psum_grant": Out(ENGINES),
                "to_lanes": Out(data.ArrayLayout(lane_control(config), ENGINES)),
                "write_data": Out(data.ArrayLayout(words_of_engines(config), count)),
                "written_a": Out(data.ArrayLayout(data.ArrayLayout(written(config), ENGINES), count)),
            }
        )

    @property
    def emit_key(self) -> tuple[CoreConfig]:
        return (self.config,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        engines = [VectorEngine(config=config), ScalarEngine(config=config)]
        m.submodules.arbiter = arbiter = AccessArbiter(config=config)
        for name, command, engine in zip(("vector", "scalar"), (self.vector, self.scalar), engines, strict=True):
            m.submodules[name] = place(engine, platform)
            connect(m, flipped(command), engine.command)
        m.d.comb += arbiter.owned.eq(self.owned)
        for e, engine in enumerate(engines):
            m.d.comb += [
                arbiter.request[e].eq(engine.request),
                engine.grant.eq(arbiter.grant[e]),
                arbiter.psum_request[e].eq(engine.psum_request),
                engine.psum_grant.eq(arbiter.psum_grant[e]),
                self.to_lanes[e].eq(engine.to_lanes),
            ]
        m.d.comb += [
            self.finish.eq(Cat(engine.finish for engine in engines)),
            self.active.eq(Cat(engine.active for engine in engines)),
            self.stalled.eq(Cat(engine.stalled for engine in engines)),
            self.request.eq(arbiter.request),
            self.grant.eq(arbiter.grant),
            self.psum_request.eq(arbiter.psum_request),
            self.psum_grant.eq(arbiter.psum_grant),
        ]
        arriving = self.wave
        for p in range(config.partitions):
            sbuf, psum = SbufSlice(config=config), PsumSlice(config=config)
            m.submodules[f"sbuf{p}"] = place(sbuf, platform)
            m.submodules[f"psum{p}"] = place(psum, platform)
            m.d.comb += [
                sbuf.index.eq(p),
                psum.index.eq(p),
                sbuf.access.eq(arbiter.command),
                sbuf.dma.eq(self.dma[p]),
                psum.access.eq(arbiter.psum_command),
                psum.wave_in.eq(arriving),
                psum.column.eq(self.column[p]),
                self.written_a[p].eq(sbuf.written_a),
            ]
            for e, engine in enumerate(engines):
                lane = Lane(config=config)
                m.submodules[f"lane{p}_{e}"] = place(lane, platform)
                m.d.comb += [
                    lane.index.eq(p),
                    lane.control.eq(engine.to_lanes),
                    lane.sbuf_data.eq(sbuf.read_data[e]),
                    lane.psum_data.eq(psum.read_data[e]),
                    sbuf.write_data[e].eq(lane.write_data),
                    self.write_data[p][e].eq(lane.write_data),
                ]
            arriving = psum.wave_out
        return m
