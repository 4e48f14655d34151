"""Random matmuls of every mode that the core has, and transposes; sparse ones are in `sparse.py`."""

from collections.abc import Callable

import numpy as np

from makalu.spec.formats import FORMATS, FP32
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quantize import GROUP_ELEMENTS, QUANTIZED, UNQUANTIZED, ScaleRule
from makalu.spec.scales import OFFSET_STEP, largest_offset

from ..nki import isa as nisa
from ..nki.matmul import matmul
from ..nki.pe_tiles import PeTile
from ..nki.recording import current
from ..nki.storage import Buffer
from ..nki.tensor import Tensor
from .tiles import RandomTiles
from .tiling import RandomTiling

__all__ = ["RandomMatmuls"]


class RandomMatmuls:
    """What the array does with tiles that are there."""

    def __init__(self, tiles: RandomTiles, tiling: RandomTiling) -> None:
        self._tiles, self._tiling = tiles, tiling
        self._shapes, self._tensor = tiles.shapes, tiles.config.tensor
        self._short = [form for form in tiles.forms if form in PAIRABLE]

    @property
    def steps(self) -> list[Callable[[], None]]:
        """As often as one is to be drawn."""
        tensor = self._tensor
        return [
            *[self.overwrite, self._add] * 3,
            *[self._transpose] * tensor.carries,
            *[self._double_row] * (len(tensor.modes) > 1 and bool(self._short)),
            *[self._mx] * (2 if tensor.quads else 0),
        ]

    def overwrite(self) -> None:
        """A whole new PSUM tile."""
        stationary, moving, rows = self._operands()
        sizes = self._shapes.sizes(min(self._tiles.config.psum.bank_elems, moving.shape[1]))
        shape = (stationary.shape[1], int(np.prod(sizes)))
        tile = self._tiles.new_sums(shape, self._tiles.sum_type())
        view = self._tiles.view(moving, sizes, rows, overlapping=True)
        parts, moved = self._tiling.columns(shape[0]), self._tiling.moved(stationary, view)
        for part, own in zip(parts, self._tiling.rows(rows[1], len(parts)), strict=True):
            dst, left, right = tile.reshape((shape[0], *sizes))[part], stationary[own, part], view[own]
            place = PeTile(right.partition, dst.partition, right.shape[0], dst.shape[0])
            matmul(dst, left, right, accumulate=False, transpose=False, tile=place, offsets=moved)

    def _add(self) -> None:
        """To part of a PSUM tile, now and then to one element again and again."""
        stationary, moving, rows = self._operands()
        tile = self._tiles.pick(self._tiles.sums)
        first = self._tiling.first_column(tile.shape[0] - 1)
        count = min(stationary.shape[1], tile.shape[0] - first)
        sizes = self._shapes.sizes(min(tile.shape[1], moving.shape[1]))
        nisa.nc_matmul(
            self._tiles.view(tile, sizes, (first, count), overlapping=True),
            stationary[:, :count],
            self._tiles.view(moving, sizes, rows, overlapping=True),
            accumulate=True,
            exponent_offset=self._tiling.moved(stationary, moving),
        )

    def _operands(self) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """Stationary view, moving tile, rows."""
        stationary, moving = self._tiles.mixable([form for form in self._tiles.forms if form in self._tensor.operands])
        rows = self._tiles.rows(stationary, moving)
        word = self._tiles.config.sbuf.word_bytes // stationary.item
        start = word * self._shapes.integer(0, (stationary.shape[1] - 1) // word)
        count = self._shapes.integer(1, min(self._tensor.columns, stationary.shape[1] - start))
        return stationary[rows[0] : sum(rows), start : start + count], moving, rows

    def _transpose(self) -> None:
        """Bits of a tile, to a new tile of PSUM."""
        stationary, _, _ = self._operands()
        stationary = stationary[: min(stationary.shape[0], self._tiles.elements)]
        shape = stationary.shape[::-1]
        tile = self._tiles.new_turned(shape, stationary.dtype)
        for part in self._tiling.columns(shape[0]):
            nisa.nc_transpose(tile[part], stationary[:, part])

    def _double_row(self) -> None:
        """A whole new PSUM tile of sums over two rows of each partition."""
        one, other = self._tiles.mixable(self._short)
        if min(one.shape[1], other.shape[1]) < 2:
            return
        rows = self._tiles.rows(one, other)
        stationary, moving = self._two_rows(one, rows), self._two_rows(other, rows)
        sums = self._tiles.new_sums((stationary.shape[2], moving.shape[2]), self._tiles.sum_type())
        double_row = nisa.matmul_perf_mode.double_row
        for part in self._tiling.columns(sums.shape[0]):
            nisa.nc_matmul(sums[part], stationary[:, :, part], moving, accumulate=False, perf_mode=double_row)

    def _two_rows(self, tile: Tensor, rows: tuple[int, int]) -> Tensor:
        """The first columns of some partitions as [K, 2, N]."""
        most = min(tile.shape[1] // 2, self._tensor.columns, self._tiles.elements)
        count = self._shapes.integer(1, most)
        return tile[rows[0] : sum(rows), : 2 * count].reshape((rows[1], 2, count))

    def _mx(self) -> None:
        """A whole new PSUM tile, the product of two tiles that are quantised first."""
        most = min(self._tensor.columns, self._tiles.elements)
        columns = 2 * self._shapes.integer(1, most // 2), self._shapes.integer(1, self._tiles.elements)
        (data, scale), (other, its) = (self._quantised(count) for count in columns)
        sums = self._tiles.new_sums(columns, FP32)
        for part in self._tiling.columns(columns[0]):
            nisa.nc_matmul_mx(sums[part], data[:, part], other, scale[:, part], its, accumulate=False)

    def _quantised(self, columns: int) -> tuple[Tensor, Tensor]:
        """[K, columns] containers and their scales, somewhere in their quadrants."""
        config, form, shapes = self._tiles.config, UNQUANTIZED[0], self._shapes
        rows, source = config.partitions, (GROUP_ELEMENTS * columns,)
        numbers = current().allocate((rows, *source), form, Buffer.SBUF, "numbers")
        nisa.dma_copy(numbers, self._tiles.memory_view(self._tiles.sources[form], rows, source, overlapping=True))
        kinds = [form for form in config.tensor.quads if any(form.name.startswith(each.name) for each in QUANTIZED)]
        data = current().allocate((rows, columns), self._tiles.pick(kinds), Buffer.SBUF, "containers")
        before = shapes.integer(0, 3) % 3
        scales = current().allocate((rows, before + columns), FORMATS["uint8"], Buffer.SBUF, "scales")
        above = OFFSET_STEP * shapes.integer(0, largest_offset(config) // OFFSET_STEP)
        nisa.quantize_mx(
            data, numbers, scales[above:, before:], scale_rule=ScaleRule(shapes.integer(0, max(ScaleRule)))
        )
        return data, scales[above:, before:]
