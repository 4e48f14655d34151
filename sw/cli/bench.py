"""`makalu bench`: utilisation of dense bf16 GEMMs on the RTL against the floor, and one PE on an FPGA."""

from rich.console import Console
from rich.table import Table

from makalu.hw.spec.config import CoreConfig, load_preset
from makalu.sw.cli.kernels import KernelRun, gemm_floor, run_gemm, unit_rates
from makalu.sw.results import Figure, at_least, at_most, failed, write_results
from makalu.sw.rtl.fpga import place_and_route
from makalu.sw.rtl.machine import Machine

__all__ = ["PARTS", "BenchError", "bench"]

PARTS = ("gemm", "fpga")
SMALL_SIZES = (64, 128, 256, 512, 100)
PRESETS: tuple[tuple[str, tuple[int, ...]], ...] = (("small", SMALL_SIZES), ("trn2-mini", SMALL_SIZES))
STAGES = (1, 2)
LUT_GOAL, MULT_GOAL, MHZ_GOAL = 800, 1, 90.0
GOAL_CASE = "pe_L3_keep"


class BenchError(RuntimeError):
    """A must was missed."""


def bench(parts: tuple[str, ...], console: Console) -> list[Figure]:
    """Measure, print, write `build/results/bench.json`. Errors: `BenchError` when a must is missed."""
    figures: list[Figure] = []
    if "gemm" in parts:
        figures += _gemms(console)
    if "fpga" in parts:
        figures += _fpga(console)
    path = write_results("bench", load_preset("trn2-mini"), figures)
    console.print(f"figures: {path.relative_to(path.parents[2])}")
    missed = failed(figures)
    if missed:
        raise BenchError("; ".join(f"{f.name} is {f.value}, must be {f.bar}" for f in missed))
    return figures


def _gemms(console: Console) -> list[Figure]:
    figures: list[Figure] = []
    table = Table(title="dense bf16 GEMM on the RTL: first load's issue to last PSUM commit")
    for heading in ("array", "L", "size", "cycles", "floor", "utilisation", "final eviction", "mismatched"):
        table.add_column(heading, justify="right")
    for preset, sizes in PRESETS:
        for stages in STAGES:
            config = unit_rates(load_preset(preset), add_stages=stages)
            machine = Machine(config=config, observe="trace", fast=True)
            with console.status(f"building {config.name}"):
                machine.build()
            for size in sizes:
                run = run_gemm(machine, size, size, size)
                figures += _gemm_figures(config, size, run, table)
    console.print(table)
    return figures


def _gemm_figures(config: CoreConfig, size: int, run: KernelRun, table: Table) -> list[Figure]:
    rows, columns = config.tensor.rows, config.tensor.columns
    name = f"gemm_{size}_{rows}x{columns}_L{config.tensor.add_stages}"
    floor = gemm_floor(config, size, size, size)
    utilisation = size**3 / (run.window * rows * columns)
    table.add_row(
        f"{rows} x {columns}",
        str(config.tensor.add_stages),
        f"{size}^3",
        f"{run.window:,}",
        f"{floor:,}",
        f"{utilisation:.2%}",
        str(run.final_eviction),
        str(run.mismatched),
    )
    return [
        at_most(f"{name}_cycles", run.window, "cycles", bar=floor, kind="must"),
        Figure(name=f"{name}_utilisation", value=utilisation, unit="share"),
        Figure(name=f"{name}_final_eviction", value=run.final_eviction, unit="cycles"),
        at_most(f"{name}_mismatched", run.mismatched, "values", bar=0, kind="must"),
        Figure(name=f"{name}_compared", value=run.compared, unit="values"),
        Figure(name=f"{name}_cycles_per_second", value=round(run.result.cycles_per_second), unit="cycles/s"),
    ]


def _fpga(console: Console) -> list[Figure]:
    figures: list[Figure] = []
    table = Table(title="ECP5-85, out of context, seed 1: yosys synth_ecp5 -nowidelut, nextpnr-ecp5")
    headings = ("part", "L", "subnormals", "LUT4", "CCU2C", "COMB", "FF", "MULT18", "MHz -6", "MHz -8")
    for heading in headings:
        table.add_column(heading, justify="right")
    cases = [("pe", stages, mode) for stages in (1, 2, 3) for mode in ("keep", "flush")] + [("array", 3, "keep")]
    for part, stages, mode in cases:
        with console.status(f"placing and routing {part}, L = {stages}, {mode}"):
            report = place_and_route(part, add_stages=stages, mul_stages=2, subnormals=mode)
        name = f"{part}_L{stages}_{mode}"
        seed = {speed: next(iter(by_seed.values())) for speed, by_seed in report["fmax_mhz"].items()}
        values = {key: report[key] for key in ("lut4", "ccu2c", "comb", "ff", "mult18")}
        figures += [_cells(name, key, value) for key, value in values.items()]
        figures += [_clock(name, speed, value) for speed, value in seed.items()]
        table.add_row(part, str(stages), mode, *map(str, values.values()), str(seed["6"]), str(seed["8"]))
    console.print(table)
    return figures


def _cells(name: str, key: str, value: int) -> Figure:
    bar = {"lut4": LUT_GOAL, "mult18": MULT_GOAL}.get(key) if name == GOAL_CASE else None
    if bar is None:
        return Figure(name=f"{name}_{key}", value=value, unit="cells")
    return at_most(f"{name}_{key}", value, "cells", bar=bar, kind="goal")


def _clock(name: str, speed: str, value: float) -> Figure:
    if (name, speed) == (GOAL_CASE, "8"):
        return at_least(f"{name}_mhz_{speed}", value, "MHz", bar=MHZ_GOAL, kind="goal")
    return Figure(name=f"{name}_mhz_{speed}", value=value, unit="MHz")
