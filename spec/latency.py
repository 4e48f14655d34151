"""Latencies that follow from a preset, once: head, models, side file and benches take them from here.

Letters as in docs/contract.md: R rows, C columns, S mul_stages, L add_stages, A PSUM's add_stages, F load_columns, D
the deskew of sparse groups (`sparsity.py`). All in tensor cycles. What one engine alone counts stays with it
(`lanes.py`, `sequencer.py`).
"""

from .config import CoreConfig
from .sparsity import deskew

__all__ = [
    "FIRST_COLUMN",
    "LOAD_LEAD",
    "WORD_LEAD",
    "column_delay",
    "commit_delay",
    "gemm_overhead",
    "hazard_window",
    "row_delay",
    "swap_guard",
]

LOAD_LEAD = 3
"""From a load's acceptance to its first group at row 0's edge: read, memory, buffer."""
WORD_LEAD = 2
"""From the read of a moving word to the first column of it that may be at row 0's edge: memory, buffer."""
FIRST_COLUMN = 5
"""From a load's acceptance to the first column of the matmul that is accepted right behind it."""


def row_delay(config: CoreConfig) -> int:
    """(R-1)*L: from row 0's edge to the last row's."""
    return (config.tensor.rows - 1) * config.tensor.add_stages


def column_delay(config: CoreConfig) -> int:
    """D + S + R*L: from a column at row 0's edge to its wave at PSUM slice 0."""
    tensor = config.tensor
    return deskew(tensor) + tensor.mul_stages + tensor.rows * tensor.add_stages


def commit_delay(config: CoreConfig) -> int:
    """1 + D + S + R*L + (C-1) + A: from a column at row 0's edge to the commit in the last PE column."""
    return 1 + column_delay(config) + config.tensor.columns - 1 + config.psum.add_stages


def swap_guard(config: CoreConfig, column: int = 0) -> int:
    """max(0, (C/F)*(F-2) - 3 + c/F): cycles after a swap's column before a load from PE column c on may be accepted.

    The load's front overtakes the swap's by F - 2 columns a group, so it must start that far behind; and its first
    group comes to strip c/F without one before it, as many cycles sooner.
    """
    tensor = config.tensor
    width = tensor.load_columns
    return max(0, tensor.columns // width * (width - 2) - LOAD_LEAD + column // width)


def hazard_window(config: CoreConfig) -> int:
    """A + 1: so many cycles after a column, its destination is still in the adder or on its way there and back."""
    return config.psum.add_stages + 1


def gemm_overhead(config: CoreConfig) -> int:
    """c0 = 6 + A + D: what a GEMM that never waits takes beside folds * N + R*L + (M_last - 1) + S.

    The first column comes FIRST_COLUMN cycles after the first load's acceptance, at the array D later, its product a
    cycle and S later, the sum R*L later at PSUM, the commit A after that; both ends of the window count.
    """
    return FIRST_COLUMN + 1 + config.psum.add_stages + deskew(config.tensor)
