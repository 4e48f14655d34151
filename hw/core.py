"""The core: sequencer, engines, PE array and partitions. Wiring only."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.dma.engine import DmaEngine
from makalu.hw.lanes.engine import LaneEngine
from makalu.hw.lanes.group_scale import GroupScale
from makalu.hw.lib.axi import AxiLiteSignature, AxiSignature
from makalu.hw.lib.emit import place
from makalu.hw.partition import Partition
from makalu.hw.sbuf.arbiter import AccessArbiter
from makalu.hw.sequencer.sequencer import Sequencer
from makalu.hw.tensor.array import PeArray
from makalu.hw.tensor.head import TensorHead
from makalu.hw.tensor.scales import ScaleGroup
from makalu.spec.config import CoreConfig
from makalu.spec.engines import ACCESS_ENGINES, CHANNELS, QUEUE_STREAMS, STREAMS
from makalu.spec.frame import PHASE_BITS
from makalu.spec.observe import observe_layout
from makalu.spec.random_bits import generator_key
from makalu.spec.scales import GROUP_PARTITIONS, OFFSET_STEP, largest_offset, quadrant, scale_partitions

__all__ = ["Core", "core_signature"]


def core_signature(config: CoreConfig, observe: str = "none") -> wiring.Signature:
    """The ports of `Core`."""
    bus = config.bus
    ports = {
        "control": In(AxiLiteSignature()),
        "instructions": Out(
            AxiSignature(read=True, write=False, data_bytes=bus.instruction_bytes, address_bits=bus.address_bits)
        ),
        "data": Out(AxiSignature(read=True, write=True, data_bytes=bus.data_bytes, address_bits=bus.address_bits)),
        "irq": Out(1),
    }
    observed = sum(f.bits * f.count for f in observe_layout(config, observe))
    if observed:
        ports["observe"] = Out(observed)
    return wiring.Signature(ports)


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
        super().__init__(core_signature(config, observe))

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config, tuple(self.observe_fields))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        sequencer, head, array = Sequencer(config=config), TensorHead(config=config), PeArray(config=config)
        lane_engines = {name: LaneEngine(config=config, engine=name) for name in ACCESS_ENGINES}
        arbiter, dma = AccessArbiter(config=config), DmaEngine(config=config)
        engines: dict[str, Any] = {"tensor": head, **lane_engines, "dma": dma}
        parts = {"sequencer": sequencer, "head": head, "array": array, **lane_engines, "arbiter": arbiter}
        for name, part in parts.items():
            m.submodules[name] = place(part, platform)
        # not shared: at 128 partitions its inputs are more bits than Amaranth numbers in one converted module
        m.submodules.dma = place(dma, platform, shared=False)
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
        for name, stream in STREAMS.items():
            connect(m, getattr(sequencer, name), getattr(engines[stream.engine], stream.command))
        for channel in CHANNELS.values():
            engine = engines[channel.engine]
            m.d.comb += getattr(sequencer, channel.finish).eq(getattr(engine, channel.port("finish")))
            if channel.error:
                m.d.comb += getattr(sequencer, channel.error).eq(getattr(engine, channel.port("error")))
        for kind, port in (("active", sequencer.active), ("stalled", sequencer.stalled)):
            for queue, names in QUEUE_STREAMS.items():
                rows = [STREAMS[name] for name in names]
                m.d.comb += port[queue].eq(Cat(getattr(engines[row.engine], row.port(kind)) for row in rows).any())

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
                *(getattr(partition, name).eq(engines[name].to_lanes) for name in ACCESS_ENGINES),
                partition.dma.eq(dma.to_lanes),
                dma.from_lanes[p].eq(partition.dma_status),
            ]
            if p + 1 < config.partitions:
                m.d.comb += [
                    partitions[p + 1].control_in.eq(partition.control_out),
                    partitions[p + 1].wave_in.eq(partition.wave_out),
                ]
        if config.tensor.background:
            m.d.comb += partitions[0].background_in.eq(head.background)
            for p, partition in enumerate(partitions):
                m.d.comb += partition.bits.eq(array.bits[p])
            for before, partition in pairwise(partitions):
                m.d.comb += partition.background_in.eq(before.background_out)
        if config.tensor.sparse:
            for before, partition in pairwise(partitions):
                m.d.comb += partition.fault_in.eq(before.fault_out)
            m.d.comb += head.fault.eq(partitions[-1].fault_out)

        if config.stochastic:
            for p, partition in enumerate(partitions):
                m.d.comb += partition.seeding.eq(sequencer.seeding)
                m.d.comb += [partition.keys[n].eq(generator_key(name, p)) for n, name in enumerate(config.generators)]

        if config.tensor.quads:
            self._scales(m, platform, partitions)
            self._quantisers(m, platform, partitions, lane_engines)

        # Vector and Scalar -> memories
        m.d.comb += arbiter.owned.eq(head.owned)
        for e, name in enumerate(ACCESS_ENGINES):
            engine = engines[name]
            m.d.comb += [
                arbiter.request[e].eq(engine.request),
                engine.grant.eq(arbiter.grant[e]),
                arbiter.psum_request[e].eq(engine.psum_request),
                engine.psum_grant.eq(arbiter.psum_grant[e]),
            ]

        written = ("commit", "moved") if config.tensor.background else ("commit",)
        sources = {
            "issue": sequencer.trace_issue,
            "finish": sequencer.trace_finish,
            "committed": Cat(getattr(p, port).valid for port in written for p in partitions).any(),
            "semaphores": sequencer.semaphores,
            "owned": head.owned,
            "columns": array.p,
            "psum": Cat(data.View.as_value(p.commit) for p in partitions),
            "psum_moved": Cat(data.View.as_value(p.moved) for p in partitions) if config.tensor.background else Cat(),
            "sbuf_dma": Cat(data.View.as_value(p.written_b) for p in partitions),
        }
        for e, name in enumerate(ACCESS_ENGINES):
            sources[f"sbuf_{name}"] = Cat(data.View.as_value(p.written_a[e]) for p in partitions)
        if self.observe_fields:
            m.d.comb += self.observe.eq(Cat(sources[f.name] for f in self.observe_fields))
        return m

    def _scales(self, m: Module, platform: object, partitions: list[Partition]) -> None:
        """MX: partitions in which scales lie -> their group -> its first row, and on with the wave."""
        config = self.config
        whole, offsets = quadrant(config), range(0, largest_offset(config) + 1, OFFSET_STEP)
        for number, first in enumerate(range(0, config.partitions, GROUP_PARTITIONS)):
            base, place_inside = first - first % whole, first % whole // GROUP_PARTITIONS
            group = ScaleGroup(config=config, sources=len(offsets))
            m.submodules[f"scales_{number}"] = place(group, platform)
            m.d.comb += [
                group.lookup.eq(partitions[first].control_in.lookup),
                partitions[first].group_scales.eq(group.scales),
                *(
                    group.words[n].eq(partitions[base + offset + place_inside].scale_word)
                    for n, offset in enumerate(offsets)
                ),
            ]
        for before, partition in pairwise(partitions):
            m.d.comb += partition.scales_in.eq(before.scales_out)

    def _quantisers(
        self, m: Module, platform: object, partitions: list[Partition], engines: dict[str, LaneEngine]
    ) -> None:
        """MX: lanes of a group -> its scale -> the lanes, and the partitions in which it may lie."""
        config, whole = self.config, quadrant(self.config)
        (engine,) = (engine for engine in engines.values() if engine.grouped)
        for number, first in enumerate(range(0, config.partitions, GROUP_PARTITIONS)):
            group = GroupScale(config=config)
            m.submodules[f"quantiser_{number}"] = place(group, platform)
            m.d.comb += group.control.eq(engine.to_lanes)
            for n, partition in enumerate(partitions[first : first + GROUP_PARTITIONS]):
                m.d.comb += [group.exponents[n].eq(partition.exponent), partition.code.eq(group.code)]
            base, place_inside = first - first % whole, first % whole // GROUP_PARTITIONS
            for p, its in scale_partitions(config).items():
                if its == place_inside:
                    m.d.comb += partitions[base + p].scale.eq(group.code)
