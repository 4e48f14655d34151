"""Central part of the Vector engine; `LaneEngine` is what it shares with the Scalar engine."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lanes.combiner import WriteCombiner
from makalu.hw.lanes.control import lane_control, lane_setup
from makalu.hw.lanes.priority import HeldPriority
from makalu.hw.lanes.rate import RateTick
from makalu.hw.lanes.stream import SourceStream
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.psum.layouts import psum_request
from makalu.hw.sbuf.layouts import access_request
from makalu.spec.config import CoreConfig, EngineConfig
from makalu.spec.isa import Opcode, Space
from makalu.spec.lanes import LANE_STAGES, SOURCES, STEPS

__all__ = ["LaneEngine", "VectorEngine"]

SRC0, SRC1 = range(len(SOURCES))


class LaneEngine(wiring.Component):
    """dst[P, N] = cast(f(src0[P, N], src1)), one instruction at a time, the same element in all partitions at once.

    Reads run ahead of the element pipeline by at most `ELEMENT_BUFFER` elements a source; reads and writes go on in
    every core cycle, the pipeline moves in engine cycles (`RateTick`).
    Requests that compete in a cycle go in the order src0, src1, write: a write can wait while the next word is being
    combined, a read holds up the pipeline. Reads cannot starve writes: their buffers fill. A request stays until
    granted.

    Does not: check the instruction (the sequencer did), nor order reads against its own writes: `dst` may be exactly a
    source (same pattern, each element once) and may hold a scalar operand, which is read before anything is written;
    any other overlap leaves open what is read.

    Parameters
    ----------
    config : CoreConfig
    engine : its clock

    Members
    -------
    command: In(stream.Signature(INSTRUCTION))
    request: Out({valid, write, address, mask, start, count});  grant: In(1)
        SBUF, to and from `AccessArbiter`.
    psum_request: Out({valid, address, start, count});  psum_grant: In(1)
    to_lanes: Out(lane_control(config))
        Registered; the same for all lanes.
    finish, active, stalled: Out(1)

    Timing
    ------
    Issue in i: first reads asked for in i + 1, popped at the earliest in i + 3, `LANE_STAGES` engine cycles to the
    combining buffer. `finish` in the cycle in which the last write command is visible at the slices (its grant + 1);
    the next instruction may issue in that cycle. One element, rate 1/1, no conflict, fp32 or aligned word:
    i + LANE_STAGES + 6. One element a cycle as long as the port gives the words.
    """

    def __init__(self, *, config: CoreConfig, engine: EngineConfig):
        self.config = config
        self.engine = engine
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "request": Out(access_request(config)),
                "grant": In(1),
                "psum_request": Out(psum_request(config.psum)),
                "psum_grant": In(1),
                "to_lanes": Out(lane_control(config)),
                "finish": Out(1),
                "active": Out(1),
                "stalled": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config,)

    def decode(self, m: Module, instruction: data.View, setup: data.View) -> None:
        """Drive the fields of `setup` that depend on what the opcode computes."""
        raise NotImplementedError

    def reads_src1(self, instruction: data.View) -> tuple[Signal, Signal]:
        """(src1 is read, once): expressions of the instruction."""
        pairwise, once = instruction.opcode == Opcode.TENSOR_TENSOR, instruction.operand0_tensor
        return pairwise | once, once

    def elaborate(self, platform: object) -> Module:
        m = Module()
        streams = [SourceStream(config=self.config, slot=slot) for slot in SOURCES]
        m.submodules.src0, m.submodules.src1 = streams
        m.submodules.dst = combiner = WriteCombiner(config=self.config)
        m.submodules.rate = rate = RateTick(engine=self.engine)
        issue = Signal()
        pops = Signal()
        setup = Signal(lane_setup())
        uses_src1, keeps_src1 = Signal(reset_less=True), Signal(reset_less=True)
        self._issue(m, issue, setup, uses_src1, keeps_src1)
        self._requests(m, streams, combiner, setup)

        # element pipeline: only who is in it; the data is in the lanes, one cycle later
        occupied = Signal(LANE_STAGES)
        m.d.comb += [
            combiner.start.eq(issue),
            combiner.instruction.eq(self.command.payload),
            combiner.tick.eq(rate.tick),
            combiner.leaving.eq(occupied[-1]),
            pops.eq(combiner.advance & streams[SRC0].available & (streams[SRC1].available | ~uses_src1)),
            streams[SRC0].pop.eq(pops),
            streams[SRC1].pop.eq(pops & uses_src1 & ~keeps_src1),
        ]
        with m.If(combiner.advance):
            m.d.sync += occupied.eq(Cat(pops, occupied))
        reads = (Const(1, 1), self.reads_src1(self.command.payload)[0])
        for source, read in zip(streams, reads, strict=True):
            m.d.comb += [source.instruction.eq(self.command.payload), source.start.eq(issue & read)]

        lanes = self.to_lanes
        m.d.comb += lanes.setup.eq(setup)
        for s, source in enumerate(streams):
            m.d.comb += [
                lanes.push[s].eq(source.push),
                lanes.load[s].eq(source.load),
                lanes.position[s].eq(source.position),
                lanes.push_index[s].eq(source.push_index),
            ]
            m.d.sync += lanes.pop_index[s].eq(source.pop_index)
        m.d.sync += [
            lanes.advance.eq(combiner.advance),
            lanes.place.eq(combiner.place),
            lanes.place_position.eq(combiner.place_position),
            lanes.move.eq(combiner.move),
        ]

        m.d.sync += self.finish.eq(combiner.done)
        with m.If(combiner.done):
            m.d.sync += self.active.eq(0)
        with m.If(issue):
            m.d.sync += self.active.eq(1)
        return m

    def _issue(self, m: Module, issue: Signal, setup: data.View, uses_src1: Signal, keeps_src1: Signal) -> None:
        """Accept a command and keep what stays the same while it runs."""
        instruction = self.command.payload
        decoded = Signal(lane_setup())
        reads, once = self.reads_src1(instruction)
        m.d.comb += [
            self.command.ready.eq(~self.active),
            issue.eq(self.command.valid & self.command.ready),
            decoded.dst_dtype.eq(instruction.dst_dtype),
            decoded.start.eq(instruction.dst_partition),
            decoded.count.eq(instruction.partitions),
        ]
        for s, slot in enumerate(SOURCES):
            m.d.comb += [
                decoded.psum[s].eq(instruction[f"{slot}_space"] == Space.PSUM),
                decoded.dtype[s].eq(instruction[f"{slot}_dtype"]),
            ]
        for step in range(STEPS):
            m.d.comb += decoded.immediate[step].eq(instruction[f"immediate{step}"])
        self.decode(m, instruction, decoded)
        with m.If(issue):
            m.d.sync += [setup.eq(decoded), uses_src1.eq(reads), keeps_src1.eq(once)]

    def _requests(self, m: Module, streams: list[SourceStream], combiner: WriteCombiner, setup: data.View) -> None:
        """One request a memory: src0, then src1, then the write."""
        m.submodules.sbuf_priority = sbuf = HeldPriority(count=1 + len(streams))
        m.submodules.psum_priority = psum = HeldPriority(count=len(streams))
        *sbuf_turns, write_turn = sbuf.chosen
        m.d.comb += [
            sbuf.want.eq(Cat(*(s.want_sbuf for s in streams), combiner.want)),
            sbuf.grant.eq(self.grant),
            psum.want.eq(Cat(s.want_psum for s in streams)),
            psum.grant.eq(self.psum_grant),
            self.request.valid.eq(sbuf.chosen.any()),
            self.request.write.eq(write_turn),
            self.request.start.eq(setup.start),
            self.request.count.eq(setup.count),
            self.psum_request.valid.eq(psum.chosen.any()),
            self.psum_request.start.eq(setup.start),
            self.psum_request.count.eq(setup.count),
            combiner.granted.eq(write_turn & self.grant),
            self.stalled.eq((self.request.valid & ~self.grant) | (self.psum_request.valid & ~self.psum_grant)),
        ]
        with m.If(write_turn):
            m.d.comb += [self.request.address.eq(combiner.word), self.request.mask.eq(combiner.mask)]
        for source, sbuf_turn, psum_turn in zip(streams, sbuf_turns, psum.chosen, strict=True):
            m.d.comb += source.granted.eq((sbuf_turn & self.grant) | (psum_turn & self.psum_grant))
            with m.If(sbuf_turn):
                m.d.comb += self.request.address.eq(source.word)
            with m.If(psum_turn):
                m.d.comb += self.psum_request.address.eq(source.element)


class VectorEngine(LaneEngine):
    """tensor_copy, tensor_tensor and tensor_scalar: op0 and op1 as the instruction says; both BYPASS in a copy."""

    def __init__(self, *, config: CoreConfig):
        super().__init__(config=config, engine=config.vector)

    def decode(self, m: Module, instruction: data.View, setup: data.View) -> None:
        m.d.comb += setup.from_src1.eq(Cat(self.reads_src1(instruction)[0], Const(0, 1)))
        for step in range(STEPS):
            m.d.comb += [
                setup.op[step].eq(instruction[f"op{step}"]),
                setup.reverse[step].eq(instruction[f"reverse{step}"]),
            ]
