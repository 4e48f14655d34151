"""A square of PEs that is described, emitted and compiled once."""

from typing import Any

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.lib.idle_clock import idle_clock
from makalu.hw.tensor.layouts import CHAIN_BITS, bits_ports, bits_word, group_of, tag_bits, x_operand
from makalu.hw.tensor.strip import PeStrip
from makalu.spec.config import TensorConfig

__all__ = ["PeTile"]


class PeTile(wiring.Component):
    """p_out[m] = p_in[m] + sum over rows of x[k] * stationary[k, m], a rounding a row

    x moves right a column a cycle, p down a row every add_stages, groups of F stationary operands right a group (F
    columns) a cycle. A group's tag counts the groups that it still has to pass; at 0 it is captured. A grid of
    strips (`PeStrip`), tile rows by tile / F; here are only their wiring and the clock that may stand still.

    Does not: skew x; what enters row k belongs to the p that reaches row k k * add_stages later.

    Parameters
    ----------
    tensor : TensorConfig

    Members
    -------
    x_in, x_out : tile * x_operand, row 0 lowest, left and right edge
    w_in, w_out : tile * Group, left and right edge; the tag is as the tile's first group finds it
    p_in, p_out : tile * 34 bits, column 0 lowest, upper and lower edge
    bits_in, bits_out : tile * 17 bits likewise, where there are background transposes

    Timing
    ------
    x crosses in `tile` cycles, groups in tile / F. x of row 0 in t: p_out[m] in
    t + 1 + m + mul_stages + tile * add_stages.
    A group with tag g in t is in the shadow registers of its columns from t + g + 2 on.
    """

    hier_block = True

    def __init__(self, *, tensor: TensorConfig) -> None:
        self.tensor = tensor
        # plain vectors: Verilog with a wire for each field of each of them is ten times longer
        x, w, p = (tensor.tile * bits for bits in (x_operand(tensor).size, group_of(tensor).size, CHAIN_BITS))
        ports = {"x_in": In(x), "x_out": Out(x), "w_in": In(w), "w_out": Out(w), "p_in": In(p), "p_out": Out(p)}
        super().__init__(ports | bits_ports(tensor, tensor.tile))

    @property
    def emit_key(self) -> tuple[int | str, ...]:
        t = self.tensor
        sizes = (t.tile, t.load_columns, tag_bits(t), t.mul_stages, t.add_stages)
        return (*sizes, t.subnormals, t.products, t.candidates, t.background_bits)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows, strips = self.tensor.tile, self.tensor.tile // self.tensor.load_columns
        domain = idle_clock(m, platform, busy=self._busy(), settle=self._settle())
        grid = [[PeStrip(tensor=self.tensor) for _ in range(strips)] for _ in range(rows)]
        for k, row in enumerate(grid):
            x, w = (port.word_select(k, len(port) // rows) for port in (self.x_in, self.w_in))
            for j, strip in enumerate(row):
                m.submodules[f"strip_{k}_{j}"] = place(strip, platform, domain=domain)
                above = self.p_in.word_select(j, len(strip.p_in)) if k == 0 else grid[k - 1][j].p_out
                m.d.comb += [strip.x_in.eq(x), strip.w_in.eq(w), strip.p_in.eq(above)]
                if self.tensor.background:
                    bits = self.bits_in.word_select(j, len(strip.bits_in)) if k == 0 else grid[k - 1][j].bits_out
                    m.d.comb += strip.bits_in.eq(bits)
                x, w = strip.x_out, strip.w_out
            m.d.comb += [self.x_out.word_select(k, len(x)).eq(x), self.w_out.word_select(k, len(w)).eq(w)]
        for j, strip in enumerate(grid[-1]):
            m.d.comb += self.p_out.word_select(j, len(strip.p_out)).eq(strip.p_out)
            if self.tensor.background:
                m.d.comb += self.bits_out.word_select(j, len(strip.bits_out)).eq(strip.bits_out)
        return m

    def _busy(self) -> Value:
        """Something enters in this cycle: an element, a group or a sum that is not +0, the word 0."""
        layout, element = group_of(self.tensor), x_operand(self.tensor)
        x = [element(self.x_in.word_select(k, element.size)) for k in range(self.tensor.tile)]
        w = [layout(self.w_in.word_select(k, layout.size)) for k in range(self.tensor.tile)]
        busy = Cat([e.active | e.swap for e in x], [g.valid for g in w]).any() | self.p_in.any()
        if not self.tensor.background:
            return busy
        coming = [self.bits_in.word_select(j, bits_word(self.tensor))[-1] for j in range(self.tensor.tile)]
        return busy | Cat([e.turn for e in x], coming).any()

    def _settle(self) -> int:
        """Cycles from an input's last change to the last change in the tile: to the right, then down."""
        tensor = self.tensor
        return 1 + tensor.tile + tensor.mul_stages + tensor.tile * tensor.add_stages
