"""The report's tables, as the page, the docs and the terminal show them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from makalu.spec.preset import load_preset
from makalu.spec.products import ANNOUNCED, FACTS, MACHINES
from makalu.sw.cli.scaling.energy import NOT_MEASURED, Energies
from makalu.sw.cli.scaling.generations import (
    GENERATIONS,
    GROUPS,
    LEVELS,
    MEASURED,
    MEMORY,
    PRINTED,
    Comparison,
    State,
    comparisons,
    states,
)
from makalu.sw.cli.scaling.runs import Run
from makalu.sw.cli.scaling.suite import SUITE

__all__ = ["SIZES", "Report", "Table", "markdown", "tables"]

SIZES = {"quarter": "{}-mini", "full": "{}"}
"""Presets of the generations."""
TERA = 1e12


@dataclass(frozen=True)
class Report:
    """All that was measured, and what follows from it."""

    runs: Sequence[Run]
    energies: Energies = field(default_factory=dict)

    def presets(self, size: str) -> dict[str, str]:
        """By generation, those with runs."""
        names = {generation: SIZES[size].format(generation) for generation in GENERATIONS}
        return {g: name for g, name in names.items() if any(run.preset == name for run in self.runs)}

    def states(self, size: str) -> dict[tuple[str, str], State]:
        return states(self.runs, self.presets(size))

    def comparisons(self, size: str) -> list[Comparison]:
        return list(comparisons(self.states(size)))


@dataclass(frozen=True)
class Table:
    """Cells are text; `words`: columns that are not numbers."""

    name: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]


def tables(report: Report) -> Iterator[Table]:
    """In the order of the page."""
    yield _suite()
    for size in SIZES:
        if report.presets(size):
            yield _ratios(report, size)
            yield _factors(report, size)
            yield _rates(report, size)
    for size in SIZES:
        for generation, preset in report.presets(size).items():
            yield _runs(report, generation, preset)
    yield _facts()


def _suite() -> Table:
    rows = tuple((row.name, row.text, "start to end" if row.whole else "the array's") for row in SUITE.values())
    heads = ("kernel", "what", "cycles")
    return Table("suite", "Kernels", heads, rows, heads)


def _runs(report: Report, generation: str, preset: str) -> Table:
    heads = (
        *("kernel", "kind", "cycles from", "cycles", "MAC/cycle", "of the array", "bytes/cycle", "limit", "of it"),
        *("wrong values", "cycles off", "pJ/MAC of a PE"),
    )
    rows = []
    for run in report.runs:
        if run.preset != preset:
            continue
        energy = report.energies.get((generation, run.kind))
        checked = (f"{run.mismatched:,} of {run.compared:,}", f"{run.difference:g}") if run.compared else ("", "")
        macs = (f"{run.macs_per_cycle:,.0f}", _percent(run.utilisation)) if run.macs else ("", "")
        cells = [run.kernel, run.kind, run.by, f"{run.cycles:,}", *macs, f"{run.bytes_per_cycle:.1f}"]
        cells += [run.limit, _percent(run.of_limit), *checked]
        rows.append((*cells, NOT_MEASURED if energy is None else f"{energy:.1f}"))
    return Table(
        f"runs {preset}", f"Measured on {preset}", heads, tuple(rows), ("kernel", "kind", "cycles from", "limit")
    )


def _rates(report: Report, size: str) -> Table:
    heads = (
        *("generation", "class", "kind", "core", "chip", "chip, printed", "chip, share", "machine", "machine, printed"),
        *("machine, share", "unit", "what limits"),
    )
    rows = []
    by = report.states(size)
    for group in GROUPS:
        for generation in report.presets(size):
            if (generation, group) not in by:
                continue
            state = by[generation, group]
            cells = [generation, group, state.kind, _tera(state.measured("core"))]
            for level in LEVELS[1:]:
                measured, printed = state.measured(level), state.printed(level) or 0.0
                cells += [_tera(measured), _tera(printed), _percent(measured / printed)]
            rows.append((*cells, "TB/s" if group == MEMORY else "TFLOPS", _limit(state, size)))
    words = ("generation", "class", "kind", "unit", "what limits")
    return Table(f"rates {size}", f"Rates from cores of {size} size", heads, tuple(rows), words)


def _limit(state: State, size: str) -> str:
    if state.group != MEMORY:
        return "the array"
    config = load_preset(SIZES[size].format(state.generation))
    bus, rate = config.bus.data_bytes, float(config.memory.rate)
    if 2 * bus >= rate:
        return f"the memory's {rate:g} bytes a cycle"
    return f"the core's one port of {bus} bytes each way, not the memory's {rate:g}"


def _ratios(report: Report, size: str) -> Table:
    heads = (
        "comparison",
        *(f"{level}, measured" for level in LEVELS),
        *(f"{level}, printed" for level in LEVELS[1:]),
        *("announced", "measured over printed", "which is"),
    )
    rows = []
    for each in report.comparisons(size):
        ratios = [f"{each.ratio(side, level):.3f}" for side, levels in _SIDES for level in levels]
        announced = "" if each.announced is None else f"{each.announced:g}"
        causes = " \u00b7 ".join(f"{name.split(' [')[0]} {value:.3f}" for name, value in each.causes().items())
        apart = each.ratio(MEASURED) / each.ratio(PRINTED)
        rows.append((each.name, *ratios, announced, f"{apart:.3f}", causes))
    title = f"Ratios from cores of {size} size"
    return Table(f"ratios {size}", title, heads, tuple(rows), ("comparison", "which is"))


_SIDES = ((MEASURED, LEVELS), (PRINTED, LEVELS[1:]))


def _factors(report: Report, size: str) -> Table:
    heads = ("comparison", "factor", "earlier", "later", "ratio", "in the ratio", "earlier from", "later from")
    rows = []
    for each in report.comparisons(size):
        for a, b, ratio in each.factors:
            values = (f"{a.value:,.6g}", f"{b.value:,.6g}", f"{ratio:.4f}")
            rows.append((each.name, a.name, *values, a.side, a.origin, b.origin))
        for side in (MEASURED, PRINTED):
            rows.append((each.name, f"product, {side}", "", "", f"{each.ratio(side):.4f}", side, "", ""))
    words = ("comparison", "factor", "in the ratio", "earlier from", "later from")
    return Table(f"factors {size}", f"Factors from cores of {size} size", heads, tuple(rows), words)


def _facts() -> Table:
    heads = ("generation", "what", "printed", "unit", "source", "note")
    rows = [(g, what, f"{f.printed:g}", f.unit, f.source, f.note) for (g, what), f in FACTS.items()]
    rows += [
        (f.generation, f"announced {what}", f"{f.printed:g}", f.unit, f.source, f.note) for what, f in ANNOUNCED.items()
    ]
    rows += [(g, "machine", "", "", "", name) for g, name in MACHINES.items()]
    return Table("facts", "Printed facts", heads, tuple(rows), tuple(h for h in heads if h != "printed"))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _tera(value: float) -> str:
    value /= TERA
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def markdown(table: Table) -> str:
    """Of the docs."""
    lines = [
        f"| {' | '.join(table.heads)} |",
        "|" + "|".join("---" if h in table.words else "---:" for h in table.heads) + "|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in table.rows)])
