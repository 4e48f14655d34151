"""Tensor engine of the golden machine: stationary registers, one column chain, PSUM adds last."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import CARRIED

from .arithmetic import fp32_add, matmul_column_chain
from .formats import carried_by, tensor_operand
from .memory import PartitionedMemory
from .operand import OperandPattern, operand

__all__ = ["GoldenTensor", "occurrence"]


class GoldenTensor:
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N]; of elements that have two parts, one of each side a matmul.
    Into uint16: the bits that the sum carries.

    Numerics: row 0 to row K-1, one rounding a row, then PSUM: `round(chain + old)`, or `chain` when it overwrites.
    Weights outside the last load's [K, M] are undefined: their use is reported and counts as +0.
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        sbuf: PartitionedMemory,
        psum: PartitionedMemory,
        report: Callable[[str], None],
    ) -> None:
        shape = (config.tensor.rows, config.tensor.columns)
        self._subnormals = config.tensor.subnormals
        self._sbuf, self._psum, self._report = sbuf, psum, report
        self._weights: NDArray[np.uint32] = np.zeros(shape, np.uint32)
        """fp32 bits of operands."""
        self._defined: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self._pending: tuple[NDArray[np.uint32], NDArray[np.bool_]] | None = None

    def load_stationary(self, instruction: Instruction) -> None:
        """shadow[K, M] = src0[K, M]; the next matmul swaps it in."""
        source = operand(instruction, "src0", count=instruction["partitions"])
        weights = np.zeros_like(self._weights)
        defined = np.zeros_like(self._defined)
        tile = slice(source.partition, source.partition + source.count), slice(0, source.elements)
        weights[tile] = self._operands(instruction, source)
        defined[tile] = True
        self._pending = weights, defined

    def _operands(self, instruction: Instruction, source: OperandPattern) -> NDArray[np.uint32]:
        bits = self._sbuf.read(source, slot="src0")
        return tensor_operand(source.format, instruction["part"], bits, subnormals=self._subnormals)

    def matmul(self, instruction: Instruction) -> None:
        """dst[M, N] (+)= stationary[K, M].T @ src0[K, N]"""
        if self._pending is not None:
            (self._weights, self._defined), self._pending = self._pending, None
        columns = instruction["columns"]
        moving = operand(instruction, "src0", count=instruction["partitions"])
        target = operand(instruction, "dst", count=columns)
        tile = slice(moving.partition, moving.partition + moving.count), slice(0, columns)
        undefined = ~self._defined[tile]
        if undefined.any():
            row, column = np.argwhere(undefined)[0]
            self._report(
                f"matmul uses stationary row {moving.partition + row} column {column}, which the last "
                f"load_stationary did not load ({int(undefined.sum())} of {undefined.size} weights)"
            )
        operands = self._operands(instruction, moving)
        chain = matmul_column_chain(self._weights[tile], operands, form=None, subnormals=self._subnormals)
        if not instruction["accumulate"]:
            self._psum.write(target, carried_by(chain) if target.format == CARRIED else chain)
            return
        # columns go one after the other: a destination that returns adds to its own earlier sum
        turns, before = occurrence(self._psum.indices(target))
        sums = self._psum.read(target, slot="dst")
        for turn in range(int(turns.max()) + 1):
            now = np.flatnonzero(turns == turn) if turns.any() else slice(None)
            if turn:
                sums[:, now] = sums[:, before[now]]
            sums[:, now] = fp32_add(chain[:, now], sums[:, now], subnormals=self._subnormals)
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
