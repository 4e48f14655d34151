"""A chain of transposes of whole tiles on the RTL: cycles of each; every other one is beside the one before it."""

from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.formats import BF16
from makalu.sw.cli.kernels import make_case, run_case
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.results import Figure, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["GOAL", "measure_chain"]

GOAL = 0.55
"""Cycles of one, of those that it takes alone: K, one a row."""


def measure_chain(machine: Machine, count: int) -> tuple[list[Figure], tuple[Any, ...]]:
    """Figures, and cells of a row: cycles of all, of each, the share; how far the timing model is off, what differs.

    All: from the first issue to the last commit. Each: from end to end in the second half of the chain, when the
    identity, which every other one needs, has long been loaded.
    """
    config = machine.config
    size, banks = config.partitions, config.psum.banks
    program = compile_kernel(_chain(config, count), config, TensorSpec((size, banks * size), BF16))
    values = np.random.default_rng(count).standard_normal((size, banks * size)).astype(np.float32)
    run = run_case(machine, make_case(config, program, {"x": values}, "out"))
    ends = run.matmul_ends[-(count // 2) :]
    each = (ends[-1] - ends[0]) / (len(ends) - 1)
    beside = bool(config.tensor.background)
    name = f"types_{config.name}_bf16-transposes"
    figures = [
        Figure(name=f"{name}_cycles", value=run.window, unit="cycles"),
        at_most(f"{name}_share", each / size, "of K cycles", bar=GOAL, kind="goal")
        if beside
        else Figure(name=f"{name}_share", value=each / size, unit="of K cycles"),
        at_most(f"{name}_difference", run.difference, "cycles", bar=0, kind="must"),
        at_most(f"{name}_mismatched", run.mismatched, "values", bar=0, kind="must"),
    ]
    return figures, (run.window, each, each / size, run.difference, run.mismatched)


def _chain(config: CoreConfig, count: int) -> Any:
    size, banks = config.partitions, config.psum.banks

    def kernel(x: Tensor) -> Tensor:
        """Tile n of x to bank n of PSUM, so many times in turn; what is there in the end goes to memory."""
        tile = nl.load(x)
        sums = [nl.ndarray((size, size), BF16, buffer=nl.psum, name=f"turned{n}") for n in range(banks)]
        for n in range(count):
            first = n % banks * size
            nisa.nc_transpose(sums[n % banks], tile[:, first : first + size])
        kept = nl.ndarray(x.shape, BF16, name="kept")
        for n, each in enumerate(sums):
            nisa.tensor_copy(kept[:, n * size : (n + 1) * size], each)
        out = nl.ndarray(x.shape, BF16, buffer=nl.shared_hbm, name="out")
        nisa.dma_copy(out, kept)
        return out

    return kernel
