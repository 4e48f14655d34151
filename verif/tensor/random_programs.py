"""Random legal instruction streams for the tensor engine: ragged ones, and ones whose destinations return."""

import random
from dataclasses import dataclass, replace

from makalu.sim_models.golden.walker import extent
from makalu.spec.cfp8 import OFFSETS
from makalu.spec.config import CoreConfig, TensorConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, CARRIED, FP32, SUMS, Format
from makalu.spec.isa import AP_DIMS, LOADS
from makalu.spec.random_bits import SHORTER
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant
from makalu.spec.tensor_modes import MODES, Mode, TensorMode
from makalu.spec.tensor_types import TRANSPOSES, Part, mixable
from verif.tensor.elements import operand_kinds
from verif.tensor.programs import (
    PSUM_WINDOW,
    SBUF_WINDOW,
    Command,
    Scales,
    Sizes,
    load,
    matmul,
    scale_window,
    transpose,
    window,
)

__all__ = ["between", "first_column", "hazards", "ragged", "random_transpose"]

TRANSPOSED = 0.25
"""Share of transposes beside matmuls, where they may be."""
OFTEN = 6
"""So that a third of the single operands may have a moved bias, where there is such a thing."""
ENOUGH = 20
"""Elements of a matmul from which on one dimension may have nearly half of them."""


def _data_banks(config: CoreConfig) -> int:
    return config.sbuf.banks - bool(config.tensor.quads)


def _any_scales(rng: random.Random, config: CoreConfig, columns: int) -> Scales:
    word = config.sbuf.word_bytes
    offset = scale_window(config) + word * rng.randint(0, (SBUF_WINDOW - columns) // word)
    return offset, rng.randrange(0, largest_offset(config) + 1, OFFSET_STEP)


def _sizes(rng: random.Random, most: int) -> Sizes:
    """Of few elements in any dimension; from `ENOUGH` on at times nearly half of them in one, and twice in the next."""
    if most >= ENOUGH and rng.random() < 0.1:
        d, size = rng.randrange(AP_DIMS), rng.randint(most // 3, most // 2)
        return tuple({d: size, (d + 1) % AP_DIMS: 2}.get(each, 1) for each in range(AP_DIMS))
    while True:
        sizes = [1] * AP_DIMS
        for d in range(rng.choice((1, 1, 2, 3, 4))):
            sizes[d] = rng.choice((1, 2, 3, rng.randint(1, 12), rng.randint(1, most)))
        total = 1
        for size in sizes:
            total *= size
        if total <= most:
            return tuple(sizes)


def _moving(
    rng: random.Random, config: CoreConfig, sizes: Sizes, form: Format, *, odd: bool, room: int = SBUF_WINDOW
) -> tuple[int, Sizes]:
    """Offset and strides of a pattern inside one bank's window: mostly contiguous in dimension 0; `odd`: or nearly so,
    with a stride of 1 but for one bit; in the first `room` bytes of it.
    """
    base = window(config, rng.randrange(_data_banks(config)))
    while True:
        strides = [rng.choice((1, 1, 1, 2, 3, 0, -1, rng.randint(-9, 9)))]
        if odd and rng.random() < 0.15:
            strides = [1 ^ 1 << rng.randrange(8)]
        strides += [rng.choice((0, 1, sizes[0], rng.randint(-20, 20))) for _ in range(AP_DIMS - 1)]
        low, high = extent(0, form.bytes, sizes, strides)
        if high - low < room:
            last = (room - 1 - (high - low)) // form.bytes
            return base - low + form.bytes * rng.randint(0, last), tuple(strides)


def _apart(rng: random.Random, config: CoreConfig, offset: int, room: int) -> tuple[int, int]:
    """Offset of a first row that lies in the first `room` bytes of a window, and the step to the second: up or down."""
    word = config.sbuf.word_bytes
    step = word * rng.randint(0, (SBUF_WINDOW - room) // word)
    return rng.choice(((offset, step), (offset + step, -step)))


def _target(rng: random.Random, config: CoreConfig, sizes: Sizes, form: Format, *, narrow: bool) -> tuple[int, Sizes]:
    """Offset and strides of a destination inside the PSUM windows; `narrow` makes addresses repeat soon."""
    psum = config.psum
    bank = rng.randrange(psum.banks)
    for _ in range(50):
        choices = (0, 0, 1, -1, 2) if narrow else (1, 1, 1, 2, 0)
        strides = tuple(rng.choice(choices) for _ in range(AP_DIMS))
        low, high = extent(0, form.bytes, sizes, strides)
        if high - low < FP32.bytes * PSUM_WINDOW:
            room = (FP32.bytes * PSUM_WINDOW - (high - low + 1)) // form.bytes
            return bank * psum.bank_bytes - low + form.bytes * rng.randint(0, min(room, 1) if narrow else room), strides
    return bank * psum.bank_bytes, (0,) * AP_DIMS


@dataclass(frozen=True)
class _Loaded:
    """The last load's tile: what a matmul may use."""

    mode: TensorMode
    form: Format
    start: int
    count: int
    columns: int
    first: int = 0
    """Of the PE columns."""


def _kinds(config: CoreConfig, mode: TensorMode) -> list[tuple[Format, Part]]:
    """Types of the mode that the array has, and the parts that an operand of it may be; what may have a moved bias
    `OFTEN` times more.
    """
    tensor = config.tensor
    if not mode.parts:
        return [(form, Part.UPPER) for form in tensor.operands if form in mode.formats]
    kinds = operand_kinds(tensor)
    movable = [(form, part) for form, part in kinds if config.cfp8 and form in mode.movable and part == Part.UPPER]
    return kinds + movable * OFTEN


def _moved(rng: random.Random, config: CoreConfig, mode: TensorMode, form: Format, part: Part) -> int:
    """An exponent's offset, where there may be one; a third of them 0, a third at the ends."""
    if not config.cfp8 or form not in mode.movable or part != Part.UPPER:
        return 0
    return rng.choice((0, rng.choice((-OFFSETS, OFFSETS - 1)), rng.randrange(-OFFSETS, OFFSETS)))


def _some(rng: random.Random, config: CoreConfig, mode: TensorMode, most: int) -> int:
    """Up to `most` partitions as the mode takes them, often all."""
    whole = _step(config, mode)
    return whole * rng.choice((most // whole, rng.randint(1, most // whole)))


def _step(config: CoreConfig, mode: TensorMode) -> int:
    return quadrant(config) if mode.scaled else 1


def _start(rng: random.Random, config: CoreConfig, mode: TensorMode, room: int) -> int:
    """Up to `room` partitions further."""
    whole = _step(config, mode)
    return whole * rng.randint(0, room // whole)


def first_column(rng: random.Random, tensor: TensorConfig, columns: int) -> int:
    """Of a tile of so many columns: where it may begin."""
    return tensor.column_tile * rng.randint(0, (tensor.columns - columns) // tensor.column_tile)


def _random_load(rng: random.Random, config: CoreConfig, tag: int) -> tuple[Instruction, _Loaded]:
    tensor, word = config.tensor, config.sbuf.word_bytes
    mode = rng.choice([MODES[mode] for mode in tensor.modes if not MODES[mode].tagged])
    count = _some(rng, config, mode, tensor.rows)
    columns = rng.choice((tensor.columns, rng.randint(1, tensor.columns), rng.randint(1, tensor.column_tile)))
    form, part = rng.choice(_kinds(config, mode))
    start, first = _start(rng, config, mode, tensor.rows - count), first_column(rng, tensor, columns)
    loaded = _Loaded(mode, form, start, count, columns, first)
    offset, rows = window(config, rng.randrange(_data_banks(config))), None
    offset += word * rng.randrange((SBUF_WINDOW // 2 - form.bytes * tensor.columns) // word)
    if mode.rows > 1:
        offset, rows = _apart(rng, config, offset, SBUF_WINDOW // 2)
    tile = {"start": loaded.start, "count": count, "columns": columns, "form": form, "part": part, "tag": tag}
    tile |= {"first": first, "moved": _moved(rng, config, mode, form, part)}
    scales = _any_scales(rng, config, columns) if mode.scaled else None
    return load(offset=offset, rows=rows, scales=scales, **tile), loaded


def _random_tiles(rng: random.Random, config: CoreConfig, tag: int) -> tuple[list[Instruction], _Loaded]:
    """Loads of tiles side by side, of any rows each, in any order and some of them twice: columns that a matmul has
    with all rows, or, where the first load is none of those that are apart, with its rows.
    """
    tensor, word = config.tensor, config.sbuf.word_bytes
    mode, step = MODES[Mode.SINGLE], tensor.column_tile
    cuts = sorted(rng.sample(range(tensor.columns // step), min(tensor.columns // step, rng.randint(2, 4))))
    last = rng.randint(cuts[-1] * step + 1, tensor.columns)
    pieces = list(zip(cuts, [*(step * cut for cut in cuts[1:]), last], strict=True))
    rng.shuffle(pieces)
    pieces = [*pieces, rng.choice(pieces)] if rng.random() < 0.2 else pieces
    whole = rng.random() < 0.75
    form, part = rng.choice(_kinds(config, mode))
    loads, loaded = [], _Loaded(mode, form, 0, tensor.rows, last - cuts[0] * step, cuts[0] * step)
    for n, (cut, end) in enumerate(pieces):
        count = rng.randint(1, tensor.rows)
        start = rng.randint(0, tensor.rows - count)
        form, part = rng.choice([kind for kind in _kinds(config, mode) if mixable(form, kind[0])])
        offset = window(config, rng.randrange(_data_banks(config)))
        offset += word * rng.randrange((SBUF_WINDOW // 2 - form.bytes * tensor.columns) // word)
        apart = whole or n > 0
        if not apart:
            loaded = replace(loaded, start=start, count=count)
        tile = {"offset": offset, "columns": end - cut * step, "start": start, "count": count, "first": cut * step}
        kind = {"form": form, "part": part, "moved": _moved(rng, config, mode, form, part)}
        loads.append(load(**tile, **kind, apart=apart, tag=tag))
    return loads, replace(loaded, form=form)


def _random_matmul(
    rng: random.Random, config: CoreConfig, loaded: _Loaded, tag: int, *, most: int, accumulate: float, narrow: bool
) -> Instruction:
    """It uses rows and columns that the load defined."""
    mode, tensor = loaded.mode, config.tensor
    form, part = rng.choice([kind for kind in _kinds(config, mode) if mixable(loaded.form, kind[0])])
    count = _some(rng, config, mode, loaded.count)
    sizes, room, rows, scales = _sizes(rng, most), SBUF_WINDOW, None, None
    if mode.scaled:
        sizes = (rng.choice((rng.randint(1, most), rng.randint(1, 4))), 1, 1, 1)
        scales = _any_scales(rng, config, sizes[0])
    if mode.rows > 1:
        sizes, room = (*sizes[:3], 1), SBUF_WINDOW // 2
    moving, moving_strides = _moving(rng, config, sizes, form, odd=not narrow, room=room)
    if mode.rows > 1:
        moving, rows = _apart(rng, config, moving, room)
    adds = rng.random() < accumulate
    into = rng.choice([form for form in tensor.outputs if form in SUMS or not adds])
    dst, dst_strides = _target(rng, config, sizes, into, narrow=narrow)
    columns = rng.choice((loaded.columns, rng.randint(1, loaded.columns)))
    first = loaded.first + tensor.column_tile * rng.randint(0, (loaded.columns - columns) // tensor.column_tile)
    return matmul(
        moving=moving,
        dst=dst,
        sizes=sizes,
        moving_strides=moving_strides,
        dst_strides=dst_strides,
        start=loaded.start + _start(rng, config, mode, loaded.count - count),
        count=count,
        columns=columns,
        accumulate=adds,
        form=form,
        part=part,
        into=into,
        rounding=rng.randint(0, 1) if config.stochastic_sums and into in SHORTER else 0,
        rows=rows,
        scales=scales,
        first=first,
        moved=_moved(rng, config, mode, form, part),
        tag=tag,
    )


def random_transpose(rng: random.Random, config: CoreConfig, tag: int) -> Instruction:
    """Of any tile, into a PSUM window: contiguous, backwards, every other element, or all to one."""
    tensor, word = config.tensor, config.sbuf.word_bytes
    form, part = rng.choice(tensor.singles), rng.choice(TRANSPOSES)
    count = rng.choice((tensor.rows, rng.randint(1, tensor.rows)))
    columns = rng.choice((tensor.columns, rng.randint(1, tensor.columns)))
    room = FP32.bytes * PSUM_WINDOW // CARRIED.bytes
    stride = rng.choice([step for step in (1, -1, 2, 0) if abs(step) * (count - 1) < room])
    reach = abs(stride) * (count - 1)
    first = rng.randint(0, room - 1 - reach) + (reach if stride < 0 else 0)
    offset = window(config, rng.randrange(_data_banks(config)))
    return transpose(
        offset=offset + word * rng.randrange((SBUF_WINDOW // 2 - form.bytes * tensor.columns) // word),
        dst=rng.randrange(config.psum.banks) * config.psum.bank_bytes + CARRIED.bytes * first,
        stride=stride,
        columns=columns,
        start=rng.randint(0, tensor.rows - count),
        count=count,
        form=form,
        part=part,
        first=first_column(rng, tensor, columns),
        tag=tag,
    )


def _random(
    config: CoreConfig,
    rng: random.Random,
    *,
    commands: int,
    most: int,
    loads: float,
    apart: float,
    accumulate: float,
    gaps: float,
    narrow: bool,
) -> list[Command]:
    """A matmul uses rows and columns that the last load before it defined, or the last ones: `apart` is the share of
    loads that are several, of tiles with rows of their own.
    """
    tensor = config.tensor
    loaded = _Loaded(MODES[Mode.SINGLE], BF16, 0, tensor.rows, tensor.columns)
    out: list[Command] = []
    for tag in range(commands):
        gap = rng.choice((1, 2, 3, rng.randint(1, 60))) if rng.random() < gaps else 0
        # not behind a load that has no matmul yet
        may = tensor.background and out and out[-1].instruction.opcode not in LOADS
        if may and rng.random() < TRANSPOSED:
            instruction = random_transpose(rng, config, tag)
        elif rng.random() < loads:
            instruction, loaded = _random_load(rng, config, tag)
            if rng.random() < apart:
                (*tiles, instruction), loaded = _random_tiles(rng, config, tag)
                out += [Command(tile, gap if rng.random() < gaps else 0) for tile in tiles]
        else:
            its = {"most": most, "accumulate": accumulate, "narrow": narrow}
            instruction = _random_matmul(rng, config, loaded, tag, **its)
        out.append(Command(instruction, gap))
    return out


def ragged(config: CoreConfig, rng: random.Random, *, commands: int) -> list[Command]:
    """Ragged K, M, N, strides of every sign, loads without matmuls, matmuls without loads, idle gaps."""
    return _random(
        config, rng, commands=commands, most=40, loads=0.4, apart=0.3, accumulate=0.5, gaps=0.3, narrow=False
    )


def hazards(config: CoreConfig, rng: random.Random, *, commands: int) -> list[Command]:
    """Short matmuls that accumulate on few addresses, stride 0 among them."""
    return _random(config, rng, commands=commands, most=10, loads=0.15, apart=0, accumulate=0.85, gaps=0.1, narrow=True)


def between(config: CoreConfig, rng: random.Random, *, turns: int) -> list[Command]:
    """In turn a load, a matmul of many columns, one or two transposes and matmuls of one column; of two banks mostly
    one for sums and one for bits: what ends early waits to be told, and what shares a bank waits for it.
    """
    tensor, psum = config.tensor, config.psum
    often = 0.75
    tile = {"start": 0, "count": tensor.rows, "columns": tensor.columns}
    out: list[Command] = []

    def sums(columns: int) -> None:
        strides = {"moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
        dst = (rng.random() > often) * psum.bank_bytes
        out.append(Command(matmul(moving=0, dst=dst, sizes=(columns, 1, 1, 1), **strides, **tile)))

    for _ in range(turns):
        out.append(Command(load(offset=window(config, 0), **tile)))
        sums(rng.choice((1, PSUM_WINDOW, PSUM_WINDOW)))
        for _ in range(rng.choice((1, 1, 2))):
            turned = random_transpose(rng, config, 0)
            dst = turned["dst_offset"] % psum.bank_bytes + (rng.random() < often) * psum.bank_bytes
            out.append(Command(Instruction(turned.opcode, {**turned.values, "dst_offset": dst})))
        for _ in range(rng.randint(0, 3)):
            sums(rng.choice((1, 1, 2)))
    return out
