"""One partition's part of Vector or Scalar: element buffers, two ALU steps, function, cast, combining buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.convert import NarrowElement, WidenElement
from makalu.hw.lanes.alu import AluStep
from makalu.hw.lanes.control import lane_control
from makalu.hw.lib.element import element_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.range import in_range
from makalu.spec.config import CoreConfig
from makalu.spec.formats import FP32
from makalu.spec.isa import Function
from makalu.spec.lane_programs import LaneInput, data_inputs, operand_inputs
from makalu.spec.lanes import ELEMENT_BUFFER, SOURCES, STEPS
from makalu.spec.memory_map import INDEX_BITS, PSUM_WORD_BITS

__all__ = ["Lane"]


class Lane(wiring.Component):
    """dst = cast(function(op1(op0(data, operand0), operand1))), element after element, as the central part orders.

    Where data and operands come from: `spec/lane_programs.py`; a lane can choose what some row takes, and no more. The
    same lane serves Vector and Scalar. A partition that the instruction leaves out keeps all its registers.

    Does not: know addresses, rates or grants.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    control: In(lane_control(config))
    index: In(7), the partition's number, constant at the instance
    sbuf_data: In(8*W), psum_data: In(32)
        The memories' outputs, taken in the cycle of `push`.
    write_data: Out(8*W)
        The word that moved last.

    Timing
    ------
    All orders act in the edge of the cycle that shows them: `push` fills entry `push_index`; `advance` moves the
    pipeline, from entry `pop_index` to the end in `LANE_STAGES` moves; `place` takes the end into the combining buffer;
    `move` shows the combining buffer (without this cycle's `place`) on `write_data`.

    Numerics
    --------
    Elements widen to fp32 exactly; each step rounds once to nearest even and keeps subnormals; results narrow with one
    more rounding to nearest even; relu is max(x, +0), of a NaN the canonical NaN.
    """

    def __init__(self, *, config: CoreConfig):
        self.config = config
        word = 8 * config.sbuf.word_bytes
        super().__init__(
            {
                "control": In(lane_control(config)),
                "index": In(INDEX_BITS),
                "sbuf_data": In(word),
                "psum_data": In(PSUM_WORD_BITS),
                "write_data": Out(word),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        names = "-".join(form.name for form in self.config.elements)
        return (self.config.sbuf.word_bytes, names)

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
            m.d.sync += [s1_data.eq(_choice(setup.data, data_inputs(), entering)), s1_operand.eq(src1)]

        # ALU steps; the second takes src1 only as one value a partition, which stays in entry 0
        passing = s1_data
        for step, value in zip(range(STEPS), (s1_operand, buffers[1][0]), strict=True):
            alu = AluStep()
            m.submodules[f"step{step}"] = place(alu, platform)
            operands = {LaneInput.IMMEDIATE: setup.immediate[step], LaneInput.SRC1: value}
            m.d.comb += [
                alu.op.eq(setup.op[step]),
                alu.reverse.eq(setup.reverse[step]),
                alu.data.eq(passing),
                alu.operand.eq(_choice(setup.operand[step], operand_inputs(), operands)),
                alu.enable.eq(enable),
            ]
            passing = alu.result

        # function and cast
        m.submodules.narrow = narrow = NarrowElement(formats=self.config.elements)
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
        with m.If(enable):
            m.d.sync += result.eq(narrow.o)
        self._destination(m, takes_part, result)
        return m

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
        m.d.comb += first.eq(control.place_position[piece:])
        with m.If(takes_part & control.move):
            m.d.sync += self.write_data.eq(combined)
        with m.If(takes_part & control.place):
            for i in range(pieces):
                for s in sizes:
                    # elements are aligned: piece i belongs to the one that begins at piece i - part
                    part = i % (1 << s - piece)
                    with m.If((size == s) & (first == i - part)):
                        m.d.sync += combined[i].eq(result.word_select(part, 8 << piece))


def _choice(code: Value, inputs: tuple[LaneInput, ...], values: dict[LaneInput, Value]) -> Value:
    """The input that `code` chooses."""
    out = values[inputs[0]]
    for i, taken in enumerate(inputs[1:], start=1):
        out = Mux(code == i, values[taken], out)
    return out
