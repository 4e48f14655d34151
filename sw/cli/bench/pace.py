"""How fast each preset simulates on each simulator that is meant for it, and how long it takes to build."""

from rich.console import Console
from rich.table import Table

from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.anew import build_anew, children_cpu_seconds
from makalu.sw.cli.kernels import gemm_case, run_case
from makalu.sw.results import Figure, at_most
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.simulators import have_icarus

__all__ = ["MEASURED", "SIMULATORS", "measure"]

SIMULATORS = ("lanes", "verilator", "icarus")
_SMALL, _MINI, _FULL = (64, 64, 64), (256, 256, 256), (128, 128, 512)
MEASURED: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "tiny": (_SMALL, SIMULATORS),
    "fpga": (_SMALL, SIMULATORS[:2]),
    "small": ((128, 128, 128), SIMULATORS[:2]),
    "trn1-mini": (_MINI, SIMULATORS[:2]),
    "trn2-mini": (_MINI, SIMULATORS[:2]),
    "trn3-mini": (_MINI, SIMULATORS[:2]),
    "trn1": (_FULL, SIMULATORS[:1]),
    "trn2": (_FULL, SIMULATORS[:2]),
    "trn3": (_FULL, SIMULATORS[:1]),
}
"""K, M, N of the GEMM and the simulators of each preset. Verilator builds one full core only: minutes for each."""
ICARUS = (16, 16, 16)
"""Icarus runs some hundred cycles a second."""
RUNS = {"lanes": 3, "verilator": 2, "icarus": 1}


def measure(console: Console) -> list[Figure]:
    """A GEMM from memory to memory: cycles a CPU second of the whole process, the best of some runs.

    Builds are from nothing. Icarus is left out where it is not installed.
    """
    figures: list[Figure] = []
    table = Table(title="GEMM from memory to memory: cycles a CPU second; CPU seconds of a build from nothing")
    for heading in ("preset", "PEs", *SIMULATORS, *(f"{simulator} build" for simulator in SIMULATORS)):
        table.add_column(heading, justify="left" if heading == "preset" else "right")
    for preset, (sizes, simulators) in MEASURED.items():
        tensor = load_preset(preset).tensor
        cells = dict.fromkeys((*SIMULATORS, *(f"{simulator} build" for simulator in SIMULATORS)), "")
        mine = [Figure(name=f"pace_{preset}_pes", value=tensor.rows * tensor.columns, unit="PEs")]
        for simulator in simulators:
            if simulator == "icarus" and not have_icarus():
                continue
            pace, build, wrong = _measure(preset, simulator, ICARUS if simulator == "icarus" else sizes, console)
            cells |= {simulator: f"{pace:,}", f"{simulator} build": f"{build:,.1f}"}
            mine += [
                Figure(name=f"pace_{preset}_{simulator}_cycles_per_second", value=pace, unit="cycles/CPU s"),
                Figure(name=f"pace_{preset}_{simulator}_build_seconds", value=build, unit="CPU s"),
                at_most(f"pace_{preset}_{simulator}_mismatched", wrong, "values", bar=0, kind="must"),
            ]
        figures += mine
        table.add_row(preset, f"{mine[0].value:,}", *cells.values())
    console.print(table)
    return figures


def _measure(preset: str, simulator: str, sizes: tuple[int, int, int], console: Console) -> tuple[int, float, int]:
    """Cycles a CPU second, CPU seconds of the build, values that differ from golden."""
    config = load_preset(preset)
    build = build_anew(preset, simulator, console)
    machine = Machine(config=config, simulator=simulator, observe="trace", fast=True)
    machine.build()
    case = gemm_case(config, *sizes)
    best, wrong = 0.0, 0
    for _ in range(RUNS[simulator]):
        before = children_cpu_seconds()
        run = run_case(machine, case)
        best = max(best, run.result.simulated_cycles / (children_cpu_seconds() - before))
        wrong += run.mismatched
    return round(best), round(build.cpu_seconds, 1), wrong
