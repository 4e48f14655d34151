"""The same product, each operand loaded once: a whole result stays in SBUF and grows by one slab of K at a time.

PSUM holds a few tiles only. Sums over the whole of K live in SBUF: memset first, then a tensor_tensor for each slab.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from .tiling import tiles


@nki.jit
def matmul_blocked(lhsT, rhs):
    """out[M, N] = lhsT[K, M].T @ rhs[K, N], bf16 in, fp32 out."""
    k, m = lhsT.shape
    n = rhs.shape[1]
    all_rows = tiles(m, nl.tile_size.gemm_stationary_fmax)
    totals = []
    for rows in all_rows:
        total = nl.ndarray((rows.stop - rows.start, n), dtype=nl.float32, buffer=nl.sbuf)
        nisa.memset(dst=total, value=0.0)
        totals.append(total)
    for depth in tiles(k, nl.tile_size.pmax):
        left = nl.load(lhsT[depth, :])
        right = nl.load(rhs[depth, :])
        for rows, total in zip(all_rows, totals, strict=True):
            for cols in tiles(n, nl.tile_size.gemm_moving_fmax):
                part = nl.ndarray(total[:, cols].shape, dtype=nl.float32, buffer=nl.psum)
                nisa.nc_matmul(dst=part, stationary=left[:, rows], moving=right[:, cols])
                nisa.tensor_tensor(dst=total[:, cols], data1=total[:, cols], data2=part, op=nl.add)
    out = nl.ndarray((m, n), dtype=nl.float32, buffer=nl.shared_hbm, name="out")
    for rows, total in zip(all_rows, totals, strict=True):
        nl.store(out[rows, :], total)
    return out
