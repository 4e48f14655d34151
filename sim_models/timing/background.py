"""Timing of transposes beside matmuls: who waits for whom, and the cycles of their elements."""

from makalu.spec.background import TURN, background_commit
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction

__all__ = ["BackgroundTiming"]


class BackgroundTiming:
    """Of the transposes so far, and of what matmuls have left on the way to each bank."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self._commit = background_commit(config) if config.tensor.background else 0
        self._free = 0
        # last cycles in which a bank has sums, or bits, on their way to it
        self._sums, self._bits = ([-1] * config.psum.banks for _ in range(2))

    def bank(self, instruction: Instruction) -> int:
        """Of its destination, which lies in one."""
        return instruction["dst_offset"] // self.config.psum.bank_bytes

    def after(self, transpose: Instruction) -> int:
        """From which cycle on it may be accepted."""
        return max(self._free, self._sums[self.bank(transpose)] + 1)

    def sums(self, matmul: Instruction, last: int) -> None:
        """Its last commit is in this cycle."""
        bank = self.bank(matmul)
        self._sums[bank] = max(self._sums[bank], last)

    def frees(self, matmul: Instruction) -> int:
        """The last cycle in which bits are on their way to its bank."""
        return self._bits[self.bank(matmul)]

    def issue(self, a: int, transpose: Instruction) -> tuple[int, int, tuple[int, int]]:
        """Its first and last element, in cycles at row 0's edge if rows were a cycle apart; when it has its bank."""
        h, rows = a + TURN, transpose["partitions"]
        first = h + transpose["src0_partition"]
        last = first + rows - 1
        self._free = max(h, last + 1 - TURN)
        self._bits[self.bank(transpose)] = last + self._commit
        return first, last, (a + 1, last + self._commit)
