"""The tensor engine with the memories and the array around it, wired as in a partition of the core."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.psum.layouts import commit, psum_commands, wave
from makalu.hw.psum.slice import PsumSlice
from makalu.hw.sbuf.layouts import dma_port, tensor_read
from makalu.hw.sbuf.slice import SbufSlice
from makalu.hw.tensor.array import PeArray
from makalu.hw.tensor.control import edge_control
from makalu.hw.tensor.edge import TensorEdge
from makalu.hw.tensor.head import TensorHead
from makalu.hw.tensor.layouts import CHAIN_BITS, X_OPERAND, group
from makalu.spec.config import CoreConfig

__all__ = ["TensorAssembly"]


class TensorAssembly(wiring.Component):
    """TensorHead + P of (TensorEdge, SbufSlice, PsumSlice) + PeArray; every port between them is an output too.

    Does not: contain Vector, Scalar or DMA: `dma` is port B's other client of each slice.

    Parameters
    ----------
    config
        The core.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        count = config.partitions
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "dma": In(data.ArrayLayout(dma_port(config), count)),
                "access": In(psum_commands(config.psum)),
                "frame": Out(3),
                "finish_load": Out(1),
                "finish_matmul": Out(1),
                "active": Out(1),
                "stalled": Out(1),
                "owned": Out(config.psum.banks),
                "control": Out(edge_control(config)),
                "wave": Out(wave(config.psum)),
                "sbuf": Out(data.ArrayLayout(tensor_read(config), count)),
                "x": Out(data.ArrayLayout(X_OPERAND, count)),
                "w": Out(data.ArrayLayout(group(config), count)),
                "p": Out(data.ArrayLayout(CHAIN_BITS, count)),
                "commit": Out(data.ArrayLayout(commit(config.psum), count)),
            }
        )

    @property
    def emit_key(self) -> tuple[CoreConfig]:
        return (self.config,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        head, array = TensorHead(config=config), PeArray(config=config)
        m.submodules.head = place(head, platform)
        m.submodules.array = place(array, platform)
        m.d.sync += self.frame.eq(self.frame + 1)
        wiring.connect(m, wiring.flipped(self.command), head.command)
        m.d.comb += [
            head.frame.eq(self.frame),
            self.finish_load.eq(head.finish_load),
            self.finish_matmul.eq(head.finish_matmul),
            self.active.eq(head.active),
            self.stalled.eq(head.stalled),
            self.owned.eq(head.owned),
            self.control.eq(head.control),
            self.wave.eq(head.wave),
            array.x.eq(self.x),
            array.w.eq(self.w),
            self.p.eq(array.p),
        ]
        control, passing = head.control, head.wave
        for p in range(config.partitions):
            edge, sbuf, psum = TensorEdge(config=config), SbufSlice(config=config), PsumSlice(config=config)
            for name, part in (("edge", edge), ("sbuf", sbuf), ("psum", psum)):
                m.submodules[f"{name}_{p}"] = place(part, platform)
                m.d.comb += part.index.eq(p)
            m.d.comb += [
                edge.control_in.eq(control),
                sbuf.tensor.eq(edge.sbuf),
                sbuf.dma.eq(self.dma[p]),
                edge.sbuf_data.eq(sbuf.b_data),
                self.sbuf[p].eq(edge.sbuf),
                self.x[p].eq(edge.x),
                self.w[p].eq(edge.w),
                psum.wave_in.eq(passing),
                psum.column.eq(array.p[p]),
                psum.access.eq(self.access),
                self.commit[p].eq(psum.commit),
            ]
            control, passing = edge.control_out, psum.wave_out
        return m
