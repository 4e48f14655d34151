"""Random tiles of the array: which columns and rows of a stationary tile go where, and offsets of exponents."""

import numpy as np

from makalu.spec.cfp8 import OFFSETS, OFFSETTABLE
from makalu.spec.config import CoreConfig

from ..nki.tensor import Tensor

__all__ = ["RandomTiling"]


class RandomTiling:
    """By numbers of its own: what else the programs of seeds that tests and records name do stays."""

    def __init__(self, config: CoreConfig, tiles: np.random.Generator, offsets: np.random.Generator) -> None:
        self._config, self._tiling, self._offsets = config, tiles, offsets

    def columns(self, count: int, whole: int = 1) -> list[slice]:
        """Columns of a stationary tile, often as two tiles of the array, in any order; each of whole `whole`s."""
        step = max(whole, self._config.tensor.column_tile)
        places = (count - 1) // step
        if not places or self._tiling.random() < 1 / 3:
            return [slice(0, count)]
        cut = step * int(self._tiling.integers(1, places + 1))
        parts = [slice(0, cut), slice(cut, count)]
        return parts if self._tiling.random() < 1 / 2 else parts[::-1]

    def rows(self, count: int, tiles: int) -> list[slice]:
        """Rows of each column tile: all of them, or of two tiles often some each, so that they run at once."""
        if tiles != 2 or count < 2 or self._tiling.random() < 1 / 2:
            return [slice(0, count)] * tiles
        cut = int(self._tiling.integers(1, count))
        parts = [slice(0, cut), slice(cut, count)]
        return parts if self._tiling.random() < 1 / 2 else parts[::-1]

    def first_column(self, last: int) -> int:
        """Where a column tile may begin, up to `last`."""
        step = self._config.tensor.column_tile
        return step * int(self._tiling.integers(0, last // step + 1))

    def moved(self, *operands: Tensor) -> tuple[int, ...]:
        """Offsets of exponents, where the core and the type have them: half of them 0."""
        some = [self._config.cfp8 and tensor.dtype in OFFSETTABLE for tensor in operands]
        return tuple(
            int(self._offsets.integers(-OFFSETS, OFFSETS)) if may and self._offsets.random() < 1 / 2 else 0
            for may in some
        )
