"""Every format and operation on golden and on the RTL's arithmetic units, against outside oracles: docs/conformance.md.

The cases are those of `verif/conformance`, which tests use too. Needs a checkout with the libraries of its `dev` extra.
"""

from typing import Any

from rich.console import Console
from rich.table import Table

from makalu.sw.cli.verify import from_checkout
from makalu.sw.results import Figure, at_most

__all__ = ["COLUMNS", "measure"]

COLUMNS = ("oracles", "model_vectors", "rtl_vectors", "rtl_results", "mismatched")


def measure(console: Console) -> list[Figure]:
    """A row a format or operation; a mismatch misses a must. Errors: `VerifyError` without a checkout."""
    table = Table(title="golden and the RTL's units against outside oracles")
    for heading in ("row", *(column.replace("_", " ") for column in COLUMNS)):
        table.add_column(heading, justify="right")
    figures: list[Figure] = []
    for name, run in from_checkout("verif.conformance.table").ROWS.items():
        with console.status(f"judging {name}; the first row builds the units"):
            row: Any = run()
        counts = (row.model, row.rtl, row.results)
        table.add_row(name, row.oracles, *(f"{value:,}" for value in (*counts, row.mismatched)))
        figures.append(Figure(name=f"conformance_{name}_oracles", value=row.oracles, unit="text"))
        for column, value in zip(COLUMNS[1:], counts, strict=False):
            figures.append(Figure(name=f"conformance_{name}_{column}", value=value, unit="vectors"))
        figures.append(at_most(f"conformance_{name}_mismatched", row.mismatched, "vectors", bar=0, kind="must"))
    console.print(table)
    return figures
