"""The generators of stochastic rounding in numpy: many lanes side by side, any number of steps at once.

A step is linear over GF(2), so 2^j steps are one linear map: four tables of a byte each. N states a lane come by
doubling, in linear time.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.random_bits import RANDOM_BITS, SHIFTS, STATE_BITS, first_state

__all__ = ["Generators", "random_bits", "step"]

Words = NDArray[np.uint32]

_DROPPED = np.uint32(STATE_BITS - RANDOM_BITS)
_BYTES = range(STATE_BITS // 8)


def step(state: ArrayLike) -> Words:
    """The next states."""
    x = np.asarray(state, np.uint32)
    for places in SHIFTS:
        x = x ^ (x << np.uint32(places) if places > 0 else x >> np.uint32(-places))
    return x


def random_bits(state: ArrayLike) -> Words:
    """What an element draws from a state."""
    return np.asarray(state, np.uint32) >> _DROPPED


class Generators:
    """Those of one kind, one a partition.

    `start(seed)` as at a start of the core; `draw(rows, n)` gives [rows, n] random bits, element after element, and
    leaves the states behind them. Until a start the states are those of seed 0.
    """

    def __init__(self, kind: str, partitions: int) -> None:
        self._kind = kind
        self.state = np.zeros(partitions, np.uint32)
        self.start(0)

    def start(self, seed: int) -> None:
        """First states of a seed, 32 bits."""
        self.state[:] = [first_state(seed, self._kind, p) for p in range(len(self.state))]

    def draw(self, rows: slice | NDArray[np.intp], n: int) -> Words:
        """Random bits of the next n elements of some partitions, of which none comes twice."""
        states = _states(self.state[rows], n)
        self.state[rows] = step(states[:, -1])
        return random_bits(states)


def _states(first: Words, n: int) -> Words:
    """[lanes, n]: the state, and those that follow it."""
    out = np.empty((len(first), n), np.uint32)
    out[:, 0], known, exponent = first, 1, 0
    while known < n:
        more = min(known, n - known)
        out[:, known : known + more] = _far(_jump(exponent), out[:, :more])
        known, exponent = known + more, exponent + 1
    return out


@cache
def _jump(exponent: int) -> Words:
    """Tables of 2^exponent steps: [4, 256], what each value of each byte becomes."""
    if exponent:
        half = _jump(exponent - 1)
        return _far(half, half)
    return step(np.array([np.arange(256, dtype=np.uint32) << np.uint32(8 * byte) for byte in _BYTES]))


def _far(tables: Words, states: Words) -> Words:
    parts = [tables[byte][states >> np.uint32(8 * byte) & np.uint32(0xFF)] for byte in _BYTES]
    return np.asarray(np.bitwise_xor.reduce(parts), np.uint32)
