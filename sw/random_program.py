"""Random legal programs: every opcode, ragged sizes, signed and zero strides, all queues at once, one defined result.

A program is recorded through the front end, so allocator and scheduler make it free of races; the generator makes it
free of reads of what was never written. The golden image is then the oracle for the RTL.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from makalu.spec.cfp8 import OFFSETS, OFFSETTABLE
from makalu.spec.config import CoreConfig
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.field_rules import FIELD_RULES
from makalu.spec.formats import FORMATS, FP32, SINGLES, Format
from makalu.spec.isa import FIELDS, Queue
from makalu.spec.lane_programs import LaneProgram, lane_programs
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quantize import GROUP_ELEMENTS, QUANTIZED, UNQUANTIZED, ScaleRule
from makalu.spec.scales import OFFSET_STEP, largest_offset
from makalu.spec.sparsity import PACKED_TAGS, RATIO_LIMIT, ROW_CANDIDATES, SPARSE, TAG_BITS, TAGS
from makalu.spec.tensor_types import mixable

from .compile.compiler import compile_trace
from .compile.program import Program
from .compile.roles import ROLES
from .compile.rounding import stochastic
from .elements import Bits
from .nki import isa as nisa
from .nki.arguments import fp32_bits
from .nki.elementwise import elementwise
from .nki.matmul import matmul
from .nki.operators import OPERATORS
from .nki.pe_tiles import PeTile
from .nki.recording import current
from .nki.staging import column
from .nki.storage import Buffer
from .nki.tensor import Tensor
from .nki.tracing import TensorSpec, trace
from .random_data import RandomPatterns, decorated, random_bits

__all__ = ["RandomProgram", "random_program"]

TYPES = 3
"""Element types of a program: fp32, the array's first and another one."""
ROOM = 4
"""Memory that one partition's share of a transfer may spread over, in multiples of `elements`."""
INPUT_ROOMS = 4
OUTPUT_ROOMS = 32
"""Sizes of the inputs and outputs, in transfers of all partitions."""
CODES = {rule.field: [int(code) for code in rule.names] for rule in FIELD_RULES if rule.names is not None}
"""Of fields that name something."""
TILES = 4
"""Live SBUF tiles of each type, and live PSUM tiles."""


@dataclass(frozen=True, kw_only=True)
class RandomProgram:
    """A program, its inputs as element bits, and the seed that makes both."""

    config: CoreConfig
    seed: int
    program: Program
    inputs: dict[str, Bits]


def random_program(config: CoreConfig, *, seed: int, instructions: int = 60, elements: int = 64) -> RandomProgram:
    """About `instructions` instructions, each of at most `elements` elements a partition."""
    random = np.random.default_rng(seed)
    count = INPUT_ROOMS * ROOM * elements * config.partitions
    forms = _forms(config, random)
    apart = [np.random.default_rng([seed, n]) for n in (1, 2)]
    builder = _Builder(config, random, instructions, elements, forms, *apart)
    traced = trace(builder.kernel, config, **{form.name: TensorSpec((count,), form) for form in forms})
    program = compile_trace(traced, whole_outputs=False, transform=lambda queues: decorated(queues, config, random))
    inputs = {form.name: Bits(random_bits(random, form, count)) for form in forms}
    if config.stochastic:
        rounded = stochastic(program, config, which=lambda _: bool(random.random() < 1 / 2))
        program = replace(rounded, random_seed=0)  # as a reset leaves the register: any host starts it
    return RandomProgram(config=config, seed=seed, program=program, inputs=inputs)


def _forms(config: CoreConfig, random: np.random.Generator) -> tuple[Format, ...]:
    """Up to `TYPES` of the core's types."""
    always = [FP32, SINGLES[0]]
    others = [form for form in config.elements if form not in always]
    chosen = random.permutation(len(others))[: TYPES - len(always)]
    return (*always, *(others[i] for i in chosen))


class _Builder:
    """Records one random kernel. Every tile is written wholly before anything reads it."""

    def __init__(
        self,
        config: CoreConfig,
        random: np.random.Generator,
        instructions: int,
        elements: int,
        forms: tuple[Format, ...],
        tiles: np.random.Generator,
        offsets: np.random.Generator,
    ) -> None:
        self._config, self._random, self._forms, self._tiling = config, random, forms, tiles
        self._offsets = offsets
        self._budget, self._elements = instructions, elements
        self._shapes = RandomPatterns(random, elements)
        self._output_elements = OUTPUT_ROOMS * ROOM * elements * config.partitions
        self._tiles: dict[Format, list[Tensor]] = {form: [] for form in forms}
        self._sums: list[Tensor] = []
        self._turned: list[Tensor] = []
        self._sources: dict[Format, Tensor] = {}
        self._outputs: dict[Format, Tensor] = {}
        self._used = dict.fromkeys(forms, 0)

    def kernel(self, **sources: Tensor) -> tuple[Tensor, ...]:
        recording = current()
        self._sources = {form: sources[form.name] for form in self._forms}
        self._outputs = {
            form: recording.allocate((self._output_elements,), form, Buffer.SHARED_HBM, f"out_{form.name}")
            for form in self._forms
        }
        for form in self._forms:
            self._new_tile(form)
        self._matmul_new()
        # Scalar's rows first: the programs of seeds that tests and records name stay
        engines = reversed(ACCESS_ENGINES)
        rows = [row for engine in engines for row in lane_programs(engine, self._config) if not row.grouped]
        lanes: list[Callable[[], None]] = [partial(self._lane, row) for row in rows]
        steps: list[Callable[[], None]] = [
            *[self._load, self._store, *lanes] * 2,
            *[self._matmul_new, self._matmul_add] * 3,
            *[self._transpose] * self._config.tensor.carries,
            *[self._double_row]
            * (len(self._config.tensor.modes) > 1 and any(form in PAIRABLE for form in self._forms)),
            *[self._mx] * (2 if self._config.tensor.quads else 0),
            *[self._sparse] * (2 if self._config.tensor.sparse else 0),
            *[self._new_tile, self._round_trip, self._split],
        ]
        closing = sum(TILES for _ in self._tiles) + 2 * TILES
        while recording.count < self._budget - closing - len(Queue):
            steps[int(self._random.integers(len(steps)))]()
        for tile in [*self._sums, *self._turned]:
            whole = recording.allocate(tile.shape, tile.dtype, Buffer.SBUF, "last")
            nisa.tensor_copy(whole, tile)
            self._store_view(whole)
        for tiles in self._tiles.values():
            for tile in tiles:
                self._store_view(tile)
        return tuple(self._outputs.values())

    def _pick(self, items: list[Tensor]) -> Tensor:
        return items[self._shapes.integer(0, len(items) - 1)]

    def _form(self) -> Format:
        return self._forms[int(self._random.random() * len(self._forms))]

    def _new_tile(self, form: Format | None = None) -> None:
        """A tile whose rows come from memory; it replaces an old one, which is stored."""
        form = form or self._form()
        shape = (self._shapes.integer(1, self._config.partitions), self._shapes.integer(1, 2 * self._elements))
        tile = current().allocate(shape, form, Buffer.SBUF, f"tile_{form.name}")
        nisa.dma_copy(tile, self._memory_view(self._sources[form], shape[0], (shape[1],), overlapping=True))
        tiles = self._tiles[form]
        tiles.append(tile)
        if len(tiles) > TILES:
            self._store_view(tiles.pop(self._shapes.integer(0, TILES - 1)))

    def _view(
        self,
        tile: Tensor,
        sizes: tuple[int, ...],
        rows: tuple[int, int],
        *,
        overlapping: bool,
    ) -> Tensor:
        strides, offset = self._shapes.strides(sizes, tile.storage.row_elements, overlapping=overlapping)
        steps = (1, *(stride * tile.item for stride in strides))
        return Tensor(tile.storage, tile.dtype, (rows[1], *sizes), steps, offset * tile.item, rows[0])

    def _memory_view(self, source: Tensor, rows: int, sizes: tuple[int, ...], *, overlapping: bool) -> Tensor:
        limit = source.shape[0] // rows
        strides, offset = self._shapes.strides(sizes, min(limit, ROOM * self._elements), overlapping=overlapping)
        pitch = self._shapes.integer(0 if overlapping else min(limit, ROOM * self._elements), limit)
        steps = tuple(stride * source.item for stride in (pitch, *strides))
        return Tensor(source.storage, source.dtype, (rows, *sizes), steps, offset * source.item)

    def _rows(self, *tiles: Tensor) -> tuple[int, int]:
        """Partitions (first, count) that all tiles have."""
        most = min(tile.shape[0] for tile in tiles)
        first = self._shapes.integer(0, most - 1)
        return first, self._shapes.integer(1, most - first)

    def _operands(self, *tiles: Tensor) -> list[Tensor]:
        """Views of the same sizes and partitions; the first is a destination."""
        sizes = self._shapes.sizes(min(tile.storage.row_elements for tile in tiles))
        rows = self._rows(*tiles)
        views: list[Tensor] = []
        for i, tile in enumerate(tiles):
            in_place = i > 0 and tile.storage is tiles[0].storage
            views.append(views[0] if in_place else self._view(tile, sizes, rows, overlapping=i > 0))
        return views

    def _target(self) -> Tensor:
        return self._pick(self._tiles[self._form()])

    def _source(self) -> Tensor:
        return self._pick([*self._sums, *self._turned] if self._random.random() < 1 / 3 else self._tiles[self._form()])

    def _number(self) -> float:
        return float(np.float32(self._random.choice([0.0, -0.0, 1.0, -1.0, self._random.normal()])))

    def _operand0(self, view: Tensor) -> Tensor | float:
        """A number, or one fp32 a partition beside `view`."""
        tiles = [t for t in self._tiles[FP32] if t.shape[0] >= view.partition + view.shape[0]]
        tiles = [t for t in tiles if t.storage is not view.storage]
        if not tiles or self._random.random() < 1 / 2:
            return self._number()
        tile = self._pick(tiles)
        column = self._shapes.integer(0, tile.shape[1] - 1)
        return tile[view.partition : view.partition + view.shape[0], column]

    def _lane(self, row: LaneProgram) -> None:
        """An instruction of Vector or Scalar: the operands that its row reads, any value in the fields it looks at.

        Below the language: NKI forbids two operands in PSUM, the core does not.
        """
        roles = ROLES[row.opcode]
        streamed = [source.slot for source in row.sources if not source.once]
        dst, *views = self._operands(self._target(), *(self._source() for _ in streamed))
        sources = {role: views[streamed.index(slot)] for role, slot in roles.tensors.items() if slot in streamed}
        numbers: dict[str, int] = {}
        for role, field in roles.numbers.items():
            value = self._operand0(dst) if role in roles.scalars else self._value(field)
            if isinstance(value, Tensor):
                sources[role] = column(role, value, dst)
            else:
                numbers[role] = value if isinstance(value, int) else fp32_bits(role, value)
        elementwise(row.opcode, dst, sources, numbers, scalars=tuple(roles.scalars))

    def _value(self, field: str) -> int | float:
        """One of the codes that a field has, a number of fp32, or any bits."""
        if field in CODES:
            return CODES[field][self._shapes.integer(0, len(CODES[field]) - 1)]
        return self._number() if FIELDS[field].bits == FP32.bits else self._shapes.integer(0, FIELDS[field].high)

    def _load(self) -> None:
        tile = self._target()
        first, count = self._rows(tile)
        view = self._view(tile, self._shapes.sizes(tile.shape[1]), (first, count), overlapping=False)
        memory = self._memory_view(self._sources[tile.dtype], count, view.shape[1:], overlapping=True)
        nisa.dma_copy(view, memory)

    def _store(self) -> None:
        tile = self._target()
        self._store_view(self._view(tile, self._shapes.sizes(tile.shape[1]), self._rows(tile), overlapping=True))

    def _store_view(self, view: Tensor) -> Tensor:
        """To a fresh piece of the output (an old one once it is full); returns the memory side."""
        out, sizes = self._outputs[view.dtype], view.shape[1:]
        room = ROOM * self._elements * view.shape[0]
        at = self._used[view.dtype]
        if at + room > self._output_elements:
            at = 0
        self._used[view.dtype] = at + room
        memory = self._memory_view(out[at : at + room], view.shape[0], sizes, overlapping=False)
        memory = replace(memory, start=memory.start + at * view.dtype.bytes)
        nisa.dma_copy(memory, view)
        return memory

    def _round_trip(self) -> None:
        """Store, and load the same bytes again."""
        tile = self._target()
        view = self._view(tile, self._shapes.sizes(tile.shape[1]), self._rows(tile), overlapping=False)
        nisa.dma_copy(view, self._store_view(view))

    def _split(self) -> None:
        """Fills both sides of an odd column inside an SBUF word, of small elements: one by DMA, one by an engine."""
        smallest = min(self._forms, key=lambda form: form.bytes)
        tile = self._pick(self._tiles[smallest])
        if tile.shape[1] < 2:
            return
        source = self._source()
        source = self._pick(self._sums) if source.storage is tile.storage else source
        first, count = self._rows(tile, source)
        cut = 2 * self._shapes.integer(0, tile.shape[1] // 2 - 1) + 1
        rows, most = slice(first, first + count), self._elements
        low = tile[rows, max(0, cut - most) : cut]
        high = tile[rows, cut : min(cut + most, tile.shape[1])]
        for _ in range(self._shapes.integer(1, 3)):
            loaded, written = (low, high) if self._shapes.integer(0, 1) else (high, low)
            written = written[:, : min(written.shape[1], source.storage.row_elements)]
            data = self._view(source, written.shape[1:], (first, count), overlapping=True)
            memory = self._memory_view(self._sources[smallest], count, loaded.shape[1:], overlapping=True)
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

    def _matmul_operands(self) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """Stationary view, moving tile, rows."""
        operands = [form for form in self._forms if form in self._config.tensor.operands]
        weight = operands[self._shapes.integer(0, len(operands) - 1)]
        others = [form for form in operands if mixable(weight, form)]
        stationary = self._pick(self._tiles[weight])
        moving = self._pick(self._tiles[others[self._shapes.integer(0, len(others) - 1)]])
        rows = self._rows(stationary, moving)
        word = self._config.sbuf.word_bytes // weight.bytes
        start = word * self._shapes.integer(0, (stationary.shape[1] - 1) // word)
        count = self._shapes.integer(1, min(self._config.tensor.columns, stationary.shape[1] - start))
        return stationary[rows[0] : sum(rows), start : start + count], moving, rows

    def _sum_type(self) -> Format:
        """Where there is one only, nothing is drawn: the programs of seeds that tests and records name stay."""
        sums = self._config.tensor.sums
        return sums[0] if len(sums) == 1 else sums[self._shapes.integer(0, len(sums) - 1)]

    def _matmul_new(self) -> None:
        """Overwrites a whole new PSUM tile."""
        stationary, moving, rows = self._matmul_operands()
        sizes = self._shapes.sizes(min(self._config.psum.bank_elems, moving.shape[1]))
        shape = (stationary.shape[1], int(np.prod(sizes)))
        tile = current().allocate(shape, self._sum_type(), Buffer.PSUM, "sums")
        view = self._view(moving, sizes, rows, overlapping=True)
        parts, moved = self._column_tiles(shape[0]), self._moved(stationary, view)
        for part, own in zip(parts, self._row_tiles(rows[1], len(parts)), strict=True):
            dst, left, right = tile.reshape((shape[0], *sizes))[part], stationary[own, part], view[own]
            place = PeTile(right.partition, dst.partition, right.shape[0], dst.shape[0])
            matmul(dst, left, right, accumulate=False, transpose=False, tile=place, offsets=moved)
        self._sums = [*self._sums, tile][-TILES:]

    def _moved(self, *operands: Tensor) -> tuple[int, ...]:
        """Offsets of exponents, where the core and the type have them: half of them 0.

        By numbers of their own, as column tiles.
        """
        some = [self._config.cfp8 and tensor.dtype in OFFSETTABLE for tensor in operands]
        return tuple(
            int(self._offsets.integers(-OFFSETS, OFFSETS)) if may and self._offsets.random() < 1 / 2 else 0
            for may in some
        )

    def _column_tiles(self, count: int, whole: int = 1) -> list[slice]:
        """Columns of a stationary tile, often as two tiles of the array, in any order; each of a multiple of `whole`.

        By numbers of their own: what else the programs of seeds that tests and records name do stays.
        """
        step = max(whole, self._config.tensor.column_tile)
        places = (count - 1) // step
        if not places or self._tiling.random() < 1 / 3:
            return [slice(0, count)]
        cut = step * int(self._tiling.integers(1, places + 1))
        parts = [slice(0, cut), slice(cut, count)]
        return parts if self._tiling.random() < 1 / 2 else parts[::-1]

    def _row_tiles(self, count: int, tiles: int) -> list[slice]:
        """Rows of each column tile: all of them, or of two tiles often some each, so that they run at once."""
        if tiles != 2 or count < 2 or self._tiling.random() < 1 / 2:
            return [slice(0, count)] * tiles
        cut = int(self._tiling.integers(1, count))
        parts = [slice(0, cut), slice(cut, count)]
        return parts if self._tiling.random() < 1 / 2 else parts[::-1]

    def _first_column(self, last: int) -> int:
        """Where a column tile may begin, up to `last`."""
        step = self._config.tensor.column_tile
        return step * int(self._tiling.integers(0, last // step + 1))

    def _transpose(self) -> None:
        """Bits of a tile, to a new tile of PSUM."""
        stationary, _, _ = self._matmul_operands()
        stationary = stationary[: min(stationary.shape[0], self._elements)]
        shape = stationary.shape[::-1]
        tile = current().allocate(shape, stationary.dtype, Buffer.PSUM, "turned")
        for part in self._column_tiles(shape[0]):
            nisa.nc_transpose(tile[part], stationary[:, part])
        self._turned = [*self._turned, tile][-TILES:]

    def _double_row(self) -> None:
        """Overwrites a whole new PSUM tile with sums over two rows of each partition."""
        short = [form for form in self._forms if form in PAIRABLE]
        weight = short[self._shapes.integer(0, len(short) - 1)]
        others = [form for form in short if mixable(weight, form)]
        one = self._pick(self._tiles[weight])
        other = self._pick(self._tiles[others[self._shapes.integer(0, len(others) - 1)]])
        if min(one.shape[1], other.shape[1]) < 2:
            return
        rows = self._rows(one, other)
        stationary, moving = self._two_rows(one, rows), self._two_rows(other, rows)
        shape = (stationary.shape[2], moving.shape[2])
        sums = current().allocate(shape, self._sum_type(), Buffer.PSUM, "sums")
        double_row = nisa.matmul_perf_mode.double_row
        for part in self._column_tiles(shape[0]):
            nisa.nc_matmul(sums[part], stationary[:, :, part], moving, accumulate=False, perf_mode=double_row)
        self._sums = [*self._sums, sums][-TILES:]

    def _two_rows(self, tile: Tensor, rows: tuple[int, int]) -> Tensor:
        """The first columns of some partitions as [K, 2, N]."""
        most = min(tile.shape[1] // 2, self._config.tensor.columns, self._elements)
        count = self._shapes.integer(1, most)
        return tile[rows[0] : sum(rows), : 2 * count].reshape((rows[1], 2, count))

    def _mx(self) -> None:
        """Overwrites a whole new PSUM tile with a product of two tiles that are quantised first."""
        most = min(self._config.tensor.columns, self._elements)
        columns = 2 * self._shapes.integer(1, most // 2), self._shapes.integer(1, self._elements)
        (data, scale), (other, its) = (self._quantised(count) for count in columns)
        sums = current().allocate(columns, FP32, Buffer.PSUM, "sums")
        for part in self._column_tiles(columns[0]):
            nisa.nc_matmul_mx(sums[part], data[:, part], other, scale[:, part], its, accumulate=False)
        self._sums = [*self._sums, sums][-TILES:]

    def _quantised(self, columns: int) -> tuple[Tensor, Tensor]:
        """[K, columns] containers and their scales, somewhere in their quadrants."""
        config, form = self._config, UNQUANTIZED[0]
        rows, source = config.partitions, (GROUP_ELEMENTS * columns,)
        numbers = current().allocate((rows, *source), form, Buffer.SBUF, "numbers")
        nisa.dma_copy(numbers, self._memory_view(self._sources[form], rows, source, overlapping=True))
        kinds = [form for form in config.tensor.quads if any(form.name.startswith(each.name) for each in QUANTIZED)]
        data = current().allocate(
            (rows, columns), kinds[self._shapes.integer(0, len(kinds) - 1)], Buffer.SBUF, "containers"
        )
        before = self._shapes.integer(0, 3) % 3
        scales = current().allocate((rows, before + columns), FORMATS["uint8"], Buffer.SBUF, "scales")
        above = OFFSET_STEP * self._shapes.integer(0, largest_offset(config) // OFFSET_STEP)
        rule = ScaleRule(self._shapes.integer(0, max(ScaleRule)))
        nisa.quantize_mx(data, numbers, scales[above:, before:], scale_rule=rule)
        return data, scales[above:, before:]

    def _sparse(self) -> None:
        """Overwrites a whole new PSUM tile, or adds to one, with a sparse tile times some elements a partition."""
        config, short = self._config, [form for form in self._forms if form in SPARSE]
        short = [form for form in short if form in config.tensor.operands]
        weight = short[self._shapes.integer(0, len(short) - 1)]
        others = [form for form in short if mixable(weight, form)]
        one = self._pick(self._tiles[weight])
        other = self._pick(self._tiles[others[self._shapes.integer(0, len(others) - 1)]])
        whole, ratio = config.tensor.group_rows, self._shapes.integer(1, RATIO_LIMIT)
        rows = min(one.shape[0], other.shape[0]) // whole
        fours = min(one.shape[1], config.tensor.columns) // PACKED_TAGS
        if not rows or not fours or other.shape[1] < ratio:
            return
        first = self._shapes.integer(0, rows - 1)
        taken = slice(whole * first, whole * (first + self._shapes.integer(1, rows - first)))
        stationary = one[taken, : PACKED_TAGS * self._shapes.integer(1, fours)]
        moving = self._candidates(other, taken, ratio)
        shape = (stationary.shape[1], moving.shape[2])
        fits = [tile for tile in self._sums if tile.shape[0] >= shape[0] and tile.shape[1] >= shape[1]]
        adds = bool(fits) and bool(self._shapes.integer(0, 1))
        if adds:
            sums = self._pick(fits)
        else:
            sums = current().allocate(shape, self._sum_type(), Buffer.PSUM, "sums")
            self._sums = [*self._sums, sums][-TILES:]
        tags = self._tags(stationary.shape, ratio, taken)
        first = self._first_column(sums.shape[0] - shape[0])
        for part in self._column_tiles(shape[0], PACKED_TAGS):
            dst = sums[first + part.start : first + part.stop, : shape[1]]
            its = tags[:, part.start // PACKED_TAGS : part.stop // PACKED_TAGS]
            nisa.nc_matmul_sparse(dst, stationary[:, part], moving, its, accumulate=adds)

    def _candidates(self, tile: Tensor, rows: slice, ratio: int) -> Tensor:
        """[K, ratio, N] of a tile: elements of a partition whole words apart, or one behind the other."""
        most, word = min(self._elements, self._config.psum.bank_elems), self._config.sbuf.word_bytes // tile.item
        apart = tile.shape[1] // ratio // word * word
        if apart and self._shapes.integer(0, 3):
            count = self._shapes.integer(1, min(apart, most))
            return tile[rows, : ratio * apart].reshape((rows.stop - rows.start, ratio, apart))[:, :, :count]
        count = self._shapes.integer(1, min(tile.shape[1] // ratio, most))
        return tile[rows, : ratio * count].reshape((rows.stop - rows.start, ratio, count))

    def _tags(self, shape: tuple[int, ...], ratio: int, rows: slice) -> Tensor:
        """Any that are in range, in the weights' partitions or in the first ones."""
        packed = (shape[0], shape[1] // PACKED_TAGS)
        row = self._random.integers(0, self._config.tensor.group_rows, (*packed, PACKED_TAGS))
        tags = ROW_CANDIDATES * row + self._random.integers(0, ratio, row.shape)
        words = (tags << TAG_BITS * np.arange(PACKED_TAGS)).sum(axis=2).astype(np.uint16)
        start = rows.start * self._shapes.integer(0, 1)
        tile = current().allocate((start + packed[0], packed[1]), TAGS, Buffer.SBUF, "tags")[start:]
        nisa.dma_copy(tile, current().constant(words, TAGS, "tags"))
        return tile

    def _matmul_add(self) -> None:
        """Adds to part of a PSUM tile, now and then to one element again and again."""
        stationary, moving, rows = self._matmul_operands()
        tile = self._pick(self._sums)
        first = self._first_column(tile.shape[0] - 1)
        count = min(stationary.shape[1], tile.shape[0] - first)
        sizes = self._shapes.sizes(min(tile.shape[1], moving.shape[1]))
        nisa.nc_matmul(
            self._view(tile, sizes, (first, count), overlapping=True),
            stationary[:, :count],
            self._view(moving, sizes, rows, overlapping=True),
            accumulate=True,
            exponent_offset=self._moved(stationary, moving),
        )
