"""out[R, N] = x[R, N] through SBUF: as many bytes out as in, no arithmetic. Its speed is the memory's."""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

from ..gemm.gemm import blocks

__all__ = ["copy"]


def copy(x: Tensor, *, columns: int = 512) -> Tensor:
    """out = x, in tiles of all partitions by `columns` elements; loads run ahead of stores."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name="out")
    pieces = [(r, c) for r in blocks(x.shape[0], nl.tile_size.pmax) for c in blocks(x.shape[1], columns)]
    tiles = []
    for rows, cols in pieces:
        tile = nl.ndarray((rows.stop - rows.start, cols.stop - cols.start), x.dtype, name="tile")
        nisa.dma_copy(tile, x[rows, cols])
        tiles.append(tile)
        if len(tiles) > 1:
            _store(out, pieces[len(tiles) - 2], tiles[-2])
    _store(out, pieces[-1], tiles[-1])
    return out


def _store(out: Tensor, piece: tuple[slice, slice], tile: Tensor) -> None:
    nisa.dma_copy(out[piece[0], piece[1]], tile)
