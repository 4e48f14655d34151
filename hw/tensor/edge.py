"""Tensor engine, the part that every partition has: word buffers and decoding at the edge of its PE row."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.operand import OperandDecode
from makalu.hw.arith.pair import PairDecode
from makalu.hw.lib.element import narrowed, of_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.range import in_range
from makalu.hw.lib.rules import Rules
from makalu.hw.sbuf.layouts import tensor_read
from makalu.hw.tensor.control import STATIONARY_BUFFERS, buffer_bits, edge_control
from makalu.hw.tensor.layouts import group, x_operand
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import INDEX_BITS
from makalu.spec.pairs import PAIRABLE

__all__ = ["TensorEdge"]


class TensorEdge(wiring.Component):
    """x = moving element, w = F stationary elements of this partition, as the riding control says.

    Does not: decide anything but its own part: a partition outside start .. start + count - 1 of a read does not read,
    and what it sends from that buffer is inactive.

    Parameters
    ----------
    config
        The core. L = tensor.add_stages.

    Members
    -------
    index: In(7)
        Partition number, constant at the instance.
    control_in: In({read, group, column}), control_out: Out({...})
        What this partition does in this cycle, and the same for the next partition L cycles later.
    sbuf: Out({enable, address}), sbuf_data: In(8 * word_bytes)
        Port B of the SBUF slice.
    x: Out({operand, active, swap, paired})
        All zero but `swap` while inactive. `swap` comes in every partition, since all rows make their shadows active.
    w: Out({operands, tag, valid})
        All zero while not valid.

    Timing
    ------
    `control_in.read` in cycle t: `sbuf` in t, its word in t + 1, elements at `x` or `w` from t + 2 on. `column` and
    `group`: `x` and `w` in the same cycle, combinational from buffers. `control_out` L cycles after `control_in`.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        word = 8 * config.sbuf.word_bytes
        super().__init__(
            {
                "index": In(INDEX_BITS),
                "control_in": In(edge_control(config)),
                "control_out": Out(edge_control(config)),
                "sbuf": Out(tensor_read(config)),
                "sbuf_data": In(word),
                "x": Out(x_operand(config.tensor)),
                "w": Out(group(config)),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.tensor, self.config.sbuf)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        self._ride(m)

        # read, and what arrives a cycle later
        read = self.control_in.read
        takes_part = Signal()
        m.d.comb += [
            takes_part.eq(in_range(self.index, read.start, read.count)),
            self.sbuf.enable.eq(read.enable & takes_part),
            self.sbuf.address.eq(read.address),
        ]
        s1_enable = Signal()
        s1_active = Signal(reset_less=True)
        s1_moving = Signal(reset_less=True)
        s1_buffer = Signal(buffer_bits(config), reset_less=True)
        m.d.sync += [
            s1_enable.eq(read.enable),
            s1_active.eq(takes_part),
            s1_moving.eq(read.moving),
            s1_buffer.eq(read.buffer),
        ]
        arrives = [Signal(name="stationary_arrives"), Signal(name="moving_arrives")]
        m.d.comb += [arrives[0].eq(s1_enable & ~s1_moving), arrives[1].eq(s1_enable & s1_moving)]
        stationary = self._buffers(m, "stationary", STATIONARY_BUFFERS, arrives[0], s1_buffer, s1_active)
        moving = self._buffers(m, "moving", config.tensor.moving_buffers, arrives[1], s1_buffer, s1_active)
        fresh = Signal()
        m.d.comb += fresh.eq(arrives[0] & (s1_buffer == 1))
        self._send_group(m, platform, stationary, fresh)
        self._send_column(m, moving)

        column = self.control_in.column
        Rules(m, platform).never(
            arrives[1] & column.valid & (column.buffer == s1_buffer), "no word arrives in a buffer that is sent from"
        )
        return m

    def _ride(self, m: Module) -> None:
        control = self.control_in
        for stage in range(1, self.config.tensor.add_stages + 1):
            s_control = Signal(edge_control(self.config), name=f"s{stage}_control")
            m.d.sync += s_control.eq(control)
            control = s_control
        m.d.comb += self.control_out.eq(control)

    def _buffers(
        self, m: Module, name: str, count: int, arrives: Signal, buffer: Signal, active: Signal
    ) -> tuple[Array, Array]:
        """Words, and whether this partition takes part in them."""
        words = Array(Signal(8 * self.config.sbuf.word_bytes, name=f"{name}{i}", reset_less=True) for i in range(count))
        actives = Array(Signal(name=f"{name}{i}_active", reset_less=True) for i in range(count))
        with m.If(arrives):
            with m.Switch(buffer):
                for i in range(count):
                    with m.Case(i):
                        m.d.sync += actives[i].eq(active)
                        with m.If(active):
                            m.d.sync += words[i].eq(self.sbuf_data)
        return words, actives

    def _send_group(self, m: Module, platform: object, buffers: tuple[Array, Array], fresh: Signal) -> None:
        tensor, control = self.config.tensor, self.control_in.group
        words, actives = buffers
        word = Signal(8 * self.config.sbuf.word_bytes, name="stationary_word")
        m.d.comb += [word.eq(words[control.buffer]), self.w.valid.eq(control.valid & actives[control.buffer])]
        # F elements of each size, the group of smaller ones inside that of larger ones
        sizes = sorted({form.size_log2 for form in tensor.operands}, reverse=True)
        bits = [8 * tensor.load_columns << size for size in sizes]
        groups = narrowed(m, word, control.place, bits, 8 * tensor.load_columns << self.config.tensor.smallest, "group")
        decoders = [
            OperandDecode(forms=tensor.operands, stationary=True, subnormals=tensor.subnormals, parts=tensor.parts)
            for _ in range(tensor.load_columns)
        ]
        for i, decode in enumerate(decoders):
            m.submodules[f"stationary_decode{i}"] = place(decode, platform)
            elements = {size: group.word_select(i, 8 << size) for size, group in zip(sizes, groups, strict=True)}
            m.d.comb += [
                decode.bits.eq(of_size(control.dtype, tensor.operands, elements)),
                decode.dtype.eq(control.dtype),
                decode.part.eq(control.part),
            ]
        with m.If(self.w.valid):
            m.d.comb += self.w.tag.eq(control.tag)
            for i, decode in enumerate(decoders):
                m.d.comb += self.w.operands[i].eq(decode.operand)
        if tensor.products > 1:
            # the second row's word is on its way to its buffer when the first group of it is sent
            second = Signal.like(word, name="second_stationary")
            m.d.comb += second.eq(Mux(fresh, self.sbuf_data, words[1]))
            (other,) = narrowed(m, second, control.place, bits[-1:], 8 * tensor.load_columns, "second_group")
            for i in range(tensor.load_columns):
                pair = self._pair(m, f"stationary_pair{i}", platform, groups[-1], other, i, control.dtype)
                with m.If(self.w.valid & control.paired):
                    m.d.comb += self.w.operands[i].eq(pair)

    def _pair(
        self, m: Module, name: str, platform: object, first: Value, second: Value, i: int, dtype: Value
    ) -> data.View:
        """The pair of bytes i of two rows."""
        forms = [form for form in self.config.tensor.operands if form in PAIRABLE]
        decode = PairDecode(forms=forms)
        m.submodules[name] = place(decode, platform)
        m.d.comb += [
            decode.bits.eq(Cat(first.word_select(i, 8), second.word_select(i, 8))),
            decode.dtype.eq(dtype if len(forms) > 1 else 0),
        ]
        return decode.operand

    def _send_column(self, m: Module, buffers: tuple[Array, Array]) -> None:
        control = self.control_in.column
        words, actives = buffers
        word = Signal(8 * self.config.sbuf.word_bytes, name="moving_word")
        forms, unit = self.config.tensor.operands, self.config.tensor.smallest
        tensor = self.config.tensor
        decode = OperandDecode(forms=forms, stationary=False, subnormals=tensor.subnormals, parts=tensor.parts)
        m.submodules.moving_decode = decode
        sizes = sorted({form.size_log2 for form in forms}, reverse=True)
        elements = narrowed(m, word, control.place, [8 << size for size in sizes], 8 << unit, "element")
        m.d.comb += [
            word.eq(words[control.buffer]),
            self.x.active.eq(control.valid & actives[control.buffer]),
            self.x.swap.eq(control.valid & control.swap),
            self.x.operand.eq(Mux(self.x.active, data.View.as_value(decode.operand), 0)),
            decode.bits.eq(of_size(control.dtype, forms, dict(zip(sizes, elements, strict=True)))),
            decode.dtype.eq(control.dtype),
            decode.part.eq(control.part),
        ]
        if tensor.products > 1:
            second = Signal.like(word, name="second_moving")
            m.d.comb += second.eq(words[(control.buffer + 1)[: len(control.buffer)]])
            (other,) = narrowed(m, second, control.place, [8], 8 << unit, "second_element")
            pair = self._pair(m, "moving_pair", None, elements[-1], other, 0, control.dtype)
            m.d.comb += self.x.paired.eq(self.x.active & control.paired)
            with m.If(self.x.paired):
                m.d.comb += self.x.operand.eq(pair)
