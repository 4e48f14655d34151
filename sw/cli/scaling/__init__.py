"""`makalu scaling`: one suite of kernels on the three generations, and what the ratios of the generations are made of.

The quarter-size cores run on the RTL, against golden and the timing model. The full cores are counted by the timing
model, which is the RTL to the cycle, or run on the RTL too (`full`). Clocks, cores, chips and memory are multiplied on
top, each a factor of its own beside the printed one.
"""

from collections.abc import Sequence
from multiprocessing import get_context

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as Shown

from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder, write_whole
from makalu.sw.cli.conclusion import conclude, say_where
from makalu.sw.cli.scaling.energy import read_energies
from makalu.sw.cli.scaling.generations import GENERATIONS, MEASURED, PRINTED
from makalu.sw.cli.scaling.kept import keep, kept
from makalu.sw.cli.scaling.kinds import Kind
from makalu.sw.cli.scaling.measure import machine_of, measured_row, rows
from makalu.sw.cli.scaling.page import drawings, page
from makalu.sw.cli.scaling.plots import png
from makalu.sw.cli.scaling.runs import BY, Run, figures_of
from makalu.sw.cli.scaling.suite import SUITE, Kernel
from makalu.sw.cli.scaling.tables import SIZES, Report, Table, tables
from makalu.sw.commit import commit
from makalu.sw.paths import BUILD
from makalu.sw.results import RESULTS, Figure, at_most, this_run

__all__ = ["FOLDER", "PRESETS", "figures", "scaling"]

FOLDER = BUILD / "scaling"
"""The page and its plots."""
PRESETS = {size: tuple(form.format(generation) for generation in GENERATIONS) for size, form in SIZES.items()}
ROWS = "rows.json"
"""In that folder: what was measured so far."""
WORKERS = 2
ROUNDING = 1e-9
"""What lies between a ratio and the product of its factors, at most."""
_PRINTED = ("ratios", "rates", "runs")
"""Tables that the terminal shows."""


def scaling(console: Console, *, full: bool = False, kernels: Sequence[str] = ()) -> list[Figure]:
    """Measure, print, write `build/results/scaling.json` and the page; of `kernels` alone where some are named.

    Rows that earlier calls measured at this commit are taken as they are. Errors: `MissedError` when a bit is wrong.
    """
    writable_folder(RESULTS)
    writable_folder(FOLDER)
    presets = [(name, full or size == "quarter") for size in PRESETS for name in PRESETS[size]]
    runs = _measured(presets, kernels or tuple(SUITE), console)
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


def _measured(presets: Sequence[tuple[str, bool]], kernels: Sequence[str], console: Console) -> list[Run]:
    """Rows of `kernels` on each preset, on the RTL or not, and kept ones; two at a time, each in its own process."""
    places = {(preset, kernel.name, kind.name): on_rtl for preset, on_rtl in presets for kernel, kind in _rows(preset)}
    now = commit()
    runs = {_place(run): run for run in kept(FOLDER / ROWS, now)}
    runs = {place: run for place, run in runs.items() if not (places.get(place) and run.by != BY[0] and run.short)}
    wanted = [(*place, on_rtl) for place, on_rtl in places.items() if place[1] in kernels and place not in runs]
    for preset in dict.fromkeys(row[0] for row in wanted if row[-1]):
        machine_of(load_preset(preset)).build(progress=True)
    context = get_context("forkserver")
    context.set_forkserver_preload([measured_row.__module__])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as bar,
        context.Pool(WORKERS, maxtasksperchild=1) as pool,
    ):
        task = bar.add_task("measuring", total=len(wanted))
        for run in pool.imap_unordered(measured_row, wanted):
            runs[_place(run)] = run
            keep(FOLDER / ROWS, now, list(runs.values()))
            bar.update(task, advance=1, description=f"measured {' '.join(_place(run))}")
    return [runs[place] for place in places if place in runs]


def _rows(preset: str) -> list[tuple[Kernel, Kind]]:
    return rows(load_preset(preset))


def _place(run: Run) -> tuple[str, str, str]:
    return run.preset, run.kernel, run.kind


def figures(report: Report) -> list[Figure]:
    """Sums first, then every run, then every ratio with its factors."""
    checked = [run for run in report.runs if run.compared]
    out = [
        Figure(name="rows", value=len(report.runs), unit="runs"),
        Figure(name="rows_left_out", value=_all() - len(report.runs), unit="runs"),
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


def _all() -> int:
    return sum(len(_rows(name)) for names in PRESETS.values() for name in names)


def _shown(table: Table) -> Shown:
    out = Shown(title=table.title)
    for head in table.heads:
        out.add_column(head, justify="left" if head in table.words else "right")
    for row in table.rows:
        out.add_row(*row)
    return out
