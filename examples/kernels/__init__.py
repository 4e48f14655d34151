"""Small kernels in the public form of NKI, each one idea: a table of them, with arguments and numpy's results.

Read a file, run it: `makalu run examples/kernels/add.py::add --preset tiny --arg a=4x100:fp32 --arg b=4x100:fp32`.
The files import `nki`, which exists while one of them runs; this module does not import them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import references as numpy_of

__all__ = ["EXAMPLES", "FOLDER", "Example"]

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """One kernel. Sizes depend on `p`, the core's partitions, so that edges are ragged on every preset."""

    file: str
    function: str
    shows: str
    """The features, for a reader who looks for one."""
    arguments: Callable[[int], Mapping[str, str]]
    """As `makalu run --arg` takes them, by name."""
    reference: Callable[[Mapping[str, Any]], Mapping[str, tuple[Any, Any]]]
    """By output: what numpy computes in float64, and how far fp32 may be from it; 0 is bit for bit."""

    @property
    def target(self) -> str:
        """As `makalu run` takes it."""
        return f"{FOLDER / self.file}::{self.function}"

    def command(self, p: int, preset: str) -> str:
        """The line that runs it."""
        given = " ".join(f"--arg {name}={text}" for name, text in self.arguments(p).items())
        return f"makalu run examples/kernels/{self.file}::{self.function} --preset {preset} {given}"


def _pair(rows: int, columns: int) -> dict[str, str]:
    return {"a": f"{rows}x{columns}:fp32", "b": f"{rows}x{columns}:fp32"}


def _product(k: int, m: int, n: int) -> dict[str, str]:
    return {"lhsT": f"{k}x{m}:bf16", "rhs": f"{k}x{n}:bf16"}


EXAMPLES: tuple[Example, ...] = (
    Example("add.py", "add", "load, compute, store", lambda p: _pair(p, 100), numpy_of.add),
    Example(
        "ragged_add.py",
        "ragged_add",
        "tiles, ragged edges, a helper of another file",
        lambda p: _pair(2 * p + 3, 101),
        numpy_of.add,
    ),
    Example(
        "split.py",
        "split",
        "slices, steps, negative indices, ..., None, nl.ds, a tuple of outputs",
        lambda p: {"x": f"{p - 1}x36:fp32"},
        numpy_of.split,
    ),
    Example(
        "patterns.py",
        "patterns",
        ".ap, .view, .rearrange, a dict of outputs",
        lambda p: {"x": f"{p}x24:fp32"},
        numpy_of.patterns,
    ),
    Example("casts.py", "casts", "casts in dma_copy", lambda p: {"x": f"{p}x33:fp32"}, numpy_of.casts),
    Example(
        "matmul.py",
        "matmul",
        "nc_matmul, sums over K in PSUM",
        lambda p: _product(2 * p + 1, p + 2, 70),
        numpy_of.matmul,
    ),
    Example(
        "matmul_blocked.py",
        "matmul_blocked",
        "memset, sums over K in SBUF",
        lambda p: _product(2 * p + 1, p + 2, 70),
        numpy_of.matmul,
    ),
    Example(
        "transpose.py",
        "transpose",
        "nc_transpose, nl.transpose, load_transpose2d, a list of outputs",
        lambda p: {"x": f"{p}x{p - 1}:bf16"},
        numpy_of.transpose,
    ),
    Example(
        "partitions.py",
        "partitions",
        "broadcast over partitions, operands in other partitions",
        lambda p: {"x": f"{p}x40:fp32", "row": "1x40:fp32"},
        numpy_of.partitions,
    ),
    Example(
        "scalars.py",
        "scalars",
        "tensor_scalar and activation with numbers and columns",
        lambda p: {"x": f"{p}x21:fp32", "column": f"{p}x1:fp32"},
        numpy_of.scalars,
    ),
    Example(
        "constants.py",
        "constants",
        "shared_constant, shared_identity_matrix, nl.full, nl.matmul",
        lambda p: {"x": f"{p}x{p}:bf16"},
        numpy_of.constants,
    ),
    Example(
        "wrappers.py",
        "wrappers",
        "nl.add and its like, nl.zeros, assignment",
        lambda p: {"x": f"{p}x30:fp32", "y": f"{p}x30:fp32", "slope": "0.125"},
        numpy_of.wrappers,
    ),
    Example(
        "in_place.py",
        "in_place",
        "an argument that the kernel writes",
        lambda p: {"weights": f"{p}x50:fp32", "gradient": f"{p}x50:fp32"},
        numpy_of.in_place,
    ),
    Example(
        "objects.py",
        "objects",
        "dataclass and NKIObject arguments, a kernel that calls a kernel",
        lambda p: {"x": f"{p}x20:fp32"},
        numpy_of.objects,
    ),
)
"""From the simplest on."""
