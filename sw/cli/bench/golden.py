"""How fast the golden model is: the chain of one matmul, and a whole program on the golden machine."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console

from makalu.sim_models.golden.arithmetic import matmul_column_chain, matmul_column_chain_definition
from makalu.sim_models.golden.formats import narrow
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.kernels import OPERAND, gemm_case
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.run import run_golden_machine

__all__ = ["PRESET", "measure"]

PRESET = "trn2"
K, M, N = 128, 128, 512
GEMM = 512
LEAST_MACS = 250_000_000
CHAIN_RUNS, GEMM_RUNS = 20, 3
MODES = ("keep", "flush")


def measure(console: Console) -> list[Figure]:
    """MACs a CPU second on random normal numbers, the best of some runs; the chain's bits against their definition."""
    random = np.random.default_rng(0)
    values = [random.standard_normal((K, size)).astype(np.float32) for size in (M, N)]
    operands = [narrow(OPERAND, matrix.view(np.uint32)) for matrix in values]
    chains, wrong = {}, 0
    for mode in MODES:
        chain = matmul_column_chain(*operands, subnormals=mode)
        wrong += int(np.count_nonzero(chain != matmul_column_chain_definition(*operands, subnormals=mode)))
        seconds = _best(CHAIN_RUNS, partial(matmul_column_chain, *operands, subnormals=mode))
        chains[mode] = round(K * M * N / seconds)
    config = load_preset(PRESET)
    case = gemm_case(config, GEMM, GEMM, GEMM)
    gemm = _best(GEMM_RUNS, partial(run_golden_machine, case.program, case.inputs, config=config))
    unit = "MAC/CPU s"
    figures = [
        at_least("golden_macs_per_second", min(chains.values()), unit, bar=LEAST_MACS, kind="must"),
        *(Figure(name=f"golden_{mode}_macs_per_second", value=chains[mode], unit=unit) for mode in MODES),
        at_most("golden_mismatched", wrong, "values", bar=0, kind="must"),
        Figure(name="golden_gemm_macs_per_second", value=round(GEMM**3 / gemm), unit=unit),
    ]
    print_figures(f"golden: a chain of {K} x {M} x {N}, the machine's GEMM of {GEMM}^3 on {PRESET}", figures, console)
    return figures


def _best(runs: int, run: Callable[[], Any]) -> float:
    """Least CPU seconds of a call."""
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return min(seconds)
