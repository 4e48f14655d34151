"""Legal DMA instructions for the benches, and the plain copy that says what they must do."""

from itertools import product
from random import Random

import numpy as np
from numpy.typing import NDArray

from makalu.spec.axi import PAGE_BYTES
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, E4M3, FORMAT_OF_CODE, FP32, Format
from makalu.spec.isa import AP_DIMS, FIELDS, MEMORY_DIMS, Opcode, Space
from verif.dma.sparse_memory import SparseMemory

__all__ = ["MEMORY_BYTES", "TOP_BYTES", "Regions", "copy", "far_descriptor", "random_descriptor", "rows", "standing"]

MEMORY_BYTES = 1 << 16
"""Of the bench's memory: loads read the lower half, stores write the upper half."""
TOP_BYTES = 1792
"""Last bytes of a partition that descriptors use beside its first bank: upper address bits are 1 there."""
_LONGEST = FIELDS["memory_stride0"].high
_SIZES = (FP32, BF16, E4M3)
"""A format of each size."""


def _form(rng: Random, config: CoreConfig) -> Format:
    return rng.choice([form for form in _SIZES if form in config.elements])


class Regions:
    """Byte ranges (first, end) that a descriptor may touch, so that loads and stores can go at the same time."""

    def __init__(self, config: CoreConfig) -> None:
        bank, top, word = config.sbuf.bank_bytes, config.sbuf.partition_bytes, config.sbuf.word_bytes
        self.sbuf = {
            Opcode.DMA_LOAD: ((bank - 384, bank + 384), (top - 768, top)),
            Opcode.DMA_STORE: ((384, min(1408, bank - 384)), (top - TOP_BYTES, top - 768)),
        }
        """Two windows each; the first of a load is on both sides of a bank's end, the second at the partition's."""
        windows = [window for both in self.sbuf.values() for window in both]
        self.words = sorted({w for low, high in windows for w in range(low // word, -(-high // word))})
        """Of SBUF, in the windows."""
        half = MEMORY_BYTES // 2
        self.memory = {Opcode.DMA_LOAD: (0, half), Opcode.DMA_STORE: (half, MEMORY_BYTES)}


def rows(
    opcode: Opcode, *, partitions: int, row_bytes: int, address: int, offset: int, pitch: int, form: Format = FP32
) -> Instruction:
    """`partitions` contiguous rows that lie `pitch` bytes apart in memory."""
    slot = "dst" if opcode == Opcode.DMA_LOAD else "src0"
    values = {
        f"{slot}_space": int(Space.SBUF),
        f"{slot}_dtype": form.code,
        f"{slot}_offset": offset,
        f"{slot}_stride0": 1,
        f"{slot}_size0": row_bytes // form.bytes,
        **{f"{slot}_size{d}": 1 for d in range(1, AP_DIMS)},
        "partitions": partitions,
        "address": address,
        "memory_stride0": form.bytes,
        f"memory_stride{MEMORY_DIMS - 1}": pitch,
    }
    return Instruction(opcode, {name: value for name, value in values.items() if value})


def _sizes(rng: Random, most: int) -> list[int]:
    kind = rng.randrange(3)
    if kind == 0:
        return [rng.randint(1, most), 1, 1, 1]
    if kind == 1:
        first = rng.randint(1, max(1, most // 3))
        return [first, rng.randint(1, max(1, most // first)), 1, 1]
    while True:
        sizes = [rng.randint(1, 6) for _ in range(AP_DIMS)]
        if np.prod(sizes) <= most:
            return sizes


def _apart(rng: Random, counts: list[int], first: int) -> list[int]:
    """Strides of either sign with which no two indices meet; dimension 0 is the innermost half of the time."""
    order = list(range(len(counts)))
    if rng.random() < 0.6:
        rest = order[1:]
        rng.shuffle(rest)
        order = [0, *rest]
    else:
        rng.shuffle(order)
    strides, reach = [0] * len(counts), first
    for n, d in enumerate(order):
        pad = 0 if n == 0 else rng.choice((0, 0, rng.randint(0, 3), rng.randint(0, 64)))
        strides[d] = (reach + pad) * (1 if d == 0 or rng.random() < 0.8 else -1)
        reach = (reach + pad) * counts[d]
    return strides


def _base(rng: Random, low: int, high: int, steps: list[int], size: int, unit: int) -> int | None:
    """A first byte (a multiple of `unit`) with which the pattern stays in low .. high-1; near a page's end at times."""
    down, up = sum(min(0, s) for s in steps), sum(max(0, s) for s in steps) + size
    first, last = low - down, high - up
    if first > last:
        return None
    if rng.random() < 0.3:
        page = rng.choice([p for p in range(low, high, PAGE_BYTES)] or [low])
        wanted = page - rng.randint(1, max(1, min(up, 256)))
        if first <= wanted <= last:
            return wanted - wanted % unit
    base = rng.randint(first, last)
    base -= base % unit
    return base if base >= first else None


def random_descriptor(rng: Random, config: CoreConfig, opcode: Opcode, *, most: int = 60) -> Instruction:
    """Up to `most` elements a partition; bytes of a store never meet in memory, anything else may."""
    regions = Regions(config)
    while True:
        form = _form(rng, config)
        sizes = _sizes(rng, most)
        count = rng.randint(1, config.partitions)
        dense = rng.random() < 0.7
        strides = _apart(rng, sizes, 1) if dense else [rng.randint(-5, 5) for _ in sizes]
        memory = _apart(rng, [*sizes, count], form.bytes)
        if opcode == Opcode.DMA_LOAD and rng.random() < 0.3:
            memory = [rng.randint(-70, 70) for _ in range(MEMORY_DIMS)]
        if rng.random() < 0.6:
            strides[0], memory[0] = 1, form.bytes
            if opcode == Opcode.DMA_STORE:  # dimension 0 is one run: the others lie around it
                outer = _apart(rng, [*sizes[1:], count], sizes[0] * form.bytes)
                memory = [form.bytes, *outer]
        steps = [(size - 1) * stride * form.bytes for size, stride in zip(sizes, strides, strict=True)]
        offset = _base(rng, *rng.choice(regions.sbuf[opcode]), steps, form.bytes, form.bytes)
        steps = [(size - 1) * stride for size, stride in zip([*sizes, count], memory, strict=True)]
        address = _base(rng, *regions.memory[opcode], steps, form.bytes, rng.choice((1, 2, form.bytes)))
        if offset is None or address is None:
            continue
        partition = rng.randint(0, config.partitions - count)
        return _descriptor(rng, opcode, form, sizes, count, (partition, offset, strides), (address, memory))


def _descriptor(
    rng: Random,
    opcode: Opcode,
    form: Format,
    sizes: list[int],
    count: int,
    inner: tuple[int, int, list[int]],
    outer: tuple[int, list[int]],
) -> Instruction:
    """`inner`: partition, offset, strides in SBUF; `outer`: address, strides in memory."""
    slot = "dst" if opcode == Opcode.DMA_LOAD else "src0"
    values = {
        f"{slot}_space": int(Space.SBUF),
        f"{slot}_dtype": form.code,
        f"{slot}_partition": inner[0],
        f"{slot}_offset": inner[1],
        **{f"{slot}_size{d}": sizes[d] for d in range(AP_DIMS)},
        **{f"{slot}_stride{d}": inner[2][d] for d in range(AP_DIMS)},
        "partitions": count,
        "address": outer[0],
        **{f"memory_stride{d}": outer[1][d] for d in range(MEMORY_DIMS)},
        "tag": rng.getrandbits(16),
    }
    return Instruction(opcode, {name: int(value) for name, value in values.items() if value})


def standing(rng: Random, config: CoreConfig, opcode: Opcode, sizes: list[int]) -> Instruction:
    """Elements of one partition that come again and again: the longest of `sizes` may be long."""
    regions = Regions(config)
    steps = [0 if size > 2 else rng.randint(1, 4) for size in sizes]
    where = rng.randrange(config.partitions), regions.sbuf[opcode][0][0], steps
    memory = [*(FP32.bytes * step for step in steps), 0]
    return _descriptor(rng, opcode, FP32, sizes, 1, where, (regions.memory[opcode][0], memory))


def _far_strides(rng: Random, counts: list[int], first: int) -> list[int]:
    """As `_apart`, but with long steps, of either sign alike; some may be too long for the field."""
    strides, reach = [], first
    for n, count in enumerate(counts):
        pad = rng.choice((0, max(0, min(_LONGEST - reach, rng.getrandbits(rng.randint(12, 31)))))) if n else 0
        strides.append((reach + pad) * (rng.choice((1, -1)) if n else 1))
        reach = (reach + pad) * count
    return strides


def far_descriptor(
    rng: Random,
    config: CoreConfig,
    opcode: Opcode,
    *,
    place: str,
    last_byte: bool = True,
    most: int = 24,
    sizes: list[int] | None = None,
) -> Instruction:
    """Long strides in memory, whose last byte is the bus's (`place` top), or first byte 0 (bottom), or any (middle).

    Bytes of a store never meet. In SBUF the pattern ends at the last byte of the partitions, or begins at the first;
    with `sizes` it has one partition and stands still in a
    dimension that is too long.
    """
    room, given = 1 << config.bus.address_bits, sizes
    while True:
        form, sizes = _form(rng, config), given or _sizes(rng, most)
        count = 1 if given else rng.randint(1, config.partitions)
        strides, memory = _apart(rng, sizes, 1), _far_strides(rng, [*sizes, count], form.bytes)
        if given:
            most = config.sbuf.partition_bytes // AP_DIMS // form.bytes
            strides = [s if abs(s) * n < most else 0 for s, n in zip(strides, sizes, strict=True)]
        steps = [(n - 1) * stride for n, stride in zip([*sizes, count], memory, strict=True)]
        down, up = sum(min(0, s) for s in steps), sum(max(0, s) for s in steps) + form.bytes
        inner = [(n - 1) * stride * form.bytes for n, stride in zip(sizes, strides, strict=True)]
        low, high = sum(min(0, s) for s in inner), sum(max(0, s) for s in inner) + form.bytes
        if max(map(abs, memory)) > _LONGEST or up - down > room:
            continue
        if high - low > config.sbuf.partition_bytes:
            continue
        address = {"top": room - up, "bottom": -down, "middle": rng.randint(-down, room - up)}[place]
        offset = config.sbuf.partition_bytes - high if last_byte else -low
        partition = rng.randint(0, config.partitions - count)
        return _descriptor(rng, opcode, form, sizes, count, (partition, offset, strides), (address, memory))


def copy(instruction: Instruction, sbuf: NDArray[np.uint8], memory: NDArray[np.uint8] | SparseMemory) -> None:
    """Element by element, in place; `sbuf` is [P, bytes of a partition]."""
    load = instruction.opcode == Opcode.DMA_LOAD
    slot = "dst" if load else "src0"
    size = FORMAT_OF_CODE[instruction[f"{slot}_dtype"]].bytes
    sizes = [instruction[f"{slot}_size{d}"] for d in range(AP_DIMS)]
    for p, i3, i2, i1, i0 in product(range(instruction["partitions"]), *(range(n) for n in reversed(sizes))):
        index = (i0, i1, i2, i3)
        inner = sum(i * instruction[f"{slot}_stride{d}"] for d, i in enumerate(index))
        outer = sum(i * instruction[f"memory_stride{d}"] for d, i in enumerate((*index, p)))
        row, place = instruction[f"{slot}_partition"] + p, instruction[f"{slot}_offset"] + size * inner
        address = instruction["address"] + outer
        if load:
            sbuf[row, place : place + size] = memory[address : address + size]
        else:
            memory[address : address + size] = sbuf[row, place : place + size]
