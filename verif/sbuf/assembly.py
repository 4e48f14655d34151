"""All SBUF slices of a core behind one access arbiter: what the bench of both drives."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.psum.layouts import psum_commands, psum_requests
from makalu.hw.sbuf.arbiter import AccessArbiter
from makalu.hw.sbuf.layouts import access_commands, access_requests, dma_port, tensor_read, words_of_engines, written
from makalu.hw.sbuf.slice import SbufSlice
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES

__all__ = ["SbufAssembly"]


class SbufAssembly(wiring.Component):
    """AccessArbiter in front of `partitions` SbufSlices; per-partition ports as arrays over partitions."""

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        count, word = config.partitions, 8 * config.sbuf.word_bytes
        super().__init__(
            {
                "request": In(access_requests(config)),
                "grant": Out(ENGINES),
                "command": Out(access_commands(config)),
                "psum_request": In(psum_requests(config.psum)),
                "psum_grant": Out(ENGINES),
                "psum_command": Out(psum_commands(config.psum)),
                "owned": In(config.psum.banks),
                "write_data": In(data.ArrayLayout(words_of_engines(config), count)),
                "read_data": Out(data.ArrayLayout(words_of_engines(config), count)),
                "tensor": In(data.ArrayLayout(tensor_read(config), count)),
                "dma": In(data.ArrayLayout(dma_port(config), count)),
                "b_data": Out(data.ArrayLayout(word, count)),
                "written_a": Out(data.ArrayLayout(data.ArrayLayout(written(config), ENGINES), count)),
                "written_b": Out(data.ArrayLayout(written(config), count)),
            }
        )

    @property
    def emit_key(self) -> tuple[CoreConfig]:
        return (self.config,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.arbiter = arbiter = AccessArbiter(config=self.config)
        m.d.comb += [
            arbiter.request.eq(self.request),
            arbiter.psum_request.eq(self.psum_request),
            arbiter.owned.eq(self.owned),
            self.grant.eq(arbiter.grant),
            self.command.eq(arbiter.command),
            self.psum_grant.eq(arbiter.psum_grant),
            self.psum_command.eq(arbiter.psum_command),
        ]
        for p in range(self.config.partitions):
            part = SbufSlice(config=self.config)
            m.submodules[f"slice{p}"] = place(part, platform)
            m.d.comb += [
                part.index.eq(p),
                part.access.eq(arbiter.command),
                part.write_data.eq(self.write_data[p]),
                part.tensor.eq(self.tensor[p]),
                part.dma.eq(self.dma[p]),
                self.read_data[p].eq(part.read_data),
                self.b_data[p].eq(part.b_data),
                self.written_a[p].eq(part.written_a),
                self.written_b[p].eq(part.written_b),
            ]
        return m
