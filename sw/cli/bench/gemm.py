"""Dense GEMMs on the RTL: cycles against the floor of an array that never waits."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.sw.cli.kernels import OPERAND, KernelRun, gemm_case, gemm_floor, run_case, unit_rates
from makalu.sw.results import Figure, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["PRESETS", "cores", "measure"]

_SIZES = (64, 128, 256, 512, 100)
SIZES = {"small": _SIZES, "trn2-mini": _SIZES, "trn2": (512,)}
PRESETS = tuple(SIZES)
STAGES = (1, 2)
_HEADINGS = ("array", "L", "size", "cycles", "floor", "utilisation", "final eviction", "mismatched", "cycles/s")


def cores() -> Iterator[tuple[CoreConfig, tuple[int, ...]]]:
    """The measured cores, Vector and Scalar at the array's rate, and the GEMM sizes of each."""
    for preset, sizes in SIZES.items():
        for stages in STAGES:
            yield unit_rates(load_preset(preset), add_stages=stages), sizes


def measure(console: Console) -> list[Figure]:
    """Every core and size, resident operands; both ends of the window count, the final eviction is apart."""
    figures: list[Figure] = []
    table = Table(title=f"dense {OPERAND.name} GEMM on the RTL: first load's issue to last PSUM commit")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for config, sizes in cores():
        machine = Machine(config=config, observe="trace", fast=True)
        machine.build(progress=True)
        for size in sizes:
            run = run_case(machine, gemm_case(config, size, size, size))
            figures += _figures(config, size, run, table)
    console.print(table)
    return figures


def _figures(config: CoreConfig, size: int, run: KernelRun, table: Table) -> list[Figure]:
    rows, columns, stages = config.tensor.rows, config.tensor.columns, config.tensor.add_stages
    name = f"gemm_{size}_{rows}x{columns}_L{stages}"
    floor = gemm_floor(config, size, size, size)
    utilisation = size**3 / (run.window * rows * columns)
    cells = (f"{rows} x {columns}", stages, f"{size}^3", f"{run.window:,}", f"{floor:,}", f"{utilisation:.2%}")
    speed = round(run.result.cycles_per_second)
    table.add_row(*map(str, (*cells, run.final_eviction, run.mismatched, f"{speed:,}")))
    return [
        at_most(f"{name}_cycles", run.window, "cycles", bar=floor, kind="must"),
        Figure(name=f"{name}_utilisation", value=utilisation, unit="share"),
        Figure(name=f"{name}_final_eviction", value=run.final_eviction, unit="cycles"),
        at_most(f"{name}_mismatched", run.mismatched, "values", bar=0, kind="must"),
        Figure(name=f"{name}_compared", value=run.compared, unit="values"),
        Figure(name=f"{name}_cycles_per_second", value=speed, unit="cycles/s"),
    ]
