"""A square of PEs that is described, emitted and compiled once."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.lib.idle_clock import idle_clock
from makalu.hw.spec.config import TensorConfig
from makalu.hw.tensor.layouts import CHAIN_BITS, OPERAND_BITS, X_BITS, X_OPERAND, group_of, tag_bits
from makalu.hw.tensor.pe import Pe

__all__ = ["PeTile"]


class PeTile(wiring.Component):
    """p_out[m] = p_in[m] + sum over rows of x[k] * stationary[k, m], a rounding a row

    x moves right a column a cycle, p down a row every add_stages, groups of F stationary operands right a group (F
    columns) a cycle. A group's tag counts the groups that it still has to pass; at 0 it is captured.

    Does not: skew x; what enters row k belongs to the p that reaches row k k * add_stages later.

    Parameters
    ----------
    tensor : TensorConfig

    Members
    -------
    x_in, x_out : tile * 26 bits, row 0 lowest, left and right edge
    w_in, w_out : tile * Group, left and right edge; the tag is as the tile's first group finds it
    p_in, p_out : tile * 34 bits, column 0 lowest, upper and lower edge

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
        x, w, p = tensor.tile * X_BITS, tensor.tile * group_of(tensor).size, tensor.tile * CHAIN_BITS
        super().__init__(
            {"x_in": In(x), "x_out": Out(x), "w_in": In(w), "w_out": Out(w), "p_in": In(p), "p_out": Out(p)}
        )

    @property
    def emit_key(self) -> tuple[int | str, ...]:
        t = self.tensor
        return (t.tile, t.load_columns, tag_bits(t), t.mul_stages, t.add_stages, t.subnormals)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        edge = self.tensor.tile
        domain = idle_clock(m, platform, busy=self._busy(), settle=self._settle())
        pes = [[Pe(tensor=self.tensor) for _ in range(edge)] for _ in range(edge)]
        for k in range(edge):
            for c in range(edge):
                m.submodules[f"pe_{k}_{c}"] = place(pes[k][c], platform, domain=domain)
                m.d.comb += [
                    pes[k][c].x_in.eq(self.x_in.word_select(k, X_BITS) if c == 0 else pes[k][c - 1].x_out),
                    pes[k][c].p_in.eq(self.p_in.word_select(c, CHAIN_BITS) if k == 0 else pes[k - 1][c].p_out),
                ]
            m.d.comb += self.x_out.word_select(k, X_BITS).eq(pes[k][-1].x_out)
            self._stationary(m, domain, k, pes[k])
        for c in range(edge):
            m.d.comb += self.p_out.word_select(c, CHAIN_BITS).eq(pes[-1][c].p_out)
        return m

    def _busy(self) -> Value:
        """Something enters in this cycle: an element, a group or a sum that is not +0, the word 0."""
        layout = group_of(self.tensor)
        x = [X_OPERAND(self.x_in.word_select(k, X_BITS)) for k in range(self.tensor.tile)]
        w = [layout(self.w_in.word_select(k, layout.size)) for k in range(self.tensor.tile)]
        return Cat([e.active | e.swap for e in x], [g.valid for g in w]).any() | self.p_in.any()

    def _settle(self) -> int:
        """Cycles from an input's last change to the last change in the tile: to the right, then down."""
        tensor = self.tensor
        return 1 + tensor.tile + tensor.mul_stages + tensor.tile * tensor.add_stages

    def _stationary(self, m: Module, domain: str, k: int, row: list[Pe]) -> None:
        """Transport registers of row k: one group each, in front of its F PEs."""
        columns = self.tensor.load_columns
        layout = group_of(self.tensor)
        coming = self.w_in.word_select(k, layout.size)
        for j in range(self.tensor.tile // columns):
            group = layout(coming)
            operands = Signal(layout["operands"].width, name=f"group_{k}_{j}_operands", reset_less=True)
            tag = Signal(tag_bits(self.tensor), name=f"group_{k}_{j}_tag", reset_less=True)
            valid = Signal(name=f"group_{k}_{j}_valid")
            capture = Signal(name=f"capture_{k}_{j}")
            passing = Signal(layout.size, name=f"passing_{k}_{j}")
            m.d[domain] += [operands.eq(group.operands.as_value()), tag.eq(group.tag), valid.eq(group.valid)]
            m.d.comb += [
                capture.eq(valid & ~tag.any()),
                layout(passing).operands.eq(operands),
                layout(passing).tag.eq(tag - 1),
                layout(passing).valid.eq(valid & ~capture),
            ]
            for i in range(columns):
                pe = row[j * columns + i]
                m.d.comb += [pe.w.eq(operands.word_select(i, OPERAND_BITS)), pe.load.eq(capture)]
            coming = passing
        m.d.comb += self.w_out.word_select(k, layout.size).eq(coming)
