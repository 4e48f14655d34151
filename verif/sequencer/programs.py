"""Encoded instructions for the sequencer's benches: legal ones, ones that break one rule, and programs of them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, CARRIED, E4M3FN, E8M0, FORMAT_OF_CODE, FP32, SUMS, Format
from makalu.spec.isa import (
    AP_DIMS,
    FIELDS,
    INSTRUCTION_BYTES,
    INSTRUCTIONS,
    AluOp,
    Function,
    Opcode,
    Queue,
    SignalKind,
    Space,
    WaitKind,
    used_fields,
)
from makalu.spec.quantize import GROUP_ELEMENTS, ScaleRule
from makalu.spec.random_bits import SHORTER
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant
from makalu.spec.sparsity import PACKED_TAGS, RATIO_LIMIT, TAGS
from makalu.spec.tensor_modes import MODES, Mode
from makalu.spec.tensor_types import TRANSPOSES, mixable

__all__ = [
    *("BROKEN", "INNER", "Programs", "broken", "legal", "operand", "own_opcodes", "random_programs", "replace_field"),
]

INNER = {"*semaphore": "values"}
"""What a bench writes below the top, to bring a counter near its end: `inner` of `cocotb_bench`."""


def operand(slot: str, space: Space, dtype: int, offset: int, sizes, strides=(1, 0, 0, 0), partition: int = 0):
    """Fields of one slot."""
    out = {f"{slot}_space": int(space), f"{slot}_dtype": dtype, f"{slot}_offset": offset}
    out[f"{slot}_partition"] = partition
    for d in range(AP_DIMS):
        out[f"{slot}_size{d}"], out[f"{slot}_stride{d}"] = sizes[d], strides[d]
    return out


def _pattern(rng: random.Random, sizes, dtype: int, limit: int) -> tuple[int, list[int]]:
    """Offset and signed strides of a pattern that just fits or fits easily in `limit` bytes."""
    size = FORMAT_OF_CODE[dtype].bytes
    room = limit // size
    while True:
        strides = [rng.choice((0, 1, 1, 2, -1, rng.randint(-20, 20))) for _ in range(AP_DIMS)]
        steps = [(n - 1) * s for n, s in zip(sizes, strides, strict=True)]
        low, high = -sum(min(s, 0) for s in steps), sum(max(s, 0) for s in steps)
        if low + high < room:
            start = rng.choice((low, room - 1 - high, rng.randint(low, room - 1 - high)))
            if start * size < 1 << FIELDS["dst_offset"].bits:
                return start * size, strides


def own_opcodes(queue: Queue, config: CoreConfig) -> list[Opcode]:
    """Those that a queue of the core knows."""
    return [opcode for opcode, spec in INSTRUCTIONS.items() if queue in spec.queues and spec.there(config)]


def legal(
    rng: random.Random,
    opcode: Opcode,
    config: CoreConfig,
    *,
    beside: Format = BF16,
    mode: Mode = Mode.SINGLE,
    ratio: int | None = None,
) -> dict[str, int]:
    """Random fields of a legal instruction, without waits and signals; all operands of the array may meet each other.

    `beside`: they are those that may meet this one, where the core has it; e4m3fn only beside itself. `mode`: that of
    the array where there is such a thing, else single, so that loads and matmuls may follow each other; `ratio`: of
    sparse tiles, else any.
    """
    if opcode is Opcode.TRANSPOSE:
        return _transpose(rng, config)
    beside = beside if beside in config.tensor.operands else BF16
    tensor = config.tensor
    meet = [form for form in tensor.operands if form in tensor.quads or mixable(form, beside)]
    meet = [form for form in meet if form != E4M3FN or beside == E4M3FN]
    spec = INSTRUCTIONS[opcode]
    out: dict[str, int] = {"tag": rng.getrandbits(16), "after": rng.random() < 0.1}
    partitions = rng.randint(1, config.partitions)
    start = rng.randint(0, config.partitions - partitions)
    sizes = [rng.randint(1, 4) for _ in range(AP_DIMS)]
    of_mode = {kind: [form for form in meet if form in MODES[kind].formats] for kind in config.tensor.modes}
    if "mode" not in spec.fields or not of_mode.get(mode):
        mode = Mode.SINGLE
    if mode is Mode.SPARSE and opcode is Opcode.LOAD_STATIONARY:
        mode = Mode.SINGLE
    loads, tagged = (Opcode.LOAD_STATIONARY, Opcode.LOAD_SPARSE), mode is Mode.SPARSE or opcode is Opcode.LOAD_SPARSE
    # a load of it that is drawn beside other types, or on a core without it, has some type
    meet = (of_mode.get(Mode.SPARSE) or [BF16]) if tagged else of_mode[mode]
    double, scaled = MODES[mode].rows > 1, MODES[mode].scaled
    ratio = ratio or rng.randint(1, RATIO_LIMIT)
    grouped = opcode is Opcode.QUANTIZE_MX
    if scaled or grouped:
        partitions = quadrant(config) * rng.randint(1, config.partitions // quadrant(config))
        start = rng.randrange(0, config.partitions - partitions + 1, quadrant(config))
    if tagged:
        rows = tensor.group_rows
        partitions = rows * rng.randint(1, config.partitions // rows)
        start = rng.randrange(0, config.partitions - partitions + 1, rows)
    if opcode in loads:
        sizes = [rng.randint(1, config.tensor.columns), 1, 1, 1]
    if opcode is Opcode.LOAD_SPARSE:
        sizes[0] = PACKED_TAGS * rng.randint(1, config.tensor.columns // PACKED_TAGS)
    # one size may be large where the operands stand still along it: all bits of the field
    still = None if opcode in loads or rng.random() < 0.8 else rng.randrange(AP_DIMS)
    large = rng.choice((rng.randint(1, FIELDS["dst_size0"].high), 1 << rng.randrange(FIELDS["dst_size0"].bits)))
    if still is not None:
        sizes = [1 if d == still else rng.randint(1, 2) for d in range(AP_DIMS)]
        if large << sum(size - 1 for size in sizes) > config.sequencer.elements // 2:
            sizes = [1] * AP_DIMS
    if scaled:
        still, sizes = None, [sizes[0], 1, 1, 1]
    if grouped:
        still = 1 if still == 0 else still
        sizes[0] = GROUP_ELEMENTS * (1 if still is not None else sizes[0])
        large = min(large, config.sequencer.elements // 4 >> sizes[0].bit_length())
    columns = sizes[0] if opcode in loads else rng.randint(1, tensor.columns)
    column = tensor.column_tile * rng.randint(0, (tensor.columns - columns) // tensor.column_tile)
    scalar = rng.random() < 0.5 and "operand0_tensor" in spec.fields
    for slot, allowed in spec.operands.items():
        if (allowed.scalar and not scalar) or allowed.among in ("scales", "tags"):
            continue
        space = rng.choice(allowed.spaces)
        types = meet if allowed.among == "operands" else allowed.types(config) or allowed.dtypes
        dtype = rng.choice(types).code
        own = [1] * AP_DIMS if allowed.scalar else sizes
        limit = config.sbuf.partition_bytes if space is Space.SBUF else config.psum.partition_bytes
        bank = 0
        if opcode is Opcode.MATMUL and slot == "dst":
            limit = config.psum.bank_bytes
            bank = rng.randrange(config.psum.banks) * limit
            sizes = own = sizes if still is not None or scaled else [rng.randint(1, 2) for _ in range(AP_DIMS)]
        offset, strides = _pattern(rng, own, dtype, limit)
        if opcode in loads:
            strides[0] = 1
            offset = rng.randrange(config.sbuf.words // 2) * config.sbuf.word_bytes
        if still is not None and not allowed.scalar:
            strides[still], own = 0, [large if d == still else size for d, size in enumerate(own)]
        place = column if opcode is Opcode.MATMUL and slot == "dst" else start
        out |= operand(slot, space, dtype, offset + bank, own, strides, place)
    if double or (tagged and opcode is Opcode.MATMUL):
        _rows(rng, out, config, count=2 if double else ratio)
    if opcode is Opcode.LOAD_SPARSE:
        word, quarter = config.sbuf.word_bytes, [sizes[0] // PACKED_TAGS, 1, 1, 1]
        offset = word * rng.randint(0, (config.sbuf.partition_bytes - TAGS.bytes * quarter[0]) // word)
        out |= operand("src1", Space.SBUF, TAGS.code, offset, quarter, partition=start)
    if scaled:
        word, above = config.sbuf.word_bytes, rng.randrange(0, largest_offset(config) + 1, OFFSET_STEP)
        offset = word * rng.randint(0, (config.sbuf.partition_bytes - sizes[0]) // word)
        out |= operand("src1", Space.SBUF, E8M0.code, offset, sizes, partition=start + above)
    if grouped:
        above = rng.randrange(0, largest_offset(config) + 1, OFFSET_STEP)
        quarter = [sizes[0] // GROUP_ELEMENTS, *sizes[1:]]
        offset, strides = _pattern(rng, quarter, E8M0.code, config.sbuf.partition_bytes)
        if still is not None:
            strides[still], quarter[still] = 0, large
        out |= operand("src1", Space.SBUF, E8M0.code, offset, quarter, strides, start + above)
    choices = {
        "partitions": partitions,
        "columns": columns,
        "column": column,
        "accumulate": int(out.get("dst_dtype") in [form.code for form in SUMS] and rng.random() < 0.5),
        "part": rng.randint(0, config.tensor.parts) if MODES[mode].parts else 0,
        "mode": int(mode),
        "apart": int(mode is Mode.SINGLE and rng.random() < 0.5),
        "ratio": ratio,
        "operand0_tensor": int(scalar),
        "op0": rng.choice(list(AluOp)),
        "op1": rng.choice(list(AluOp)),
        "function": rng.choice(list(Function)),
        "scale_rule": rng.choice(list(ScaleRule)),
    }
    movable = [form.code for form in MODES[mode].movable] if config.cfp8 and not choices["part"] else []
    if out.get("src0_dtype") in movable and rng.random() < 0.5:
        f = FIELDS["exponent_offset"]
        choices["exponent_offset"] = rng.randint(f.low, f.high)
    else:
        choices["exponent_offset"] = 0
    if config.stochastic and out.get("dst_dtype") in [form.code for form in SHORTER]:
        choices["rounding"] = rng.randint(0, 1)
    else:
        choices["rounding"] = 0
    for name in spec.fields:
        f = FIELDS[name]
        out[name] = int(choices.get(name, rng.randint(f.low, f.high)))
    if still is not None and "address" in spec.fields:
        out[f"memory_stride{still}"] = rng.randint(-4, 4)
    if "address" in spec.fields:
        (slot,) = spec.operands
        low, high = _memory_range(out, slot)
        out["address"] = _address(rng, low, (1 << config.bus.address_bits) - 1 - high)
    return out


def _transpose(rng: random.Random, config: CoreConfig) -> dict[str, int]:
    """Of any tile into one bank."""
    tensor, word, bank = config.tensor, config.sbuf.word_bytes, config.psum.bank_bytes
    rows, columns = rng.randint(1, tensor.rows), rng.randint(1, tensor.columns)
    first = tensor.column_tile * rng.randint(0, (tensor.columns - columns) // tensor.column_tile)
    source = (columns, 1, 1, 1), (1, *(rng.randint(-20, 20) for _ in range(AP_DIMS - 1)))
    offset, strides = _pattern(rng, (rows, 1, 1, 1), CARRIED.code, bank)
    place = word * rng.randrange(config.sbuf.words // 2)
    out = operand(
        "src0", Space.SBUF, rng.choice(tensor.singles).code, place, *source, rng.randint(0, tensor.rows - rows)
    )
    out |= operand(
        "dst",
        Space.PSUM,
        CARRIED.code,
        offset + rng.randrange(config.psum.banks) * bank,
        (rows, 1, 1, 1),
        strides,
        first,
    )
    return out | {"partitions": rows, "columns": columns, "part": int(rng.choice(TRANSPOSES))}


def _rows(rng: random.Random, out: dict[str, int], config: CoreConfig, *, count: int) -> None:
    """Makes src0 one of so many rows, each as many words above or below the one before as there is room for, or one."""
    for slot in ("dst", "src0"):  # dimension 3 counts rows
        if f"{slot}_size3" in out:
            out |= {f"{slot}_size3": 1, f"{slot}_stride3": 0}
    sizes, strides = ([out[f"src0_{name}{d}"] for d in range(3)] for name in ("size", "stride"))
    width, word, offset = FORMAT_OF_CODE[out["src0_dtype"]].bytes, config.sbuf.word_bytes, out["src0_offset"]
    steps = [width * (n - 1) * s for n, s in zip(sizes, strides, strict=True)]
    low, high = offset + sum(min(s, 0) for s in steps), offset + sum(max(s, 0) for s in steps) + width - 1
    most = max(1, count - 1)
    down, up = low // word // most, (config.sbuf.partition_bytes - 1 - high) // word // most
    step = word * rng.choice((0, 1 if up else 0, up, -down, rng.randint(-down, up))) // width
    out |= {"src0_size3": count, "src0_stride3": max(-(1 << 15), min((1 << 15) - word, step))}


def _memory_range(fields: Mapping[str, int], slot: str) -> tuple[int, int]:
    """Bytes that a DMA's memory side needs below and above its address."""
    counts = [*(fields[f"{slot}_size{d}"] for d in range(AP_DIMS)), fields["partitions"]]
    steps = [(n - 1) * fields[f"memory_stride{d}"] for d, n in enumerate(counts)]
    size = FORMAT_OF_CODE[fields[f"{slot}_dtype"]].bytes
    return -sum(min(s, 0) for s in steps), sum(max(s, 0) for s in steps) + size - 1


def _address(rng: random.Random, low: int, high: int) -> int:
    return rng.choice((low, high, rng.randint(low, high)))


def replace_field(word: bytes, name: str, value: int) -> bytes:
    """The instruction with another value in a field; nothing is checked."""
    f = FIELDS[name]
    mask = ((1 << f.bits) - 1) << f.lsb
    old = int.from_bytes(word, "little")
    return (old & ~mask | (value << f.lsb) & mask).to_bytes(INSTRUCTION_BYTES, "little")


BROKEN: tuple[ErrorCode, ...] = (
    *(c for c in ErrorCode if ErrorCode.OPCODE <= c <= ErrorCode.SEMAPHORE),
    ErrorCode.MEMORY_ADDRESS,
    ErrorCode.ELEMENTS,
    ErrorCode.VERSION,
)


def broken(rng: random.Random, code: ErrorCode, config: CoreConfig) -> tuple[Queue, bytes]:
    """A queue and an instruction that breaks the rule of `code` and none whose code goes before it."""
    opcode, fields = _broken_choices(rng, config)[code]
    # what is legal in single mode only is broken in another
    own = legal(rng, opcode, config, mode=Mode.DOUBLE_ROW if "apart" in fields else Mode.SINGLE)
    if code is ErrorCode.MEMORY_ADDRESS:
        fields = {"address": _outside(rng, own, "dst" if opcode is Opcode.DMA_LOAD else "src0", config)}
    word = encode(Instruction(opcode, own))
    for name, value in fields.items():
        if name in used_fields(opcode) or name == "opcode":
            word = replace_field(word, name, value)
    if code is ErrorCode.RESERVED:
        gaps = set(range(8 * INSTRUCTION_BYTES))
        for f in FIELDS.values():
            gaps -= set(range(f.lsb, f.lsb + f.bits))
        bit = rng.choice(sorted(gaps))
        word = (int.from_bytes(word, "little") | 1 << bit).to_bytes(INSTRUCTION_BYTES, "little")
    return INSTRUCTIONS[opcode].queues[0], word


def _too_many(rng: random.Random, config: CoreConfig) -> dict[str, int]:
    """Sizes of an operand that stands still: one factor of two above the bound, or far above."""
    bits = config.sequencer.elements.bit_length()  # of one too many
    parts = [FIELDS["dst_size0"].bits] * AP_DIMS
    if rng.random() < 0.7:
        parts = [min(16, bits), *_shares(rng, max(0, bits - 16))]
        rng.shuffle(parts)
    out = {}
    for d, part in enumerate(parts):
        size = rng.randint((1 << part - 1) + 1, min(1 << part, FIELDS["dst_size0"].high)) if part else 1
        for slot in ("dst", "src0"):
            out |= {f"{slot}_size{d}": size, f"{slot}_stride{d}": 0}
        out[f"memory_stride{d}"] = 0
    return out | {"mode": 0}  # whose operands have the sizes of one another


def _shares(rng: random.Random, bits: int) -> list[int]:
    """`bits` in all for the other dimensions."""
    first = rng.randint(0, bits)
    second = rng.randint(0, bits - first)
    return [first, second, bits - first - second]


def _outside(rng: random.Random, fields: Mapping[str, int], slot: str, config: CoreConfig) -> int:
    """An address from which the memory side leaves the space, by one byte where that can be."""
    low, high = _memory_range(fields, slot)
    end = 1 << config.bus.address_bits
    return rng.choice(([low - 1] if low else []) + [end - high, end, end + low, FIELDS["address"].high])


def _broken_choices(rng: random.Random, config: CoreConfig) -> dict[ErrorCode, tuple[Opcode, Mapping[str, int]]]:
    ones = {f"src0_size{d}": 1 for d in range(AP_DIMS)} | {f"dst_size{d}": 1 for d in range(AP_DIMS)}
    copy, matmul, load, store = Opcode.TENSOR_COPY, Opcode.MATMUL, Opcode.DMA_LOAD, Opcode.DMA_STORE
    foreign = [(copy, rng.choice((0, 0x11, 0x30, 0x41, 0x7F, 0xFF))), (load, store), (store, load)]
    owner, opcode = rng.choice(foreign)
    beyond_rows = {"dst_partition": config.partitions - 1, "src0_partition": config.partitions - 1, "partitions": 2}
    anyone = (matmul, copy, Opcode.ACTIVATION, load, store)
    beyond = {"src0_space": Space.PSUM, "src0_dtype": FP32.code, "src0_offset": config.psum.partition_bytes}
    return {
        ErrorCode.OPCODE: (owner, {"opcode": int(opcode)}),
        ErrorCode.RESERVED: (rng.choice((copy, matmul, load, Opcode.ACTIVATION)), {}),
        ErrorCode.OPERAND: rng.choice(
            [(copy, {"dst_space": rng.choice((Space.NONE, Space.PSUM, 3))})]
            + [(Opcode.LOAD_STATIONARY, {"apart": 1})] * (Mode.DOUBLE_ROW in config.tensor.modes)
        ),
        ErrorCode.SIZE: (matmul, {rng.choice(("columns", "partitions")): rng.choice((0, config.partitions + 1, 255))}),
        ErrorCode.PARTITION: rng.choice(((matmul, {"dst_partition": 1}), (rng.choice(anyone), beyond_rows))),
        ErrorCode.ALIGNMENT: (Opcode.LOAD_STATIONARY, {"src0_stride0": rng.choice((0, 2, -1))}),
        ErrorCode.SBUF_ADDRESS: (load, {"dst_offset": 0, "dst_size0": 2, "dst_stride0": -0x8000}),
        ErrorCode.PSUM_ADDRESS: (copy, ones | {f"src0_stride{d}": 0 for d in range(AP_DIMS)} | beyond),
        ErrorCode.MEMORY_ADDRESS: (rng.choice((load, store)), {}),
        ErrorCode.ELEMENTS: (rng.choice((copy, Opcode.ACTIVATION, load, store, matmul)), _too_many(rng, config)),
        ErrorCode.VERSION: (rng.choice(anyone), {"version": rng.randint(1, FIELDS["version"].high)}),
        ErrorCode.SEMAPHORE: (copy, _no_semaphore(rng, config)),
    }


def _no_semaphore(rng: random.Random, config: CoreConfig) -> dict[str, int]:
    """The first number that none has, or a power of two above it, in any place."""
    place, f = rng.choice(("wait0", "wait1", "signal0", "signal1")), FIELDS["wait0_semaphore"]
    first = config.sequencer.semaphores
    numbers = [first, *(1 << bit for bit in range(first.bit_length(), f.bits))]
    return {f"{place}_kind": 1, f"{place}_semaphore": rng.choice(numbers)}


@dataclass
class Programs:
    """Instructions of each queue, halts included, and the increments that they make in the end."""

    words: dict[Queue, list[bytes]] = field(default_factory=lambda: {q: [] for q in Queue})
    increments: dict[int, int] = field(default_factory=dict)

    def image(self, base: int, spacing: int) -> tuple[dict[int, bytes], dict[Queue, int]]:
        """Instructions by address, and where each queue's program starts."""
        starts = {q: base + spacing * q for q in Queue}
        words = {starts[q] + INSTRUCTION_BYTES * n: w for q, list_ in self.words.items() for n, w in enumerate(list_)}
        return words, starts


def random_programs(rng: random.Random, config: CoreConfig, length: int, *, base: int = 0) -> Programs:
    """`length` instructions over all queues; waits name signals of instructions before them, so none waits for ever.

    `base` is the value that every semaphore has at the start.
    """
    out = Programs()
    reached: dict[int, int] = {}
    # matmuls are of single elements
    others = (Opcode.HALT, Opcode.LOAD_SPARSE)
    opcodes = {q: [o for o in own_opcodes(q, config) if o not in others] for q in Queue}
    for n in range(length + len(Queue)):
        queue = Queue(n - length) if n >= length else rng.choice(list(Queue))
        opcode = Opcode.HALT if n >= length else rng.choice(opcodes[queue])
        fields = legal(rng, opcode, config)
        for w in range(2):
            if reached and rng.random() < 0.4:
                semaphore = rng.choice(sorted(reached))
                value = rng.choice((reached[semaphore], rng.randint(0, reached[semaphore])))
                fields |= {f"wait{w}_kind": WaitKind.REACHED, f"wait{w}_semaphore": semaphore}
                fields[f"wait{w}_value"] = (base + value) % (1 << FIELDS["wait0_value"].bits)
        for s in range(2):
            if rng.random() < 0.5:
                # few semaphores, so that several increments meet in one cycle
                semaphore = rng.randrange(4) if rng.random() < 0.7 else rng.randrange(config.sequencer.semaphores)
                fields |= {f"signal{s}_kind": SignalKind.INCREMENT, f"signal{s}_semaphore": semaphore}
                reached[semaphore] = reached.get(semaphore, 0) + 1
        out.words[queue].append(encode(Instruction(opcode, {k: int(v) for k, v in fields.items()})))
    out.increments = reached
    return out
