"""Relative errors of dot products by K and type: of rounding the operands, and of adding the products.

Both apart: the format's error is that of exact sums (doubles) of the rounded operands beside exact sums of the given
ones; the addition's is golden's beside exact sums of the same rounded operands, and so is numpy's in fp32, one product
after the other and by `@`. Each of a matrix, ||difference|| / ||exact||, which no result near zero spoils; medians over
the results beside it; and the largest difference of one result, of the sum of its products' magnitudes, under the bound
(`sim_models/golden/bounds.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.error_cases import CASES, DISTRIBUTIONS, ErrorCase, Operand, random_operands
from makalu.sw.results import Figure, at_most

__all__ = ["COLUMNS", "PRESET", "SIZES", "measure"]

PRESET = "trn3"
"""Its rows a tile are those of trn1 and trn2; it alone has MX."""
SIZES = tuple(1 << n for n in range(7, 15))
"""K."""
M = N = 64
COLUMNS = (
    "format",
    "format_median",
    "golden",
    "golden_median",
    "fp32_in_order",
    "fp32_matmul",
    "golden_most",
    "bound",
    "of_bound",
)
"""Of the table. The last three: of the sum of the products' magnitudes, and the part of the bound that was reached."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Sums:
    """Of one K, [M, N] each, in the units of the rounded operands."""

    given: Doubles
    exact: Doubles
    magnitudes: Doubles
    golden: Doubles
    in_order: Doubles
    matmul: Doubles


def measure(console: Console) -> list[Figure]:
    """A row a type, distribution and K; what exceeds its bound misses a must."""
    rows = load_preset(PRESET).tensor.rows
    figures: list[Figure] = []
    table = Table(title=f"relative error of {M * N:,} dot products each, {rows} partitions a tile")
    for heading in ("type", "operands", "K", *(column.replace("_", " ") for column in COLUMNS)):
        table.add_column(heading, justify="right")
    for distribution in DISTRIBUTIONS:
        given = random_operands(distribution, max(SIZES), M, N)
        for case in CASES:
            with console.status(f"{case.title}, {distribution}"):
                for size, sums in _sums(case, *given, rows):
                    values = _values(sums, case.bound(size, rows))
                    figures += _figures(f"errors_{case.name}_{distribution}_{size}", values)
                    cells = (f"{values[column]:.1e}" for column in COLUMNS)
                    table.add_row(case.title, distribution, f"{size:,}", *cells)
    console.print(table)
    return figures


def _sums(
    case: ErrorCase, stationary: NDArray[np.float32], moving: NDArray[np.float32], rows: int
) -> Iterator[tuple[int, _Sums]]:
    w, x = case.quantised(stationary), case.quantised(moving)
    factor = w.factor * x.factor
    golden, ordered = case.sums(w, x, SIZES, rows), _in_order(w, x)
    for size, ours, loop in zip(SIZES, golden, ordered, strict=True):
        first, second = w.values[:size], x.values[:size]
        yield (
            size,
            _Sums(
                given=stationary[:size].T.astype(np.float64) @ moving[:size].astype(np.float64) * factor,
                exact=first.T @ second,
                magnitudes=np.abs(first).T @ np.abs(second),
                golden=ours,
                in_order=loop,
                matmul=(first.astype(np.float32).T @ second.astype(np.float32)).astype(np.float64),
            ),
        )


def _in_order(stationary: Operand, moving: Operand) -> Iterator[Doubles]:
    """Sums in float32 of SIZES products each, a product rounded and added after the other."""
    w, x = stationary.values.astype(np.float32), moving.values.astype(np.float32)
    total = np.zeros((w.shape[1], x.shape[1]), np.float32)
    for k, (weight, column) in enumerate(zip(w, x, strict=True), 1):
        total += weight[:, None] * column
        if k in SIZES:
            yield total.astype(np.float64)


def _values(sums: _Sums, bound: float) -> dict[str, float]:
    most = float(np.max(np.abs(sums.golden - sums.exact) / sums.magnitudes))
    return {
        "format": _relative(sums.exact, sums.given),
        "format_median": _median(sums.exact, sums.given),
        "golden": _relative(sums.golden, sums.exact),
        "golden_median": _median(sums.golden, sums.exact),
        "fp32_in_order": _relative(sums.in_order, sums.exact),
        "fp32_matmul": _relative(sums.matmul, sums.exact),
        "golden_most": most,
        "bound": bound,
        "of_bound": most / bound,
    }


def _relative(got: Doubles, exact: Doubles) -> float:
    return float(np.linalg.norm(got - exact) / np.linalg.norm(exact))


def _median(got: Doubles, exact: Doubles) -> float:
    """Of the results that are not 0."""
    there = exact != 0
    return float(np.median(np.abs(got - exact)[there] / np.abs(exact)[there]))


def _figures(name: str, values: dict[str, float]) -> list[Figure]:
    *plain, last = COLUMNS
    out = [Figure(name=f"{name}_{column}", value=values[column], unit="1") for column in plain]
    return [*out, at_most(f"{name}_{last}", values[last], "1", bar=1.0, kind="must")]
