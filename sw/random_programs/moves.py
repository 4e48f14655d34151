"""Random copies, and random instructions of Vector and Scalar."""

from collections.abc import Callable
from functools import partial

import numpy as np

from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.field_rules import FIELD_RULES
from makalu.spec.formats import FP32
from makalu.spec.isa import FIELDS
from makalu.spec.lane_programs import LaneProgram, lane_programs

from ..compile.roles import ROLES
from ..nki import isa as nisa
from ..nki.arguments import fp32_bits
from ..nki.elementwise import elementwise
from ..nki.operators import OPERATORS
from ..nki.staging import column
from ..nki.tensor import Tensor
from .tiles import RandomTiles

__all__ = ["RandomMoves"]

CODES = {rule.field: [int(code) for code in rule.names] for rule in FIELD_RULES if rule.names is not None}
"""Of fields that name something."""


class RandomMoves:
    """Loads, stores, and every row of the lane engines, of tiles that are there."""

    def __init__(self, tiles: RandomTiles) -> None:
        self._tiles, self._shapes = tiles, tiles.shapes
        # Scalar's rows first: the programs of seeds that tests and records name stay
        rows = [row for engine in reversed(ACCESS_ENGINES) for row in lane_programs(engine, tiles.config)]
        lanes = [partial(self._lane, row) for row in rows if not row.grouped]
        self.often: list[Callable[[], None]] = [self._load, self._store, *lanes]
        self.seldom: list[Callable[[], None]] = [self._round_trip, self._split]

    def _lane(self, row: LaneProgram) -> None:
        """An instruction of Vector or Scalar: the operands that its row reads, any value in the fields it looks at.

        Below the language: NKI forbids two operands in PSUM, the core does not.
        """
        roles = ROLES[row.opcode]
        streamed = [source.slot for source in row.sources if not source.once]
        dst, *views = self._tiles.operands(self._tiles.target(), *(self._tiles.source() for _ in streamed))
        sources = {role: views[streamed.index(slot)] for role, slot in roles.tensors.items() if slot in streamed}
        numbers: dict[str, int] = {}
        for role, field in roles.numbers.items():
            value = self._operand0(dst) if role in roles.scalars else self._value(field)
            if isinstance(value, Tensor):
                sources[role] = column(role, value, dst)
            else:
                numbers[role] = value if isinstance(value, int) else fp32_bits(role, value)
        elementwise(row.opcode, dst, sources, numbers, scalars=tuple(roles.scalars))

    def _operand0(self, view: Tensor) -> Tensor | float:
        """A number, or one fp32 a partition beside `view`."""
        tiles = [t for t in self._tiles.live[FP32] if t.shape[0] >= view.partition + view.shape[0]]
        tiles = [t for t in tiles if t.storage is not view.storage]
        if not tiles or self._tiles.random.random() < 1 / 2:
            return self._number()
        tile = self._tiles.pick(tiles)
        column = self._shapes.integer(0, tile.shape[1] - 1)
        return tile[view.partition : view.partition + view.shape[0], column]

    def _value(self, field: str) -> int | float:
        """One of the codes that a field has, a number of fp32, or any bits."""
        if field in CODES:
            return self._tiles.pick(CODES[field])
        return self._number() if FIELDS[field].bits == FP32.bits else self._shapes.integer(0, FIELDS[field].high)

    def _number(self) -> float:
        return float(np.float32(self._tiles.random.choice([0.0, -0.0, 1.0, -1.0, self._tiles.random.normal()])))

    def _load(self) -> None:
        tile = self._tiles.target()
        first, count = self._tiles.rows(tile)
        view = self._tiles.view(tile, self._shapes.sizes(tile.shape[1]), (first, count), overlapping=False)
        memory = self._tiles.memory_view(self._tiles.sources[tile.dtype], count, view.shape[1:], overlapping=True)
        nisa.dma_copy(view, memory)

    def _store(self) -> None:
        self._tiles.store_view(self._part(overlapping=True))

    def _part(self, *, overlapping: bool) -> Tensor:
        """Of any tile."""
        tile = self._tiles.target()
        sizes = self._shapes.sizes(tile.shape[1])
        return self._tiles.view(tile, sizes, self._tiles.rows(tile), overlapping=overlapping)

    def _round_trip(self) -> None:
        """Store, and load the same bytes again."""
        view = self._part(overlapping=False)
        nisa.dma_copy(view, self._tiles.store_view(view))

    def _split(self) -> None:
        """Fills both sides of an odd column inside an SBUF word, of small elements: one by DMA, one by an engine."""
        smallest = min(self._tiles.forms, key=lambda form: form.bytes)
        tile = self._tiles.pick(self._tiles.live[smallest])
        if tile.shape[1] < 2:
            return
        source = self._tiles.source()
        source = self._tiles.pick(self._tiles.sums) if source.storage is tile.storage else source
        first, count = self._tiles.rows(tile, source)
        cut = 2 * self._shapes.integer(0, tile.shape[1] // 2 - 1) + 1
        rows, most = slice(first, first + count), self._tiles.elements
        low = tile[rows, max(0, cut - most) : cut]
        high = tile[rows, cut : min(cut + most, tile.shape[1])]
        for _ in range(self._shapes.integer(1, 3)):
            loaded, written = (low, high) if self._shapes.integer(0, 1) else (high, low)
            written = written[:, : min(written.shape[1], source.storage.row_elements)]
            data = self._tiles.view(source, written.shape[1:], (first, count), overlapping=True)
            memory = self._tiles.memory_view(self._tiles.sources[smallest], count, loaded.shape[1:], overlapping=True)
            load_first = bool(self._shapes.integer(0, 1))
            if load_first:
                nisa.dma_copy(loaded, memory)
            self._engine_copy(written, data)
            if not load_first:
                nisa.dma_copy(loaded, memory)

    def _engine_copy(self, dst: Tensor, src: Tensor) -> None:
        if self._shapes.integer(0, 1):
            nisa.tensor_copy(dst, src)
        else:
            nisa.activation(dst, op=OPERATORS["copy"], data=src, bias=0.0, scale=1.0)
