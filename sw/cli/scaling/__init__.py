"""`makalu scaling`: one suite of kernels on the three generations, and what the ratios of the generations are made of.

The quarter-size cores run on the RTL, against golden and the timing model. The full cores are counted by the timing
model, which is the RTL to the cycle, or run on the RTL too (`full`). Clocks, cores, chips and memory are multiplied on
top, each a factor of its own beside the printed one.
"""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as Shown

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder, write_whole
from makalu.sw.cli.conclusion import conclude, say_where
from makalu.sw.cli.scaling.energy import read_energies
from makalu.sw.cli.scaling.generations import GENERATIONS, MEASURED, PRINTED
from makalu.sw.cli.scaling.measure import measured, rows
from makalu.sw.cli.scaling.page import drawings, page
from makalu.sw.cli.scaling.plots import png
from makalu.sw.cli.scaling.runs import Run, figures_of
from makalu.sw.cli.scaling.tables import SIZES, Report, Table, tables
from makalu.sw.paths import BUILD
from makalu.sw.results import RESULTS, Figure, at_most, this_run
from makalu.sw.rtl.machine import Machine

__all__ = ["FOLDER", "PRESETS", "figures", "scaling"]

FOLDER = BUILD / "scaling"
"""The page and its plots."""
PRESETS = {size: tuple(form.format(generation) for generation in GENERATIONS) for size, form in SIZES.items()}
ROUNDING = 1e-9
"""What lies between a ratio and the product of its factors, at most."""
_PRINTED = ("ratios", "rates", "runs")
"""Tables that the terminal shows."""


def scaling(console: Console, *, full: bool = False) -> list[Figure]:
    """Measure, print, write `build/results/scaling.json` and the page. Errors: `MissedError` when a bit is wrong."""
    writable_folder(RESULTS)
    writable_folder(FOLDER)
    runs: list[Run] = []
    for size, presets in PRESETS.items():
        for preset in presets:
            runs += _measured(load_preset(preset), full or size == "quarter", console)
    report = Report(runs, read_energies(GENERATIONS))
    write_whole(FOLDER / "index.html", page(report, this_run()))
    for name, (_, draw) in drawings(report).items():
        write_whole(FOLDER / f"{name}.png", png(draw))
    for table in tables(report):
        if table.name.split()[0] in _PRINTED:
            console.print(_shown(table))
    say_where(FOLDER / "index.html", console, "page")
    found = figures(report)
    conclude("scaling", [load_preset(name) for names in PRESETS.values() for name in names], found, console)
    return found


def _measured(config: CoreConfig, on_rtl: bool, console: Console) -> list[Run]:
    machine = None
    if on_rtl:
        machine = Machine(config=config, simulator="lanes", observe="trace", fast=True)
        machine.build(progress=True)
    wanted, out = rows(config), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(config.name, total=len(wanted))
        for kernel, kind in wanted:
            bar.update(task, description=f"{config.name}: {kernel.name} {kind.name}")
            out.append(measured(config, kernel, kind, machine))
            bar.advance(task)
        bar.update(task, description=f"{config.name}: {'RTL' if on_rtl else 'timing model'}")
    return out


def figures(report: Report) -> list[Figure]:
    """Sums first, then every run, then every ratio with its factors."""
    checked = [run for run in report.runs if run.compared]
    out = [
        Figure(name="rows", value=len(report.runs), unit="runs"),
        Figure(name="rows_on_rtl", value=len(checked), unit="runs"),
        Figure(name="compared", value=sum(run.compared for run in checked), unit="values"),
        at_most("mismatched", sum(run.mismatched for run in checked), "values", bar=0, kind="must"),
        at_most("difference", max((run.difference for run in checked), default=0), "cycles", bar=0, kind="must"),
    ]
    for run in report.runs:
        out += figures_of(run)
    for size in SIZES:
        for each in report.comparisons(size):
            place = f"{size}/{each.name}"
            out.append(at_most(f"{place}/unexplained", each.unexplained(), "share", bar=ROUNDING, kind="must"))
            out += [Figure(name=f"{place}/{a.name}", value=ratio, unit="ratio") for a, _, ratio in each.factors]
            out += [
                Figure(name=f"{place}/{side}", value=each.ratio(side), unit="ratio") for side in (MEASURED, PRINTED)
            ]
    return out


def _shown(table: Table) -> Shown:
    out = Shown(title=table.title)
    for head in table.heads:
        out.add_column(head, justify="left" if head in table.words else "right")
    for row in table.rows:
        out.add_row(*row)
    return out
