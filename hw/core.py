"""The core: sequencer, engines, PE array and partitions. Wiring only."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.dma.engine import DmaEngine
from makalu.hw.lib.axi import AxiLiteSignature, AxiSignature
from makalu.hw.lib.emit import place
from makalu.hw.partition import Partition
from makalu.hw.sbuf.arbiter import AccessArbiter
from makalu.hw.scalar.engine import ScalarEngine
from makalu.hw.sequencer.sequencer import Sequencer
from makalu.hw.tensor.array import PeArray
from makalu.hw.tensor.head import TensorHead
from makalu.hw.vector.engine import VectorEngine
from makalu.spec.config import CoreConfig
from makalu.spec.frame import PHASE_BITS
from makalu.spec.observe import observe_layout

__all__ = ["Core"]


class Core(wiring.Component):
    """One NeuronCore-class core: five queues, SBUF, PSUM, PE array, Vector, Scalar, DMA.

    Does not: hold memory; images, weights and programs lie behind the two AXI4 ports.

    Parameters
    ----------
    config : CoreConfig
    observe : "none", "trace" (issue, finish, last commit) or "all" (every architectural port); the packed port
        `observe` has the layout of `spec/observe.py`. Simulation only.

    Members
    -------
    control : AXI4-Lite slave, registers of `spec/registers.py`
    instructions : read-only AXI4 master;  data : AXI4 master;  irq : interrupt, level

    Timing: adds no register between the blocks; from a start on the control port to the first fetch, and from a finish
    to what waits for it, see `Sequencer`. `frame`, which orders SBUF's port B, is 0 in the first cycle after reset.

    Errors: `ErrorCode` in the registers of the queue, and `irq`.
    """

    def __init__(self, *, config: CoreConfig, observe: str = "none"):
        self.config = config
        self.observe_fields = observe_layout(config, observe)
        ports = {
            "control": In(AxiLiteSignature()),
            "instructions": Out(
                AxiSignature(
                    read=True,
                    write=False,
                    data_bytes=config.bus.instruction_bytes,
                    address_bits=config.bus.address_bits,
                )
            ),
            "data": Out(
                AxiSignature(
                    read=True, write=True, data_bytes=config.bus.data_bytes, address_bits=config.bus.address_bits
                )
            ),
            "irq": Out(1),
        }
        if self.observe_fields:
            ports["observe"] = Out(sum(f.bits * f.count for f in self.observe_fields))
        super().__init__(ports)

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config, tuple(self.observe_fields))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        sequencer, head, array = Sequencer(config=config), TensorHead(config=config), PeArray(config=config)
        vector, scalar = VectorEngine(config=config), ScalarEngine(config=config)
        arbiter, dma = AccessArbiter(config=config), DmaEngine(config=config)
        parts = {
            "sequencer": sequencer,
            "head": head,
            "array": array,
            "vector": vector,
            "scalar": scalar,
            "arbiter": arbiter,
        }
        for name, part in parts.items():
            m.submodules[name] = place(part, platform)
        # not placed: at 128 partitions its inputs are more bits than Amaranth numbers in one converted module
        m.submodules.dma = dma
        partitions = [Partition(config=config) for _ in range(config.partitions)]
        for p, partition in enumerate(partitions):
            m.submodules[f"partition_{p}"] = place(partition, platform)

        frame = Signal(PHASE_BITS)
        m.d.sync += frame.eq(frame + 1)

        # outside
        connect(m, flipped(self.control), sequencer.control)
        connect(m, sequencer.instructions, flipped(self.instructions))
        connect(m, dma.bus, flipped(self.data))
        m.d.comb += self.irq.eq(sequencer.irq)

        # queues -> engines
        connect(m, sequencer.tensor, head.command)
        connect(m, sequencer.vector, vector.command)
        connect(m, sequencer.scalar, scalar.command)
        connect(m, sequencer.dma_load, dma.load)
        connect(m, sequencer.dma_store, dma.store)
        m.d.comb += [
            sequencer.finish_tensor_load.eq(head.finish_load),
            sequencer.finish_matmul.eq(head.finish_matmul),
            sequencer.finish_vector.eq(vector.finish),
            sequencer.finish_scalar.eq(scalar.finish),
            sequencer.finish_dma_load.eq(dma.finish_load),
            sequencer.finish_dma_store.eq(dma.finish_store),
            sequencer.error_load.eq(dma.error_load),
            sequencer.error_store.eq(dma.error_store),
            sequencer.active.eq(Cat(head.active, vector.active, scalar.active, dma.active_load, dma.active_store)),
            sequencer.stalled.eq(
                Cat(head.stalled, vector.stalled, scalar.stalled, dma.stalled_load, dma.stalled_store)
            ),
        ]

        # tensor engine -> partitions -> array -> partitions
        m.d.comb += [
            head.frame.eq(frame),
            partitions[0].control_in.eq(head.control),
            partitions[0].wave_in.eq(head.wave),
        ]
        for p, partition in enumerate(partitions):
            m.d.comb += [
                partition.index.eq(p),
                partition.frame.eq(frame),
                array.x[p].eq(partition.x),
                array.w[p].eq(partition.w),
                partition.column.eq(array.p[p]),
                partition.access.eq(arbiter.command),
                partition.psum_access.eq(arbiter.psum_command),
                partition.vector.eq(vector.to_lanes),
                partition.scalar.eq(scalar.to_lanes),
                partition.dma.eq(dma.to_lanes),
                dma.from_lanes[p].eq(partition.dma_status),
            ]
            if p + 1 < config.partitions:
                m.d.comb += [
                    partitions[p + 1].control_in.eq(partition.control_out),
                    partitions[p + 1].wave_in.eq(partition.wave_out),
                ]

        # Vector and Scalar -> memories
        m.d.comb += arbiter.owned.eq(head.owned)
        for e, engine in enumerate((vector, scalar)):
            m.d.comb += [
                arbiter.request[e].eq(engine.request),
                engine.grant.eq(arbiter.grant[e]),
                arbiter.psum_request[e].eq(engine.psum_request),
                engine.psum_grant.eq(arbiter.psum_grant[e]),
            ]

        sources = {
            "issue": sequencer.trace_issue,
            "finish": sequencer.trace_finish,
            "committed": Cat(p.commit.valid for p in partitions).any(),
            "semaphores": sequencer.semaphores,
            "owned": head.owned,
            "columns": array.p,
            "psum": Cat(data.View.as_value(p.commit) for p in partitions),
            "sbuf_vector": Cat(data.View.as_value(p.written_a[0]) for p in partitions),
            "sbuf_scalar": Cat(data.View.as_value(p.written_a[1]) for p in partitions),
            "sbuf_dma": Cat(data.View.as_value(p.written_b) for p in partitions),
        }
        if self.observe_fields:
            m.d.comb += self.observe.eq(Cat(sources[f.name] for f in self.observe_fields))
        return m
