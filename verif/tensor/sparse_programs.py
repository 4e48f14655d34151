"""Legal instruction streams with sparse tiles, alone and among those of other modes."""

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.walker import extent
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, FP32, SUMS, Format
from makalu.spec.isa import Opcode, Space
from makalu.spec.sparsity import GROUP_ROWS, PACKED_TAGS, RATIO_LIMIT, ROW_CANDIDATES, SPARSE, TAG_BITS, TAGS, tag_words
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import mixable
from verif.lib.variants import small_core
from verif.tensor.programs import PSUM_WINDOW, Command, Sizes, matmul
from verif.tensor.random_programs import first_column, hazards, ragged, random_transpose

__all__ = [
    "BadLoad",
    "bad_load",
    "chunks",
    "load_sparse",
    "memory",
    "mixed",
    "sparse_core",
    "sparse_matmul",
    "sparse_pairs",
    "sparse_tiles",
    "tag_place",
]

TAG_TILES = 3
"""Tiles of tags in SBUF for each ratio."""


def sparse_core(candidates: int = 16, *, buffers: int = 8, **shape: Any) -> CoreConfig:
    """`small_core` whose weights may have tags."""
    config = small_core(**shape)
    return replace(config, tensor=replace(config.tensor, candidates=candidates, moving_buffers=buffers))


def tag_place(config: CoreConfig, ratio: int, tile: int) -> int:
    """First byte of a tile of tags that are in range: at the beginning of SBUF."""
    number = (ratio - 1) * TAG_TILES + tile
    return number * tag_words(config, config.tensor.columns) * config.sbuf.word_bytes


def memory(config: CoreConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bytes of SBUF: tags in their places, else numbers of every type, few of them special."""
    count, size = config.partitions, config.sbuf.partition_bytes
    out = rng.integers(0, 256, (count, size), np.uint8) & 0xF7
    out[:, 1::2] = rng.integers(0x3C, 0x43, (count, size // 2)) | rng.integers(0, 2, (count, size // 2)) << 7
    out[rng.random(out.shape) < 0.0005] = 0xFF
    for ratio in range(1, RATIO_LIMIT + 1):
        first, behind = (tag_place(config, each, 0) for each in (ratio, ratio + 1))
        rows, elements = (rng.integers(0, n, (count, behind - first, 2)) for n in (config.tensor.group_rows, ratio))
        tags = ROW_CANDIDATES * rows + elements
        out[:, first:behind] = tags[..., 0] | tags[..., 1] << TAG_BITS
    return out


def load_sparse(
    *,
    offset: int,
    tags: int,
    columns: int,
    start: int,
    count: int,
    ratio: int,
    form: Format = BF16,
    first: int = 0,
    tag: int = 0,
) -> Instruction:
    """shadow[count, columns] of PE columns from `first` on, with tags that lie from byte `tags` on."""
    values = {"partitions": count, "ratio": ratio, "column": first, "tag": tag}
    for slot, kind, place, size in (("src0", form, offset, columns), ("src1", TAGS, tags, columns // PACKED_TAGS)):
        values |= {f"{slot}_space": int(Space.SBUF), f"{slot}_dtype": kind.code, f"{slot}_partition": start}
        values |= {f"{slot}_offset": place, f"{slot}_size0": size, f"{slot}_stride0": 1}
        values |= {f"{slot}_size{d}": 1 for d in (1, 2, 3)}
    return Instruction(Opcode.LOAD_SPARSE, values)


def sparse_matmul(*, ratio: int, step: int, **rest: Any) -> Instruction:
    """As `matmul`, with `ratio` elements a partition and column, `step` elements from one to the next."""
    plain = matmul(**rest)
    rows = {"src0_size3": ratio, "src0_stride3": step, "mode": int(Mode.SPARSE)}
    return Instruction(plain.opcode, {**plain.values, **rows})


def sparse_pairs(
    config: CoreConfig, *, pairs: int, free: int, ratio: int, offset: int = 0, form: Format = BF16
) -> list[Command]:
    """Pairs of load and matmul with N = `free` contiguous columns, no gaps."""
    word, tile = config.sbuf.word_bytes, {"start": 0, "count": config.tensor.rows, "columns": config.tensor.columns}
    flat = {"sizes": (free, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
    step = -(-(free * form.bytes + offset) // word) * word // form.bytes
    out = []
    for i in range(pairs):
        kind = {"form": form, "ratio": ratio}
        out.append(Command(load_sparse(offset=i * word, tags=tag_place(config, ratio, i % TAG_TILES), **kind, **tile)))
        where = {"moving": offset, "dst": i % config.psum.banks * config.psum.bank_bytes}
        out.append(Command(sparse_matmul(step=step, **kind, **where, **flat, **tile)))
    return out


def _sizes(rng: random.Random, most: int) -> Sizes:
    while True:
        sizes = [rng.choice((1, rng.randint(1, 4), rng.randint(1, most))), rng.choice((1, 1, 2, 5)), rng.choice((1, 2))]
        if sizes[0] * sizes[1] * sizes[2] <= most:
            return (*sizes, 1)


def _groups(rng: random.Random, config: CoreConfig, most: int) -> int:
    group = config.tensor.group_rows
    return group * rng.choice((most // group, rng.randint(1, most // group)))


def _moving(rng: random.Random, config: CoreConfig, sizes: Sizes, form: Format, ratio: int) -> dict[str, Any]:
    """Mostly contiguous; offset, strides and the step between candidates."""
    words, most = config.sbuf.word_bytes // form.bytes, config.sbuf.partition_bytes - 1
    inner = rng.choice((1, 1, 1, 1, 2, 0, -1, 3))
    strides = (inner, *(rng.choice((0, 1, sizes[0], rng.randint(-9, 20))) for _ in sizes[1:3]))
    step = words * rng.choice((1, rng.randint(-5, 20), 0))
    low, high = extent(0, form.bytes, (*sizes[:3], ratio), (*strides, step))
    first = form.bytes * rng.randint(0, (most - (high - low)) // form.bytes)
    return {"moving": first - low, "moving_strides": (*strides, 0), "step": step, "sizes": sizes, "ratio": ratio}


def _target(rng: random.Random, config: CoreConfig, sizes: Sizes) -> dict[str, Any]:
    """Among the first elements of a bank; often the same ones again."""
    adds, tensor = rng.random() < 0.5, config.tensor
    into = rng.choice([each for each in tensor.outputs if each in SUMS or not adds])
    some = rng.choice(((0, 0, 1, -1), (1, 1, 2, 0)))
    strides = tuple(rng.choice(some) for _ in range(3))
    low, high = extent(0, into.bytes, sizes[:3], strides)
    if high - low >= FP32.bytes * PSUM_WINDOW:
        strides, low = (0, 0, 0), 0
    dst = rng.randrange(config.psum.banks) * config.psum.bank_bytes - low
    return {"dst": dst, "dst_strides": (*strides, 0), "accumulate": adds, "into": into}


def sparse_tiles(config: CoreConfig, rng: random.Random, *, matmuls: int, most: int) -> list[Instruction]:
    """A load and so many matmuls of it, of up to `most` columns, on any bytes of SBUF."""
    tensor, sbuf, group = config.tensor, config.sbuf, config.tensor.group_rows
    forms = [form for form in tensor.operands if form in SPARSE]
    count, form, ratio = _groups(rng, config, tensor.rows), rng.choice(forms), rng.randint(1, RATIO_LIMIT)
    start = group * rng.randint(0, (tensor.rows - count) // group)
    columns = PACKED_TAGS * rng.choice((tensor.columns // PACKED_TAGS, rng.randint(1, tensor.columns // PACKED_TAGS)))
    offset = sbuf.word_bytes * rng.randrange(sbuf.partition_bytes // sbuf.word_bytes - tensor.columns)
    first = first_column(rng, tensor, columns)
    tile = {"columns": columns, "start": start, "count": count, "ratio": ratio, "first": first}
    out = [load_sparse(offset=offset, tags=tag_place(config, ratio, rng.randrange(TAG_TILES)), form=form, **tile)]
    for _ in range(matmuls):
        sizes, moving = _sizes(rng, most), rng.choice([each for each in forms if mixable(form, each)])
        mine = _groups(rng, config, count)
        rows = {"start": start + group * rng.randint(0, (count - mine) // group), "count": mine}
        operands = _moving(rng, config, sizes, moving, ratio) | _target(rng, config, sizes)
        its = rng.choice((columns, rng.randint(1, columns)))
        out.append(sparse_matmul(columns=its, form=moving, first=first, **rows, **operands))
    return out


def chunks(config: CoreConfig, rng: random.Random, *, commands: int) -> list[list[Command]]:
    """Dense ones: a load each, or several of tiles that are apart, and the matmuls of them."""
    dense = replace(config, tensor=replace(config.tensor, candidates=1))
    out: list[list[Command]] = []
    for command in rng.choice((ragged, hazards))(dense, rng, commands=commands):
        if command.instruction.opcode == Opcode.LOAD_STATIONARY:
            joins = command.instruction["apart"] and out and out[-1][-1].instruction.opcode == Opcode.LOAD_STATIONARY
            out += [] if joins else [[]]
        if out:
            out[-1].append(command)
    return out


@dataclass(frozen=True)
class BadLoad:
    """Rows of bytes from SBUF word `word` on, and commands that load them as tags and go on."""

    word: int
    rows: NDArray[np.uint8]
    commands: list[Command]


def bad_load(config: CoreConfig, rng: random.Random) -> BadLoad:
    """One tag of a tile is out of range, anywhere in it; others may be, where no column or partition takes part.

    Behind it come matmuls of its tile and, often, legal tiles.
    """
    tensor, word, rows = config.tensor, config.sbuf.word_bytes, config.tensor.group_rows
    ratio = rng.randint(1, RATIO_LIMIT - (rows == GROUP_ROWS))
    count = _groups(rng, config, tensor.rows)
    start = rows * rng.randint(0, (tensor.rows - count) // rows)
    columns = PACKED_TAGS * rng.choice((tensor.columns // PACKED_TAGS, rng.randint(1, tensor.columns // PACKED_TAGS)))
    numbers = np.random.default_rng(rng.getrandbits(32))
    tags = numbers.integers(0, 1 << TAG_BITS, (config.partitions, 2 * word * tag_words(config, tensor.columns)))
    mine = tags[start : start + count, :columns]
    mine[:] = ROW_CANDIDATES * numbers.integers(0, rows, mine.shape) + numbers.integers(0, ratio, mine.shape)
    wrong = [t for t in range(1 << TAG_BITS) if t % ROW_CANDIDATES >= ratio or t // ROW_CANDIDATES >= rows]
    mine[rng.randrange(count), rng.randrange(columns)] = rng.choice(wrong)
    place = tag_place(config, RATIO_LIMIT, TAG_TILES)
    form = rng.choice([form for form in tensor.operands if form in SPARSE])
    tile = {"columns": columns, "start": start, "count": count, "form": form}
    sizes = (rng.randint(1, 20), 1, 1, 1)
    flat = {"moving": 0, "dst": 0, "sizes": sizes, "moving_strides": (1, 0, 0, 0), "dst_strides": (0, 0, 0, 0)}
    out = [load_sparse(offset=0, tags=place, ratio=ratio, **tile)]
    out += [sparse_matmul(ratio=ratio, step=word, **flat, **tile)] * rng.choice((0, 1, 1, 2))
    # without gaps, in which the engine would come to rest: a queue stops at the error
    others = [command.instruction for command in mixed(config, rng, commands=rng.choice((0, 3)))]
    out += [each for each in others if each.opcode is not Opcode.TRANSPOSE]  # which waits for the engine's rest
    commands = [Command(each) for each in out]
    return BadLoad(place // word, (tags[:, ::2] | tags[:, 1::2] << TAG_BITS).astype(np.uint8), commands)


def mixed(config: CoreConfig, rng: random.Random, *, commands: int, dense: float = 0.4) -> list[Command]:
    """Tiles of every mode in any order, a part of them dense ones, some with gaps."""
    out: list[Command] = []
    others = chunks(config, rng, commands=commands)
    while len(out) < commands:
        if others and rng.random() < dense:
            out += others.pop()
            continue
        most, gaps = rng.choice((8, 40)), rng.choice((0, 0, 0.4))
        for instruction in sparse_tiles(config, rng, matmuls=rng.choice((0, 1, 1, 1, 2, 3)), most=most):
            out.append(Command(instruction, rng.choice((1, 2, 3, rng.randint(1, 60))) if rng.random() < gaps else 0))
        if config.tensor.background and instruction.opcode is Opcode.MATMUL and rng.random() < 0.3:
            # it waits until nothing of the sparse tile may fail any more
            out.append(Command(random_transpose(rng, config, 0)))
    return out
