"""What enters the array in each cycle, from a list of matmuls: waves as dense as docs/blocks/tensor.md allows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.arithmetic import matmul_column_chain
from makalu.sim_models.golden.formats import tensor_operand
from makalu.sim_models.golden.sparsity import picks_of
from makalu.sim_models.lockstep.operand import operand_words
from makalu.spec.chain import NEUTRAL, OPERAND_BITS
from makalu.spec.config import TensorConfig
from makalu.spec.formats import Format
from makalu.spec.sparsity import ROW_CANDIDATES, SPARSE, TAG_BITS, deskew
from makalu.spec.tensor_types import Part
from verif.tensor.elements import operand_kinds, random_elements

__all__ = ["EdgeInputs", "Matmul", "Schedule", "phased_matmuls", "random_matmuls"]


@dataclass(frozen=True, kw_only=True)
class Matmul:
    """stationary[K, M] and moving[K, N], a part of elements of a format each, in rows start .. start + K - 1.

    With tags[K, M], whose candidates are the moving[K, ratio, N] of a group.
    """

    start: int
    stationary: NDArray[np.unsignedinteger]
    moving: NDArray[np.unsignedinteger]
    kinds: tuple[tuple[Format, Part], tuple[Format, Part]]
    """Of stationary and moving."""
    subnormals: str
    none: NDArray[np.bool_] | None = None
    """[K, M]: those that are no weights, where some are none."""
    tags: NDArray[np.int64] | None = None
    rows: int = 1
    """Of a group."""
    load_gap: int
    """Cycles by which the load is later than it could be."""
    column_gaps: tuple[int, ...]
    """Idle cycles in front of each column."""

    @cached_property
    def words(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """stationary and moving as operands."""
        (weight, its), (element, other) = self.kinds
        flags = {"subnormals": self.subnormals}
        weights = operand_words(self.stationary, form=weight, part=its, stationary=True, **flags)
        return (
            weights if self.none is None else np.where(self.none, NEUTRAL, weights),
            operand_words(self.moving, form=element, part=other, stationary=False, **flags),
        )

    @cached_property
    def sums(self) -> NDArray[np.uint32]:
        """[M, N] by golden."""
        (weight, its), (element, other) = self.kinds
        flags = {"subnormals": self.subnormals}
        weights = tensor_operand(weight, its, self.stationary, **flags)
        moving = tensor_operand(element, other, self.moving, **flags)
        picks = None
        if self.none is not None:  # each column's chain is that of its own rows
            return np.concatenate(
                [
                    matmul_column_chain(weights[rows, m, None], moving[rows], form=None, **flags)
                    for m, rows in enumerate(~self.none.T)
                ]
            )
        if self.tags is not None:
            picks = picks_of(self.tags, moving.shape[1], self.rows)
            moving = moving.reshape(-1, moving.shape[-1])
        return matmul_column_chain(weights, moving, form=None, picks=picks, **flags)


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
        latency = 1 + deskew(tensor) + tensor.mul_stages + tensor.rows * tensor.add_stages
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
        """x and w in a cycle; what is not active or valid is random, which must not matter.

        Columns of a group behind the tile's last have operands of some elements, as an edge decodes whatever is there:
        rows outside a later tile may keep them, and only what an element decodes to adds nothing when it is times 0.
        """
        rows, width, bits = self.tensor.rows, self.tensor.load_columns, self.tensor.operand_bits
        rng = np.random.default_rng(cycle)
        x: dict[str, NDArray[Any]] = {
            "operand": rng.integers(0, 1 << bits, rows),
            "active": np.zeros(rows, np.bool_),
            "swap": np.zeros(rows, np.bool_),
            "paired": np.zeros(rows, np.bool_),
        }
        w: dict[str, NDArray[Any]] = {
            "operands": rng.integers(0, 1 << bits, (rows, width)),
            "tag": rng.integers(0, self.tensor.columns // width, rows),
            "valid": np.zeros(rows, np.bool_),
            "paired": np.zeros(rows, np.bool_),
        }
        if self.tensor.sparse:
            x["sparse"] = np.zeros(rows, np.bool_)
            x["candidates"] = rng.integers(0, 1 << OPERAND_BITS, (rows, ROW_CANDIDATES))
            w["picks"] = rng.integers(0, 1 << TAG_BITS, (rows, width))
        for row in range(rows):
            now = cycle - row * self.tensor.add_stages
            if now in self._columns:
                number, n = self._columns[now]
                matmul = self.matmuls[number]
                x["swap"][row] = n == 0
                k = row - matmul.start
                if 0 <= k < len(matmul.moving):
                    x["active"][row] = True
                    if matmul.tags is None:
                        x["operand"][row] = matmul.words[1][k, n]
                    else:
                        x["sparse"][row] = True
                        # stale weights of columns behind the tile's last may choose any
                        x["candidates"][row] = rng.choice(matmul.words[1].ravel(), ROW_CANDIDATES)
                        x["candidates"][row, : matmul.moving.shape[1]] = matmul.words[1][k, :, n]
            if now in self._groups:
                number, g = self._groups[now]
                matmul = self.matmuls[number]
                k = row - matmul.start
                if 0 <= k < len(matmul.stationary):
                    part = matmul.words[0][k, g * width : (g + 1) * width]
                    w["valid"][row] = True
                    w["tag"][row] = g
                    w["operands"][row] = rng.choice(matmul.words[0].ravel(), width)
                    w["operands"][row, : len(part)] = part
                    if matmul.tags is not None:
                        w["picks"][row, : len(part)] = matmul.tags[k, g * width : (g + 1) * width]
        return x, w


def random_matmuls(
    rng: random.Random, tensor: TensorConfig, *, count: int, columns: int | None = None, gaps: bool = True
) -> list[Matmul]:
    """Ragged K, M, N, every kind of number of any two formats; where weights may have tags, most have.

    With `columns` all are full tiles with that N and without idle cycles.
    """
    numbers = np.random.default_rng(rng.getrandbits(32))
    matmuls = []
    for _ in range(count):
        k, m, n = tensor.rows, tensor.columns, columns
        if n is None:
            k, m, n = rng.randint(1, k), rng.randint(1, m), rng.randint(1, 2 * m)
        specials = rng.choice((0, 1 / 6))
        kinds = rng.choice(operand_kinds(tensor)), rng.choice(operand_kinds(tensor))
        rows = tensor.group_rows
        sparse = tensor.sparse and k >= rows and rng.random() < 0.7
        tags, deep = None, ()
        if sparse:
            k -= k % rows
            few = [kind for kind in operand_kinds(tensor) if kind[0] in SPARSE and kind[1] == Part.UPPER]
            kinds, deep = (rng.choice(few), rng.choice(few)), (rng.randint(1, ROW_CANDIDATES),)
            tags = numbers.integers(0, rows, (k, m)) * ROW_CANDIDATES + numbers.integers(0, deep[0], (k, m))
        start = rng.randint(0, tensor.rows - k)
        matmuls.append(
            Matmul(
                start=start - start % rows if sparse else start,
                stationary=random_elements(numbers, kinds[0][0], (k, m), specials=specials),
                moving=random_elements(numbers, kinds[1][0], (k, *deep, n), specials=specials),
                none=None if sparse or rng.random() < 0.7 else numbers.random((k, m)) < rng.choice((0.2, 0.8)),
                tags=tags,
                rows=rows,
                kinds=kinds,
                subnormals=tensor.subnormals,
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
