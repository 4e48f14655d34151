"""A row a figure, as the parts print them that are no grid."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from makalu.sw.results import Figure

__all__ = ["print_figures"]


def print_figures(title: str, figures: Sequence[Figure], console: Console) -> None:
    """With what was promised, and whether it is met."""
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("bar")
    for figure in figures:
        verdict = "" if figure.met is None else f"{figure.kind} {figure.bar:,}: {'met' if figure.met else 'MISSED'}"
        table.add_row(figure.name, _text(figure.value), figure.unit, verdict)
    console.print(table)


def _text(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
