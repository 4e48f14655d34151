"""Every element type of the full cores: multiplications a cycle of 64 matmuls back to back, against their ceiling."""

from rich.console import Console
from rich.table import Table

from makalu.spec.config import CoreConfig
from makalu.spec.formats import Format
from makalu.spec.preset import load_preset
from makalu.spec.sparsity import RATIO_LIMIT
from makalu.spec.tensor_modes import MODES, Mode, TensorMode
from makalu.spec.tensor_types import passes
from makalu.sw.cli.bench.small import measure_small
from makalu.sw.cli.bench.transposes import measure_chain
from makalu.sw.cli.kernels import KernelRun, gemm_case, gemm_floor, mx_gemm_case, run_case, sparse_gemm_case
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["COLUMNS", "PRESETS", "measure"]

PRESETS = ("trn2", "trn3")
MATMULS = 64
WIDTH = 512
"""Of each: what a PSUM bank has."""
LEAST = 0.95
COLUMNS = ("passes", "cycles", "macs_per_cycle", "utilisation", "difference", "mismatched", "compared")
_HEADINGS = (
    "core",
    "type",
    "mode",
    "passes",
    "cycles",
    "floor",
    "MAC/cycle",
    "of the ceiling",
    "timing differs by",
    "mismatched",
)


def measure(console: Console) -> list[Figure]:
    """A GEMM with resident operands, of as many tiles as make 64 matmuls: first load's issue to last PSUM commit."""
    figures: list[Figure] = []
    title = (
        f"{MATMULS} matmuls of {WIDTH} columns on the RTL, by element type; sparse: 4 of 16 rows are kept, all count"
    )
    table = Table(title=title)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    turns = Table(title=f"{MATMULS} transposes of whole tiles of bf16, one behind the other")
    for heading in ("core", "cycles", "each", "of K", "timing differs by", "mismatched"):
        turns.add_column(heading, justify="right")
    small = Table(title=f"{MATMULS} sets of small matmuls of {WIDTH} columns in tiles on the diagonal, bf16")
    for heading in ("core", "cycles", "a set", "MAC/cycle", "of the diagonal", "timing differs by", "mismatched"):
        small.add_column(heading, justify="right")
    for preset in PRESETS:
        config = load_preset(preset)
        machine = Machine(config=config, observe="trace", fast=True)
        machine.build(progress=True)
        for mode in map(MODES.__getitem__, config.tensor.modes):
            for form in (form for form in config.tensor.operands if form in mode.formats):
                high, wide = _sides(MATMULS // len(passes(form.splits, form.splits)))
                size = mode.products * config.tensor.rows * high, config.tensor.columns * wide, WIDTH
                if mode.mode == Mode.MX:
                    case = mx_gemm_case(config, *size, dtype=form)
                elif mode.tagged:  # K counts the weights: four times as many rows move
                    case = sparse_gemm_case(config, *size, dtype=form)
                else:
                    case = gemm_case(config, *size, dtype=form, rows=mode.rows)
                run = run_case(machine, case)
                figures += _figures(config, form, mode, size, run, table)
        for shown, (own, cells) in (
            (turns, measure_chain(machine, MATMULS)),
            (small, measure_small(machine, MATMULS, WIDTH)),
        ):
            figures += own
            shown.add_row(config.name, *(f"{cell:,}" if isinstance(cell, int) else f"{cell:,.4g}" for cell in cells))
    for each in (table, turns, small):
        console.print(each)
    return figures


def _sides(tiles: int) -> tuple[int, int]:
    """Tiles along K and along M, as equal as powers of two are."""
    first = 1 << tiles.bit_length() // 2
    return first, tiles // first


def _figures(
    config: CoreConfig, form: Format, mode: TensorMode, size: tuple[int, int, int], run: KernelRun, table: Table
) -> list[Figure]:
    name = f"types_{config.name}_{form.name}" + (f"-{mode.mode.name.lower()}" if mode.mode != Mode.SINGLE else "")
    count = len(passes(form.splits, form.splits))
    floor = gemm_floor(config, *size, dtype=form, mode=mode.mode)
    # of a sparse tile those of the dense one that it stands for
    dense = RATIO_LIMIT if mode.tagged else 1
    rate = dense * size[0] * size[1] * size[2] / run.window
    share = rate * count / (dense * mode.products * config.tensor.rows * config.tensor.columns)
    cells = (
        config.name,
        form.name,
        mode.mode.name.lower(),
        count,
        f"{run.window:,}",
        f"{floor:,}",
        f"{rate:,.0f}",
        f"{share:.2%}",
    )
    table.add_row(*map(str, (*cells, run.difference, run.mismatched)))
    return [
        at_most(f"{name}_cycles", run.window, "cycles", bar=floor, kind="must"),
        Figure(name=f"{name}_passes", value=count, unit="matmuls"),
        Figure(name=f"{name}_macs_per_cycle", value=rate, unit="MAC/cycle"),
        at_least(f"{name}_utilisation", share, "share", bar=LEAST, kind="must"),
        at_most(f"{name}_difference", run.difference, "cycles", bar=0, kind="must"),
        at_most(f"{name}_mismatched", run.mismatched, "values", bar=0, kind="must"),
        Figure(name=f"{name}_compared", value=run.compared, unit="values"),
    ]
