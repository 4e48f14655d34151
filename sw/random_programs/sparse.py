"""Random matmuls of sparse tiles: any tags that are in range, elements of a partition in any layout that is allowed."""

from collections.abc import Callable

import numpy as np

from makalu.spec.sparsity import PACKED_TAGS, RATIO_LIMIT, ROW_CANDIDATES, SPARSE, TAG_BITS, TAGS

from ..nki import isa as nisa
from ..nki.recording import current
from ..nki.storage import Buffer
from ..nki.tensor import Tensor
from .tiles import RandomTiles
from .tiling import RandomTiling

__all__ = ["RandomSparse"]


class RandomSparse:
    """Nothing on a core without choosers."""

    def __init__(self, tiles: RandomTiles, tiling: RandomTiling) -> None:
        self._tiles, self._tiling, self._shapes = tiles, tiling, tiles.shapes
        self._tensor = tiles.config.tensor
        self._forms = [form for form in tiles.forms if form in SPARSE and form in self._tensor.operands]
        self.steps: list[Callable[[], None]] = [self._matmul] * (2 if self._tensor.sparse else 0)

    def _matmul(self) -> None:
        """A whole new PSUM tile, or a sum in one: a sparse tile times some elements a partition."""
        one, other = self._tiles.mixable(self._forms)
        whole, ratio = self._tensor.group_rows, self._shapes.integer(1, RATIO_LIMIT)
        rows = min(one.shape[0], other.shape[0]) // whole
        fours = min(one.shape[1], self._tensor.columns) // PACKED_TAGS
        if not rows or not fours or other.shape[1] < ratio:
            return
        first = self._shapes.integer(0, rows - 1)
        taken = slice(whole * first, whole * (first + self._shapes.integer(1, rows - first)))
        stationary = one[taken, : PACKED_TAGS * self._shapes.integer(1, fours)]
        moving = self._candidates(other, taken, ratio)
        shape = (stationary.shape[1], moving.shape[2])
        fits = [tile for tile in self._tiles.sums if tile.shape[0] >= shape[0] and tile.shape[1] >= shape[1]]
        adds = bool(fits) and bool(self._shapes.integer(0, 1))
        sums = self._tiles.pick(fits) if adds else self._tiles.new_sums(shape, self._tiles.sum_type())
        tags = self._tags(stationary.shape, ratio, taken)
        first = self._tiling.first_column(sums.shape[0] - shape[0])
        for part in self._tiling.columns(shape[0], PACKED_TAGS):
            dst = sums[first + part.start : first + part.stop, : shape[1]]
            its = tags[:, part.start // PACKED_TAGS : part.stop // PACKED_TAGS]
            nisa.nc_matmul_sparse(dst, stationary[:, part], moving, its, accumulate=adds)

    def _candidates(self, tile: Tensor, rows: slice, ratio: int) -> Tensor:
        """[K, ratio, N] of a tile: elements of a partition whole words apart, or one behind the other."""
        config = self._tiles.config
        most, word = min(self._tiles.elements, config.psum.bank_elems), config.sbuf.word_bytes // tile.item
        apart = tile.shape[1] // ratio // word * word
        if apart and self._shapes.integer(0, 3):
            count = self._shapes.integer(1, min(apart, most))
            return tile[rows, : ratio * apart].reshape((rows.stop - rows.start, ratio, apart))[:, :, :count]
        count = self._shapes.integer(1, min(tile.shape[1] // ratio, most))
        return tile[rows, : ratio * count].reshape((rows.stop - rows.start, ratio, count))

    def _tags(self, shape: tuple[int, ...], ratio: int, rows: slice) -> Tensor:
        """Any that are in range, in the weights' partitions or in the first ones."""
        packed, random = (shape[0], shape[1] // PACKED_TAGS), self._tiles.random
        row = random.integers(0, self._tensor.group_rows, (*packed, PACKED_TAGS))
        tags = ROW_CANDIDATES * row + random.integers(0, ratio, row.shape)
        words = (tags << TAG_BITS * np.arange(PACKED_TAGS)).sum(axis=2).astype(np.uint16)
        start = rows.start * self._shapes.integer(0, 1)
        tile = current().allocate((start + packed[0], packed[1]), TAGS, Buffer.SBUF, "tags")[start:]
        nisa.dma_copy(tile, current().constant(words, TAGS, "tags"))
        return tile
