"""Tiles over a tensor of any size: the last row and column of tiles are as small as what is left.

A slice that reaches beyond a tensor is an error, here as on the chip, so the helper cuts each tile at the edge.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from .tiling import tiles


@nki.jit
def ragged_add(a, b, columns=48):
    """out = a + b, in tiles of all partitions by `columns` elements."""
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm, name="out")
    for rows in tiles(a.shape[0], nl.tile_size.pmax):
        for cols in tiles(a.shape[1], columns):
            x = nl.load(a[rows, cols])
            y = nl.load(b[rows, cols])
            nisa.tensor_tensor(dst=x, data1=x, data2=y, op=nl.add)
            nl.store(out[rows, cols], x)
    return out
