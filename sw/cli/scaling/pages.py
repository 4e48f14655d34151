"""What the docs show of a record of `makalu scaling`: tables by title, pictures by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from makalu.spec.preset import load_preset
from makalu.sw.cli.scaling.energy import read_energies
from makalu.sw.cli.scaling.generations import GENERATIONS
from makalu.sw.cli.scaling.page import drawings
from makalu.sw.cli.scaling.plots import png
from makalu.sw.cli.scaling.runs import runs_of
from makalu.sw.cli.scaling.tables import Report, markdown, tables

__all__ = ["PICTURE", "pictures", "report_of", "shown_tables"]

PICTURE = "scaling-{}.png"


def report_of(record: Mapping[str, Any], results: Path) -> Report | None:
    """What was measured; None if a preset has changed since: its ceilings would be those of another core."""
    names = record["preset"].split(", ")
    try:
        current = ", ".join(load_preset(name).digest for name in names) == record.get("digest")
    except ValueError:
        return None
    return Report(runs_of(record["figures"]), read_energies(GENERATIONS, results)) if current else None


def shown_tables(report: Report) -> dict[str, str]:
    return {f"scaling: {table.name}": markdown(table) for table in tables(report)}


def pictures(report: Report) -> dict[str, bytes]:
    return {PICTURE.format(name): png(draw) for name, (_, draw) in drawings(report).items()}
