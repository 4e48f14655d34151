"""Tensor engine, the part that every partition has: word buffers and decoding at the edge of its PE row."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.arith.operand import OperandDecode
from makalu.hw.arith.pair import PairDecode
from makalu.hw.arith.quad import QuadDecode
from makalu.hw.lib.element import narrowed, of_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.range import in_range, scale_row
from makalu.hw.lib.rules import Rules
from makalu.hw.sbuf.layouts import tensor_read
from makalu.hw.tensor.control import STATIONARY_BUFFERS, buffer_bits, edge_control, scale_word, scales
from makalu.hw.tensor.layouts import group, x_edge
from makalu.spec.cfp8 import CFP8
from makalu.spec.chain import NEUTRAL, OPERAND_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.formats import Format
from makalu.spec.memory_map import INDEX_BITS
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quads import PAIR_UPPER, QUAD_BITS, SCALE_BITS
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.spec.sparsity import PACKED_TAGS, ROW_CANDIDATES, SPARSE, TAG_BITS, tag_words
from makalu.spec.tensor_types import Part

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
    control_in: In({read, group, column, turn}), control_out: Out({...})
        What this partition does in this cycle, and the same for the next partition L cycles later.
    sbuf: Out({enable, address}), sbuf_data: In(8 * word_bytes)
        Port B of the SBUF slice.
    x: Out({operand, active, swap, paired, turn, sparse, candidates})
        All zero but `swap` and `turn` while inactive. `swap` comes in every partition, since all rows make their
        shadows active; `turn` in those that its control names. A sparse element is candidates, as many as its ratio,
        the others 0; its `operand` is 0.
    w: Out({operands, tag, valid, picks})
        All zero while not valid; picks too of what is not sparse. Of a load that is `apart`, NEUTRAL in partitions that
        are not in it.
    fault_in: In(1), fault_out: Out(1)
        Where weights have tags: one that has arrived in this cycle is out of range, here or, L cycles a partition
        before, above.
    group_scales, scales_in: In({column, group}), scales_out: Out({...})
        Where there is MX: scales of the column and group at the edge in this cycle, in the first partition of a group
        those of the group's memory, in others `scales_in`; for the next partition L cycles later.
    scale_word: Out({valid, entry, data})
        A word of scales that this partition has read, for its group; all zero while not valid.

    Timing
    ------
    `control_in.read` in cycle t: `sbuf` in t, its word in t + 1, elements at `x` or `w` from t + 2 on. `column` and
    `group`: `x` and `w` in the same cycle, combinational from buffers. `control_out` L cycles after `control_in`.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        word = 8 * config.sbuf.word_bytes
        ports = {name: In(scales(config)) for name in ("group_scales", "scales_in")}
        ports |= {"scales_out": Out(scales(config)), "scale_word": Out(scale_word(config))}
        super().__init__(
            (ports if config.tensor.quads else {})
            | {
                "index": In(INDEX_BITS),
                "control_in": In(edge_control(config)),
                "control_out": Out(edge_control(config)),
                "sbuf": Out(tensor_read(config)),
                "sbuf_data": In(word),
                "x": Out(x_edge(config.tensor)),
                "w": Out(group(config)),
            }
            | ({"fault_in": In(1), "fault_out": Out(1)} if config.tensor.sparse else {})
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        key = (self.config.tensor, self.config.sbuf)
        return (*key, CFP8) if self.config.cfp8 else key

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        if config.tensor.quads:
            self._scales = Signal(scales(config))
        self._ride(m)

        # read, and what arrives a cycle later
        read = self.control_in.read
        takes_part = Signal()
        m.d.comb += [
            takes_part.eq(in_range(self.index, read.start, read.count) & self._has_scales(read)),
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
        if config.tensor.quads:
            s1_scale, s1_entry = Signal(), Signal.like(read.entry, reset_less=True)
            m.d.sync += [s1_scale.eq(read.enable & read.scale), s1_entry.eq(read.entry)]
            with m.If(s1_scale & s1_active):
                m.d.comb += [
                    self.scale_word.valid.eq(1),
                    self.scale_word.entry.eq(s1_entry),
                    self.scale_word.data.eq(self.sbuf_data),
                ]
            s1_word = Signal(name="s1_word")
            m.d.comb += s1_word.eq(s1_enable & ~s1_scale)
        else:
            s1_word = s1_enable
        if config.tensor.sparse:
            s1_word = s1_word & ~self._tags(m, read, s1_active)
        arrives = [Signal(name="stationary_arrives"), Signal(name="moving_arrives")]
        m.d.comb += [arrives[0].eq(s1_word & ~s1_moving), arrives[1].eq(s1_word & s1_moving)]
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
        if self.config.tensor.quads:
            # a constant at each instance: so partitions are alike, and the first of a group is fed by its memory
            first = ~self.index[: ceil_log2(GROUP_PARTITIONS)].any()
            m.d.comb += self._scales.eq(Mux(first, self.group_scales.as_value(), self.scales_in.as_value()))
            riding = self._scales
            for stage in range(1, self.config.tensor.add_stages + 1):
                s_scales = Signal(scales(self.config), name=f"s{stage}_scales", reset_less=True)
                m.d.sync += s_scales.eq(riding)
                riding = s_scales
            m.d.comb += self.scales_out.eq(riding)

    def _has_scales(self, read: data.View) -> Value:
        """Of a partition in a read's range: one of those in which a quadrant's scales lie, where these are read."""
        if not self.config.tensor.quads:
            return Const(1, 1)
        return ~read.scale | scale_row(self.index, read.start, self.config)

    def _tags(self, m: Module, read: data.View, active: Signal) -> Value:
        """Keeps words of tags and looks at them; returns: what arrives in this cycle is one. `active`: for this
        partition.
        """
        config = self.config
        columns, unit = config.tensor.columns, PACKED_TAGS * TAG_BITS
        s1_tags, s1_number = Signal(), Signal.like(read.buffer, name="s1_number", reset_less=True)
        s1_ratio, s1_units = (
            Signal.like(read[name], name=f"s1_{name}", reset_less=True) for name in ("ratio", "units")
        )
        m.d.sync += [
            s1_tags.eq(read.enable & read.tags),
            s1_number.eq(read.buffer),
            s1_ratio.eq(read.ratio),
            s1_units.eq(read.units),
        ]
        word = 8 * config.sbuf.word_bytes
        words = [Signal(word, name=f"tags{n}", reset_less=True) for n in range(tag_words(config, columns))]
        bad = [
            (s1_units > n) & self._out_of_range(self.sbuf_data.word_select(n, unit), s1_ratio)
            for n in range(min(word, columns * TAG_BITS) // unit)
        ]
        fault = Signal()
        m.d.comb += fault.eq(self.fault_in | (s1_tags & active & Cat(bad).any()))
        for stage in range(1, config.tensor.add_stages + 1):
            s_fault = Signal(name=f"s{stage}_fault")
            m.d.sync += s_fault.eq(fault)
            fault = s_fault
        m.d.comb += self.fault_out.eq(fault)
        with m.If(s1_tags & active):
            with m.Switch(s1_number):
                for n, kept in enumerate(words):
                    with m.Case(n):
                        m.d.sync += kept.eq(self.sbuf_data)
        group, bits = self.control_in.group, TAG_BITS * config.tensor.load_columns
        with m.If(self.w.valid & group.ratio.any()):
            m.d.comb += self.w.picks.eq(Cat(words).word_select(group.number, bits))
        return s1_tags

    def _out_of_range(self, unit: Value, ratio: Value) -> Value:
        """One of the tags in a unit is of an element that the moving tile lacks, or of a row that the group lacks."""
        rows, elements = self.config.tensor.group_rows, ceil_log2(ROW_CANDIDATES)
        tags = [unit.word_select(n, TAG_BITS) for n in range(PACKED_TAGS)]
        return Cat((tag[:elements] >= ratio) | (tag[elements:] >= rows) for tag in tags).any()

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
        inside = Signal(name="inside")
        m.d.comb += [
            word.eq(words[control.buffer]),
            inside.eq(control.valid & actives[control.buffer]),
            self.w.valid.eq(control.valid & (actives[control.buffer] | control.apart)),
        ]
        # F elements of each size, the group of smaller ones inside that of larger ones
        sizes = sorted({form.size_log2 for form in tensor.operands}, reverse=True)
        bits = [8 * tensor.load_columns << size for size in sizes]
        groups = narrowed(m, word, control.place, bits, 8 * tensor.load_columns << self.config.tensor.smallest, "group")
        decoders = [
            OperandDecode(
                forms=tensor.singles,
                stationary=True,
                subnormals=tensor.subnormals,
                parts=tensor.parts,
                offsets=self.config.cfp8,
            )
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
            if decode.offsets:
                m.d.comb += decode.offset.eq(control.offset)
        with m.If(self.w.valid):
            m.d.comb += self.w.tag.eq(control.tag)
            for i, decode in enumerate(decoders):
                m.d.comb += self.w.operands[i].eq(Mux(inside, data.View.as_value(decode.operand), NEUTRAL))
        if tensor.quads:
            for i, decode in enumerate(decoders):
                scale = self._scales.group.word_select(i, SCALE_BITS)
                quad = self._quad(m, f"stationary_quad{i}", platform, decode.bits, control.dtype, scale)
                with m.If(inside & self._is_quad(control.dtype)):
                    m.d.comb += self.w.operands[i].eq(quad)
        if tensor.products > 1:
            # the second row's word is on its way to its buffer when the first group of it is sent
            second = Signal.like(word, name="second_stationary")
            m.d.comb += second.eq(Mux(fresh, self.sbuf_data, words[1]))
            (other,) = narrowed(m, second, control.place, bits[-1:], 8 * tensor.load_columns, "second_group")
            for i in range(tensor.load_columns):
                pair = self._pair(m, f"stationary_pair{i}", platform, groups[-1], other, i, control.dtype)
                with m.If(inside & control.paired):
                    m.d.comb += self.w.operands[i].eq(pair)

    def _is_quad(self, dtype: Value) -> Value:
        return Cat(dtype == form.code for form in self.config.tensor.quads).any()

    def _quad(self, m: Module, name: str, platform: object, bits: Value, dtype: Value, scale: Value) -> data.View:
        """The quad in a container."""
        decode = QuadDecode(forms=self.config.tensor.quads)
        m.submodules[name] = place(decode, platform)
        m.d.comb += [
            decode.bits.eq(bits),
            decode.dtype.eq(dtype if len(decode.forms) > 1 else 0),
            decode.scale.eq(scale),
        ]
        return decode.operand

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
        return (
            Cat(decode.operand, Const(PAIR_UPPER, QUAD_BITS - OPERAND_BITS))
            if self.config.tensor.quads
            else decode.operand
        )

    def _send_column(self, m: Module, buffers: tuple[Array, Array]) -> None:
        control = self.control_in.column
        words, actives = buffers
        word = Signal(8 * self.config.sbuf.word_bytes, name="moving_word")
        forms, unit = self.config.tensor.operands, self.config.tensor.smallest
        tensor = self.config.tensor
        decode = self._moving_decode(tensor.singles, tensor.parts, offsets=self.config.cfp8)
        m.submodules.moving_decode = decode
        sizes = sorted({form.size_log2 for form in forms}, reverse=True)
        elements = narrowed(m, word, control.place, [8 << size for size in sizes], 8 << unit, "element")
        m.d.comb += [
            word.eq(words[control.buffer]),
            self.x.active.eq(control.valid & actives[control.buffer]),
            self.x.swap.eq(control.valid & control.swap),
            self.x.operand.eq(Mux(self.x.active & ~control.ratio.any(), data.View.as_value(decode.operand), 0)),
            decode.bits.eq(of_size(control.dtype, forms, dict(zip(sizes, elements, strict=True)))),
            decode.dtype.eq(control.dtype),
            decode.part.eq(control.part),
        ]
        if decode.offsets:
            m.d.comb += decode.offset.eq(control.offset)
        if tensor.background:
            turn = self.control_in.turn
            m.d.comb += self.x.turn.eq(turn.valid & in_range(self.index, turn.start, turn.count))
        if tensor.sparse:
            self._send_candidates(m, words, decode.operand)
        if tensor.products > 1:
            second = Signal.like(word, name="second_moving")
            m.d.comb += second.eq(words[(control.buffer + 1)[: len(control.buffer)]])
            (other,) = narrowed(m, second, control.place, [8], 8 << unit, "second_element")
            pair = self._pair(m, "moving_pair", None, elements[-1], other, 0, control.dtype)
            m.d.comb += self.x.paired.eq(self.x.active & control.paired)
            with m.If(self.x.active & control.paired):
                m.d.comb += self.x.operand.eq(pair)
        if tensor.quads:
            quad = self._quad(m, "moving_quad", None, decode.bits, control.dtype, self._scales.column)
            with m.If(self.x.active & self._is_quad(control.dtype)):
                m.d.comb += [self.x.paired.eq(1), self.x.operand.eq(quad)]

    def _moving_decode(self, forms: Sequence[Format], parts: int, *, offsets: bool = False) -> OperandDecode:
        subnormals = self.config.tensor.subnormals
        return OperandDecode(forms=forms, stationary=False, subnormals=subnormals, parts=parts, offsets=offsets)

    def _send_candidates(self, m: Module, words: Array, first: data.View) -> None:
        """Elements of one place in as many words as the ratio says; `first`: that of the first one."""
        control, tensor = self.control_in.column, self.config.tensor
        forms = [form for form in tensor.singles if form in SPARSE]
        sizes = sorted({form.size_log2 for form in forms}, reverse=True)
        for n in range(ROW_CANDIDATES):
            operand = first
            if n:
                word = Signal(8 * self.config.sbuf.word_bytes, name=f"candidate_word{n}")
                m.d.comb += word.eq(words[(control.buffer + n)[: len(control.buffer)]])
                bits, unit = [8 << size for size in sizes], 8 << tensor.smallest
                parts = dict(zip(sizes, narrowed(m, word, control.place, bits, unit, f"candidate{n}_"), strict=True))
                decode = self._moving_decode(forms, Part.UPPER)
                m.submodules[f"candidate_decode{n}"] = decode
                m.d.comb += [decode.bits.eq(of_size(control.dtype, forms, parts)), decode.dtype.eq(control.dtype)]
                operand = decode.operand
            with m.If(self.x.active & (control.ratio > n)):
                m.d.comb += self.x.candidates[n].eq(operand)
        m.d.comb += self.x.sparse.eq(self.x.active & control.ratio.any())
