"""Tiles that a random program has written, and views of them: any of these may be read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.formats import Format
from makalu.spec.tensor_types import mixable

from ..nki import isa as nisa
from ..nki.recording import current
from ..nki.storage import Buffer
from ..nki.tensor import Tensor
from .data import RandomPatterns

__all__ = ["RandomTiles"]

T = TypeVar("T")

ROOM = 4
"""Memory that one partition's share of a transfer may spread over, in multiples of `elements`."""
INPUT_ROOMS = 4
OUTPUT_ROOMS = 32
"""Sizes of the inputs and outputs, in transfers of all partitions."""
TILES = 4
"""Live SBUF tiles of each type, and live PSUM tiles."""


class RandomTiles:
    """The live tiles of a kernel that is being recorded; its inputs and outputs. Each tile is written wholly before
    anything reads it.

    Parameters: `elements` of a partition that an instruction may touch; `forms` of the tiles.
    """

    def __init__(
        self, config: CoreConfig, random: np.random.Generator, elements: int, forms: tuple[Format, ...]
    ) -> None:
        self.config, self.random, self.elements, self.forms = config, random, elements, forms
        self.shapes = RandomPatterns(random, elements)
        self.inputs = INPUT_ROOMS * ROOM * elements * config.partitions
        """Elements of an input."""
        self._output_elements = OUTPUT_ROOMS * ROOM * elements * config.partitions
        self.live: dict[Format, list[Tensor]] = {form: [] for form in forms}
        self.sums: list[Tensor] = []
        """PSUM tiles of the array's types."""
        self.turned: list[Tensor] = []
        """PSUM tiles that hold transposes."""
        self.sources: dict[Format, Tensor] = {}
        self._outputs: dict[Format, Tensor] = {}
        self._used = dict.fromkeys(forms, 0)

    def begin(self, sources: dict[Format, Tensor]) -> None:
        """Inside the kernel: outputs and a tile of each type."""
        self.sources = sources
        self._outputs = {
            form: current().allocate((self._output_elements,), form, Buffer.SHARED_HBM, f"out_{form.name}")
            for form in self.forms
        }
        for form in self.forms:
            self.new_tile(form)

    @property
    def closing(self) -> int:
        """Instructions that `close` may need."""
        return TILES * len(self.live) + 2 * TILES

    def close(self) -> tuple[Tensor, ...]:
        """Every live tile is stored; returns the outputs."""
        for tile in [*self.sums, *self.turned]:
            whole = current().allocate(tile.shape, tile.dtype, Buffer.SBUF, "last")
            nisa.tensor_copy(whole, tile)
            self.store_view(whole)
        for tiles in self.live.values():
            for tile in tiles:
                self.store_view(tile)
        return tuple(self._outputs.values())

    def new_sums(self, shape: tuple[int, int], form: Format) -> Tensor:
        """A tile of PSUM, in place of the oldest; what makes it writes it wholly."""
        tile = current().allocate(shape, form, Buffer.PSUM, "sums")
        self.sums = [*self.sums, tile][-TILES:]
        return tile

    def new_turned(self, shape: tuple[int, ...], form: Format) -> Tensor:
        """The same for bits."""
        tile = current().allocate(shape, form, Buffer.PSUM, "turned")
        self.turned = [*self.turned, tile][-TILES:]
        return tile

    def pick(self, items: Sequence[T]) -> T:
        return items[self.shapes.integer(0, len(items) - 1)]

    def form(self) -> Format:
        return self.forms[int(self.random.random() * len(self.forms))]

    def new_tile(self, form: Format | None = None) -> None:
        """A tile whose rows come from memory; it replaces an old one, which is stored."""
        form = form or self.form()
        shape = (self.shapes.integer(1, self.config.partitions), self.shapes.integer(1, 2 * self.elements))
        tile = current().allocate(shape, form, Buffer.SBUF, f"tile_{form.name}")
        nisa.dma_copy(tile, self.memory_view(self.sources[form], shape[0], (shape[1],), overlapping=True))
        tiles = self.live[form]
        tiles.append(tile)
        if len(tiles) > TILES:
            self.store_view(tiles.pop(self.shapes.integer(0, TILES - 1)))

    def view(
        self,
        tile: Tensor,
        sizes: tuple[int, ...],
        rows: tuple[int, int],
        *,
        overlapping: bool,
    ) -> Tensor:
        strides, offset = self.shapes.strides(sizes, tile.storage.row_elements, overlapping=overlapping)
        steps = (1, *(stride * tile.item for stride in strides))
        return Tensor(tile.storage, tile.dtype, (rows[1], *sizes), steps, offset * tile.item, rows[0])

    def memory_view(self, source: Tensor, rows: int, sizes: tuple[int, ...], *, overlapping: bool) -> Tensor:
        limit = source.shape[0] // rows
        strides, offset = self.shapes.strides(sizes, min(limit, ROOM * self.elements), overlapping=overlapping)
        pitch = self.shapes.integer(0 if overlapping else min(limit, ROOM * self.elements), limit)
        steps = tuple(stride * source.item for stride in (pitch, *strides))
        return Tensor(source.storage, source.dtype, (rows, *sizes), steps, offset * source.item)

    def rows(self, *tiles: Tensor) -> tuple[int, int]:
        """Partitions (first, count) that all tiles have."""
        most = min(tile.shape[0] for tile in tiles)
        first = self.shapes.integer(0, most - 1)
        return first, self.shapes.integer(1, most - first)

    def operands(self, *tiles: Tensor) -> list[Tensor]:
        """Views of the same sizes and partitions; the first is a destination."""
        sizes = self.shapes.sizes(min(tile.storage.row_elements for tile in tiles))
        rows = self.rows(*tiles)
        views: list[Tensor] = []
        for i, tile in enumerate(tiles):
            in_place = i > 0 and tile.storage is tiles[0].storage
            views.append(views[0] if in_place else self.view(tile, sizes, rows, overlapping=i > 0))
        return views

    def target(self) -> Tensor:
        return self.pick(self.live[self.form()])

    def source(self) -> Tensor:
        return self.pick([*self.sums, *self.turned] if self.random.random() < 1 / 3 else self.live[self.form()])

    def store_view(self, view: Tensor) -> Tensor:
        """To a fresh piece of the output (an old one once it is full); returns the memory side."""
        out, sizes = self._outputs[view.dtype], view.shape[1:]
        room = ROOM * self.elements * view.shape[0]
        at = self._used[view.dtype]
        if at + room > self._output_elements:
            at = 0
        self._used[view.dtype] = at + room
        memory = self.memory_view(out[at : at + room], view.shape[0], sizes, overlapping=False)
        memory = replace(memory, start=memory.start + at * view.dtype.bytes)
        nisa.dma_copy(memory, view)
        return memory

    def mixable(self, forms: Sequence[Format]) -> tuple[Tensor, Tensor]:
        """A stationary and a moving tile of types that may meet."""
        weight = self.pick(forms)
        stationary = self.pick(self.live[weight])
        other = self.pick([form for form in forms if mixable(weight, form)])
        return stationary, self.pick(self.live[other])

    def sum_type(self) -> Format:
        """Where there is one only, nothing is drawn: the programs of seeds that tests and records name stay."""
        sums = self.config.tensor.sums
        return sums[0] if len(sums) == 1 else self.pick(sums)
