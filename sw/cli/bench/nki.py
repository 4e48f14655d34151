"""How long the front end takes: a blocked matmul with the tutorial's blocks, long kernels, one matmul."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from rich.console import Console

from makalu.examples.gemm.blocked import blocked
from makalu.examples.turns.turns import sums, turns
from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.kernels import OPERAND
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.elements import from_bits, to_bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.results import Figure, at_most
from makalu.sw.run import run_golden

__all__ = ["PRESET", "measure"]

PRESET = "trn2"
K, M, N = 1024, 2048, 1024
BLOCKS: dict[str, int] = {}
"""Of the blocked matmul; the kernel's own are the tutorial's."""
SHORT, LONG, RUNS = 2_000, 20_000, 3
TILES = 8
"""Of the tensors that the long kernels walk over, again and again."""
KERNELS: dict[str, Callable[..., Any]] = {"turns": turns, "sums": sums}
TURN = {"turns": 3, "sums": 5}
"""Operations of a turn."""
BLOCKED_SECONDS, GOLDEN_SECONDS, LONG_SECONDS, GROWTH = 2, 15, 20, 1.5

Made = TypeVar("Made")


def measure(console: Console) -> list[Figure]:
    """CPU seconds; the best of some runs where one is short. What golden computes is compared with numpy."""
    config = load_preset(PRESET)
    figures = _blocked(config)
    for kernel in TURN:
        figures += _long(config, kernel)
    figures.append(_one(config))
    print_figures(
        f"front end on {PRESET}: a matmul of {K} x {M} x {N}, kernels of {LONG:,} operations", figures, console
    )
    return figures


def _blocked(config: CoreConfig) -> list[Figure]:
    specs = {"lhs_t": TensorSpec((K, M), OPERAND), "rhs": TensorSpec((K, N), OPERAND)}
    tracing, traced = _best(lambda: trace(blocked, config, **specs, **BLOCKS))
    compiling, program = _best(lambda: compile_trace(traced, kernel="blocked"))
    random = np.random.default_rng(0)
    # small integers: every sum is exact, whatever the order; K is one block, so numpy's is rounded once, too
    inputs = {name: random.integers(-2, 3, spec.shape).astype(np.float32) for name, spec in specs.items()}
    golden, outputs = _best(lambda: run_golden(program, inputs, config=config), runs=1)
    expected = from_bits(to_bits(inputs["lhs_t"].T @ inputs["rhs"], OPERAND), OPERAND)
    mismatched = int(np.count_nonzero(outputs["result"] != expected))
    return [
        at_most("nki_blocked_seconds", _seconds(tracing + compiling), "CPU s", bar=BLOCKED_SECONDS, kind="must"),
        Figure(name="nki_blocked_trace_seconds", value=_seconds(tracing), unit="CPU s"),
        Figure(name="nki_blocked_compile_seconds", value=_seconds(compiling), unit="CPU s"),
        Figure(name="nki_blocked_instructions", value=program.instructions, unit="instructions"),
        at_most("nki_blocked_golden_seconds", _seconds(golden), "CPU s", bar=GOLDEN_SECONDS, kind="must"),
        at_most("nki_blocked_golden_mismatched", mismatched, "values", bar=0, kind="must"),
    ]


def _long(config: CoreConfig, kernel: str) -> list[Figure]:
    """The short one best of some, the long one once."""
    short = min(sum(_made(config, kernel, SHORT)[:2]) for _ in range(RUNS))
    tracing, compiling, operations = _made(config, kernel, LONG)
    growth = (tracing + compiling) / LONG / (short / SHORT)
    name = f"nki_{kernel}"
    return [
        at_most(f"{name}_seconds", _seconds(tracing + compiling), "CPU s", bar=LONG_SECONDS, kind="must"),
        Figure(name=f"{name}_trace_seconds", value=_seconds(tracing), unit="CPU s"),
        Figure(name=f"{name}_compile_seconds", value=_seconds(compiling), unit="CPU s"),
        Figure(name=f"{name}_operations", value=operations, unit="operations"),
        at_most(f"{name}_growth", round(growth, 2), "1", bar=GROWTH, kind="must"),
    ]


def _made(config: CoreConfig, kernel: str, operations: int) -> tuple[float, float, int]:
    """CPU seconds of tracing and of compiling a kernel of so many operations, and how many there are."""
    pmax = config.partitions
    x = TensorSpec((TILES * pmax, config.psum.bank_elems), OPERAND if kernel == "sums" else nl.float32)
    given: dict[str, Any] = {"x": x, "count": operations // TURN[kernel]}
    if kernel == "sums":
        given["w"] = TensorSpec((pmax, config.tensor.columns), OPERAND)
    tracing, traced = _best(lambda: trace(KERNELS[kernel], config, **given), runs=1)
    compiling, _ = _best(lambda: compile_trace(traced, kernel=kernel), runs=1)
    return tracing, compiling, traced.recording.count


def _one(config: CoreConfig) -> Figure:
    """One matmul with its loads and its store."""

    def one(a: Tensor, b: Tensor) -> Tensor:
        left, right = nl.ndarray(a.shape, a.dtype), nl.ndarray(b.shape, b.dtype)
        nisa.dma_copy(left, a)
        nisa.dma_copy(right, b)
        total = nl.ndarray((a.shape[1], b.shape[1]), nl.float32, buffer=nl.psum)
        nisa.nc_matmul(total, left, right)
        evicted = nl.ndarray(total.shape, nl.float32)
        nisa.tensor_copy(evicted, total)
        out = nl.ndarray(total.shape, nl.float32, buffer=nl.shared_hbm)
        nisa.dma_copy(out, evicted)
        return out

    shapes = (config.partitions, config.tensor.columns), (config.partitions, config.psum.bank_elems)
    a, b = (TensorSpec(shape, OPERAND) for shape in shapes)
    seconds, _ = _best(lambda: trace(one, config, a, b))
    return Figure(name="nki_matmul_trace_milliseconds", value=round(1e3 * seconds, 3), unit="CPU ms")


def _best(make: Callable[[], Made], runs: int | None = None) -> tuple[float, Made]:
    """Least CPU seconds of a call, and what it made."""
    best: tuple[float, Made] | None = None
    for _ in range(RUNS if runs is None else runs):
        began = time.process_time()
        made = make()
        seconds = time.process_time() - began
        if best is None or seconds < best[0]:
            best = seconds, made
    assert best is not None
    return best


def _seconds(value: float) -> float:
    return round(value, 3)
