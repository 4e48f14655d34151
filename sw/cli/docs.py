"""`makalu docs`: generated pages. The instruction table from `hw/spec`, tables of figures from `build/results`."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from makalu.sw.docs import isa_page
from makalu.sw.paths import ROOT
from makalu.sw.results import RESULTS

__all__ = ["docs", "results_page"]

_HEAD = """# Results

Written by `makalu docs` from `build/results/*.json`; each table names the command that measured it. Cycles are exact
and repeatable; cycles a second depend on the machine and on what else it does. Nothing here is a claim about AWS
silicon.
"""


def results_page(records: list[dict[str, Any]]) -> str:
    """One table a record: figure, value, unit, bar, kind, met."""
    parts = [_HEAD]
    for record in records:
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        parts.append(f"\n## `make {record['command']}`\n")
        parts.append(f"Preset {record['preset']}, {record['date'][:10]}; {versions}.\n")
        parts.append("| figure | value | unit | bar | kind | met |\n|---|---:|---|---:|---|---|")
        parts += [_row(figure) for figure in record["figures"]]
    return "\n".join(parts) + "\n"


def _row(figure: dict[str, Any]) -> str:
    met = {None: "", True: "yes", False: "no"}[figure["met"]]
    value, bar = _number(figure["value"]), _number(figure["bar"])
    cells = (figure["name"], value, figure["unit"], bar, figure["kind"] or "", met)
    return "| " + " | ".join(cells) + " |"


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else f"{value}"


def docs(console: Console, *, folder: Path = ROOT / "docs", results: Path = RESULTS) -> None:
    """Write `isa.md` and, where there are results, `results.md`."""
    pages = {"isa.md": isa_page()}
    records = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    if records:
        pages["results.md"] = results_page(records)
    for name, text in pages.items():
        (folder / name).write_text(text)
        console.print(f"wrote {folder.name}/{name}")
