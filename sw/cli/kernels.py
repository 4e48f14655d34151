"""Running one kernel of `examples` on the RTL and on golden, and what the commands read off the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.examples.add.add import add
from makalu.examples.copy.copy import copy
from makalu.examples.gemm.gemm import gemm
from makalu.examples.gemm.mx import mx_gemm
from makalu.examples.gemm.streamed import streamed_gemm
from makalu.examples.sparse.sparse import sparse_gemm
from makalu.sim_models.timing.core import Timeline
from makalu.spec.config import CoreConfig, EngineConfig
from makalu.spec.engines import Channel
from makalu.spec.errors import MakaluError
from makalu.spec.formats import E8M0, SINGLES, Format
from makalu.spec.frame import SLOTS
from makalu.spec.isa import Queue
from makalu.spec.latency import FIRST_COLUMN, gemm_overhead
from makalu.spec.memory import DEFAULT_LATENCY, NO_STALLS, MemoryTiming, StallProbabilities
from makalu.spec.scales import GROUP_PARTITIONS, first_scaled_column
from makalu.spec.sparsity import PACKED_TAGS, RATIO_LIMIT, ROW_CANDIDATES, TAG_BITS, TAGS, tag_lead
from makalu.spec.tensor_modes import MODES, Mode
from makalu.spec.tensor_types import passes
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import Program
from makalu.sw.elements import Bits, random_bits
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.rtl.machine import Machine, RunResult
from makalu.sw.rtl.timing import compare, predict_run
from makalu.sw.rtl.trace import Trace
from makalu.sw.run import run_golden
from makalu.sw.timing import predict

__all__ = [
    "CONDITIONS",
    "OPERAND",
    "Case",
    "Condition",
    "KernelRun",
    "StoppedError",
    "add_case",
    "busy_window",
    "copy_case",
    "gemm_case",
    "gemm_floor",
    "make_case",
    "mx_gemm_case",
    "run_case",
    "sparse_gemm_case",
    "streamed_gemm_case",
    "unit_rates",
]

OPERAND = SINGLES[0]
"""Element type of the products that the benches run."""
MAX_CYCLES = 20_000_000
STALLS = StallProbabilities(aw=90, w=60, b=120, ar=100, r=80, iar=60, ir=40, seed=5)
STALLED_LATENCY = 20


class StoppedError(MakaluError, RuntimeError):
    """The core stopped with an error in a measured run."""


@dataclass(frozen=True)
class Condition:
    """What the memory does in a run: `fixed` with a latency, or random stalls that are recorded and replayed."""

    latency: int = DEFAULT_LATENCY
    stalls: StallProbabilities = NO_STALLS

    @property
    def name(self) -> str:
        return f"latency_{self.latency}" if self.stalls == NO_STALLS else "recorded"


CONDITIONS = (Condition(0), Condition(100), Condition(300), Condition(STALLED_LATENCY, STALLS))


@dataclass(frozen=True)
class Case:
    """A program, its inputs and what golden makes of them: one output, and the others by name."""

    program: Program
    inputs: dict[str, Any]
    output: str
    golden: NDArray[Any]
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, NDArray[Any]]:
        return {self.output: self.golden, **self.others}


@dataclass(frozen=True)
class KernelRun:
    """One run: `mismatched` of `compared` values differ from golden.

    `difference` is the largest distance of an issue or finish from the timing model's, over `events` of them; `first`
    is the earliest event that is not where it was predicted.
    """

    case: Case
    result: RunResult
    trace: Trace
    compared: int
    mismatched: int
    events: int
    difference: float
    first: str | None
    timeline: Timeline
    """The timing model's."""

    @property
    def matmul_ends(self) -> list[int]:
        """Cycles of the last commit of each matmul and of each transpose beside matmuls."""
        return [event.cycle for event in self.trace.finishes() if event.where is Channel.MATMUL]

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


def unit_rates(config: CoreConfig, *, add_stages: int) -> CoreConfig:
    """`config` with L = add_stages and Vector and Scalar in step with the array, as the utilisation floor assumes."""
    return replace(
        config,
        name=f"{config.name}-L{add_stages}",
        tensor=replace(config.tensor, add_stages=add_stages),
        vector=EngineConfig(rate="1/1"),
        scalar=EngineConfig(rate="1/1"),
    )


def gemm_floor(config: CoreConfig, k: int, m: int, n: int, *, dtype: Format = OPERAND, mode: Mode = Mode.SINGLE) -> int:
    """folds * passes * N + R*L + (M_last - 1) + S + c0: cycles of a GEMM that never waits.

    Of several rows of a partition each further one is read a frame later; in mx the first column waits for its scale,
    in sparse for the first load's tags, and K counts the weights.
    """
    tensor, row = config.tensor, MODES[mode]
    folds = -(-k // (row.products * tensor.rows)) * -(-m // tensor.columns)
    last = (m - 1) % tensor.columns + SLOTS * (row.rows - 1)
    if mode == Mode.MX:
        last += first_scaled_column(config, dtype, min(m, tensor.columns)) - FIRST_COLUMN
    if row.tagged:
        last += tag_lead(config)
    array = tensor.rows * tensor.add_stages + tensor.mul_stages
    return folds * len(passes(dtype.splits, dtype.splits)) * n + array + last + gemm_overhead(config)


def busy_window(config: CoreConfig, run: KernelRun) -> tuple[int, int]:
    """First and last cycle in which every tile has work: a wave takes so long to fill the array, and to leave it."""
    fill = config.tensor.rows * config.tensor.add_stages + config.tensor.columns
    return run.first_load + fill, run.first_load + run.window - fill


def gemm_case(
    config: CoreConfig, k: int, m: int, n: int, *, resident: bool = True, dtype: Format = OPERAND, rows: int = 1
) -> Case:
    """C[M, N] = A[K, M].T @ B[K, N] on random values."""
    return _product_case(config, gemm, k, m, n, dtype=dtype, resident=resident, rows=rows)


def mx_gemm_case(config: CoreConfig, k: int, m: int, n: int, *, dtype: Format) -> Case:
    """The same of MX operands: any codes, scales around 1."""
    random, rows = np.random.default_rng(k + m + n), k // dtype.elements
    specs, inputs = {}, {}
    for name, columns in (("a", m), ("b", n)):
        specs[name] = TensorSpec((rows, columns), dtype)
        specs[f"{name}_scale"] = TensorSpec((rows // GROUP_PARTITIONS, columns), nl.uint8)
        inputs[name] = Bits(random_bits(random, dtype, specs[name].shape))
        inputs[f"{name}_scale"] = Bits(random_bits(random, E8M0, specs[f"{name}_scale"].shape))
    return make_case(config, compile_kernel(mx_gemm, config, **specs), inputs, "c")


def sparse_gemm_case(
    config: CoreConfig, k: int, m: int, n: int, *, dtype: Format = OPERAND, ratio: int = RATIO_LIMIT
) -> Case:
    """The same of k rows of sparse weights, with any tags, and of ratio x k moving rows."""
    random = np.random.default_rng(k + m + n)
    tags = ROW_CANDIDATES * random.integers(0, config.tensor.group_rows, (k, m // PACKED_TAGS, PACKED_TAGS))
    tags += random.integers(0, ratio, tags.shape)
    shapes = {"a": (k, m), "b": (ratio * k, n)}
    specs = {name: TensorSpec(shape, dtype) for name, shape in shapes.items()}
    specs["tags"] = TensorSpec(tags.shape[:2], TAGS)
    inputs: dict[str, Any] = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    inputs["tags"] = (tags << TAG_BITS * np.arange(PACKED_TAGS)).sum(axis=2)
    return make_case(config, compile_kernel(sparse_gemm, config, **specs), inputs, "c")


def _product_case(
    config: CoreConfig, kernel: Callable[..., Any], k: int, m: int, n: int, *, dtype: Format = OPERAND, **options: Any
) -> Case:
    specs = {"a": TensorSpec((k, m), dtype), "b": TensorSpec((k, n), dtype)}
    program = compile_kernel(kernel, config, **specs, **options)
    random = np.random.default_rng(k + m + n)
    inputs = {name: random.standard_normal(spec.shape).astype(np.float32) for name, spec in specs.items()}
    return make_case(config, program, inputs, "c")


def streamed_gemm_case(config: CoreConfig, k: int, m: int, n: int) -> Case:
    """The same product by the kernel that stores blocks while it loads others."""
    return _product_case(config, streamed_gemm, k, m, n)


def copy_case(config: CoreConfig, rows: int, columns: int, *, dtype: Format = OPERAND) -> Case:
    """out = x through SBUF."""
    program = compile_kernel(copy, config, x=TensorSpec((rows, columns), dtype))
    x = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    return make_case(config, program, {"x": x}, "out")


def add_case(config: CoreConfig, rows: int, columns: int) -> Case:
    """out = x + y in fp32."""
    spec = TensorSpec((rows, columns), nl.float32)
    program = compile_kernel(add, config, x=spec, y=spec)
    random = np.random.default_rng(rows + columns)
    inputs = {name: random.standard_normal(spec.shape).astype(np.float32) for name in ("x", "y")}
    return make_case(config, program, inputs, "out")


def make_case(config: CoreConfig, program: Program, inputs: dict[str, Any], output: str) -> Case:
    """Runs golden."""
    values = run_golden(program, inputs, config=config)
    return Case(program, inputs, output, values.pop(output), values)


def run_case(machine: Machine, case: Case, condition: Condition = CONDITIONS[1], *, progress: bool = True) -> KernelRun:
    """On the RTL, against golden's bits and the timing model's cycles; a bar counts them where `progress` says so.

    Errors: `StoppedError` if the core stops.
    """
    config, program = machine.config, case.program
    fixed = MemoryTiming.of(config.memory, latency=condition.latency)
    recorded = condition.stalls != NO_STALLS
    result = machine.run(
        program.image(case.inputs),
        program.addresses,
        max_cycles=MAX_CYCLES,
        memory=fixed,
        stalls=condition.stalls,
        log=recorded,
        progress=progress,
        expected=predict(program, config, fixed).cycles if progress else None,
    )
    if result.error or result.trace is None:
        raise StoppedError(f"{config.name}: the core stopped with an error: {result.registers}")
    timeline, trace = predict_run(program, config, result, None if recorded else fixed)
    result.discard()
    values, golden = program.read(result.memory), case.outputs
    wrong = (np.count_nonzero(values[name].view(np.uint32) != golden[name].view(np.uint32)) for name in golden)
    mismatched, compared = int(sum(wrong)), sum(each.size for each in golden.values())
    differences = compare(timeline, trace)
    first = next((str(d) for d in differences if d.cycles), None)
    largest = max(d.cycles for d in differences)
    return KernelRun(case, result, trace, compared, mismatched, len(differences), largest, first, timeline)
