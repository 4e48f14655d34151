"""Tensor engine of the golden machine: stationary registers, one column chain, PSUM adds last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import CARRIED
from makalu.spec.isa import AP_DIMS
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.spec.tensor_modes import MODES, Mode, TensorMode
from makalu.spec.tensor_types import TRANSPOSES, Part

from .arithmetic import fp32_add, matmul_column_chain
from .formats import carried_by, narrow, tensor_operand, widen
from .memory import PartitionedMemory
from .operand import OperandPattern, operand, scale_rows
from .pairs import PairOperand, pair_column_chain, pair_operand
from .quads import QuadOperand, quad_column_chain, quad_operand
from .random_bits import Generators
from .sparsity import TagError, candidates, picks_of, unpacked_tags, wrong_tag

__all__ = ["GoldenTensor", "occurrence"]


Array = NDArray[Any]
Operands = tuple[Array, ...]


@dataclass(frozen=True)
class _Stationary:
    """What the array's registers hold: operands [..., rows, columns], where the loads wrote some, their tags, and which
    of them are no weights, as rows outside of a tile that is apart are none.
    """

    operands: Operands
    defined: NDArray[np.bool_]
    tags: Array
    neutral: NDArray[np.bool_]
    single: bool = True
    """Of the mode in which tiles may be apart."""

    def with_columns(self, other: "_Stationary", columns: slice) -> "_Stationary":
        """With these columns of another one."""

        def merged(own: Array, its: Array) -> Array:
            out = own.copy()
            out[..., columns] = its[..., columns]
            return out

        return _Stationary(
            tuple(map(merged, self.operands, other.operands)),
            merged(self.defined, other.defined),
            merged(self.tags, other.tags),
            merged(self.neutral, other.neutral),
        )


class GoldenTensor:
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N]; of elements that have two parts, one of each side a matmul,
    of fp8 elements with an exponent_offset x * 2^offset; in double row K has two elements a partition, in mx four with
    a scale, whose products are added first; in sparse a weight meets the element of its group that its tag says. Into
    uint16: the bits that the sum carries. PE column m writes PSUM partition m, so the first partition of dst says which
    columns of the array hold the stationary tile.

    Numerics: row 0 to row K-1, one rounding a row, then PSUM: `round(chain + old)`, or `chain` when it overwrites; into
    `HALF_SUM` this is rounded once more, stochastically by the bits of the columns' generators, one after the other.
    Weights outside the rows and columns of the last load are undefined: their use is reported and counts as +0. One
    that is `apart` defines all rows of its columns, its own as weights, and leaves what loads before it since the last
    matmul wrote of other columns; rows that are no weights have no step in the chain.
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        sbuf: PartitionedMemory,
        psum: PartitionedMemory,
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._shape = shape = (config.tensor.rows, config.tensor.columns)
        self._subnormals = config.tensor.subnormals
        self._sbuf, self._psum, self._report = sbuf, psum, report
        self.generators = Generators("psum", config.tensor.columns)
        empty = np.zeros(shape, np.uint32)
        none = np.zeros(shape, np.bool_)
        self._active = _Stationary((empty,), none, empty, none)
        self._pending: _Stationary | None = None

    def load_stationary(self, instruction: Instruction) -> None:
        """shadow[K, M] = src0[K, M], from PE column `column` on; the next matmul swaps it in, with those that are
        `apart` from it.
        """
        self._load(instruction, MODES[Mode(instruction["mode"])], None)

    def load_sparse(self, instruction: Instruction) -> None:
        """shadow[K, M] = src0[K, M] with a tag each, from src1[K, M / 4]. Raises `TagError` for one out of range."""
        source = operand(instruction, "src1", count=instruction["partitions"])
        tags = unpacked_tags(self._sbuf.read(source, slot="src1"))
        wrong = wrong_tag(tags, instruction["ratio"], self._config.tensor.group_rows)
        if wrong is not None:
            (row, column), why = wrong
            raise TagError(f"load_sparse: src1 has in partition {source.partition + row}, column {column}, {why}")
        self._load(instruction, MODES[Mode.SPARSE], tags)

    def _load(self, instruction: Instruction, mode: TensorMode, tags: Array | None) -> None:
        source = operand(instruction, "src0", count=instruction["partitions"])
        defined = np.zeros(self._shape, np.bool_)
        operands = self._operands(instruction, source, mode)
        first, count = instruction["column"], instruction["src0_size0"]
        rows, columns = slice(source.partition, source.partition + source.count), slice(first, first + count)
        defined[rows, columns] = True
        placed = tuple(self._placed(each, rows, columns) for each in operands)
        none, neutral = np.zeros((source.count, count), np.int64), np.zeros(self._shape, np.bool_)
        placed_tags = self._placed(none if tags is None else tags, rows, columns)
        before, single = self._pending, mode is MODES[Mode.SINGLE]
        if not instruction["apart"]:
            self._pending = _Stationary(placed, defined, placed_tags, neutral, single)
            return
        neutral[:, columns] = ~defined[:, columns]
        defined[:, columns] = True
        loaded = _Stationary(placed, defined, placed_tags, neutral)
        self._pending = before.with_columns(loaded, columns) if before is not None and before.single else loaded

    def _placed(self, tile: Array, rows: slice, columns: slice) -> Array:
        """A tile [..., K, M] among zeros, where the array has it."""
        out = np.zeros((*tile.shape[:-2], *self._shape), tile.dtype)
        out[..., rows, columns] = tile
        return out

    def _operands(self, instruction: Instruction, source: OperandPattern, mode: TensorMode) -> Operands:
        """fp32 bits [P, N], or what a `PairOperand` has, [2, P, N] each, or that [4, P, N] and the scales [P, N].

        Of a sparse tile [P, ratio * N]: the elements of a partition one behind the other.
        """
        bits = self._sbuf.read(source, slot="src0")
        if mode.rows > 1:
            return pair_operand(source.format, np.stack(np.split(bits, mode.rows, axis=1)))
        if mode.scaled:
            elements, scale = quad_operand(source.format, bits, self._scales_of(instruction))
            return *elements, scale
        part, offset = instruction["part"], instruction["exponent_offset"]
        return (tensor_operand(source.format, part, bits, subnormals=self._subnormals, offset=offset),)

    def _scales_of(self, instruction: Instruction) -> Array:
        """Codes [P, N]: of each group of partitions one row, from its place in the quadrant."""
        rows = [self._sbuf.read(each, slot="src1") for each in scale_rows(instruction, "src1", self._config)]
        return np.repeat(np.concatenate(rows), GROUP_PARTITIONS, axis=0)

    def _chain(self, weights: Operands, columns: Operands, picks: Array | None) -> NDArray[np.uint32]:
        """Sums [M, N] before PSUM adds."""
        if picks is not None:
            return matmul_column_chain(weights[0], columns[0], form=None, subnormals=self._subnormals, picks=picks)
        if len(columns) == 1:
            return matmul_column_chain(weights[0], columns[0], form=None, subnormals=self._subnormals)
        if len(columns) == len(PairOperand._fields):
            return pair_column_chain(PairOperand(*weights), PairOperand(*columns))
        return quad_column_chain(*(QuadOperand(PairOperand(*side[:-1]), side[-1]) for side in (weights, columns)))

    def _apart(self, weights: Operands, columns: Operands, neutral: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """Sums of columns that have not all rows: each chain is that of its own ones, in their order."""
        chain = np.zeros((neutral.shape[1], columns[0].shape[-1]), np.uint32)
        patterns, which = np.unique(neutral, axis=1, return_inverse=True)
        for n, pattern in enumerate(patterns.T):
            its, rows = np.flatnonzero(which.reshape(-1) == n), np.flatnonzero(~pattern)
            if len(rows):
                own = tuple(each[..., rows[:, None], its] for each in weights)
                chain[its] = self._chain(own, tuple(each[..., rows, :] for each in columns), None)
        return chain

    def transpose(self, instruction: Instruction) -> None:
        """dst[M, K] = 16 bits of src0[K, M]; the registers of matmuls stay as they are."""
        source = operand(instruction, "src0", count=instruction["partitions"])
        target = operand(instruction, "dst", count=instruction["columns"])
        lowest = CARRIED.bits * TRANSPOSES.index(Part(instruction["part"]))
        bits = self._sbuf.read(source, slot="src0").astype(np.uint32) >> np.uint32(lowest)
        self._psum.write(target, (bits.T & np.uint32((1 << CARRIED.bits) - 1)).astype(np.uint16))

    def matmul(self, instruction: Instruction) -> None:
        """dst[M, N] (+)= stationary[K, M].T @ src0[K, N]"""
        if self._pending is not None:
            self._active, self._pending = self._pending, None
        columns, mode = instruction["columns"], MODES[Mode(instruction["mode"])]
        moving = operand(instruction, "src0", count=instruction["partitions"])
        target = operand(instruction, "dst", count=columns)
        its_columns = slice(target.partition, target.partition + columns)
        tile = slice(moving.partition, moving.partition + moving.count), its_columns
        undefined = ~self._active.defined[tile]
        if undefined.any():
            row, column = np.argwhere(undefined)[0] + (moving.partition, target.partition)
            self._report(
                f"matmul uses stationary row {row} column {column}, which the last "
                f"{'load_sparse' if mode.tagged else 'load_stationary'} did not load "
                f"({int(undefined.sum())} of {undefined.size} weights)"
            )
        weights = tuple(each[..., tile[0], tile[1]] for each in self._active.operands)
        operands, picks = self._operands(instruction, moving, mode), None
        if mode.tagged:
            ratio = instruction[f"src0_size{AP_DIMS - 1}"]
            operands = tuple(candidates(each, ratio) for each in operands)
            picks = picks_of(self._active.tags[tile], ratio, self._config.tensor.group_rows)
        neutral = self._active.neutral[tile]
        chain = self._apart(weights, operands, neutral) if neutral.any() else self._chain(weights, operands, picks)
        random = self.generators.draw(its_columns, target.elements) if instruction["rounding"] else None
        if not instruction["accumulate"]:
            carries = target.format == CARRIED
            self._psum.write(target, carried_by(chain) if carries else narrow(target.format, chain, random))
            return
        # columns go one after the other: a destination that returns adds to its own earlier sum
        turns, before = occurrence(self._psum.indices(target))
        sums = self._psum.read(target, slot="dst")
        for turn in range(int(turns.max()) + 1):
            now = np.flatnonzero(turns == turn) if turns.any() else slice(None)
            if turn:
                sums[:, now] = sums[:, before[now]]
            total = fp32_add(chain[:, now], widen(target.format, sums[:, now]), subnormals=self._subnormals)
            sums[:, now] = narrow(target.format, total, None if random is None else random[:, now])
        self._psum.write(target, sums)


def occurrence(addresses: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each address how often it came before in the list, and where it came last (-1: never)."""
    order = np.argsort(addresses, kind="stable")
    ranked = addresses[order]
    start = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    first = np.maximum.accumulate(np.where(start, np.arange(len(ranked)), 0))
    turns, before = np.empty(len(ranked), np.int64), np.empty(len(ranked), np.int64)
    turns[order] = np.arange(len(ranked)) - first
    before[order] = np.where(start, -1, np.roll(order, 1))
    return turns, before
