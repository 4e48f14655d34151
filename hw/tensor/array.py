"""The PE array: a grid of tiles. Wiring only."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.tensor.layouts import CHAIN_BITS, group, x_operand
from makalu.hw.tensor.tile import PeTile
from makalu.spec.config import CoreConfig

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """p[m](n) = (...((+0 + s[0, m] * x[0](n)) + s[1, m] * x[1](n)) ... ) + s[R-1, m] * x[R-1](n), a rounding a row

    Does not: skew, mask columns, add to PSUM or stall; `TensorEdge` and `PsumSlice` do, nothing does.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    x : In(ArrayLayout(x_operand, R))
        Moving element of each row. `swap` on a row's first element of a new stationary tile.
    w : In(ArrayLayout(Group, R))
        Stationary groups: tag j goes to columns j * F .. j * F + F - 1; tags of one load go up by 1 a cycle.
    p : Out(ArrayLayout(34, C))
        Chain words of the columns.

    Timing
    ------
    x of row k at the edge in cycle h + k * L: its column m at the bottom in h + 1 + S + R * L + m (L = add_stages,
    S = mul_stages). A group at the edge in g with tag j is in the shadow registers from g + j + 2 on; a swap in h
    reaches column m's registers with the edge of h + m.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        tensor = config.tensor
        self.latency_cycles = 1 + tensor.mul_stages + tensor.rows * tensor.add_stages
        """From row 0's x to column 0's result."""
        super().__init__(
            {
                "x": In(data.ArrayLayout(x_operand(tensor), tensor.rows)),
                "w": In(data.ArrayLayout(group(config), tensor.rows)),
                "p": Out(data.ArrayLayout(CHAIN_BITS, tensor.columns)),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.tensor,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tensor = self.config.tensor
        edge = tensor.tile
        rows, columns = tensor.rows // edge, tensor.columns // edge
        tiles = [[PeTile(tensor=tensor) for _ in range(columns)] for _ in range(rows)]
        x, w, p = (data.View.as_value(port) for port in (self.x, self.w, self.p))
        for i in range(rows):
            for j in range(columns):
                tile = tiles[i][j]
                m.submodules[f"tile_{i}_{j}"] = place(tile, platform)
                m.d.comb += [
                    tile.x_in.eq(x.word_select(i, len(tile.x_in)) if j == 0 else tiles[i][j - 1].x_out),
                    tile.w_in.eq(w.word_select(i, len(tile.w_in)) if j == 0 else tiles[i][j - 1].w_out),
                ]
                if i > 0:  # above the first row the chain starts with +0, which is the word 0
                    m.d.comb += tile.p_in.eq(tiles[i - 1][j].p_out)
        for j in range(columns):
            m.d.comb += p.word_select(j, len(tiles[-1][j].p_out)).eq(tiles[-1][j].p_out)
        return m
