"""C[M, N] = A[K, M].T @ B[K, N] of MX operands: four elements a container, a scale for 32 of them, fp32 result."""

from makalu.examples.gemm.gemm import blocks
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["GROUP", "QUADRANT", "mx_gemm"]

GROUP, QUADRANT = 8, 32
"""Partitions that share a scale; partitions whose scales lie together, in the first of them."""


def mx_gemm(a: Tensor, b: Tensor, a_scale: Tensor, b_scale: Tensor) -> Tensor:
    """C[M, N]; a[K / 4, M] and b[K / 4, N] are containers, a_scale[K / 32, M] and b_scale[K / 32, N] uint8.

    Everything is loaded before the first matmul. K / 4 must be whole blocks of `pmax` rows.

    Numerics: k in order; the four products of a container are added first (docs/numerics.md), a block of `pmax` rows
    runs through the array, the blocks add up in PSUM.
    """
    (rows, m), n = a.shape, b.shape[1]
    c = nl.ndarray((m, n), nl.float32, buffer=nl.shared_hbm, name="c")
    ks = blocks(rows, nl.tile_size.pmax)
    tiles: list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]] = []
    # loads finish in order: what is used first, the first stationary tile, is loaded last, so nothing waits after that
    for part in reversed(ks):
        moving = _load(b, b_scale, part, "b")
        tiles.insert(0, (_load(a, a_scale, part, "a"), moving))
    for columns in blocks(n, nl.tile_size.gemm_moving_fmax):
        for number, lines in enumerate(blocks(m, nl.tile_size.gemm_stationary_fmax)):
            shape = lines.stop - lines.start, columns.stop - columns.start
            sums = nl.ndarray(shape, nl.float32, buffer=nl.psum, name="sums")
            for (data, scale), (other, its) in tiles:
                nisa.nc_matmul_mx(sums, data[:, lines], other[:, columns], scale[:, lines], its[:, columns])
            out = nl.ndarray(shape, nl.float32, name="out")
            nisa.tensor_copy(out, sums, engine=nisa.scalar_engine if number % 2 else nisa.vector_engine)
            nisa.dma_copy(c[lines, columns], out)
    return c


def _load(data: Tensor, scale: Tensor, part: slice, name: str) -> tuple[Tensor, Tensor]:
    """A block of rows, and its scales: four partitions of each quadrant."""
    tile = nl.ndarray((part.stop - part.start, data.shape[1]), data.dtype, name=name)
    scales = nl.ndarray((part.stop - part.start, data.shape[1]), scale.dtype, name=f"{name}_scale")
    whole = min(QUADRANT, nl.tile_size.pmax)
    for first in range(part.start, part.stop, whole):
        rows = slice(first // GROUP, (first + whole) // GROUP)
        place = first - part.start
        nisa.dma_copy(scales[place : place + whole // GROUP], scale[rows])
    nisa.dma_copy(tile, data[part])
    return tile, scales
