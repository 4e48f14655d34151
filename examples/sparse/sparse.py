"""C[M, N] = W[K, M].T @ B[K, N] of weights of which M of N rows are kept, with their tags; fp32 result."""

from makalu.examples.gemm.gemm import blocks
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["sparse_gemm"]

PACKED = 4
"""Tags in an element of theirs."""


def sparse_gemm(a: Tensor, tags: Tensor, b: Tensor) -> Tensor:
    """C[M, N]; a[K', M] and tags[K', M / 4] are what `makalu.sw.sparse.pack` makes of W, K' = K / ratio; b[K, N].

    Everything is loaded before the first matmul. K' must be whole groups of four partitions, M whole fours; where a row
    of b is no whole number of SBUF words, Vector copies it once more.

    Numerics: k' in order; a weight meets the element that its tag says, so all but the kept rows are left out. A block
    of `pmax` rows of a runs through the array, the blocks add up in PSUM.
    """
    (rows, m), (k, n) = a.shape, b.shape
    c = nl.ndarray((m, n), nl.float32, buffer=nl.shared_hbm, name="c")
    dense = b.reshape((rows, k // rows, n))
    ks = blocks(rows, nl.tile_size.pmax)
    tiles: list[tuple[Tensor, Tensor, Tensor]] = []
    # loads finish in order: what is used first, the first tags and stationary tile, is loaded last
    for part in reversed(ks):
        moving = _load(dense[part], "b")
        tiles.insert(0, (_load(a[part], "a"), _load(tags[part], "tags"), moving))
    for columns in blocks(n, nl.tile_size.gemm_moving_fmax):
        for number, lines in enumerate(blocks(m, nl.tile_size.gemm_stationary_fmax)):
            shape = lines.stop - lines.start, columns.stop - columns.start
            sums = nl.ndarray(shape, nl.float32, buffer=nl.psum, name="sums")
            quarter = slice(lines.start // PACKED, lines.stop // PACKED)
            for kept, its, moving in tiles:
                nisa.nc_matmul_sparse(sums, kept[:, lines], moving[:, :, columns], its[:, quarter])
            out = nl.ndarray(shape, nl.float32, name="out")
            nisa.tensor_copy(out, sums, engine=nisa.scalar_engine if number % 2 else nisa.vector_engine)
            nisa.dma_copy(c[lines, columns], out)
    return c


def _load(source: Tensor, name: str) -> Tensor:
    tile = nl.ndarray(source.shape, source.dtype, name=name)
    nisa.dma_copy(tile, source)
    return tile
