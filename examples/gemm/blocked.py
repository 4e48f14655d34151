"""result[M, N] = lhs_t[K, M].T @ rhs[K, N] in bf16 with all three dimensions blocked, so that the array need not wait.

The blocking of AWS's tutorial on matrix multiplication by default: a block of the result is 16 x 2 tiles, and 8 tiles
of the contraction add up in PSUM before Vector adds them to the block in SBUF. All blocks of a stripe of the result
(all of M, one block of N) lie in SBUF at the same time: each part of `rhs` is loaded once, `lhs_t` once a stripe.
"""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["blocked"]


def blocked(lhs_t: Tensor, rhs: Tensor, *, tiles_m: int = 16, tiles_n: int = 2, tiles_k: int = 8) -> Tensor:
    """M, N and K are multiples of a block: `tiles_*` times 128, 512 and 128 on a core of full size.

    Numerics: sums of a block of K are fp32 in PSUM; what the blocks add up to is rounded to bf16 after each.
    """
    (k, m), n = lhs_t.shape, rhs.shape[1]
    height, width, depth = nl.tile_size.gemm_stationary_fmax, nl.tile_size.gemm_moving_fmax, nl.tile_size.pmax
    stripe, panel = tiles_n * width, tiles_m * height
    if m % panel or n % stripe or k % (tiles_k * depth):
        raise ValueError(f"M, N, K must be multiples of {panel}, {stripe}, {tiles_k * depth}, not {m}, {n}, {k}")
    result = nl.ndarray((m, n), lhs_t.dtype, buffer=nl.shared_hbm, name="result")
    for left in range(0, n, stripe):
        sums = [[_zeros(height, width, lhs_t.dtype) for _ in range(tiles_n)] for _ in range(m // height)]
        for top in range(0, k, tiles_k * depth):
            rows = [slice(top + i * depth, top + (i + 1) * depth) for i in range(tiles_k)]
            moving = [_loaded(rhs[row, left : left + stripe], "moving") for row in rows]
            for first in range(0, m, panel):
                stationary = [_loaded(lhs_t[row, first : first + panel], "stationary") for row in rows]
                for j in range(tiles_n):
                    for i in range(tiles_m):
                        part = nl.ndarray((height, width), nl.float32, buffer=nl.psum, name="part")
                        for a, b in zip(stationary, moving, strict=True):
                            columns = slice(j * width, (j + 1) * width)
                            nisa.nc_matmul(part, a[:, i * height : (i + 1) * height], b[:, columns])
                        whole = sums[first // height + i][j]
                        nisa.tensor_tensor(whole, whole, part, op=nl.add)
        for i, tiles in enumerate(sums):
            # one store of long rows instead of several of short ones
            packed = nl.ndarray((height, stripe), lhs_t.dtype, name="packed")
            for j, tile in enumerate(tiles):
                nisa.tensor_copy(packed[:, j * width : (j + 1) * width], tile)
            nisa.dma_copy(result[i * height : (i + 1) * height, left : left + stripe], packed)
    return result


def _zeros(height: int, width: int, dtype: object) -> Tensor:
    tile = nl.ndarray((height, width), dtype, name="sum")
    nisa.memset(tile, 0.0)
    return tile


def _loaded(source: Tensor, name: str) -> Tensor:
    tile = nl.ndarray(source.shape, source.dtype, name=name)
    nisa.dma_copy(tile, source)
    return tile
