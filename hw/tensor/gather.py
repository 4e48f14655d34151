"""A sparse group of partitions: their moving elements, brought to each of the group's rows."""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.tensor.layouts import group, x_edge, x_operand
from makalu.spec.config import CoreConfig
from makalu.spec.sparsity import ROW_CANDIDATES, deskew

__all__ = ["CandidateGather"]


class CandidateGather(wiring.Component):
    """Row j gets what its own edge sends, D cycles later, and with it the candidates of all rows of the group.

    Does not: choose; know which elements are candidates of what.

    Parameters
    ----------
    config
        The core; its weights have tags. g = tensor.group_rows, L = tensor.add_stages, D = (g - 1) * L.

    Members
    -------
    x_in: In(ArrayLayout(x_edge, g)), w_in: In(ArrayLayout(group, g))
        Of the edges of the group's partitions, L cycles after each other.
    x: Out(ArrayLayout(x_operand, g)), w: Out(ArrayLayout(group, g))
        To the array's rows. Candidate 4 * i + e is element e of partition i.

    Timing: element e of partition i, there in cycle t + i * L, is at row j in t + j * L + D: (g - 1 + j - i) * L cycles
    later. x and w of a row D cycles later. One a cycle, nothing stalls.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        rows = config.tensor.group_rows
        super().__init__(
            {
                "x_in": In(data.ArrayLayout(x_edge(config.tensor), rows)),
                "w_in": In(data.ArrayLayout(group(config), rows)),
                "x": Out(data.ArrayLayout(x_operand(config.tensor), rows)),
                "w": Out(data.ArrayLayout(group(config), rows)),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.tensor,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tensor = self.config.tensor
        rows, late = tensor.group_rows, tensor.add_stages
        for i in range(rows):
            own = deskew(tensor)
            for name, port, to in (("x", self.x_in[i], self.x[i]), ("w", self.w_in[i], self.w[i])):
                members = [member for member in port.shape().members if member != "candidates"]
                for member in members:
                    value = data.View.as_value(port[member]) if isinstance(port[member], data.View) else port[member]
                    m.d.comb += to[member].eq(self._delayed(m, value, f"{name}{i}_{member}", own)[own])
            farthest = (2 * rows - 2 - i) * late
            riding = self._delayed(m, self.x_in[i].candidates.as_value(), f"candidates{i}", farthest)
            for j in range(rows):
                first = i * ROW_CANDIDATES
                for e in range(ROW_CANDIDATES):
                    taken = riding[(rows - 1 + j - i) * late].word_select(e, len(riding[0]) // ROW_CANDIDATES)
                    m.d.comb += self.x[j].candidates[first + e].eq(taken)
        return m

    @staticmethod
    def _delayed(m: Module, value: Value, name: str, cycles: int) -> list[Value]:
        """The value 0, 1, 2, ... cycles late. With reset: what rides here says whether anything is there."""
        out = [value]
        for stage in range(1, cycles + 1):
            late = Signal.like(value, name=f"s{stage}_{name}")
            m.d.sync += late.eq(out[-1])
            out.append(late)
        return out
