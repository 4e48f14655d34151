"""What enters the array in each cycle, from a list of matmuls: waves as dense as docs/blocks/tensor.md allows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import TensorConfig

__all__ = ["EdgeInputs", "Matmul", "Schedule", "phased_matmuls", "random_matmuls"]


@dataclass(frozen=True, kw_only=True)
class Matmul:
    """stationary[K, M] and moving[K, N], bf16 bits, in PE rows start .. start + K - 1."""

    start: int
    stationary: NDArray[np.uint16]
    moving: NDArray[np.uint16]
    load_gap: int
    """Cycles by which the load is later than it could be."""
    column_gaps: tuple[int, ...]
    """Idle cycles in front of each column."""


EdgeInputs = tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]
"""x and w of one cycle, as ArrayModel takes them."""


class Schedule:
    """Cycle of every group and column at row 0's edge; row k sees the same k * L cycles later.

    `results` lists (cycle, matmul, n) of each moving column's first result at the bottom of column 0.
    """

    def __init__(self, *, tensor: TensorConfig, matmuls: Sequence[Matmul]) -> None:
        self.tensor, self.matmuls = tensor, matmuls
        self._columns: dict[int, tuple[int, int]] = {}
        self._groups: dict[int, tuple[int, int]] = {}
        self.results: list[tuple[int, int, int]] = []
        self.swap_periods: list[int] = []
        width = tensor.load_columns
        crossing = tensor.columns // width * (width - 2)
        free = load = 0
        column = -1
        swap: int | None = None
        latency = 1 + tensor.mul_stages + tensor.rows * tensor.add_stages
        for number, matmul in enumerate(matmuls):
            groups = -(-matmul.stationary.shape[1] // width)
            load = max(free, 0 if swap is None else swap + crossing) + matmul.load_gap
            for g in range(groups):
                self._groups[load + g] = (number, g)
            free = load + groups
            # the swap's front may follow the load's two cycles behind
            column = max(column, load + 1)
            for n, gap in enumerate(matmul.column_gaps):
                column += 1 + gap
                self._columns[column] = (number, n)
                self.results.append((column + latency, number, n))
                if n == 0:
                    if swap is not None:
                        self.swap_periods.append(column - swap)
                    swap = column
        self.cycles = column + latency + tensor.columns + 1

    def edge(self, cycle: int) -> EdgeInputs:
        """x and w in a cycle; what is not active or valid is random, which must not matter."""
        rows, width = self.tensor.rows, self.tensor.load_columns
        rng = np.random.default_rng(cycle)
        x: dict[str, NDArray[Any]] = {
            "bits": rng.integers(0, 1 << 16, rows).astype(np.uint16),
            "active": np.zeros(rows, np.bool_),
            "swap": np.zeros(rows, np.bool_),
        }
        w: dict[str, NDArray[Any]] = {
            "bits": rng.integers(0, 1 << 16, (rows, width)).astype(np.uint16),
            "tag": rng.integers(0, self.tensor.columns // width, rows),
            "valid": np.zeros(rows, np.bool_),
        }
        for row in range(rows):
            now = cycle - row * self.tensor.add_stages
            if now in self._columns:
                number, n = self._columns[now]
                matmul = self.matmuls[number]
                x["swap"][row] = n == 0
                k = row - matmul.start
                if 0 <= k < len(matmul.moving):
                    x["active"][row] = True
                    x["bits"][row] = matmul.moving[k, n]
            if now in self._groups:
                number, g = self._groups[now]
                matmul = self.matmuls[number]
                k = row - matmul.start
                if 0 <= k < len(matmul.stationary):
                    part = matmul.stationary[k, g * width : (g + 1) * width]
                    w["valid"][row] = True
                    w["tag"][row] = g
                    w["bits"][row, : len(part)] = part
        return x, w


def random_matmuls(
    rng: random.Random, tensor: TensorConfig, *, count: int, columns: int | None = None, gaps: bool = True
) -> list[Matmul]:
    """Ragged K, M, N, every kind of number; with `columns` all are full tiles with that N and without idle cycles."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    matmuls = []
    for _ in range(count):
        k, m, n = tensor.rows, tensor.columns, columns
        if n is None:
            k, m, n = rng.randint(1, k), rng.randint(1, m), rng.randint(1, 2 * m)
        special = rng.random() < 0.5
        matmuls.append(
            Matmul(
                start=rng.randint(0, tensor.rows - k),
                stationary=_numbers(numbers, (k, m), special=special),
                moving=_numbers(numbers, (k, n), special=special),
                load_gap=rng.choice([0, 0, rng.randint(0, 9)]) if gaps else 0,
                column_gaps=tuple(rng.choice([0, 0, 0, rng.randint(0, 5)]) if gaps else 0 for _ in range(n)),
            )
        )
    return matmuls


def phased_matmuls(rng: random.Random, tensor: TensorConfig, *, count: int) -> list[Matmul]:
    """Full tiles in turn dense, sparse and after a pause in which the whole array comes to rest.

    Then single columns, each about as long after the other as something takes through one PE tile.
    """
    crossing = 1 + tensor.tile + tensor.mul_stages + tensor.tile * tensor.add_stages
    pause = 2 * (1 + tensor.columns + tensor.mul_stages + tensor.rows * tensor.add_stages)
    around = range(crossing - 3, crossing + 5)
    phases = (
        (0, [0 for _ in around]),
        (rng.randint(1, crossing), [rng.choice([0, rng.randint(1, 2 * crossing)]) for _ in around]),
        (pause, [pause, *around[1:]]),
    )
    matmuls = random_matmuls(rng, tensor, count=count, columns=len(around), gaps=False)
    gaps = [phases[number % len(phases)] for number in range(count)]
    return [
        replace(matmul, load_gap=load, column_gaps=tuple(columns))
        for matmul, (load, columns) in zip(matmuls, gaps, strict=True)
    ]


def _numbers(rng: np.random.Generator, shape: tuple[int, int], *, special: bool) -> NDArray[np.uint16]:
    """Around 1, so that sums cancel and round; `special`: also subnormals, zeros, infinities, NaNs, both ends."""
    near = rng.integers(0x3E80, 0x4100, shape) | (rng.integers(0, 2, shape) << 15)
    if special:
        picks = np.array([0x0000, 0x0001, 0x007F, 0x0080, 0x1A00, 0x7F7F, 0x7F80, 0x7FC0, 0x2000, 0x5F00])
        odd = rng.choice(picks, shape) | (rng.integers(0, 2, shape) << 15)
        near = np.where(rng.integers(0, 6, shape) == 0, odd, near)
    return near.astype(np.uint16)
