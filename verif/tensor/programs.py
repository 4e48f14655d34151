"""Legal instruction streams for the tensor engine, with the idle cycles in front of each command."""

import random
from dataclasses import dataclass

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, CARRIED, E8M0, FP32, Format
from makalu.spec.frame import SLOTS
from makalu.spec.isa import AP_DIMS, Opcode, Space
from makalu.spec.scales import OFFSET_STEP, largest_offset
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import Part

__all__ = [
    "PSUM_WINDOW",
    "SBUF_WINDOW",
    "Command",
    "Scales",
    "Sizes",
    "back_to_back",
    "load",
    "longest",
    "matmul",
    "returning",
    "scale_window",
    "streams_without_bubbles",
    "transpose",
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
    first: int = 0,
    moved: int = 0,
    apart: bool = False,
    tag: int = 0,
) -> Instruction:
    """shadow[count, columns] of PE columns from `first` on; `rows`: from row to row, in double row [elements];
    `scales`: those of mx; `moved`: its exponent_offset; `apart`: with no weights in other rows of these columns.
    """
    where = _operand("src0", Space.SBUF, form.code, start, offset, (columns, 1, 1, 1), (1, 0, 0, 0))
    where |= _rows(rows) | _scales(scales, start, columns)
    where |= {"partitions": count, "column": first, "part": part, "exponent_offset": moved, "tag": tag}
    return Instruction(Opcode.LOAD_STATIONARY, where | {"apart": int(apart)})


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
    rounding: int = 0,
    rows: int | None = None,
    scales: Scales | None = None,
    first: int = 0,
    moved: int = 0,
    tag: int = 0,
) -> Instruction:
    """dst and moving are byte offsets; `rows`, `scales`, `first` and `moved` as of a load."""
    values = _operand("src0", Space.SBUF, form.code, start, moving, sizes, moving_strides) | _rows(rows)
    values |= _scales(scales, start, sizes[0])
    values |= _operand("dst", Space.PSUM, into.code, first, dst, sizes, dst_strides)
    values |= {"partitions": count, "columns": columns, "part": part, "accumulate": int(accumulate), "tag": tag}
    return Instruction(Opcode.MATMUL, values | {"rounding": rounding, "exponent_offset": moved})


def transpose(
    *,
    offset: int,
    dst: int,
    stride: int,
    columns: int,
    start: int,
    count: int,
    form: Format = BF16,
    part: Part = Part.BITS,
    first: int = 0,
    tag: int = 0,
) -> Instruction:
    """dst[columns, count] = 16 bits of [count, columns], beside matmuls; `stride` of dst [elements]."""
    values = _operand("src0", Space.SBUF, form.code, start, offset, (columns, 1, 1, 1), (1, 0, 0, 0))
    values |= _operand("dst", Space.PSUM, CARRIED.code, first, dst, (count, 1, 1, 1), (stride, 0, 0, 0))
    values |= {"partitions": count, "columns": columns, "part": int(part), "tag": tag}
    return Instruction(Opcode.TRANSPOSE, values)


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


def longest(config: CoreConfig, sizes: Sizes) -> Command:
    """A matmul that stands still in its longest dimension, for more cycles than a bench has."""
    tile = {"start": 0, "count": config.tensor.rows, "columns": config.tensor.columns}
    strides = tuple(0 if size > 2 else 1 + d for d, size in enumerate(sizes))
    return Command(matmul(moving=0, dst=0, sizes=sizes, moving_strides=strides, dst_strides=strides, **tile))


def returning(config: CoreConfig, rng: random.Random, *, pairs: int) -> list[Command]:
    """Two matmuls a pair: one defines 1 to 6 elements anywhere in a bank, the next adds to each of them five times.

    An element comes again after as many columns as there are elements; addresses differ in any of their bits. Then one
    that is added to as often as twice the line buffers have elements: they are sent later than they come.
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
    many = 2 * config.tensor.moving_buffers * config.sbuf.word_bytes // BF16.bytes
    where = {"moving": 0, "moving_strides": (1, 0, 0, 0), "dst": dst, "dst_strides": (0, 0, 0, 0)}
    out.append(Command(matmul(sizes=(many, 1, 1, 1), accumulate=True, **where, **tile)))
    return out
