"""The simulator lanes beside Verilator on the full core: the same cycles, how much faster, how much sooner built."""

from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.anew import CleanBuild, build_anew
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.kernels import KernelRun, busy_window, gemm_case, run_case
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.lanes.build import best_form
from makalu.sw.rtl.lanes.model import FORMS
from makalu.sw.rtl.machine import Machine

__all__ = ["PRESET", "Differences", "differences", "measure"]

PRESET = "trn2"
K, M, N = 128, 128, 512
"""A matmul whose beginning, while its operands are loaded, gives the pace of an idle array."""
DENSE = 512
"""Size of the GEMM whose window, without gaps and thousands of cycles long, gives the pace of a busy array."""
ROUNDS, LANES_RUNS = 2, 3
"""Rounds of one run of Verilator, which takes minutes, and so many of each form of lanes, which take seconds."""
LEAST_BUSY, LEAST_IDLE, MOST_BUILD = 15, 20, 0.4
LEAST_OF_FORM = {"avx2": 8, "plain": 4}
BUSY_GOAL, IDLE_GOAL, TWO_THREADS_GOAL = 150_000_000, 30_000, 250_000_000
TWO_THREADS = "two threads"


@dataclass(frozen=True)
class Differences:
    """Between two runs: cycles whose samples differ or are missing, bytes of the memory, registers."""

    trace: int = 0
    memory: int = 0
    registers: int = 0

    def __add__(self, other: "Differences") -> "Differences":
        return Differences(self.trace + other.trace, self.memory + other.memory, self.registers + other.registers)


def differences(one: KernelRun, other: KernelRun) -> Differences:
    """Of two runs of one program; a sample has every issue, finish, commit and semaphore of its cycle."""
    rows, others = one.trace.raw, other.trace.raw
    common = min(len(rows), len(others))
    trace = np.count_nonzero((rows[:common] != others[:common]).any(axis=1)) + abs(len(rows) - len(others))
    memory = np.count_nonzero(one.result.image != other.result.image)
    mine, theirs = one.result.registers, other.result.registers
    registers = sum(mine.get(name) != theirs.get(name) for name in mine.keys() | theirs.keys())
    return Differences(int(trace), int(memory), registers)


@dataclass
class _Paces:
    """Best cycles a CPU second of some runs, or a second where several threads share the work."""

    config: CoreConfig
    threads: int = 1
    idle: float = 0.0
    busy: float = 0.0
    runs: list[tuple[KernelRun, KernelRun]] = field(default_factory=list)

    def add(self, matmul: KernelRun, dense: KernelRun) -> None:
        self.runs.append((matmul, dense))
        cpu = self.threads == 1
        self.idle = max(self.idle, matmul.result.pace(0, matmul.first_load, cpu=cpu))
        self.busy = max(self.busy, dense.result.pace(*busy_window(self.config, dense), cpu=cpu))


def measure(console: Console) -> list[Figure]:
    """Both programs on Verilator and on each form of lanes that the processor runs, one after the other in rounds.

    Paces are cycles a CPU second of the simulation, the best of a simulator's runs; with two threads cycles a second
    of a machine that does nothing else. Builds are from nothing.
    """
    config = load_preset(PRESET)
    best = best_form()
    forms = list(FORMS)[list(FORMS).index(best) :]
    builds = {simulator: build_anew(PRESET, simulator, console) for simulator in ("verilator", "lanes")}
    machines = {"verilator": Machine(config=config, simulator="verilator", observe="trace", fast=True)}
    for form in forms:
        machines[form] = Machine(config=config, simulator="lanes", form=form, observe="trace", fast=True)
    machines[TWO_THREADS] = Machine(config=config, simulator="lanes", threads=2, observe="trace", fast=True)
    for machine in machines.values():
        machine.build(progress=True)
    cases = gemm_case(config, K, M, N), gemm_case(config, DENSE, DENSE, DENSE)
    paces = {name: _Paces(config, threads=2 if name == TWO_THREADS else 1) for name in machines}
    for _ in range(ROUNDS):
        for name, machine in machines.items():
            for _ in range(1 if name == "verilator" else LANES_RUNS):
                matmul, dense = (run_case(machine, case) for case in cases)
                paces[name].add(matmul, dense)
    figures = [*_equality(paces), *_figures(config, paces, best), *_builds(builds)]
    _report(console, config, paces, figures)
    return figures


def _equality(paces: dict[str, _Paces]) -> list[Figure]:
    """Every run against Verilator's first one."""
    expected = paces["verilator"].runs[0]
    pairs = [pair for name in paces for runs in paces[name].runs for pair in zip(expected, runs, strict=True)]
    total = sum((differences(*pair) for pair in pairs), Differences())
    wrong = sum(run.mismatched for name in paces for runs in paces[name].runs for run in runs)
    return [
        at_most("lanes_trace_mismatched", total.trace, "cycles", bar=0, kind="must"),
        at_most("lanes_memory_mismatched", total.memory, "bytes", bar=0, kind="must"),
        at_most("lanes_register_mismatched", total.registers, "registers", bar=0, kind="must"),
        at_most("lanes_golden_mismatched", wrong, "values", bar=0, kind="must"),
        Figure(name="lanes_trace_compared", value=sum(run.trace.cycles for run in expected), unit="cycles a run"),
        Figure(name="lanes_memory_compared", value=sum(run.result.image.size for run in expected), unit="bytes a run"),
    ]


def _figures(config: CoreConfig, paces: dict[str, _Paces], best: str) -> list[Figure]:
    pes = config.tensor.rows * config.tensor.columns
    reference, mine = paces["verilator"], paces[best]
    figures = [
        Figure(name="lanes_form", value=best, unit="name"),
        at_least("lanes_busy_ratio", mine.busy / reference.busy, "ratio", bar=LEAST_BUSY, kind="must"),
        at_least("lanes_idle_ratio", mine.idle / reference.idle, "ratio", bar=LEAST_IDLE, kind="must"),
    ]
    figures += [
        at_least(f"lanes_{form}_busy_ratio", paces[form].busy / reference.busy, "ratio", bar=bar, kind="must")
        for form, bar in LEAST_OF_FORM.items()
        if form in paces
    ]
    busy, idle, two_threads = round(mine.busy * pes), round(mine.idle), round(paces[TWO_THREADS].busy * pes)
    return [
        *figures,
        at_least("lanes_busy_pe_cycles_per_second", busy, "PE-cycles/CPU s", bar=BUSY_GOAL, kind="goal"),
        at_least("lanes_idle_cycles_per_second", idle, "cycles/CPU s", bar=IDLE_GOAL, kind="goal"),
        at_least(
            "lanes_two_threads_busy_pe_cycles_per_second", two_threads, "PE-cycles/s", bar=TWO_THREADS_GOAL, kind="goal"
        ),
        Figure(name="lanes_two_threads_idle_cycles_per_second", value=round(paces[TWO_THREADS].idle), unit="cycles/s"),
        Figure(
            name="lanes_verilator_busy_pe_cycles_per_second",
            value=round(reference.busy * pes),
            unit="PE-cycles/CPU s",
        ),
        Figure(name="lanes_verilator_idle_cycles_per_second", value=round(reference.idle), unit="cycles/CPU s"),
        Figure(name="lanes_runs", value=len(mine.runs), unit="runs, the best counts"),
        Figure(name="lanes_verilator_runs", value=len(reference.runs), unit="runs, the best counts"),
    ]


def _builds(builds: dict[str, CleanBuild]) -> list[Figure]:
    lanes, verilator = (builds[simulator].cpu_seconds for simulator in ("lanes", "verilator"))
    return [
        Figure(name="lanes_build_cpu_seconds", value=round(lanes, 1), unit="CPU s"),
        Figure(name="lanes_verilator_build_cpu_seconds", value=round(verilator, 1), unit="CPU s"),
        at_most("lanes_build_ratio", lanes / verilator, "ratio", bar=MOST_BUILD, kind="must"),
    ]


def _report(console: Console, config: CoreConfig, paces: dict[str, _Paces], figures: list[Figure]) -> None:
    pes = config.tensor.rows * config.tensor.columns
    table = Table(
        title=f"{PRESET}, {pes:,} PEs: pace of the simulation, the best of interleaved runs",
        caption="a CPU second; with two threads a second",
    )
    for heading in ("simulator", "runs", "idle cycles/s", "busy cycles/s", "busy PE-cycles/s"):
        table.add_column(heading, justify="left" if heading == "simulator" else "right")
    for name, pace in paces.items():
        title = name if name == "verilator" else f"lanes, {name}"
        numbers = (len(pace.runs), round(pace.idle), round(pace.busy), round(pace.busy * pes))
        table.add_row(title, *(f"{number:,}" for number in numbers))
    console.print(table)
    print_figures("lanes beside Verilator", figures, console)
