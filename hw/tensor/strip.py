"""PEs of one row that take a group of stationary operands together."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.tensor.layouts import CHAIN_BITS, bits_ports, group_of, tag_bits, x_operand
from makalu.hw.tensor.pe import Pe
from makalu.spec.config import TensorConfig
from makalu.spec.sparsity import TAG_BITS

__all__ = ["PeStrip"]


class PeStrip(wiring.Component):
    """p_out[i] = round(x * stationary[i] + p_in[i]), i = 0 .. F - 1, one rounding, nearest even

    F = load_columns PEs side by side, behind the registers of one group. x goes right through all of them, p down
    through each. A group with tag 0 is captured by all of them and ends here; any other leaves with its tag less 1.

    Does not: stall, or know its place: a group's tag counts down to it.

    Parameters
    ----------
    tensor : TensorConfig

    Members
    -------
    x_in : In(x_operand), x_out : Out(x_operand)
        Moving element (packed), left and right edge.
    w_in : In(Group), w_out : Out(Group)
        Stationary group, packed, left and right edge.
    p_in : In(F * 34), p_out : Out(F * 34)
        Chain words, lowest column lowest, upper and lower edge.

    bits_in : In(F * 17), bits_out : Out(F * 17)
        Where there are background transposes: chain of bits, likewise.

    Timing
    ------
    x in cycle t: x_out in t + F, p_out[i] in t + 1 + i + mul_stages + add_stages, with the p_in[i] of
    t + 1 + i + mul_stages. A group in t: w_out in t + 1, or in the shadow registers from t + 2 on.
    """

    def __init__(self, *, tensor: TensorConfig) -> None:
        self.tensor = tensor
        # plain vectors, for the tile's reason
        x, w, p = x_operand(tensor).size, group_of(tensor).size, tensor.load_columns * CHAIN_BITS
        ports = {"x_in": In(x), "x_out": Out(x), "w_in": In(w), "w_out": Out(w), "p_in": In(p), "p_out": Out(p)}
        super().__init__(ports | bits_ports(tensor, tensor.load_columns))

    @property
    def emit_key(self) -> tuple[int | str, ...]:
        t = self.tensor
        return (
            t.load_columns,
            tag_bits(t),
            t.mul_stages,
            t.add_stages,
            t.subnormals,
            t.products,
            t.candidates,
            t.background_bits,
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layout = group_of(self.tensor)
        coming, passing = layout(self.w_in), layout(self.w_out)
        operands = Signal(layout["operands"].width, reset_less=True)
        tag = Signal(tag_bits(self.tensor), reset_less=True)
        valid = Signal()
        capture = Signal()
        m.d.sync += [operands.eq(coming.operands.as_value()), tag.eq(coming.tag), valid.eq(coming.valid)]
        m.d.comb += [
            capture.eq(valid & ~tag.any()),
            passing.operands.eq(operands),
            passing.tag.eq(tag - 1),
            passing.valid.eq(valid & ~capture),
        ]
        if self.tensor.sparse:
            picks = Signal(layout["picks"].width, reset_less=True)
            m.d.sync += picks.eq(coming.picks.as_value())
            m.d.comb += passing.picks.eq(picks)
        x = self.x_in
        for i in range(self.tensor.load_columns):
            pe = Pe(tensor=self.tensor)
            m.submodules[f"pe_{i}"] = place(pe, platform)
            m.d.comb += [
                pe.x_in.eq(x),
                pe.w.eq(operands.word_select(i, self.tensor.operand_bits)),
                pe.load.eq(capture),
                pe.p_in.eq(self.p_in.word_select(i, CHAIN_BITS)),
                self.p_out.word_select(i, CHAIN_BITS).eq(pe.p_out),
            ]
            if self.tensor.background:
                m.d.comb += [
                    pe.bits_in.eq(self.bits_in.word_select(i, len(pe.bits_in))),
                    self.bits_out.word_select(i, len(pe.bits_out)).eq(pe.bits_out),
                ]
            if self.tensor.sparse:
                m.d.comb += pe.pick.eq(picks.word_select(i, TAG_BITS))
            x = pe.x_out
        m.d.comb += self.x_out.eq(x)
        return m
