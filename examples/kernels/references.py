"""What each kernel computes, in numpy's float64, and how far its fp32 may be from that.

A bound counts roundings: an fp32 result is within U of the exact one, relative to it, and an error that was made before
is carried on by what comes after. Outputs with the bound 0 are exact: copies, casts, and sums that round once, of which
float64 is rounded to fp32 here.
"""

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "add",
    "casts",
    "constants",
    "in_place",
    "matmul",
    "objects",
    "partitions",
    "patterns",
    "scalars",
    "split",
    "transpose",
    "wrappers",
]

Given = Mapping[str, Any]
Wanted = dict[str, tuple[NDArray[Any], Any]]

U = 2.0**-24
"""Half a unit in the last place of fp32, relative."""
_MORE = 1 + 2.0**-10
"""Products of several errors, far below one."""


def _f64(given: Given, name: str) -> NDArray[np.float64]:
    return np.asarray(given[name]).astype(np.float64)


def _once(exact: NDArray[np.float64]) -> tuple[NDArray[Any], float]:
    """One rounding. A sum of two fp32 numbers, rounded to float64 and then to fp32, is that of one rounding."""
    return exact.astype(np.float32), 0.0


def _bf16(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to nearest, to even."""
    return values.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)


def add(given: Given) -> Wanted:
    return {"out": _once(_f64(given, "a") + _f64(given, "b"))}


def split(given: Given) -> Wanted:
    x = _f64(given, "x")
    quarter = x.shape[1] // 4
    return {
        "pairs": _once(x[:, ::2] - x[:, 1::2]),
        "ends": _once(x[:, -quarter:] + x[:, :quarter]),
        "corners": _once(x[:, [-1, 0]]),
    }


def patterns(given: Given) -> Wanted:
    x = _f64(given, "x")
    first, second, third = x[:, :-2], x[:, 1:-1], x[:, 2:]
    bits = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    rows = x.shape[0]
    return {
        # two roundings: of the first sum, carried on, and of the second
        "sums": (first + second + third, U * _MORE * (abs(first + second) + abs(first + second + third))),
        "cut": _once(bits.view(np.float32).astype(np.float64)),
        "turned": _once(x.reshape(rows, 4, -1).transpose(0, 2, 1)),
    }


def casts(given: Given) -> Wanted:
    rounded = _once(_bf16(_f64(given, "x")))
    return {"loaded": rounded, "direct": rounded, "wide": rounded}


def matmul(given: Given) -> Wanted:
    """Products of bf16 numbers are exact in fp32; each of at most K sums rounds once, by no more than all terms."""
    left, right = _f64(given, "lhsT"), _f64(given, "rhs")
    return {"out": (left.T @ right, len(left) * U * _MORE * (abs(left).T @ abs(right)))}


def transpose(given: Given) -> Wanted:
    turned = _once(_f64(given, "x").T)
    return {"array": turned, "wrapper": turned, "dma": turned}


def partitions(given: Given) -> Wanted:
    x = _f64(given, "x")
    shifted, half = _once(x + _f64(given, "row")), len(x) // 2
    return {"shifted": shifted, "repeated": shifted, "folded": _once(x[:half] + x[half : 2 * half])}


def scalars(given: Given) -> Wanted:
    x, column = _f64(given, "x"), _f64(given, "column")

    def twice(product: NDArray[np.float64], total: NDArray[np.float64]) -> tuple[NDArray[Any], Any]:
        """A product that rounds, and a sum or function of it that rounds again."""
        return total, U * _MORE * (abs(product) + abs(total))

    return {
        "number": _once(x * 0.5),
        "reverse": _once(1.0 - x),
        "clipped": _once(np.clip(x, -1.0, 1.0)),
        "columns": twice(x * column, x * column + x[:, :1]),
        "relu": twice(x * 2.0, np.maximum(x * 2.0 + column, 0.0)),
        "scaled": twice(x * column, x * column + 0.25),
    }


def constants(given: Given) -> Wanted:
    x = _f64(given, "x")
    n = len(x)
    factor = np.add.outer(np.arange(n), np.arange(n)) % 7 - 3.0 + np.eye(n)
    exact = x @ factor
    return {"out": (exact + 0.5, U * _MORE * (n * (abs(x) @ abs(factor)) + abs(exact + 0.5)))}


def wrappers(given: Given) -> Wanted:
    x, y, slope = _f64(given, "x"), _f64(given, "y"), given["slope"]
    columns = x.shape[1]
    third = columns // 3
    mixed = np.zeros_like(x)
    mixed[:, :third] = -x[:, :third]
    mixed[:, -third:] = np.maximum(np.minimum(x, y), 0.0)[:, -third:]
    mixed[:, columns // 2] = 7.0
    square = (x - y) ** 2
    return {
        "leaky": _once(np.maximum(x, x * slope)),
        # the difference rounds once and is squared, which doubles its error, then the square rounds
        "distance": (square, 3 * U * _MORE * square),
        "mixed": _once(mixed),
    }


def in_place(given: Given) -> Wanted:
    """The product with a power of two is exact."""
    return {"weights": _once(_f64(given, "weights") - 0.125 * _f64(given, "gradient"))}


def objects(given: Given) -> Wanted:
    """2x and x / 2 are exact: one rounding a layer, of which the second layer halves the first one's."""
    x = _f64(given, "x")
    first = np.maximum(2.0 * x - 0.5, 0.0)
    second = 0.5 * first + 1.0
    return {"first": _once(first), "second": (second, U * _MORE * (abs(first) + abs(second)))}
