"""Small matmuls in disjoint tiles of the array, on the RTL: a set of them in the cycles of one."""

from typing import Any

import numpy as np

from makalu.spec.formats import BF16, FP32
from makalu.sw.cli.kernels import make_case, run_case
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["diagonal_sets", "measure_small"]

LEAST = 0.95


def measure_small(machine: Machine, count: int, width: int) -> tuple[list[Figure], tuple[Any, ...]]:
    """Figures, and cells of a row: cycles of all, of a set, MAC/cycle, the share; the timing model's difference, what
    differs.

    `count` sets of as many matmuls as there are column tiles, each of K = M = a tile and `width` columns, on the
    diagonal, one set behind the other; the share is of the multiplications that PEs on the diagonal can do. A set is
    measured from end to end in the second half.
    """
    config = machine.config
    size = config.tensor.column_tile
    tiles = config.tensor.columns // size
    specs = [TensorSpec((config.partitions, n), BF16) for n in (size, width)]
    program = compile_kernel(diagonal_sets((size, size), tiles, count), config, *specs)
    rng = np.random.default_rng(count)
    inputs = {name: rng.standard_normal(spec.shape).astype(np.float32) for name, spec in zip("ab", specs, strict=True)}
    run = run_case(machine, make_case(config, program, inputs, "out"))
    ends = run.matmul_ends[-(count // 2) :]
    each = (ends[-1] - ends[0]) / (len(ends) - 1)
    rate = tiles * size * size * width / each
    share = width / each
    name = f"types_{config.name}_bf16-tiles"
    figures = [
        Figure(name=f"{name}_cycles", value=run.window, unit="cycles"),
        Figure(name=f"{name}_macs_per_cycle", value=rate, unit="MAC/cycle"),
        at_least(f"{name}_utilisation", share, "share", bar=LEAST, kind="must"),
        at_most(f"{name}_difference", run.difference, "cycles", bar=0, kind="must"),
        at_most(f"{name}_mismatched", run.mismatched, "values", bar=0, kind="must"),
    ]
    return figures, (run.window, each, rate, share, run.difference, run.mismatched)


def diagonal_sets(size: tuple[int, int], tiles: int, count: int) -> Any:
    """A kernel of a[tiles * rows, columns] and b[tiles * rows, N]: `count` times a matmul in each tile of the diagonal.

    Set n goes to one of two banks, and is added to what is there from the third on.
    """
    (rows, columns), banks = size, 2

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        left, right = nl.load(a), nl.load(b)
        shape = (tiles * columns, b.shape[1])
        sums = [nl.ndarray(shape, FP32, buffer=nl.psum, name=f"sums{n}") for n in range(banks)]
        for n in range(count):
            for i in range(tiles):
                k, m = slice(rows * i, rows * (i + 1)), slice(columns * i, columns * (i + 1))
                dst, adds, where = sums[n % banks][m], n >= banks, (k.start, m.start)
                nisa.nc_matmul(dst, left[k], right[k], accumulate=adds, tile_position=where, tile_size=size)
        out = nl.ndarray(shape, FP32, buffer=nl.shared_hbm, name="out")
        kept = nl.ndarray(shape, FP32, name="kept")
        nisa.tensor_copy(kept, sums[0])
        nisa.dma_copy(out, kept)
        return out

    return kernel
