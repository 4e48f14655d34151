"""One partition's part of Vector or Scalar: element buffers, two ALU steps, function, cast, combining buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.arith.convert import NarrowElement, WidenElement
from makalu.hw.arith.random_bits import RandomBits, seeding
from makalu.hw.arith.rescale import Rescale
from makalu.hw.lanes.alu import AluStep
from makalu.hw.lanes.control import lane_control
from makalu.hw.lib.element import element_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.range import in_range
from makalu.spec.config import CoreConfig
from makalu.spec.formats import FP32
from makalu.spec.isa import Function
from makalu.spec.lane_programs import LaneInput, data_inputs, operand_inputs
from makalu.spec.lanes import ALU_STAGES, ELEMENT_BUFFER, LIFTED, SOURCES, STEPS
from makalu.spec.memory_map import INDEX_BITS, PSUM_WORD_BITS
from makalu.spec.quads import SCALE_BITS
from makalu.spec.random_bits import STATE_BITS, STOCHASTIC, Rounding
from makalu.spec.scales import quadrant, scale_partitions

__all__ = ["Lane"]

_POWERS = {n: (FP32.bias + n) << FP32.fraction_bits for n in (0, LIFTED)}
"""2^n, as fp32."""


class Lane(wiring.Component):
    """dst = cast(function(op1(op0(data, operand0), operand1))), element after element, as the central part orders.

    Where data and operands come from: `spec/lane_programs.py`; a lane can choose what some row takes, and no more. The
    same lane serves Vector and Scalar. A partition that the instruction leaves out keeps all its registers.

    Does not: know addresses, rates or grants.

    Parameters
    ----------
    config : CoreConfig
    grouped : the lane of an engine that scales in groups
        It shows its element's exponent to its group (`GroupScale`) and has a second combining buffer, for the scales of
        the group that lie in its partition.

    Members
    -------
    control: In(lane_control(config, grouped=grouped))
    index: In(7), the partition's number, constant at the instance
    sbuf_data: In(8*W), psum_data: In(32)
        The memories' outputs, taken in the cycle of `push`.
    write_data: Out(8*W)
        The word that moved last; with `scale_show` that of scales.
    exponent: Out(8);  code, scale: In(8)
        With `grouped`: of the element that entered last; the scale of the lane's group; of the group whose scales may
        lie in this partition.
    seeding: In({start, seed}), key: In(32)
        Where there is stochastic rounding: to the lane's generator; the key is constant at the instance.

    Timing
    ------
    All orders act in the edge of the cycle that shows them: `push` fills entry `push_index`; `advance` moves the
    pipeline, from entry `pop_index` to the end in `LANE_STAGES` moves; `place` takes the end into the combining buffer;
    `move` shows the combining buffer (without this cycle's `place`) on `write_data`.

    Numerics
    --------
    Elements widen to fp32 exactly; each step rounds once to nearest even and keeps subnormals; results narrow with one
    more rounding, to nearest even or by the bits of the lane's generator (`spec/random_bits.py`); relu is max(x, +0),
    of a NaN the canonical NaN.
    """

    def __init__(self, *, config: CoreConfig, grouped: bool = False):
        self.config = config
        self.grouped = grouped
        word = 8 * config.sbuf.word_bytes
        random = {"seeding": In(seeding()), "key": In(STATE_BITS)}
        scales = {"exponent": Out(FP32.exponent_bits), "code": In(SCALE_BITS), "scale": In(SCALE_BITS)}
        super().__init__(
            {
                "control": In(lane_control(config, grouped=grouped)),
                "index": In(INDEX_BITS),
                "sbuf_data": In(word),
                "psum_data": In(PSUM_WORD_BITS),
                "write_data": Out(word),
                **(scales if grouped else {}),
                **(random if config.stochastic else {}),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        names = "-".join(form.name for form in self.config.elements)
        key = (self.config.sbuf.word_bytes, names, self.grouped)
        return (*key, STOCHASTIC) if self.config.stochastic else key

    @property
    def emit_label(self) -> str:
        return f"{type(self).__name__}{'.grouped' if self.grouped else ''}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control, setup = self.control, self.control.setup
        takes_part, enable = Signal(), Signal()
        m.d.comb += [
            takes_part.eq(in_range(self.index, setup.start, setup.count)),
            enable.eq(takes_part & control.advance),
        ]
        buffers = [self._source(m, s, takes_part) for s in range(len(SOURCES))]

        # inputs
        src0, src1 = (buffer[control.pop_index[s]] for s, buffer in enumerate(buffers))
        entering = {LaneInput.IMMEDIATE: setup.immediate[0], LaneInput.SRC0: src0}
        s1_data, s1_operand = Signal(FP32.bits, reset_less=True), Signal(FP32.bits, reset_less=True)
        with m.If(enable):
            m.d.sync += [s1_data.eq(_choice(setup.data, self._data_inputs, entering)), s1_operand.eq(src1)]

        # ALU steps; the second takes src1 only as one value a partition, which stays in entry 0
        passing = s1_data
        for step, value in zip(range(STEPS), (s1_operand, buffers[1][0]), strict=True):
            alu = AluStep()
            m.submodules[f"step{step}"] = place(alu, platform)
            tiny = passing[FP32.fraction_bits : -1] == 0
            operands = {LaneInput.IMMEDIATE: setup.immediate[step], LaneInput.SRC1: value}
            operands[LaneInput.LIFT] = Mux(tiny, _POWERS[LIFTED], _POWERS[0])
            m.d.comb += [
                alu.op.eq(setup.op[step]),
                alu.reverse.eq(setup.reverse[step]),
                alu.data.eq(passing),
                alu.operand.eq(_choice(setup.operand[step], self._operand_inputs, operands)),
                alu.enable.eq(enable),
            ]
            passing = alu.result

        # function, scale and cast
        m.submodules.narrow = narrow = NarrowElement(formats=self.config.elements, rounds=self.config.stochastic)
        magnitude = Signal(FP32.bits - 1)
        is_nan = Signal()
        function = Signal(FP32.bits)
        result = Signal(FP32.bits, reset_less=True)
        m.d.comb += [
            magnitude.eq(passing),
            is_nan.eq(magnitude > FP32.exponent_mask << FP32.fraction_bits),
            function.eq(passing),
            narrow.dtype.eq(setup.dst_dtype),
            narrow.i.eq(function),
        ]
        with m.If(setup.function == Function.RELU):
            with m.If(is_nan):
                m.d.comb += function.eq(FP32.canonical_nan)
            with m.Elif(passing[-1]):
                m.d.comb += function.eq(0)
        if self.grouped:
            m.d.comb += self.exponent.eq(s1_data[FP32.fraction_bits : -1])
            self._rescale(m, platform, tiny, passing, function, enable)
        if self.config.stochastic:
            generator = RandomBits()
            m.submodules.generator = place(generator, platform)
            m.d.comb += [
                generator.seeding.eq(self.seeding),
                generator.key.eq(self.key),
                generator.step.eq(takes_part & control.draw),
                narrow.random.eq(generator.bits),
                narrow.stochastic.eq(setup.rounding == Rounding.STOCHASTIC),
            ]
        with m.If(enable):
            m.d.sync += result.eq(narrow.o)
        self._destination(m, takes_part, result)
        return m

    def _rescale(
        self, m: Module, platform: object, tiny: Value, passing: Signal, function: Signal, enable: Signal
    ) -> None:
        """The last step's result over the scale of its group; `tiny`: what enters that step was lifted."""
        rescale = Rescale()
        m.submodules.rescale = place(rescale, platform)
        for stage in range(1, ALU_STAGES + 1):
            lifted = Signal(name=f"s{stage}_lifted", reset_less=True)
            with m.If(enable):
                m.d.sync += lifted.eq(tiny)
            tiny = lifted
        m.d.comb += [
            rescale.i.eq(passing),
            rescale.lifted.eq(tiny),
            rescale.code.eq(self.code),
            rescale.dtype.eq(self.control.setup.dst_dtype),
        ]
        with m.If(self.control.setup.grouped):
            m.d.comb += function.eq(rescale.o)

    def _source(self, m: Module, s: int, takes_part: Signal) -> data.View:
        """Word register and element buffer of source s, as fp32."""
        control, setup = self.control, self.control.setup
        word = Signal(8 * self.config.sbuf.word_bytes, name=f"word{s}", reset_less=True)
        shown = Signal.like(word, name=f"shown{s}")
        push = Signal(name=f"push{s}")
        buffer = Signal(data.ArrayLayout(FP32.bits, ELEMENT_BUFFER), name=f"buffer{s}", reset_less=True)
        widen = WidenElement(formats=self.config.elements, word_bytes=self.config.sbuf.word_bytes)
        m.submodules[f"widen{s}"] = widen
        m.d.comb += [
            push.eq(takes_part & control.push[s]),
            shown.eq(Mux(control.load[s], self.sbuf_data, word)),
            widen.dtype.eq(setup.dtype[s]),
            widen.word.eq(Cat(Mux(setup.psum[s], self.psum_data, shown[:PSUM_WORD_BITS]), shown[PSUM_WORD_BITS:])),
            widen.position.eq(control.position[s]),
        ]
        with m.If(push):
            m.d.sync += [word.eq(shown), buffer[control.push_index[s]].eq(widen.o)]
        return buffer

    def _destination(self, m: Module, takes_part: Signal, result: Signal) -> None:
        """Combining buffer and the word to be written; masks are central."""
        control, setup = self.control, self.control.setup
        sizes = sorted({form.size_log2 for form in self.config.elements})
        piece = sizes[0]
        pieces = self.config.sbuf.word_bytes >> piece
        combined = Signal(data.ArrayLayout(8 << piece, pieces), reset_less=True)
        first = Signal(range(pieces))
        size = element_size(setup.dst_dtype)
        moved = Signal.like(self.write_data, reset_less=True) if self.grouped else self.write_data
        m.d.comb += first.eq(control.place_position[piece:])
        with m.If(takes_part & control.move):
            m.d.sync += moved.eq(combined)
        with m.If(takes_part & control.place):
            for i in range(pieces):
                for s in sizes:
                    # elements are aligned: piece i belongs to the one that begins at piece i - part
                    part = i % (1 << s - piece)
                    with m.If((size == s) & (first == i - part)):
                        m.d.sync += combined[i].eq(result.word_select(part, 8 << piece))
        if self.grouped:
            m.d.comb += self.write_data.eq(Mux(control.scale_show, self._scales(m, takes_part), moved))

    def _scales(self, m: Module, takes_part: Signal) -> Signal:
        """The word of scales that moved last; no register of it is loaded where no scales can lie."""
        control, word = self.control, 8 * self.config.sbuf.word_bytes
        combined = Signal(data.ArrayLayout(SCALE_BITS, self.config.sbuf.word_bytes), name="scales", reset_less=True)
        moved = Signal(word, name="scales_moved", reset_less=True)
        place_inside = self.index[: ceil_log2(quadrant(self.config))]
        has_scales = Signal()
        m.d.comb += has_scales.eq(Cat(place_inside == p for p in scale_partitions(self.config)).any() & takes_part)
        with m.If(has_scales & control.scale_move):
            m.d.sync += moved.eq(combined)
        with m.If(has_scales & control.scale_place):
            m.d.sync += combined[control.scale_position].eq(self.scale)
        return moved

    @property
    def _data_inputs(self) -> tuple[LaneInput, ...]:
        return data_inputs(grouped=self.grouped)

    @property
    def _operand_inputs(self) -> tuple[LaneInput, ...]:
        return operand_inputs(grouped=self.grouped)


def _choice(code: Value, inputs: tuple[LaneInput, ...], values: dict[LaneInput, Value]) -> Value:
    """The input that `code` chooses."""
    out = values[inputs[0]]
    for i, taken in enumerate(inputs[1:], start=1):
        out = Mux(code == i, values[taken], out)
    return out
