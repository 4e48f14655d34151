"""A row of PE tiles from the left edge of the array to its right, described and emitted once. Wiring only."""

from typing import Any

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.tensor.gather import CandidateGather
from makalu.hw.tensor.layouts import CHAIN_BITS, bits_ports, group, x_edge
from makalu.hw.tensor.tile import PeTile
from makalu.spec.config import CoreConfig

__all__ = ["TileRow"]


class TileRow(wiring.Component):
    """p_out[m] = p_in[m] + sum over the tile's rows of x[k] * stationary[k, m], a rounding a row, for all columns m

    Does not: skew x; stall. Where weights have tags, the gathers of its rows stand in front of the first tile.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    x : In(tile * x_edge), w : In(tile * Group)
        From the edges of its rows, row 0 lowest; packed, for the tile's reason.
    p_in : In(C * 34), p_out : Out(C * 34)
        Chain words, column 0 lowest, upper and lower edge.
    bits_in : In(C * 17), bits_out : Out(C * 17)
        Chain of bits likewise, where there are background transposes.

    Timing: those of `CandidateGather` and of columns / tile times `PeTile`.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        tensor = config.tensor
        x, w = (tensor.tile * layout.size for layout in (x_edge(tensor), group(config)))
        p = tensor.columns * CHAIN_BITS
        ports = {"x": In(x), "w": In(w), "p_in": In(p), "p_out": Out(p)}
        super().__init__(ports | bits_ports(tensor, tensor.columns))

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.tensor,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tensor = self.config.tensor
        x, w = self._rows(m, platform)
        for j in range(tensor.columns // tensor.tile):
            tile = PeTile(tensor=tensor)
            m.submodules[f"tile_{j}"] = place(tile, platform)
            m.d.comb += [
                *(tile.x_in.eq(x), tile.w_in.eq(w)),
                tile.p_in.eq(self.p_in.word_select(j, len(tile.p_in))),
                self.p_out.word_select(j, len(tile.p_out)).eq(tile.p_out),
            ]
            if tensor.background:
                m.d.comb += [
                    tile.bits_in.eq(self.bits_in.word_select(j, len(tile.bits_in))),
                    self.bits_out.word_select(j, len(tile.bits_out)).eq(tile.bits_out),
                ]
            x, w = tile.x_out, tile.w_out
        return m

    def _rows(self, m: Module, platform: Any) -> tuple[Value, Value]:
        """x and w of the first tile."""
        tensor = self.config.tensor
        if not tensor.sparse:
            return self.x, self.w
        gathers = []
        for n in range(tensor.tile // tensor.group_rows):
            gather = CandidateGather(config=self.config)
            m.submodules[f"gather_{n}"] = place(gather, platform)
            ports = ((gather.x_in, self.x), (gather.w_in, self.w))
            m.d.comb += [port.as_value().eq(rows.word_select(n, port.shape().size)) for port, rows in ports]
            gathers.append(gather)
        return Cat(gather.x.as_value() for gather in gathers), Cat(gather.w.as_value() for gather in gathers)
