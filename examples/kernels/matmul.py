"""A product of any size: the array multiplies tiles, PSUM adds up the tiles of K.

`nisa.nc_matmul` overwrites where no matmul wrote before and adds where one did, so a fresh PSUM tile a block is enough.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from .tiling import tiles


@nki.jit
def matmul(lhsT, rhs):
    """out[M, N] = lhsT[K, M].T @ rhs[K, N], bf16 in, fp32 out."""
    k, m = lhsT.shape
    n = rhs.shape[1]
    out = nl.ndarray((m, n), dtype=nl.float32, buffer=nl.shared_hbm, name="out")
    for rows in tiles(m, nl.tile_size.gemm_stationary_fmax):
        for cols in tiles(n, nl.tile_size.gemm_moving_fmax):
            block = (rows.stop - rows.start, cols.stop - cols.start)
            sums = nl.ndarray(block, dtype=nl.float32, buffer=nl.psum)
            for depth in tiles(k, nl.tile_size.pmax):
                stationary = nl.load(lhsT[depth, rows])
                moving = nl.load(rhs[depth, cols])
                nisa.nc_matmul(dst=sums, stationary=stationary, moving=moving)
            result = nl.ndarray(block, dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_copy(dst=result, src=sums)
            nl.store(out[rows, cols], result)
    return out
