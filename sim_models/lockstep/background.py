"""Lockstep models of background transposes: when the head sends what, and the chain of bits in the array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.background import BACKGROUND_BITS, TURN, background_commit, background_delay
from makalu.spec.chain import KIND_BITS, OPERAND_EXPONENT_BITS
from makalu.spec.config import CoreConfig, TensorConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import CARRIED, SIGNIFICAND_BITS
from makalu.spec.tensor_types import CARRIED_PLACES

from .tensor_control import BackgroundWave, Turn

__all__ = ["BackgroundTimes", "BitsModel"]


class BackgroundTimes:
    """What follows from each transpose, by the cycle in which it is seen."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.turns: dict[int, Turn] = {}
        self.waves: dict[int, BackgroundWave] = {}
        """At PSUM slice 0."""
        self.ends: set[int] = set()
        """Cycles of last commits."""
        self.owned_until = [-1] * config.psum.banks
        self._free = 0

    def free(self, a: int) -> bool:
        """One may be accepted in cycle a, as far as those before it go."""
        return a >= self._free

    def owns(self, bank: int, t: int) -> bool:
        return self.owned_until[bank] >= t

    def accept(self, a: int, transpose: Instruction) -> None:
        h, first, count = a + TURN, transpose["src0_partition"], transpose["partitions"]
        self.turns[h] = Turn(first, count)
        start, step = transpose["dst_offset"] // CARRIED.bytes, transpose["dst_stride0"]
        seen = h + first + background_delay(self.config)
        for k in range(count):
            where = start + k * step
            self.waves[seen + k] = BackgroundWave(where, transpose["dst_partition"], transpose["columns"])
        last = h + first + count - 1
        self._free = max(h, last + 1 - TURN)
        self.ends.add(last + background_commit(self.config))
        bank = transpose["dst_offset"] // self.config.psum.bank_bytes
        self.owned_until[bank] = last + background_commit(self.config)

    def forget(self, t: int) -> None:
        """Cycle t is over."""
        self.turns.pop(t, None)
        self.waves.pop(t, None)
        self.ends.discard(t)


class BitsModel:
    """The chain of bits in every column: L - 1 registers a row, and what rows have in their shadow registers.

    `tick` goes with that of `ArrayModel`, which owns the turns' way to the right: `turn` and `captured` are bool [R,
    C].
    """

    def __init__(self, tensor: TensorConfig) -> None:
        shape = (tensor.rows, tensor.columns)
        self._shadow = np.zeros(shape, np.int64)
        self._group = np.zeros((tensor.rows, tensor.columns // tensor.load_columns, tensor.load_columns), np.int64)
        self._words = [np.zeros(shape, np.int64)] * (tensor.add_stages - 1)
        self._valid = [np.zeros(shape, np.bool_)] * (tensor.add_stages - 1)
        """Of each word on the chain, the newest registers of a row first."""

    def bottom(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """[C]: words at the lower edge, and whether there are any."""
        return self._words[-1][-1], self._valid[-1][-1]

    def move(self, turn: NDArray[np.bool_]) -> None:
        """A turn acts in the edge that takes its x, before that edge's captures."""
        above, there = np.zeros_like(self._shadow), np.zeros_like(turn)
        above[1:], there[1:] = self._words[-1][:-1], self._valid[-1][:-1]
        self._words = [np.where(turn, _bits(self._shadow), above), *self._words[:-1]]
        self._valid = [turn | there, *self._valid[:-1]]

    def load(self, w: Any, captured: NDArray[np.bool_]) -> None:
        self._shadow = np.where(captured, self._group.reshape(self._shadow.shape), self._shadow)
        entering = np.asarray(w["operands"], np.int64)
        self._group = np.concatenate([entering[:, None], self._group[:, :-1]], axis=1)


def _bits(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sign, the low bits of the exponent and the fraction of operands, the fraction lowest."""
    exponent_bits = BACKGROUND_BITS - 1 - CARRIED_PLACES
    fraction = words >> KIND_BITS & (1 << CARRIED_PLACES) - 1
    exponent = words >> KIND_BITS + SIGNIFICAND_BITS & (1 << exponent_bits) - 1
    sign = words >> KIND_BITS + SIGNIFICAND_BITS + OPERAND_EXPONENT_BITS & 1
    return np.asarray(fraction | exponent << CARRIED_PLACES | sign << BACKGROUND_BITS - 1)
