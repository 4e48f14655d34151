"""One partition of the core: its SBUF and PSUM slices, the edge of its PE row, its lanes. Wiring only."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.random_bits import seeding
from makalu.hw.dma.lane import DmaLane
from makalu.hw.dma.layouts import lane_control as dma_control
from makalu.hw.dma.layouts import lane_status as dma_status
from makalu.hw.lanes.control import lane_control
from makalu.hw.lanes.lane import Lane
from makalu.hw.lib.emit import place
from makalu.hw.psum.layouts import commit, psum_commands, wave
from makalu.hw.psum.slice import PsumSlice, background_ports
from makalu.hw.sbuf.layouts import access_commands, written
from makalu.hw.sbuf.slice import SbufSlice
from makalu.hw.tensor.control import edge_control, scale_word, scales
from makalu.hw.tensor.edge import TensorEdge
from makalu.hw.tensor.layouts import CHAIN_BITS, group, x_edge
from makalu.spec.config import CoreConfig
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.formats import FP32
from makalu.spec.frame import PHASE_BITS
from makalu.spec.lane_programs import grouping
from makalu.spec.memory_map import INDEX_BITS
from makalu.spec.quads import SCALE_BITS
from makalu.spec.random_bits import STATE_BITS

__all__ = ["Partition"]


class Partition(wiring.Component):
    """SbufSlice + PsumSlice + TensorEdge + DmaLane + a Lane for Vector and one for Scalar.

    Does not: decide anything; every rule is in the parts.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    index, frame : the partition's number (a constant at the instance) and the core's frame counter
    control_in / control_out, wave_in / wave_out : ride to the next partition (L cycles, 1 cycle)
    x, w : edge of PE row `index`;  column : bottom of PE column `index`
    access, psum_access, vector, scalar, dma : broadcast commands;  dma_status : back to the DMA engine
    bits, background_in / background_out, moved : like column, wave_in / wave_out, commit, of background transposes
    group_scales, scale_word : from and to the group's memory;  scales_in / scales_out : ride (where there is MX)
    fault_in / fault_out : ride too (where weights have tags)
    exponent, code : to and from the quantiser of the group;  scale : from that whose scales may lie here (likewise)
    seeding, keys : to the generators, in the order of `config.generators` (where there is stochastic rounding)
    commit, written_a, written_b : what the memories write in this cycle, for observation
    """

    hier_block = True  # Verilator compiles one partition and links it `partitions` times

    def __init__(self, *, config: CoreConfig):
        self.config = config
        generator_ports = {"seeding": In(seeding()), "keys": In(data.ArrayLayout(STATE_BITS, len(config.generators)))}
        super().__init__(
            {
                "index": In(INDEX_BITS),
                "frame": In(PHASE_BITS),
                "control_in": In(edge_control(config)),
                "control_out": Out(edge_control(config)),
                "x": Out(x_edge(config.tensor)),
                "w": Out(group(config)),
                "column": In(CHAIN_BITS),
                "wave_in": In(wave(config)),
                "wave_out": Out(wave(config)),
                **(background_ports(config) if config.tensor.background else {}),
                "access": In(access_commands(config)),
                "psum_access": In(psum_commands(config.psum)),
                **{name: In(lane_control(config, grouped=grouping(name, config))) for name in ACCESS_ENGINES},
                "dma": In(dma_control(config)),
                "dma_status": Out(dma_status(config)),
                "commit": Out(commit(config)),
                "written_a": Out(data.ArrayLayout(written(config), len(ACCESS_ENGINES))),
                "written_b": Out(written(config)),
                **(self._scale_ports() if config.tensor.quads else {}),
                **({"fault_in": In(1), "fault_out": Out(1)} if config.tensor.sparse else {}),
                **(generator_ports if config.stochastic else {}),
            }
        )

    def _scale_ports(self) -> dict[str, wiring.Member]:
        """Those of MX: the partition's edge has them."""
        riding = scales(self.config)
        ports = {"group_scales": In(riding), "scales_in": In(riding), "scales_out": Out(riding)}
        lane = {"exponent": Out(FP32.exponent_bits), "code": In(SCALE_BITS), "scale": In(SCALE_BITS)}
        return ports | {"scale_word": Out(scale_word(self.config))} | lane

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        sbuf, psum = SbufSlice(config=config), PsumSlice(config=config)
        edge, dma = TensorEdge(config=config), DmaLane(config=config)
        lanes = {name: Lane(config=config, grouped=grouping(name, config)) for name in ACCESS_ENGINES}
        parts: dict[str, Any] = {"sbuf_slice": sbuf, "psum_slice": psum, "tensor_edge": edge, "dma_lane": dma}
        parts |= {f"{name}_lane": lane for name, lane in lanes.items()}
        for name, part in parts.items():
            m.submodules[name] = place(part, platform)
            m.d.comb += part.index.eq(self.index)

        phase = Signal(PHASE_BITS)
        m.d.comb += [
            phase.eq(self.frame - self.index * config.tensor.add_stages),
            # tensor edge: PE row
            edge.control_in.eq(self.control_in),
            self.control_out.eq(edge.control_out),
            sbuf.tensor.eq(edge.sbuf),
            edge.sbuf_data.eq(sbuf.b_data),
            self.x.eq(edge.x),
            self.w.eq(edge.w),
            # PSUM: PE column
            psum.column.eq(self.column),
            psum.wave_in.eq(self.wave_in),
            self.wave_out.eq(psum.wave_out),
            psum.access.eq(self.psum_access),
            # DMA
            dma.phase.eq(phase),
            dma.control.eq(self.dma),
            self.dma_status.eq(dma.status),
            sbuf.dma.eq(dma.sbuf),
            dma.sbuf_data.eq(sbuf.b_data),
            # Vector and Scalar lanes
            sbuf.access.eq(self.access),
            self.commit.eq(psum.commit),
            self.written_a.eq(sbuf.written_a),
            self.written_b.eq(sbuf.written_b),
        ]
        if config.tensor.background:
            m.d.comb += [
                psum.bits.eq(self.bits),
                psum.background_in.eq(self.background_in),
                self.background_out.eq(psum.background_out),
                self.moved.eq(psum.moved),
            ]
        if config.tensor.quads:
            m.d.comb += [
                edge.group_scales.eq(self.group_scales),
                edge.scales_in.eq(self.scales_in),
                self.scales_out.eq(edge.scales_out),
                self.scale_word.eq(edge.scale_word),
            ]
        if config.tensor.sparse:
            m.d.comb += [edge.fault_in.eq(self.fault_in), self.fault_out.eq(edge.fault_out)]
        if config.stochastic_sums:
            m.d.comb += [psum.seeding.eq(self.seeding), psum.key.eq(self.keys[config.generators.index("psum")])]
        for e, name in enumerate(ACCESS_ENGINES):
            lane = lanes[name]
            m.d.comb += [
                lane.control.eq(getattr(self, name)),
                lane.sbuf_data.eq(sbuf.read_data[e]),
                lane.psum_data.eq(psum.read_data[e]),
                sbuf.write_data[e].eq(lane.write_data),
            ]
            if config.stochastic:
                m.d.comb += [lane.seeding.eq(self.seeding), lane.key.eq(self.keys[config.generators.index(name)])]
            if lane.grouped:
                m.d.comb += [self.exponent.eq(lane.exponent), lane.code.eq(self.code), lane.scale.eq(self.scale)]
        return m
