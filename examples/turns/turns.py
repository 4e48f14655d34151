"""Long programs of short turns over a few tiles of memory: what a front end costs an operation shows here."""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["sums", "turns"]


def turns(x: Tensor, *, count: int) -> Tensor:
    """out = x + x, one tile after the other, `count` times: load, add, store."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name="out")
    tiles, rows = x.shape[0] // nl.tile_size.pmax, nl.tile_size.pmax
    for turn in range(count):
        first = turn % tiles * rows
        tile = nl.ndarray((rows, x.shape[1]), x.dtype, name="tile")
        nisa.dma_copy(tile, x[first : first + rows])
        twice = nl.ndarray(tile.shape, x.dtype, name="twice")
        nisa.tensor_tensor(twice, tile, tile, op=nl.add)
        nisa.dma_copy(out[first : first + rows], twice)
    return out


def sums(w: Tensor, x: Tensor, *, count: int) -> Tensor:
    """out += w.T @ x, one tile of x after the other, `count` times: load, load_stationary, matmul, add, store."""
    rows, shape = nl.tile_size.pmax, (w.shape[1], x.shape[1])
    out = nl.ndarray((x.shape[0] // rows * w.shape[1], x.shape[1]), nl.float32, buffer=nl.shared_hbm, name="out")
    weights = nl.ndarray(w.shape, w.dtype, name="weights")
    nisa.dma_copy(weights, w)
    total = nl.ndarray(shape, nl.float32, name="total")
    nisa.memset(total, 0.0)
    for turn in range(count):
        number = turn % (x.shape[0] // rows)
        tile = nl.ndarray((rows, x.shape[1]), x.dtype, name="tile")
        nisa.dma_copy(tile, x[number * rows : (number + 1) * rows])
        product = nl.ndarray(shape, nl.float32, buffer=nl.psum, name="product")
        nisa.nc_matmul(product, weights, tile)
        nisa.tensor_tensor(total, total, product, op=nl.add)
        nisa.dma_copy(out[number * w.shape[1] : (number + 1) * w.shape[1]], total)
    return out
