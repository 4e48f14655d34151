"""Transfers at the data port's rate on the full core: one load, one store, an addition and a GEMM, memory to memory."""

from dataclasses import dataclass

from rich.console import Console

from makalu.spec.config import CoreConfig
from makalu.spec.engines import QUEUE_CHANNELS, Channel
from makalu.spec.formats import FP32
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.kernels import (
    CONDITIONS,
    OPERAND,
    Case,
    Condition,
    KernelRun,
    add_case,
    copy_case,
    gemm_floor,
    run_case,
    streamed_gemm_case,
)
from makalu.sw.nki import language as nl
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["COLUMNS", "PRESET", "Terms", "add_terms", "gemm_terms", "measure", "transfer_cycles"]

PRESET = "trn2"
ROWS, ELEMENTS = 128, 512
"""256 KiB of fp32, a tile of all partitions."""
ADD_ROWS, ADD_COLUMNS, ADD_TILE = 256, 1024, 512
GEMM = 512
LEAST_SHARE = 0.9
"""Of the port's bytes a cycle, from a transfer's issue to its finish."""
MOST_OVER = 1.15
"""A program's cycles over what its slowest part, its first operands and its last result need."""
COLUMNS = (
    *("cycles", "bytes_per_cycle", "reading", "writing", "computing", "first_operands", "last_result"),
    *("timing_difference", "events", "mismatched", "compared"),
)
"""Of the table, a row a case; `reading` to `last_result` are cycles that the bytes or the engine need at their rate."""


@dataclass(frozen=True)
class Terms:
    """Cycles that a program needs at least: bytes at the port's rate, the engine's work at the engine's.

    bound = max(reading, writing, computing) + first_operands + last_result
    """

    reading: float
    writing: float
    computing: float
    first_operands: float
    last_result: float

    @property
    def bound(self) -> float:
        return max(self.reading, self.writing, self.computing) + self.first_operands + self.last_result


def add_terms(config: CoreConfig) -> Terms:
    """256 x 1,024 fp32: two operands in, one result out, tiles of all partitions by 512; Vector has a lane a row.

    `first_operands` is the first load alone: the second operand's load could be the last of all.
    """
    port, whole = config.bus.data_bytes, ADD_ROWS * ADD_COLUMNS * FP32.bytes
    tile = config.partitions * ADD_TILE * FP32.bytes
    computing = ADD_ROWS * ADD_COLUMNS / config.partitions / config.vector.ratio
    return Terms(2 * whole / port, whole / port, float(computing), tile / port, tile / port)


def gemm_terms(config: CoreConfig) -> Terms:
    """512^3: operands of the array, fp32 result; the first block of C needs a panel of A and one of B."""
    port, edge = config.bus.data_bytes, config.tensor.columns
    read, panel = 2 * GEMM * GEMM * OPERAND.bytes, GEMM * edge * OPERAND.bytes
    written, block = GEMM * GEMM * FP32.bytes, edge * edge * FP32.bytes
    computing = gemm_floor(config, GEMM, GEMM, GEMM)
    return Terms(read / port, written / port, computing, 2 * panel / port, block / port)


def transfer_cycles(run: KernelRun, channel: Channel) -> int:
    """From the issue to the finish, both included, of the only instruction of a DMA channel."""
    (finish,) = [event for event in run.trace.finishes() if event.where is channel]
    (queue,) = [queue for queue, channels in QUEUE_CHANNELS.items() if channel in channels]
    issue = next(event for event in run.trace.issues() if event.where is queue and event.tag == finish.tag)
    return finish.cycle - issue.cycle + 1


def measure(console: Console) -> list[Figure]:
    """Every program at 100 cycles of latency, and its timing under all memories; bits of all runs against golden."""
    config = load_preset(PRESET)
    machine = Machine(config=config, observe="trace", fast=True)
    machine.build(progress=True)
    figures = _transfers(machine, copy_case(config, ROWS, ELEMENTS, dtype=nl.float32), console)
    figures += _program(machine, "add", add_case(config, ADD_ROWS, ADD_COLUMNS), add_terms(config), console)
    figures += _program(
        machine, f"gemm_{GEMM}", streamed_gemm_case(config, GEMM, GEMM, GEMM), gemm_terms(config), console
    )
    print_figures(f"transfers on {PRESET}, simulated by {machine.simulator}", figures, console)
    return figures


def _runs(machine: Machine, case: Case, console: Console) -> dict[Condition, KernelRun]:
    runs = {condition: run_case(machine, case, condition) for condition in CONDITIONS}
    for condition, run in runs.items():
        if run.first is not None:
            console.print(f"{condition.name}: {run.first}")
    return runs


def _judged(name: str, runs: dict[Condition, KernelRun]) -> list[Figure]:
    """Of all runs together."""
    return [
        at_most(
            f"dma_{name}_timing_difference",
            max(run.difference for run in runs.values()),
            "cycles",
            bar=0,
            kind="must",
        ),
        Figure(name=f"dma_{name}_events", value=sum(run.events for run in runs.values()), unit="issues and finishes"),
        at_most(f"dma_{name}_mismatched", sum(run.mismatched for run in runs.values()), "values", bar=0, kind="must"),
        Figure(name=f"dma_{name}_compared", value=sum(run.compared for run in runs.values()), unit="values"),
    ]


def _transfers(machine: Machine, case: Case, console: Console) -> list[Figure]:
    """One load, and then one store of the same bytes."""
    port, moved = machine.config.bus.data_bytes, ROWS * ELEMENTS * FP32.bytes
    runs = _runs(machine, case, console)
    figures: list[Figure] = []
    for name, channel in (("load", Channel.DMA_LOAD), ("store", Channel.DMA_STORE)):
        cycles = transfer_cycles(runs[CONDITIONS[1]], channel)
        figures += [
            Figure(name=f"dma_{name}_cycles", value=cycles, unit="cycles"),
            at_least(f"dma_{name}_bytes_per_cycle", moved / cycles, "bytes/cycle", bar=LEAST_SHARE * port, kind="must"),
        ]
    return figures + _judged("load", runs)


def _program(machine: Machine, name: str, case: Case, terms: Terms, console: Console) -> list[Figure]:
    runs = _runs(machine, case, console)
    cycles = runs[CONDITIONS[1]].result.cycles
    return [
        at_most(f"dma_{name}_cycles", cycles, "cycles", bar=round(MOST_OVER * terms.bound), kind="must"),
        *(
            Figure(name=f"dma_{name}_{term}", value=round(getattr(terms, term)), unit="cycles")
            for term in ("reading", "writing", "computing", "first_operands", "last_result")
        ),
        *_judged(name, runs),
    ]
