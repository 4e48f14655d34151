"""C[M, N] = A[K, M].T @ B[K, N], blocked for any preset: bf16 operands, fp32 accumulation in PSUM, fp32 result."""

from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["blocks", "gemm"]


def blocks(total: int, size: int) -> list[slice]:
    """`total` cut into runs of at most `size`."""
    return [slice(i, min(i + size, total)) for i in range(0, total, size)]


def gemm(a: Tensor, b: Tensor, *, resident: bool = False, rows: int = 1) -> Tensor:
    """C[M, N] = A[K, M].T @ B[K, N]

    resident : all of A and B go to SBUF before the first matmul (the tensor engine then never waits for memory);
        otherwise the panels of the next block are loaded while this one is computed.
    rows : 2: double row, fp8 operands; a block of K has two rows in a partition, half a block apart. K must be whole
        blocks then.

    Numerics: k in order; each block of at most `pmax` rows runs through the array, the blocks add up in PSUM.
    """
    (k, m), n = a.shape, b.shape[1]
    c = nl.ndarray((m, n), nl.float32, buffer=nl.shared_hbm, name="c")
    ks = blocks(k, rows * nl.tile_size.pmax)
    mode = nisa.matmul_perf_mode.double_row if rows > 1 else nisa.matmul_perf_mode.none
    steps = [
        (columns, lines)
        for columns in blocks(n, nl.tile_size.gemm_moving_fmax)
        for lines in blocks(m, nl.tile_size.gemm_stationary_fmax)
    ]
    panels = _Resident(a, b, ks, rows) if resident else _Streamed(a, b, ks, rows, steps)
    for number, (columns, lines) in enumerate(steps):
        sums = nl.ndarray(
            (lines.stop - lines.start, columns.stop - columns.start), nl.float32, buffer=nl.psum, name="sums"
        )
        for stationary, moving in panels.pairs(number, columns, lines):
            nisa.nc_matmul(sums, stationary, moving, perf_mode=mode)
        out = nl.ndarray(sums.shape, nl.float32, name="out")
        # two engines evict in turn, so that neither has to keep up with the array alone
        nisa.tensor_copy(out, sums, engine=nisa.scalar_engine if number % 2 else nisa.vector_engine)
        nisa.dma_copy(c[lines, columns], out)
    return c


class _Resident:
    """Every k block of A and B in its own SBUF tile."""

    def __init__(self, a: Tensor, b: Tensor, ks: list[slice], rows: int) -> None:
        self._tiles: list[tuple[Tensor, Tensor]] = []
        # loads finish in order: the tile that is used first, the first stationary, is loaded last, so that the tensor
        # engine starts when everything is there
        for part in reversed(ks):
            moving = _load(b[part, :], "b", rows)
            self._tiles.insert(0, (_load(a[part, :], "a", rows), moving))

    def pairs(self, number: int, columns: slice, lines: slice) -> list[tuple[Tensor, Tensor]]:
        return [(a[..., lines], b[..., columns]) for a, b in self._tiles]


class _Streamed:
    """Panels of one step ahead."""

    def __init__(self, a: Tensor, b: Tensor, ks: list[slice], rows: int, steps: list[tuple[slice, slice]]) -> None:
        self._a, self._b, self._ks, self._rows, self._steps = a, b, ks, rows, steps
        self._loaded = [self._panel(0, [])]

    def pairs(self, number: int, columns: slice, lines: slice) -> list[tuple[Tensor, Tensor]]:
        if number + 1 < len(self._steps):
            self._loaded.append(self._panel(number + 1, self._loaded[number]))
        return self._loaded[number]

    def _panel(self, number: int, previous: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        columns, lines = self._steps[number]
        same = number > 0 and self._steps[number - 1][0] == columns
        moving = (
            [b for _, b in previous] if same else [_load(self._b[part, columns], "b", self._rows) for part in self._ks]
        )
        return [(_load(self._a[part, lines], "a", self._rows), b) for part, b in zip(self._ks, moving, strict=True)]


def _load(source: Tensor, name: str, rows: int) -> Tensor:
    if rows == 1:
        tile = nl.ndarray(source.shape, source.dtype, name=name)
        nisa.dma_copy(tile, source)
        return tile
    height = source.shape[0] // rows
    tile = nl.ndarray((height, rows, source.shape[1]), source.dtype, name=name)
    for row in range(rows):
        nisa.dma_copy(tile[:, row], source[row * height : (row + 1) * height])
    return tile
