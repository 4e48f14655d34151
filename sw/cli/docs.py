"""`makalu docs`: generated pages. The instruction table from `hw/spec`, tables of figures from `build/results`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from makalu.sw.docs import isa_page, registers_page
from makalu.sw.paths import ROOT
from makalu.sw.results import RESULTS

__all__ = ["docs", "results_page"]

_HEAD = """# Results

Written by `makalu docs` from `build/results/*.json`; each table names the command that measured it. Cycles are exact
and repeatable; cycles a second depend on the machine and on what else it does. Nothing here is a claim about AWS
silicon.
"""

_TABLES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "bench": (
        ("gemm_", ("cycles", "utilisation", "final_eviction", "compared", "mismatched", "cycles_per_second")),
        (
            "timing_",
            tuple(f"{memory}_difference" for memory in ("latency_0", "latency_100", "latency_300", "recorded"))
            + ("events", "mismatched"),
        ),
        ("fpga_", ("lut4", "ccu2c", "comb", "ff", "mult18", "mhz_6", "mhz_7", "mhz_8")),
    ),
}
"""Figures `<prefix><case>_<column>` that make one table a prefix, a row a case; the others are rows of their own."""
_BY_PREFIX = {"scaling": ("trn1", "trn2", "trn3", "trn2_over_trn1", "trn3_over_trn2")}
"""Figures `<column>_<row>`."""

_DIGITS, _MOST_DIGITS = ((1000, 0), (10, 1), (1, 2)), 4
"""Smallest number that is written with so many digits behind the point."""

Figures = Sequence[dict[str, Any]]


def results_page(records: list[dict[str, Any]]) -> str:
    """The tables of each record; a bar and whether it is met stand beside the value."""
    parts = [_HEAD]
    for record in records:
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        parts.append(f"\n## `makalu {record['command']}`\n")
        parts.append(f"Preset {record['preset']}, {record['date'][:10]}; {versions}.\n")
        parts += _tables(record["command"], record["figures"])
    return "\n".join(parts) + "\n"


def _tables(command: str, figures: Figures) -> list[str]:
    if command in _BY_PREFIX:
        return _pivot(figures, _BY_PREFIX[command])
    lines: list[str] = []
    rest = list(figures)
    for prefix, columns in _TABLES.get(command, ()):
        mine = [figure for figure in rest if figure["name"].startswith(prefix)]
        rest = [figure for figure in rest if not figure["name"].startswith(prefix)]
        if mine:
            lines += [*_cases(mine, prefix, columns), ""]
    if rest:
        lines.append("| figure | value | unit | bar | kind | met |\n|---|---:|---|---:|---|---|")
        lines += [_row(figure) for figure in rest]
    return lines


def _cases(figures: Figures, prefix: str, columns: tuple[str, ...]) -> list[str]:
    """A row a case."""
    cells: dict[str, dict[str, str]] = {}
    for figure in figures:
        column = next(c for c in columns if figure["name"].endswith(f"_{c}"))
        case = figure["name"].removeprefix(prefix).removesuffix(f"_{column}")
        cells.setdefault(case, {})[column] = _with_bar(figure)
    return _grid(prefix.rstrip("_"), columns, cells)


def _pivot(figures: Figures, prefixes: tuple[str, ...]) -> list[str]:
    """A column a prefix, the longest that fits."""
    cells: dict[str, dict[str, str]] = {}
    for figure in figures:
        column = max((p for p in prefixes if figure["name"].startswith(f"{p}_")), key=len)
        cells.setdefault(figure["name"].removeprefix(f"{column}_"), {})[column] = _with_bar(figure)
    return _grid("figure", prefixes, cells)


def _grid(corner: str, columns: tuple[str, ...], cells: dict[str, dict[str, str]]) -> list[str]:
    heading = f"| {corner} | {' | '.join(c.replace('_', ' ') for c in columns)} |"
    lines = [heading, "|---" + "|---:" * len(columns) + "|"]
    return lines + [f"| {row} | {' | '.join(values.get(c, '') for c in columns)} |" for row, values in cells.items()]


def _with_bar(figure: dict[str, Any]) -> str:
    text = _number(figure["value"])
    if figure["met"] is None:
        return text
    verdict = "met" if figure["met"] else "missed"
    return f"{text} ({figure['kind']} {_number(figure['bar'])}: {verdict})"


def _row(figure: dict[str, Any]) -> str:
    met = {None: "", True: "yes", False: "no"}[figure["met"]]
    value, bar = _number(figure["value"]), _number(figure["bar"])
    cells = (figure["name"], value, figure["unit"], bar, figure["kind"] or "", met)
    return "| " + " | ".join(cells) + " |"


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    digits = 0 if isinstance(value, int) else next((n for least, n in _DIGITS if abs(value) >= least), _MOST_DIGITS)
    return f"{value:,.{digits}f}"


def docs(console: Console, *, folder: Path = ROOT / "docs", results: Path = RESULTS) -> None:
    """Write `isa.md`, `registers.md` and, where there are results, `results.md`."""
    pages = {"isa.md": isa_page(), "registers.md": registers_page()}
    records = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    if records:
        pages["results.md"] = results_page(records)
    for name, text in pages.items():
        (folder / name).write_text(text)
        console.print(f"wrote {folder.name}/{name}")
