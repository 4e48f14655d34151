"""`makalu docs`: generated pages. Tables from `spec`, drawings from the lockstep model, figures from `build/results`.

A section of `results.md` is what one command (one part of it, where it has parts) measured. It is replaced by a newer
measurement only: where there is none, or only a trial, the section stays as it is. A page that shows a section too has
`<!-- begin TITLE -->` and `<!-- end -->` around it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from makalu.spec.errors import MakaluError
from makalu.spec.whole_file import write_whole
from makalu.sw.blocks.drawings import DRAWINGS
from makalu.sw.blocks.tables import BLOCKS, shown_presets, tables_of
from makalu.sw.cli.bench import anchors, bram, conformance, dma, error_cases, errors, types
from makalu.sw.cli.bench.pace import SIMULATORS
from makalu.sw.cli.energy_plot import energy_plot
from makalu.sw.cli.mutate import PRESET as MUTATE_PRESET
from makalu.sw.cli.scaling.pages import pictures, report_of, shown_tables
from makalu.sw.cli.sim import PRESET as SIM_PRESET
from makalu.sw.cli.soak import PRESETS as SOAK_PRESETS
from makalu.sw.docs import isa_page, registers_page
from makalu.sw.kernel.page import nki_page
from makalu.sw.paths import ROOT
from makalu.sw.report.error_plot import error_picture
from makalu.sw.results import RESULTS, read_record, read_results
from makalu.sw.rtl.energy.movement import MEMORIES
from makalu.sw.rtl.instantiation import attach_tables

__all__ = ["DocsError", "docs", "results_page", "sections", "showing"]

_HEAD = """# Results

Written by `makalu docs` from `build/results/*.json`; each table names the command that measured it, when, with which
tools and at which commit. Cycles are exact and repeatable; cycles a second depend on the machine and on what else it
does. Nothing here is a claim about AWS silicon.
"""
_SECTION = re.compile(r"(?m)^## (.*)$")
_SHOWN = re.compile(r"(<!-- begin ([^\n]*) -->\n).*?(<!-- end -->)", re.S)
_SHOWING = ("anchors.md", "conformance.md", "energy.md", "mutants.md", "scaling.md", "simulators.md")
"""Written by hand but for the sections that they show."""

_ENERGY = (
    *("macs", "clock_pj", "registers_pj", "logic_pj", "nets_pj", "cycle_pj", "mac", "mac_ratio"),
    *("bare_pj", "wires_pj", "glitches_pj", "bare_mac", "bare_mac_ratio", "toggles"),
)
_TABLES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "bench": (
        ("gemm_", ("cycles", "utilisation", "final_eviction", "compared", "mismatched", "cycles_per_second")),
        (
            "timing_",
            tuple(f"{memory}_difference" for memory in ("latency_0", "latency_100", "latency_300", "recorded"))
            + ("events", "mismatched"),
        ),
        ("types_", types.COLUMNS),
        ("conformance_", conformance.COLUMNS),
        ("errors_", errors.COLUMNS),
        ("dma_", dma.COLUMNS),
        (
            "pace_",
            tuple(
                f"{simulator}_{what}"
                for what in ("cycles_per_second", "build_seconds", "mismatched")
                for simulator in SIMULATORS
            )
            + ("pes",),
        ),
        ("anchors_", anchors.COLUMNS),
        ("fpga_", ("seeds", "lut4", "ccu2c", "comb", "ff", "mult18", "mhz_6", "mhz_7", "mhz_8")),
        ("bram_", (*bram.COLUMNS, "minutes")),
    ),
    "kernels": (
        (
            "kernel_",
            (
                *(
                    "arguments",
                    "instructions",
                    "error",
                    "cycles",
                    "difference",
                    "events",
                    "compared",
                    "differing",
                    "seconds",
                ),
                *("refused", "unexpected"),
            ),
        ),
    ),
    "mutate": (("", ("killed", "alive", "equivalent", "score")),),
    "energy": (
        ("gated_", _ENERGY),
        ("plain_", _ENERGY),
        (
            "moved_",
            (
                "macs",
                *(f"{memory}_{what}" for memory in MEMORIES for what in ("read", "written")),
                *(f"{memory}_pj" for memory in MEMORIES),
            ),
        ),
        ("netlist_", ("cells", "flip_flops", "clock_gates", "area", "leakage")),
    ),
}
"""Figures `<prefix><case>_<column>` that make one table a prefix, a row a case; the others are rows of their own."""
_ELSEWHERE = {"scaling": "The tables and plots of this command are in [scaling.md](scaling.md)."}
"""Commands whose figures with a `/` in their name have a page of their own."""
_PROMISED = {
    "sim": (SIM_PRESET, ("logits_mismatched", "accuracy", "accuracy_difference")),
    "soak": (", ".join(SOAK_PRESETS), ("programs", "failed")),
    "mutate": (MUTATE_PRESET, ("blocks_left_out", "score", "unreviewed")),
}
"""Commands that also make trials: the preset of a measurement, and what it judges. The figures of a trial stay out."""

_DIGITS, _MOST_DIGITS = ((1000, 0), (10, 1), (1, 2)), 4
"""Smallest number that is written with so many digits behind the point."""
_SMALLEST = 0.001
"""And what is below is written with an exponent."""

Figures = Sequence[dict[str, Any]]


class DocsError(MakaluError, RuntimeError):
    """There are no pages to write."""


def results_page(texts: Mapping[str, str]) -> str:
    """The page of sections by title, in the order of the titles."""
    return _HEAD + "".join(f"\n## {title}\n\n{texts[title].strip()}\n" for title in sorted(texts))


def showing(page: str, texts: Mapping[str, str]) -> str:
    """A page with the sections of `texts` that it shows; others stay as they are."""

    def shown(match: re.Match[str]) -> str:
        begin, title, end = match.groups()
        return f"{begin}{texts[title].strip()}\n{end}" if title in texts else match[0]

    return _SHOWN.sub(shown, page)


def sections(record: Mapping[str, Any]) -> dict[str, str]:
    """The tables of a record by title; a bar and whether it is met stand beside the value."""
    command, figures = record["command"], record["figures"]
    if "parts" not in record:
        return {f"`makalu {command}`": _section(record["preset"], record, command, figures)}
    return {
        f"`makalu {command} --part {part}`": _section(
            measured.get("preset", record["preset"]),
            measured,
            command,
            [f for f in figures if f["name"].startswith(f"{part}_")],
        )
        for part, measured in record["parts"].items()
    }


def _section(preset: str, measured: Mapping[str, Any], command: str, figures: Figures) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    return "\n".join([f"Preset {preset}, {measured['date'][:10]}; {versions}.\n", *_tables(command, figures)])


def _written(page: str) -> dict[str, str]:
    """The sections of a page by title."""
    _, *parts = _SECTION.split(page)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _trial(record: Mapping[str, Any]) -> str | None:
    """Why the figures do not stand for the project."""
    preset, musts = _PROMISED.get(record["command"], (record["preset"], ()))
    if record["preset"] != preset:
        return f"the last run was on {record['preset']}, not on {preset}"
    met = {figure["name"]: figure["met"] for figure in record["figures"]}
    bad = [name for name in musts if not met.get(name)]
    return f"in the last run {', '.join(bad)} was not judged or not met" if bad else None


def _tables(command: str, figures: Figures) -> list[str]:
    lines: list[str] = []
    rest = list(figures)
    if command in _ELSEWHERE:
        lines, rest = [_ELSEWHERE[command], ""], [figure for figure in figures if "/" not in figure["name"]]
    for prefix, columns in _TABLES.get(command, ()):
        mine = [figure for figure in rest if _is_cell(figure["name"], prefix, columns)]
        rest = [figure for figure in rest if figure not in mine]
        if mine:
            lines += [*_cases(mine, prefix, columns), ""]
    if rest:
        lines.append("| figure | value | unit | bar | kind | met |\n|---|---:|---|---:|---|---|")
        lines += [_row(figure) for figure in rest]
    return lines


def _is_cell(name: str, prefix: str, columns: tuple[str, ...]) -> bool:
    """Of a table without a prefix only what ends as a column does."""
    return name.startswith(prefix) and (prefix != "" or name.endswith(tuple(f"_{column}" for column in columns)))


def _cases(figures: Figures, prefix: str, columns: tuple[str, ...]) -> list[str]:
    """A row a case."""
    cells: dict[str, dict[str, str]] = {}
    for figure in figures:
        column = max((c for c in columns if figure["name"].endswith(f"_{c}")), key=len)
        case = figure["name"].removeprefix(prefix).removesuffix(f"_{column}")
        cells.setdefault(case, {})[column] = _with_bar(figure)
    return _grid(prefix.rstrip("_") or "block", columns, cells)


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
    if isinstance(value, float) and 0 < abs(value) < _SMALLEST:
        return f"{value:.1e}"
    digits = 0 if isinstance(value, int) else next((n for least, n in _DIGITS if abs(value) >= least), _MOST_DIGITS)
    return f"{value:,.{digits}f}"


def docs(console: Console, *, folder: Path = ROOT / "docs", results: Path = RESULTS) -> None:
    """Write `isa.md`, `nki.md`, `registers.md`, `results.md`, and what is generated in other pages and `pictures`.

    Says which sections of the results stayed as they were.

    Errors: `DocsError` where Makalu is installed without its pages, `ResultsError`.
    """
    if not folder.is_dir():
        raise DocsError(f"the pages of docs are those of a checkout: there is no {folder}")
    page = folder / "results.md"
    old = _written(page.read_text()) if page.is_file() else {}
    new: dict[str, str] = {}
    why: dict[str, str] = {}
    shown: dict[str, str] = {}
    drawn: dict[str, bytes] = {}
    for path in sorted(results.glob("*.json")):
        record = read_record(path)
        trial = _trial(record)
        if trial is None:
            new |= sections(record)
            drawn |= _pictures(record, path)
            if record["command"] == "scaling" and (report := report_of(record, results)) and report.runs:
                shown |= shown_tables(report)
                drawn |= {f"pictures/{name}": data for name, data in pictures(report).items()}
        else:
            why |= dict.fromkeys(sections(record), trial)
    texts = {**old, **new}
    pages: dict[str, str | bytes] = {
        **drawn,
        "isa.md": isa_page(),
        "nki.md": nki_page(),
        "registers.md": registers_page(),
        "results.md": results_page(texts),
    }
    pages |= {
        name: showing((folder / name).read_text(), texts | shown) for name in _SHOWING if (folder / name).is_file()
    }
    if (folder / "attach.md").is_file():
        pages["attach.md"] = showing((folder / "attach.md").read_text(), attach_tables(shown_presets()))
    if (folder / "blocks").is_dir():
        pages |= _block_pages(folder)
    (folder / "pictures").mkdir(exist_ok=True)
    for name, content in pages.items():
        write_whole(folder / name, content)
        console.print(f"wrote {folder.name}/{name}")
    for title in sorted({*old, *why} - {*new}):
        verb = "kept" if title in old else "left out"
        console.print(f"{verb} {title}: {why.get(title, 'not measured since')}", soft_wrap=True)


def _pictures(record: Mapping[str, Any], path: Path) -> dict[str, bytes]:
    """Of the errors by K and of the energy, where they are measured."""
    if record["command"] == "energy":
        return {"pictures/energy.png": energy_plot(read_results(path))}
    part = "errors"
    if part not in record.get("parts", {}):
        return {}
    values = {figure["name"].removeprefix(f"{part}_"): figure["value"] for figure in record["figures"]}
    types = {case.name: case.title for case in error_cases.CASES}
    return {f"pictures/{part}.png": error_picture(values, types, error_cases.DISTRIBUTIONS, errors.SIZES)}


def _block_pages(folder: Path) -> dict[str, str]:
    """Drawings, and the pages with their tables."""
    drawn = {f"blocks/{block}.svg": DRAWINGS[block]() for block in BLOCKS}
    pages = {block: (folder / f"blocks/{block}.md").read_text() for block in BLOCKS}
    return drawn | {f"blocks/{block}.md": showing(page, tables_of(block)) for block, page in pages.items()}
