"""Legal instruction streams for the tensor engine, with the idle cycles in front of each command."""

import random
from dataclasses import dataclass

from makalu.sim_models.golden.walker import extent
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, E8M0, FP32, Format
from makalu.spec.frame import SLOTS
from makalu.spec.isa import AP_DIMS, Opcode, Space
from makalu.spec.pairs import PAIRABLE
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import Part, mixable
from verif.tensor.elements import operand_kinds

__all__ = [
    "PSUM_WINDOW",
    "SBUF_WINDOW",
    "Command",
    "back_to_back",
    "hazards",
    "load",
    "longest",
    "matmul",
    "ragged",
    "returning",
    "scale_window",
    "streams_without_bubbles",
    "warm_up",
    "window",
]

SBUF_WINDOW = 512
"""Bytes of each SBUF bank that programs read (and benches initialise): see `window`."""
PSUM_WINDOW = 16
"""Elements at the start of each PSUM bank that programs write."""

Sizes = tuple[int, ...]
Scales = tuple[int, int]
"""Offset, and partitions above the data's first."""


@dataclass(frozen=True)
class Command:
    instruction: Instruction
    gap: int = 0
    """Cycles without a valid command in front of this one, counted from the acceptance of the one before."""


def window(config: CoreConfig, bank: int) -> int:
    """First byte of a bank's window: at the start of an even bank, at the end of an odd one."""
    return bank * config.sbuf.bank_bytes + bank % 2 * (config.sbuf.bank_bytes - SBUF_WINDOW)


def scale_window(config: CoreConfig) -> int:
    """First byte of the last bank's window: where there is mx, all bytes of it are scales."""
    return window(config, config.sbuf.banks - 1)


def _data_banks(config: CoreConfig) -> int:
    return config.sbuf.banks - bool(config.tensor.quads)


def _any_scales(rng: random.Random, config: CoreConfig, columns: int) -> Scales:
    word = config.sbuf.word_bytes
    offset = scale_window(config) + word * rng.randint(0, (SBUF_WINDOW - columns) // word)
    return offset, rng.randrange(0, largest_offset(config) + 1, OFFSET_STEP)


def _operand(
    slot: str, space: Space, code: int, partition: int, offset: int, sizes: Sizes, strides: Sizes
) -> dict[str, int]:
    values = {f"{slot}_space": int(space), f"{slot}_dtype": code, f"{slot}_partition": partition}
    values[f"{slot}_offset"] = offset
    for d in range(AP_DIMS):
        values |= {f"{slot}_size{d}": sizes[d], f"{slot}_stride{d}": strides[d]}
    return values


def load(
    *,
    offset: int,
    columns: int,
    start: int,
    count: int,
    form: Format = BF16,
    part: int = 0,
    rows: int | None = None,
    scales: Scales | None = None,
    tag: int = 0,
) -> Instruction:
    """shadow[count, columns]; `rows`: from row to row, in double row [elements]; `scales`: those of mx."""
    where = _operand("src0", Space.SBUF, form.code, start, offset, (columns, 1, 1, 1), (1, 0, 0, 0))
    where |= _rows(rows) | _scales(scales, start, columns)
    return Instruction(Opcode.LOAD_STATIONARY, where | {"partitions": count, "part": part, "tag": tag})


def _rows(step: int | None) -> dict[str, int]:
    """What double row has beside a tile of one row."""
    return {} if step is None else {"src0_size3": 2, "src0_stride3": step, "mode": int(Mode.DOUBLE_ROW)}


def _scales(scales: Scales | None, start: int, columns: int) -> dict[str, int]:
    """What mx has beside a tile."""
    if scales is None:
        return {}
    offset, above = scales
    where = _operand("src1", Space.SBUF, E8M0.code, start + above, offset, (columns, 1, 1, 1), (1, 0, 0, 0))
    return where | {"mode": int(Mode.MX)}


def matmul(
    *,
    moving: int,
    dst: int,
    sizes: Sizes,
    moving_strides: Sizes,
    dst_strides: Sizes,
    start: int,
    count: int,
    columns: int,
    accumulate: bool = False,
    form: Format = BF16,
    part: int = 0,
    into: Format = FP32,
    rows: int | None = None,
    scales: Scales | None = None,
    tag: int = 0,
) -> Instruction:
    """dst and moving are byte offsets; `rows` and `scales` as of a load."""
    values = _operand("src0", Space.SBUF, form.code, start, moving, sizes, moving_strides) | _rows(rows)
    values |= _scales(scales, start, sizes[0])
    values |= _operand("dst", Space.PSUM, into.code, 0, dst, sizes, dst_strides)
    values |= {"partitions": count, "columns": columns, "part": part, "accumulate": int(accumulate), "tag": tag}
    return Instruction(Opcode.MATMUL, values)


def warm_up(config: CoreConfig) -> list[Command]:
    """Defines every stationary register and every PSUM element of the windows."""
    rows, columns, banks = config.tensor.rows, config.tensor.columns, config.psum.banks
    return [
        Command(load(offset=0, columns=columns, start=0, count=rows)),
        Command(
            matmul(
                moving=0,
                dst=0,
                sizes=(PSUM_WINDOW, banks, 1, 1),
                moving_strides=(1, PSUM_WINDOW, 0, 0),
                dst_strides=(1, config.psum.bank_elems, 0, 0),
                start=0,
                count=rows,
                columns=columns,
            )
        ),
    ]


def back_to_back(
    config: CoreConfig,
    *,
    pairs: int,
    free: int,
    offset: int = 0,
    columns: int = 0,
    form: Format = BF16,
    rows: int | None = None,
    scaled: bool = False,
) -> list[Command]:
    """Pairs of load and matmul with N = `free` contiguous columns, no gaps; every tile and destination differs."""
    tensor, psum, word = config.tensor, config.psum, config.sbuf.word_bytes
    columns = columns or tensor.columns
    contiguous = {"sizes": (free, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
    tile = {"start": 0, "count": tensor.rows, "columns": columns}
    out = []
    for i in range(pairs):
        own = {"form": form, "rows": rows}
        if scaled:
            own["scales"] = (
                scale_window(config) + i % 2 * word,
                i * OFFSET_STEP % (largest_offset(config) + OFFSET_STEP),
            )
        out.append(Command(load(offset=i % 4 * word, columns=columns, start=0, count=tensor.rows, **own)))
        moving, dst = offset + i % 3 * word, i % psum.banks * psum.bank_bytes
        out.append(Command(matmul(moving=moving, dst=dst, **own, **contiguous, **tile)))
    return out


def streams_without_bubbles(config: CoreConfig, form: Format = BF16, rows: int = 1) -> list[tuple[int, int]]:
    """(N, offset) of contiguous moving tiles, N = 16 .. 64, that `back_to_back` must send without a bubble.

    A word read a frame must be enough (N >= 4 * words), and the next tile's load and first read must fit into N.
    """
    elements = config.sbuf.word_bytes // form.bytes
    out = []
    for free in range(16, 65):
        for first in range(elements):
            words = rows * -(-(free + first) // elements)
            if rows > 1 and (first or free % elements):
                continue  # a short segment holds two buffers, too many for the next one to come in time
            if free >= SLOTS * words and (free >= 24 or not first):
                out.append((free, form.bytes * first))
    return out


ENOUGH = 20
"""Elements of a matmul from which on one dimension may have nearly half of them."""


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


def _random(
    config: CoreConfig,
    rng: random.Random,
    *,
    commands: int,
    most: int,
    loads: float,
    accumulate: float,
    gaps: float,
    narrow: bool,
) -> list[Command]:
    """A matmul uses rows and columns that the last load before it defined."""
    tensor, word = config.tensor, config.sbuf.word_bytes
    tile, loaded, mode = (0, tensor.rows, tensor.columns), BF16, Mode.SINGLE
    kinds = operand_kinds(tensor)
    of_mode = {
        Mode.SINGLE: kinds,
        Mode.DOUBLE_ROW: [(form, Part.UPPER) for form in tensor.operands if form in PAIRABLE],
        Mode.MX: [(form, Part.UPPER) for form in tensor.quads],
    }
    whole = quadrant(config)
    out = []
    for tag in range(commands):
        gap = rng.choice((1, 2, 3, rng.randint(1, 60))) if rng.random() < gaps else 0
        if rng.random() < loads:
            count = rng.choice((tensor.rows, rng.randint(1, tensor.rows)))
            columns = rng.choice((tensor.columns, rng.randint(1, tensor.columns)))
            mode = rng.choice(tensor.modes)
            if mode == Mode.MX:
                count = whole * rng.randint(1, tensor.rows // whole)
            tile = (rng.randint(0, tensor.rows - count), count, columns)
            if mode == Mode.MX:
                tile = (tile[0] // whole * whole, count, columns)
            offset = window(config, rng.randrange(_data_banks(config)))
            loaded, part = rng.choice(of_mode[mode])
            offset += word * rng.randrange((SBUF_WINDOW // 2 - loaded.bytes * tensor.columns) // word)
            its = {"form": loaded, "part": part, "tag": tag}
            if mode == Mode.DOUBLE_ROW:
                offset, its["rows"] = _apart(rng, config, offset, SBUF_WINDOW // 2)
            if mode == Mode.MX:
                its["scales"] = _any_scales(rng, config, columns)
            out.append(Command(load(offset=offset, columns=columns, start=tile[0], count=count, **its), gap))
            continue
        start, count, columns = tile
        taken = rng.choice((count, rng.randint(1, count)))
        sizes = _sizes(rng, most)
        form, part = rng.choice([kind for kind in of_mode[mode] if mixable(loaded, kind[0])])
        rows, room, scales = None, SBUF_WINDOW, None
        if mode == Mode.DOUBLE_ROW:
            sizes, room = (*sizes[:3], 1), SBUF_WINDOW // 2
        if mode == Mode.MX:
            taken = whole * rng.randint(1, count // whole)
            sizes = (rng.choice((rng.randint(1, most), rng.randint(1, 4))), 1, 1, 1)
            scales = _any_scales(rng, config, sizes[0])
        ahead = rng.randint(0, count - taken)
        if mode == Mode.MX:
            ahead -= ahead % whole
        moving, moving_strides = _moving(rng, config, sizes, form, odd=not narrow, room=room)
        if mode == Mode.DOUBLE_ROW:
            moving, rows = _apart(rng, config, moving, room)
        adds = rng.random() < accumulate
        into = FP32 if adds else rng.choice(tensor.outputs)
        dst, dst_strides = _target(rng, config, sizes, into, narrow=narrow)
        out.append(
            Command(
                matmul(
                    moving=moving,
                    dst=dst,
                    sizes=sizes,
                    moving_strides=moving_strides,
                    dst_strides=dst_strides,
                    start=start + ahead,
                    count=taken,
                    columns=rng.choice((columns, rng.randint(1, columns))),
                    accumulate=adds,
                    form=form,
                    part=part,
                    into=into,
                    rows=rows,
                    scales=scales,
                    tag=tag,
                ),
                gap,
            )
        )
    return out


def ragged(config: CoreConfig, rng: random.Random, *, commands: int) -> list[Command]:
    """Ragged K, M, N, strides of every sign, loads without matmuls, matmuls without loads, idle gaps."""
    return _random(config, rng, commands=commands, most=40, loads=0.4, accumulate=0.5, gaps=0.3, narrow=False)


def hazards(config: CoreConfig, rng: random.Random, *, commands: int) -> list[Command]:
    """Short matmuls that accumulate on few addresses, stride 0 among them."""
    return _random(config, rng, commands=commands, most=10, loads=0.15, accumulate=0.85, gaps=0.1, narrow=True)


def longest(config: CoreConfig, sizes: Sizes) -> Command:
    """A matmul that stands still in its longest dimension, for more cycles than a bench has."""
    tile = {"start": 0, "count": config.tensor.rows, "columns": config.tensor.columns}
    strides = tuple(0 if size > 2 else 1 + d for d, size in enumerate(sizes))
    return Command(matmul(moving=0, dst=0, sizes=sizes, moving_strides=strides, dst_strides=strides, **tile))


def returning(config: CoreConfig, rng: random.Random, *, pairs: int) -> list[Command]:
    """Two matmuls a pair: one defines 1 to 6 elements anywhere in a bank, the next adds to each of them five times.

    An element comes again after as many columns as there are elements; addresses differ in any of their bits.
    """
    psum, tile = config.psum, {"start": 0, "count": config.tensor.rows, "columns": config.tensor.columns}
    out = [Command(load(offset=0, **tile))]
    for n in range(pairs):
        count, stride = 1 + n % 6, rng.randint(1, psum.bank_elems // 6)
        first = rng.randrange(psum.bank_elems - (count - 1) * stride)
        dst = rng.randrange(psum.banks) * psum.bank_bytes + FP32.bytes * first
        for times, accumulate in ((1, False), (5, True)):
            sizes, strides = (count, times, 1, 1), (stride, 0, 0, 0)
            where = {"moving": 0, "moving_strides": (1, count, 0, 0), "dst": dst, "dst_strides": strides}
            out.append(Command(matmul(sizes=sizes, accumulate=accumulate, **where, **tile)))
    return out
