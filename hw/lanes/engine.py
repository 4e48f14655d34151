"""Central part of Vector or Scalar: one component, whose decode is the engine's rows of the table of lane programs."""

from itertools import product

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lanes.combiner import WriteCombiner
from makalu.hw.lanes.control import lane_control, lane_setup
from makalu.hw.lanes.priority import HeldPriority
from makalu.hw.lanes.rate import RateTick
from makalu.hw.lanes.stream import SourceStream
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.psum.layouts import psum_request
from makalu.hw.sbuf.layouts import access_request
from makalu.spec.config import CoreConfig
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.isa import Function, Space
from makalu.spec.lane_programs import LaneInput, LaneProgram, data_inputs, grouping, lane_programs, operand_inputs
from makalu.spec.lanes import LANE_STAGES, SCALES, SOURCES, STEPS
from makalu.spec.quantize import GROUP_ELEMENTS, QUANTIZED, ScaleRule, dropped
from makalu.spec.random_bits import Rounding

__all__ = ["LaneEngine"]


class LaneEngine(wiring.Component):
    """dst[P, N] = cast(f(sources)), one instruction at a time, the same element in all partitions at once.

    f, and what is read, are the opcode's row of `spec/lane_programs.py`; an instruction may read nothing. Of one that
    scales in groups the elements of a group enter the pipeline right behind each other: in its midst nothing moves
    until the next element is there. Its scales are a destination of their own, a quarter as many.

    Reads run ahead of the element pipeline by at most `ELEMENT_BUFFER` elements a source; reads and writes go on in
    every core cycle, the pipeline moves in engine cycles (`RateTick`).
    Requests that compete in a cycle go in the order src0, src1, write, write of scales: a write can wait while the next
    word is being combined, a read holds up the pipeline. Reads cannot starve writes: their buffers fill. A request
    stays until granted.

    Does not: check the instruction (the sequencer did), nor order reads against its own writes: `dst` may be exactly a
    source (same pattern, each element once) and may hold a scalar operand, which is read before anything is written;
    any other overlap leaves open what is read.

    Parameters
    ----------
    config : CoreConfig
    engine : a name of `ACCESS_ENGINES`
        Its section of the preset has the clock; its lane programs are those that are decoded.

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
    i + LANE_STAGES + 6. One element a cycle as long as the port gives the words. What reads nothing pops from i + 1 on.
    """

    def __init__(self, *, config: CoreConfig, engine: str):
        if engine not in ACCESS_ENGINES:
            raise ValueError(f"engine must be one of {list(ACCESS_ENGINES)}, not {engine!r}")
        self.config = config
        self.engine = engine
        self.grouped = grouping(engine, config)
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "request": Out(access_request(config)),
                "grant": In(1),
                "psum_request": Out(psum_request(config.psum)),
                "psum_grant": In(1),
                "to_lanes": Out(lane_control(config, grouped=self.grouped)),
                "finish": Out(1),
                "active": Out(1),
                "stalled": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config, self.engine)

    @property
    def emit_label(self) -> str:
        return f"{type(self).__name__}.{self.engine}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        streams = [SourceStream(config=self.config, slot=slot) for slot in SOURCES]
        for slot, source in zip(SOURCES, streams, strict=True):
            m.submodules[slot] = source
        m.submodules.dst = combiner = WriteCombiner(config=self.config)
        m.submodules.rate = rate = RateTick(engine=getattr(self.config, self.engine))
        issue = Signal()
        pops = Signal()
        setup = Signal(lane_setup(self.config, grouped=self.grouped), init={"function": Function.IDENTITY})
        uses, keeps = (Signal(len(SOURCES), name=name, reset_less=True) for name in ("uses", "keeps"))
        self._issue(m, issue, setup, uses, keeps, streams)
        scales = WriteCombiner(config=self.config, slot=SCALES) if self.grouped else None
        self._requests(m, streams, combiner, scales, setup)

        # element pipeline: only who is in it; the data is in the lanes, one cycle later
        occupied = Signal(LANE_STAGES)
        unfinished = Signal()  # not every element has been placed
        available = (Cat(s.available for s in streams) | ~uses).all()
        done = Signal()  # the last write is granted
        if scales is None:
            m.d.comb += [combiner.tick.eq(rate.tick), done.eq(combiner.done)]
        else:
            self._group(m, combiner, scales, setup, issue, pops, available & unfinished)
            m.d.comb += [
                combiner.tick.eq(rate.tick & ~scales.blocked & ~(setup.grouped & self._phase.any() & ~available)),
                done.eq((combiner.done & (scales.idle | ~setup.grouped)) | (scales.done & combiner.idle)),
            ]
        m.d.comb += [
            combiner.start.eq(issue),
            combiner.instruction.eq(self.command.payload),
            # where nothing is read, elements enter until the last one has left; those behind it are none
            unfinished.eq(self.active & ~combiner.ended),
            combiner.leaving.eq(occupied[-1] & unfinished),
            pops.eq(combiner.advance & unfinished & available),
        ]
        with m.If(combiner.advance):
            m.d.sync += occupied.eq(Cat(pops, occupied))
        with m.If(issue):
            m.d.sync += occupied.eq(0)
        for s, source in enumerate(streams):
            m.d.comb += source.pop.eq(pops & uses[s] & ~keeps[s])

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
        if self.config.stochastic:
            # what is at the end of the pipeline now leaves with the move; behind the last element there is none
            enters = occupied[-2] & unfinished & ~(combiner.leaving & combiner.last)
            m.d.sync += lanes.draw.eq(combiner.advance & enters & (setup.rounding == Rounding.STOCHASTIC))

        m.d.sync += self.finish.eq(done)
        with m.If(done):
            m.d.sync += self.active.eq(0)
        with m.If(issue):
            m.d.sync += self.active.eq(1)
        self._rules(m, platform, issue, done)
        return m

    def _group(
        self,
        m: Module,
        combiner: WriteCombiner,
        scales: WriteCombiner,
        setup: data.View,
        issue: Signal,
        pops: Signal,
        enters: Value,
    ) -> None:
        """Elements of a group, and their scale: it is placed with the first of them."""
        m.submodules.scales = scales
        self._phase, left = (Signal(range(GROUP_ELEMENTS), name=name) for name in ("phase", "left"))
        lanes, instruction = self.to_lanes, self.command.payload
        with m.If(pops & setup.grouped):
            m.d.sync += self._phase.eq(self._phase + 1)
        with m.If(combiner.place):
            m.d.sync += left.eq(left + 1)
        with m.If(issue):
            m.d.sync += [self._phase.eq(0), left.eq(0)]
        grouped = Cat(instruction.opcode == row.opcode for row in self._rows if row.grouped).any()
        m.d.comb += [
            scales.start.eq(issue & grouped),
            scales.instruction.eq(instruction),
            scales.tick.eq(combiner.advance),
            scales.leaving.eq(combiner.leaving & setup.grouped & (left == 0)),
        ]
        m.d.sync += [
            lanes.enters.eq(enters & setup.grouped),
            lanes.phase.eq(self._phase),
            lanes.scale_place.eq(scales.place),
            lanes.scale_position.eq(scales.place_position),
            lanes.scale_move.eq(scales.move),
            lanes.scale_show.eq(scales.granted),
        ]

    @property
    def _rows(self) -> tuple[LaneProgram, ...]:
        return lane_programs(self.engine, self.config)

    def _rules(self, m: Module, platform: object, issue: Signal, done: Signal) -> None:
        rules, instruction = Rules(m, platform), self.command.payload
        rules.never(done & ~self.active, "only an instruction that was accepted finishes")
        rules.never(self.finish & self.active, "an instruction has left when it finishes")
        rules.never((self.request.valid | self.psum_request.valid) & ~self.active, "only an instruction asks")
        # what the sequencer has refused
        known = Cat(instruction.opcode == program.opcode for program in self._rows)
        rules.follows(issue, known, f"{self.engine} gets instructions that it has a program for")
        rules.follows(issue, instruction.dst_space == Space.SBUF, f"{self.engine} writes SBUF")
        last = instruction.dst_partition + instruction.partitions
        rules.follows(
            issue,
            (instruction.partitions != 0) & (last <= self.config.partitions),
            f"{self.engine} has partitions that there are",
        )

    def _issue(
        self, m: Module, issue: Signal, setup: data.View, uses: Signal, keeps: Signal, streams: list[SourceStream]
    ) -> None:
        """Accept a command, keep what stays the same while it runs, begin the sources that it reads."""
        instruction = self.command.payload
        decoded = Signal(lane_setup(self.config, grouped=self.grouped))
        reads, once = Signal.like(uses, name="reads"), Signal.like(keeps, name="once")
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
                streams[s].instruction.eq(instruction),
                streams[s].start.eq(issue & reads[s]),
            ]
        if self.config.stochastic:
            m.d.comb += decoded.rounding.eq(instruction.rounding)
        for step in range(STEPS):
            m.d.comb += decoded.immediate[step].eq(instruction[f"immediate{step}"])
        with m.Switch(instruction.opcode):
            for program in self._rows:
                with m.Case(program.opcode):
                    self._decode(m, program, instruction, decoded, reads, once)
        with m.If(issue):
            m.d.sync += [setup.eq(decoded), uses.eq(reads), keeps.eq(once)]

    def _decode(
        self, m: Module, program: LaneProgram, instruction: data.View, decoded: data.View, reads: Signal, once: Signal
    ) -> None:
        """What a row says of an instruction."""
        whens = {source.slot: source.when for source in program.sources}
        for source in program.sources:
            s = SOURCES.index(source.slot)
            m.d.comb += [
                reads[s].eq(instruction[source.when] if source.when else 1),
                once[s].eq(source.once),
            ]

        def value(named: int | str) -> Value | int:
            return instruction[named] if isinstance(named, str) else named

        def choice(taken: LaneInput, inputs: tuple[LaneInput, ...]) -> Value | int:
            code, when = inputs.index(taken), whens.get(taken.slot)
            return Mux(instruction[when], code, inputs.index(LaneInput.IMMEDIATE)) if when else code

        m.d.comb += [
            decoded.data.eq(choice(program.data, data_inputs(grouped=self.grouped))),
            decoded.function.eq(value(program.function)),
        ]
        for n, step in enumerate(program.steps):
            m.d.comb += [
                decoded.op[n].eq(value(step.op)),
                decoded.operand[n].eq(choice(step.operand, operand_inputs(grouped=self.grouped))),
                decoded.reverse[n].eq(value(step.reverse or 0)),
            ]
        if program.grouped:
            m.d.comb += [decoded.grouped.eq(1), decoded.scale_start.eq(instruction[f"{SCALES}_partition"])]
            for form, rule in product(QUANTIZED, ScaleRule):
                with m.If((instruction.dst_dtype == form.code) & (instruction.scale_rule == rule)):
                    m.d.comb += decoded.dropped.eq(dropped(form, rule))

    def _requests(
        self,
        m: Module,
        streams: list[SourceStream],
        combiner: WriteCombiner,
        scales: WriteCombiner | None,
        setup: data.View,
    ) -> None:
        """One request a memory: src0, then src1, then the write, then that of scales."""
        writers = [combiner] if scales is None else [combiner, scales]
        m.submodules.sbuf_priority = sbuf = HeldPriority(count=len(writers) + len(streams))
        m.submodules.psum_priority = psum = HeldPriority(count=len(streams))
        sbuf_turns, write_turns = sbuf.chosen[: len(streams)], sbuf.chosen[len(streams) :]
        m.d.comb += [
            sbuf.want.eq(Cat(*(s.want_sbuf for s in streams), *(w.want for w in writers))),
            sbuf.grant.eq(self.grant),
            psum.want.eq(Cat(s.want_psum for s in streams)),
            psum.grant.eq(self.psum_grant),
            self.request.valid.eq(sbuf.chosen.any()),
            self.request.write.eq(write_turns.any()),
            self.request.start.eq(setup.start),
            self.request.count.eq(setup.count),
            self.psum_request.valid.eq(psum.chosen.any()),
            self.psum_request.start.eq(setup.start),
            self.psum_request.count.eq(setup.count),
            self.stalled.eq((self.request.valid & ~self.grant) | (self.psum_request.valid & ~self.psum_grant)),
        ]
        for writer, turn in zip(writers, write_turns, strict=True):
            m.d.comb += writer.granted.eq(turn & self.grant)
            with m.If(turn):
                m.d.comb += [self.request.address.eq(writer.word), self.request.mask.eq(writer.mask)]
        if scales is not None:
            with m.If(write_turns[-1]):
                m.d.comb += [self.request.scales.eq(1), self.request.start.eq(setup.scale_start)]
        for source, sbuf_turn, psum_turn in zip(streams, sbuf_turns, psum.chosen, strict=True):
            m.d.comb += source.granted.eq((sbuf_turn & self.grant) | (psum_turn & self.psum_grant))
            with m.If(sbuf_turn):
                m.d.comb += self.request.address.eq(source.word)
            with m.If(psum_turn):
                m.d.comb += self.psum_request.address.eq(source.element)
