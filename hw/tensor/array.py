"""The PE array: rows of tiles. Wiring only."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.tensor.layouts import CHAIN_BITS, bits_word, group, x_edge
from makalu.hw.tensor.tile_row import TileRow
from makalu.spec.config import CoreConfig
from makalu.spec.sparsity import deskew

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """p[m](n) = (...((+0 + s[0, m] * x[0](n)) + s[1, m] * x[1](n)) ... ) + s[R-1, m] * x[R-1](n), a rounding a row

    Does not: skew, mask columns, add to PSUM or stall; `TensorEdge` and `PsumSlice` do, nothing does.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    x : In(ArrayLayout(x_edge, R))
        Moving element of each row, or its candidates. `swap` on a row's first element of a new stationary tile.
    w : In(ArrayLayout(Group, R))
        Stationary groups: tag j goes to columns j * F .. j * F + F - 1; tags of one load go up by 1 a cycle.
    p : Out(ArrayLayout(34, C))
        Chain words of the columns.
    bits : Out(ArrayLayout(17, C))
        Where there are background transposes: their chain of bits.

    Timing
    ------
    x of row k at the edge in cycle h + k * L: its column m at the bottom in h + D + 1 + S + R * L + m (L = add_stages,
    S = mul_stages, D the deskew of `spec/sparsity.py`). A group at the edge in g with tag j is in the shadow registers
    from g + D + j + 2 on; a swap in h reaches column m's registers with the edge of h + D + m. A turn of row 0 in h and
    of row k in h + k * L: the bits of row k and column m at the bottom in h + D + R * (L - 1) + k + m.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        tensor = config.tensor
        self.latency_cycles = 1 + deskew(tensor) + tensor.mul_stages + tensor.rows * tensor.add_stages
        """From row 0's x to column 0's result."""
        super().__init__(
            {
                "x": In(data.ArrayLayout(x_edge(tensor), tensor.rows)),
                "w": In(data.ArrayLayout(group(config), tensor.rows)),
                "p": Out(data.ArrayLayout(CHAIN_BITS, tensor.columns)),
                **({"bits": Out(data.ArrayLayout(bits_word(tensor), tensor.columns))} if tensor.background else {}),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.tensor,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tensor = self.config.tensor
        x, w = data.View.as_value(self.x), data.View.as_value(self.w)
        above: TileRow | None = None
        for i in range(tensor.rows // tensor.tile):
            row = TileRow(config=self.config)
            m.submodules[f"row_{i}"] = place(row, platform)
            m.d.comb += [row.x.eq(x.word_select(i, len(row.x))), row.w.eq(w.word_select(i, len(row.w)))]
            if above is not None:  # above the first row the chain starts with +0, which is the word 0
                m.d.comb += row.p_in.eq(above.p_out)
                if tensor.background:
                    m.d.comb += row.bits_in.eq(above.bits_out)
            above = row
        assert above is not None
        m.d.comb += data.View.as_value(self.p).eq(above.p_out)
        if tensor.background:
            m.d.comb += data.View.as_value(self.bits).eq(above.bits_out)
        return m
