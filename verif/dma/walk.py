"""A channel's queue of descriptors and the walk over each, without what follows: a cycle costs little."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.dma.descriptor import DescriptorQueue
from makalu.hw.dma.layouts import burst
from makalu.hw.dma.walker import BurstWalker
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.spec.config import CoreConfig

__all__ = ["Walk"]


class Walk(wiring.Component):
    """bursts = those of the loads of `command`, in order; a load is done when its last burst is taken."""

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__({"command": In(stream.Signature(INSTRUCTION)), "bursts": Out(stream.Signature(burst(config)))})

    @property
    def emit_key(self) -> tuple[str]:
        return (self.config.digest,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = DescriptorQueue(config=self.config, operand="dst", readers=1)
        m.submodules.walker = walker = BurstWalker(config=self.config)
        wiring.connect(m, wiring.flipped(self.command), queue.command)
        wiring.connect(m, queue.starts[0], walker.start)
        wiring.connect(m, walker.bursts, wiring.flipped(self.bursts))
        m.d.comb += queue.finish.eq(self.bursts.valid & self.bursts.ready & self.bursts.payload.last)
        return m
