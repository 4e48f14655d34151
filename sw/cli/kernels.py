"""Running one kernel of `examples` on the RTL and on golden, and what the commands read off the run."""

import importlib
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from makalu.hw.spec.config import CoreConfig, EngineConfig
from makalu.hw.spec.isa import Queue
from makalu.hw.spec.sequencer import Channel
from makalu.sw.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.recording import TensorSpec
from makalu.sw.paths import ROOT
from makalu.sw.program import Program
from makalu.sw.rtl.machine import Machine, RunResult
from makalu.sw.rtl.trace import Trace, read_trace
from makalu.sw.run import run_golden

__all__ = ["KernelError", "KernelRun", "example", "gemm_floor", "run_copy", "run_gemm", "unit_rates"]

MAX_CYCLES = 20_000_000


class KernelError(RuntimeError):
    """The core stopped with an error in a measured run."""


@dataclass(frozen=True)
class KernelRun:
    """One run: `mismatched` of `compared` values differ from golden."""

    program: Program
    result: RunResult
    trace: Trace
    compared: int
    mismatched: int

    @property
    def first_load(self) -> int:
        """Cycle in which the first load_stationary issues."""
        return next(event.cycle for event in self.trace.issues() if event.where == Queue.TENSOR)

    @property
    def window(self) -> int:
        """Cycles from the first load_stationary's issue to the last PSUM commit, both included."""
        return self.trace.last_commit() - self.first_load + 1

    @property
    def final_eviction(self) -> int:
        """Cycles from the last PSUM commit to the last finish of Vector or Scalar."""
        ends = [e.cycle for e in self.trace.finishes() if e.where in (Channel.VECTOR, Channel.SCALAR)]
        return max(ends) - self.trace.last_commit()


def example(module: str) -> Any:
    """A module of `examples`, which is not installed: it is found from the checkout."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(f"examples.{module}")


def unit_rates(config: CoreConfig, *, add_stages: int) -> CoreConfig:
    """`config` with L = add_stages and Vector and Scalar in step with the array, as the utilisation floor assumes."""
    return replace(
        config,
        name=f"{config.name}-L{add_stages}",
        tensor=replace(config.tensor, add_stages=add_stages),
        vector=EngineConfig(rate="1/1"),
        scalar=EngineConfig(rate="1/1"),
    )


def gemm_floor(config: CoreConfig, k: int, m: int, n: int) -> int:
    """folds * N + R*L + (M_last - 1) + S + c0, c0 = 6 + A: cycles of a GEMM that never waits.

    The first moving column is at the edge 5 cycles after the first load's issue, its product a cycle and S later at the
    chain, the sum R*L later at PSUM, the commit A after that; both ends of the window count.
    """
    tensor = config.tensor
    folds = -(-k // tensor.rows) * -(-m // tensor.columns)
    last = (m - 1) % tensor.columns
    return folds * n + tensor.rows * tensor.add_stages + last + tensor.mul_stages + 6 + config.psum.add_stages


def _run(machine: Machine, program: Program, inputs: dict[str, Any], output: str) -> KernelRun:
    config = machine.config
    golden = run_golden(program, inputs, config=config)[output]
    result = machine.run(program.image(inputs), program.addresses, max_cycles=MAX_CYCLES, progress=True)
    if result.error or result.trace is None:
        raise KernelError(f"{config.name}: the core stopped with an error: {result.registers}")
    trace = read_trace(result.trace, config, machine.observe)
    result.trace.unlink()
    values = program.read(result.memory)[output]
    mismatched = int(np.count_nonzero(values.view(np.uint32) != golden.view(np.uint32)))
    return KernelRun(program, result, trace, golden.size, mismatched)


def run_gemm(machine: Machine, k: int, m: int, n: int, *, resident: bool = True) -> KernelRun:
    """C[M, N] = A[K, M].T @ B[K, N] in bf16 on random values."""
    gemm = example("gemm.gemm").gemm
    specs = {"a": TensorSpec((k, m), nl.bfloat16), "b": TensorSpec((k, n), nl.bfloat16)}
    program = compile_kernel(gemm, machine.config, **specs, resident=resident)
    random = np.random.default_rng(k + m + n)
    inputs = {name: random.standard_normal(spec.shape).astype(np.float32) for name, spec in specs.items()}
    return _run(machine, program, inputs, "c")


def run_copy(machine: Machine, rows: int, columns: int) -> KernelRun:
    """out = x, bf16, through SBUF."""
    kernel = example("copy.copy").copy
    program = compile_kernel(kernel, machine.config, x=TensorSpec((rows, columns), nl.bfloat16))
    x = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    return _run(machine, program, {"x": x}, "out")
