"""result[M, N] = lhs_t[K, M].T @ rhs[K, N] in bf16 as the steps on the way to `blocked`: what is loaded how often.

The order of loads and matmuls of the first three steps of AWS's tutorial on matrix multiplication. A tile of the
result is as large as a matmul makes it, and the whole contraction adds up in PSUM.
"""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["free_blocked", "hoisted", "tiled"]


def tiled(lhs_t: Tensor, rhs: Tensor) -> Tensor:
    """Both operands of every matmul are loaded for it."""
    rows, columns, parts = _tiles(lhs_t, rhs)
    result = nl.ndarray((lhs_t.shape[1], rhs.shape[1]), lhs_t.dtype, buffer=nl.shared_hbm, name="result")
    for row in rows:
        for column in columns:
            sums = _sums(row, column)
            for part in parts:
                nisa.nc_matmul(sums, _loaded(lhs_t[part, row]), _loaded(rhs[part, column]))
            _store(result, row, column, sums)
    return result


def hoisted(lhs_t: Tensor, rhs: Tensor) -> Tensor:
    """A panel of `lhs_t` is loaded once, all of `rhs` again for each panel."""
    return _panels(lhs_t, rhs, high=1, wide=1)


def free_blocked(lhs_t: Tensor, rhs: Tensor, *, high: int = 2, wide: int = 2) -> Tensor:
    """Panels of `high` and `wide` tiles: `rhs` is loaded so many times less often."""
    return _panels(lhs_t, rhs, high=high, wide=wide)


def _panels(lhs_t: Tensor, rhs: Tensor, *, high: int, wide: int) -> Tensor:
    rows, columns, parts = _tiles(lhs_t, rhs)
    result = nl.ndarray((lhs_t.shape[1], rhs.shape[1]), lhs_t.dtype, buffer=nl.shared_hbm, name="result")
    for r in range(0, len(rows), high):
        stationary = [[_loaded(lhs_t[part, row]) for part in parts] for row in rows[r : r + high]]
        for c in range(0, len(columns), wide):
            moving = [[_loaded(rhs[part, column]) for part in parts] for column in columns[c : c + wide]]
            for row, left in zip(rows[r : r + high], stationary, strict=True):
                for column, right in zip(columns[c : c + wide], moving, strict=True):
                    sums = _sums(row, column)
                    for a, b in zip(left, right, strict=True):
                        nisa.nc_matmul(sums, a, b)
                    _store(result, row, column, sums)
    return result


def _tiles(lhs_t: Tensor, rhs: Tensor) -> tuple[list[slice], list[slice], list[slice]]:
    """Rows and columns of the result's tiles, and parts of the contraction."""
    sizes = nl.tile_size.gemm_stationary_fmax, nl.tile_size.gemm_moving_fmax, nl.tile_size.pmax
    totals = lhs_t.shape[1], rhs.shape[1], lhs_t.shape[0]
    rows, columns, parts = (
        [slice(at, at + size) for at in range(0, total, size)] for total, size in zip(totals, sizes, strict=True)
    )
    if any(total % size for total, size in zip(totals, sizes, strict=True)):
        raise ValueError(f"M, N, K must be multiples of {sizes}, not {totals}")
    return rows, columns, parts


def _sums(row: slice, column: slice) -> Tensor:
    shape = row.stop - row.start, column.stop - column.start
    return nl.ndarray(shape, nl.float32, buffer=nl.psum, name="sums")


def _loaded(source: Tensor) -> Tensor:
    tile = nl.ndarray(source.shape, source.dtype, name="tile")
    nisa.dma_copy(tile, source)
    return tile


def _store(result: Tensor, row: slice, column: slice, sums: Tensor) -> None:
    out = nl.ndarray(sums.shape, result.dtype, name="out")
    nisa.tensor_copy(out, sums)
    nisa.dma_copy(result[row, column], out)
