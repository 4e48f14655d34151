"""All PSUM slices of a core in the chain of their waves: what the bench drives."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.psum.layouts import commit, elements_of_engines, psum_commands, wave
from makalu.hw.psum.slice import PsumSlice
from makalu.spec.chain import CHAIN_BITS
from makalu.spec.config import CoreConfig

__all__ = ["PsumAssembly"]


class PsumAssembly(wiring.Component):
    """`partitions` PsumSlices, slice p's wave from slice p - 1; per-partition ports as arrays over partitions."""

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        count = config.partitions
        super().__init__(
            {
                "column": In(data.ArrayLayout(CHAIN_BITS, count)),
                "wave_in": In(wave(config.psum)),
                "wave_out": Out(data.ArrayLayout(wave(config.psum), count)),
                "access": In(psum_commands(config.psum)),
                "read_data": Out(data.ArrayLayout(elements_of_engines(), count)),
                "commit": Out(data.ArrayLayout(commit(config.psum), count)),
            }
        )

    @property
    def emit_key(self) -> tuple[CoreConfig]:
        return (self.config,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        arriving = self.wave_in
        for p in range(self.config.partitions):
            part = PsumSlice(config=self.config)
            m.submodules[f"slice{p}"] = place(part, platform)
            m.d.comb += [
                part.index.eq(p),
                part.column.eq(self.column[p]),
                part.wave_in.eq(arriving),
                part.access.eq(self.access),
                self.wave_out[p].eq(part.wave_out),
                self.read_data[p].eq(part.read_data),
                self.commit[p].eq(part.commit),
            ]
            arriving = part.wave_out
        return m
