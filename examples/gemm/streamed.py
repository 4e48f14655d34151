"""C[M, N] = A[K, M].T @ B[K, N] from memory to memory, at the memory's rate: stores begin after two panels of loads."""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

from .gemm import blocks

__all__ = ["streamed_gemm"]


def streamed_gemm(a: Tensor, b: Tensor) -> Tensor:
    """C[M, N] = A[K, M].T @ B[K, N]; all panels of A and B have room in SBUF.

    A panel is all of K by as many columns as the array has. Panels of B and A are loaded in turn; each is multiplied
    with every panel of the other operand that is already there. So the first block of C is ready after two panels, and
    with each panel more a growing square of C is done: blocks are stored while further panels are loaded.

    Numerics: k in order; each block of at most `pmax` rows runs through the array, the blocks add up in PSUM.
    """
    (k, m), n = a.shape, b.shape[1]
    c = nl.ndarray((m, n), nl.float32, buffer=nl.shared_hbm, name="c")
    ks = blocks(k, nl.tile_size.pmax)
    rows, columns = (blocks(size, nl.tile_size.gemm_stationary_fmax) for size in (m, n))
    stationary: list[list[Tensor]] = []
    moving: list[list[Tensor]] = []
    number = 0
    for turn in range(max(len(rows), len(columns))):
        if turn < len(columns):
            moving.append(_panel(b, ks, columns[turn], "b"))
            for i in range(len(stationary)):
                number = _block(c, rows[i], columns[turn], stationary[i], moving[turn], number)
        if turn < len(rows):
            stationary.append(_panel(a, ks, rows[turn], "a"))
            for j in range(len(moving)):
                number = _block(c, rows[turn], columns[j], stationary[turn], moving[j], number)
    return c


def _panel(source: Tensor, ks: list[slice], columns: slice, name: str) -> list[Tensor]:
    """The k blocks of a panel, each in a tile of its own."""
    tiles = []
    for part in ks:
        tile = nl.ndarray((part.stop - part.start, columns.stop - columns.start), source.dtype, name=name)
        nisa.dma_copy(tile, source[part, columns])
        tiles.append(tile)
    return tiles


def _block(c: Tensor, rows: slice, columns: slice, a: list[Tensor], b: list[Tensor], number: int) -> int:
    """One block of C to memory; the number of the next."""
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    sums = nl.ndarray(shape, nl.float32, buffer=nl.psum, name="sums")
    for stationary, moving in zip(a, b, strict=True):
        nisa.nc_matmul(sums, stationary, moving)
    out = nl.ndarray(shape, nl.float32, name="out")
    # two engines evict in turn, so that neither has to keep up with the array alone
    nisa.tensor_copy(out, sums, engine=nisa.scalar_engine if number % 2 else nisa.vector_engine)
    nisa.dma_copy(c[rows, columns], out)
    return number + 1
