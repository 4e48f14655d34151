"""out[R, N] = x[R, N] + y[R, N], tile by tile: twice as many bytes in as out. Its speed is the memory's."""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

from ..gemm.gemm import blocks

__all__ = ["add"]


def add(x: Tensor, y: Tensor, *, columns: int = 512) -> Tensor:
    """out = x + y, in tiles of all partitions by `columns` elements.

    Loads, additions and stores are in three queues: loads of later tiles run beside the addition and the store of
    earlier ones.
    """
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name="out")
    for rows in blocks(x.shape[0], nl.tile_size.pmax):
        for cols in blocks(x.shape[1], columns):
            shape = (rows.stop - rows.start, cols.stop - cols.start)
            left = nl.ndarray(shape, x.dtype, name="left")
            right = nl.ndarray(shape, y.dtype, name="right")
            total = nl.ndarray(shape, x.dtype, name="total")
            nisa.dma_copy(left, x[rows, cols])
            nisa.dma_copy(right, y[rows, cols])
            nisa.tensor_tensor(total, left, right, op=nl.add)
            nisa.dma_copy(out[rows, cols], total)
    return out
