"""Random legal instructions of the Vector and Scalar engines, and operand values with every corner class."""

from random import Random

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.formats import widen
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.field_rules import FIELD_RULES
from makalu.spec.formats import E8M0, FP32, LANE_ELEMENTS, Format, FormatKind
from makalu.spec.isa import AP_DIMS, FIELDS, INSTRUCTIONS, OPERANDS, AluOp, Opcode, Space
from makalu.spec.lane_programs import lane_programs
from makalu.spec.lanes import SCALES
from makalu.spec.quantize import GROUP_ELEMENTS
from makalu.spec.random_bits import SHORTER, Rounding
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant

__all__ = ["casts", "corner_values", "random_instruction", "random_instructions", "windows"]

LONGEST = 40
"""Elements of one instruction: several words of either type, several turns of the buffers."""

CORNERS = (
    0x00000000,
    0x80000000,  # zeros
    0x3F800000,
    0xBF800000,
    0x3F800001,  # one and its neighbour
    0x00000001,
    0x807FFFFF,
    0x00800000,  # subnormals, smallest normal
    0x7F7FFFFF,
    0xFF7FFFFF,
    0x7F7F8000,  # largest, halfway to bf16 infinity
    0x7F800000,
    0xFF800000,  # infinities
    0x7FC00000,
    0xFFC00001,
    0x7F800001,
    0xFFBFFFFF,  # NaNs
    0x3F808000,
    0x3F818000,
    0x3F808001,  # ties of the cast to bf16
)


def _ends(form: Format) -> list[int]:
    """fp32 bits where a cast to `form` changes its mind: ties between numbers, with both neighbours of each.

    Around the largest number, around 1, the first normal number and the smallest two subnormals.
    """
    out = []
    for code in (0, 1, (1 << form.fraction_bits) - 1, form.bias << form.fraction_bits, form.largest - 1, form.largest):
        low, high = (int(v) for v in widen(form, np.array([code, code + 1]) << form.padding))
        if code == form.largest:  # a place beyond the last number is where the next one would be
            high = low + (1 << FP32.fraction_bits - form.fraction_bits)
        tie = (np.array([low, high], np.uint32).view(np.float32).astype(np.float64).sum() / 2).astype(np.float32)
        out += [low, *(int(tie.view(np.uint32)) + step for step in (-1, 0, 1))]
    return [bits for value in out for bits in (value, value | 1 << FP32.bits - 1)]


def _integer_ends(form: Format) -> list[int]:
    """The same for an integer: around its limits, and halves between small ones."""
    halves = (*range(-4, 4), form.lowest - 1, form.lowest, form.largest)
    values = [form.lowest, form.largest, *(n + 0.5 for n in halves)]
    near = np.array(values, np.float32).view(np.uint32).astype(np.int64)
    return [int(bits) + step & 0xFFFFFFFF for bits in near for step in (-1, 0, 1)]


_ENDS = np.array(
    [
        bits
        for form in LANE_ELEMENTS
        if form != FP32
        for bits in (_integer_ends if form.kind is FormatKind.INTEGER else _ends)(form)
    ],
    np.uint32,
)

_CODES = {rule.field: rule.names for rule in FIELD_RULES if rule.names is not None}
"""What a field names, where it names something."""


def corner_values(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint32]:
    """fp32 bits: of each kind as many: near one another (their sums cancel), of any exponent, corners, subnormals with
    any leading place, numbers whose products are subnormal, numbers that bring a subnormal back, numbers in the range
    of the short formats, and where a cast to one of these changes its mind.
    """
    near = rng.integers(0x3F000000, 0x41000000, shape, dtype=np.uint32) | (
        rng.integers(0, 2, shape, dtype=np.uint32) << np.uint32(31)
    )
    anything = rng.integers(0, 1 << 32, shape, dtype=np.uint32)
    corner = rng.choice(np.array(CORNERS, np.uint32), shape)
    sign = rng.integers(0, 2, shape, dtype=np.uint32) << np.uint32(31)
    fraction = anything & np.uint32((1 << FP32.fraction_bits) - 1)
    tiny = sign | fraction >> rng.integers(0, FP32.fraction_bits, shape, dtype=np.uint32)
    small, large, short = (
        sign | fraction | rng.integers(low, high, shape, dtype=np.uint32) << np.uint32(FP32.fraction_bits)
        for low, high in ((50, 70), (180, 255), (100, 146))
    )
    ends = rng.choice(_ENDS, shape)
    kinds = [near, anything, corner, tiny, small, large, short, ends]
    return np.choose(rng.integers(0, len(kinds), shape), kinds).astype(np.uint32)


def _sizes(rng: Random) -> list[int]:
    """Up to `LONGEST` elements; now and then one, or up to half of them in one dimension, and twice in the next."""
    if rng.random() < 0.1:
        return [1] * AP_DIMS
    if rng.random() < 0.1:
        d, size = rng.randrange(AP_DIMS), rng.randint(LONGEST // 5, LONGEST // 2)
        return [{d: size, (d + 1) % AP_DIMS: 2}.get(each, 1) for each in range(AP_DIMS)]
    if rng.random() < 0.5:
        return [rng.randint(1, LONGEST), 1, 1, 1]
    while True:
        sizes = [rng.randint(1, 7) for _ in range(AP_DIMS)]
        if np.prod(sizes) <= LONGEST:
            return sizes


def _strides(rng: Random, sizes: list[int], kind: str) -> list[int]:
    if kind == "dense":
        return [1, sizes[0], sizes[0] * sizes[1], sizes[0] * sizes[1] * sizes[2]]
    if kind == "rows":
        return [1, sizes[0] + rng.randint(0, 3), rng.randint(-20, 20), rng.randint(-20, 20)]
    return [rng.randint(-5, 5) for _ in range(AP_DIMS)]


def _operand(
    rng: Random, slot: str, sizes: list[int], form: Format, space: Space, low: int, high: int
) -> dict[str, int]:
    """Fields of an operand whose bytes lie in low .. high-1 of each partition."""
    while True:
        strides = _strides(rng, sizes, rng.choice(("dense", "dense", "rows", "any")))
        steps = [form.bytes * (size - 1) * stride for size, stride in zip(sizes, strides, strict=True)]
        down, up = sum(min(0, s) for s in steps), sum(max(0, s) for s in steps) + form.bytes
        first, last = (low - down + form.bytes - 1) // form.bytes, (high - up) // form.bytes
        if first <= last:
            break
    fields = {f"{slot}_space": int(space), f"{slot}_dtype": form.code}
    fields[f"{slot}_offset"] = form.bytes * rng.randint(first, last)
    for d in range(AP_DIMS):
        fields[f"{slot}_size{d}"] = sizes[d]
        fields[f"{slot}_stride{d}"] = strides[d]
    return fields


def _apart(rng: Random, values: dict[str, int], slot: str, form: Format, lows: list[int], low: int) -> None:
    """The stride of a dimension of two goes from the operand's window to another; the second half may be elsewhere."""
    d = rng.choice([d for d in range(AP_DIMS) if values[f"{slot}_size{d}"] == 2])
    near = values[f"{slot}_stride{d}"]
    stride = near + (rng.choice(lows) - low) // form.bytes
    if abs(stride) < 1 << FIELDS[f"{slot}_stride{d}"].bits - 1:
        values[f"{slot}_stride{d}"] = stride


def _field(rng: Random, name: str) -> int:
    """A legal value: one of the codes that the field has, any bits, or a corner of fp32."""
    if name in _CODES:
        return int(rng.choice(list(_CODES[name])))
    bits = FIELDS[name].bits
    return rng.choice((rng.getrandbits(bits), *CORNERS)) if bits == FP32.bits else rng.getrandbits(bits)


def windows(config: CoreConfig, window: int) -> list[tuple[int, int]]:
    """Byte ranges of SBUF that programs use: 2 * `window` bytes at both ends of each bank, or at its start if small."""
    sbuf, size = config.sbuf, 2 * window
    ends = (0, sbuf.bank_bytes - size)[: sbuf.bank_bytes // size]
    return [(b * sbuf.bank_bytes + low, b * sbuf.bank_bytes + low + size) for b in range(sbuf.banks) for low in ends]


def _halves(config: CoreConfig, window: int) -> tuple[list[int], list[int]]:
    """First bytes of the halves of all windows in which sources and in which destinations lie: in turn the lower and
    the upper one, so that no bit of an address is the same in all of them.
    """
    lows = [low for low, _ in windows(config, window)]
    sources = [low + n % 2 * window for n, low in enumerate(lows)]
    return sources, [2 * low + window - source for low, source in zip(lows, sources, strict=True)]


def random_instruction(
    rng: Random, config: CoreConfig, *, engine: str, window: int, upper: str = "scalar", sizes: list[int] | None = None
) -> Instruction:
    """One legal instruction: any row of the engine's lane programs, with all that the row reads and looks at.

    `sizes` in place of random ones may be long: then nothing is in place, and all operands that a row may have are read
    in two of three cases.

    Sources lie in one half of one of `windows`, destinations in the other, of which each engine has its own part,
    `upper` the upper one: engines often meet in one bank, but no result depends on which comes first.
    """
    programs = list(lane_programs(engine, config))
    if sizes and rng.random() < 2 / 3:
        most = max(len(program.sources) for program in programs)
        programs = [program for program in programs if len(program.sources) == most]
    program = rng.choice(programs)
    operands = INSTRUCTIONS[program.opcode].operands
    given, sizes = sizes is not None, sizes or _sizes(rng)
    whole = quadrant(config) if program.grouped else 1
    count = whole * rng.randint(1, config.partitions // whole)
    start = whole * rng.randint(0, (config.partitions - count) // whole)
    if program.grouped:
        sizes = [max(1, sizes[0] // GROUP_ELEMENTS) * GROUP_ELEMENTS, *sizes[1:]]
    values: dict[str, int] = {"partitions": count, "tag": rng.getrandbits(16)}
    values |= {name: _field(rng, name) for name in program.fields}

    places, targets = _halves(config, window)
    together = rng.random() < 0.3  # all of PSUM that can be: its reads wait for one another
    for source in program.sources:
        if source.when and not values[source.when]:
            continue
        slot, allowed = source.slot, operands[source.slot]
        shape = [1] * AP_DIMS if source.once else sizes
        space = Space.PSUM if together and Space.PSUM in allowed.spaces else rng.choice(allowed.spaces)
        form = rng.choice(allowed.types(config))
        if space == Space.PSUM:
            bank = config.psum.bank_bytes * rng.choice((0, 0, config.psum.banks - 1, rng.randrange(config.psum.banks)))
            form = FP32 if rng.random() < 1 / 2 else form
            values.update(_operand(rng, slot, shape, form, space, bank, bank + config.psum.bank_bytes))
        else:
            low = rng.choice(places)
            values.update(_operand(rng, slot, shape, form, space, low, low + window))
            if 2 in shape and rng.random() < 0.4:  # from one window to another, whatever lies between
                _apart(rng, values, slot, form, places, low)

    low = rng.choice(targets) + (window // 2 if engine == upper else 0)
    form = rng.choice(operands["dst"].types(config))
    values.update(_operand(rng, "dst", sizes, form, Space.SBUF, low, low + window // 2))
    streamed = [source.slot for source in program.sources if not source.once]
    # in place: the one overlap that is allowed, each element once
    if streamed and not (given or program.grouped) and rng.random() < 0.15:
        dense = _strides(rng, sizes, "dense")
        bytes_all = form.bytes * int(np.prod(sizes))
        values["dst_offset"] = low + FP32.bytes * rng.randint(0, (window // 2 - bytes_all) // FP32.bytes)
        values |= {f"dst_stride{d}": stride for d, stride in enumerate(dense)}
        values |= {name.replace("dst", streamed[0]): value for name, value in values.items() if name.startswith("dst_")}
    shorter = config.stochastic and "rounding" in INSTRUCTIONS[program.opcode].fields and form in SHORTER
    values["rounding"] = int(rng.choice(list(Rounding))) if shorter else 0
    if program.grouped:  # the scales behind the elements, in the lower half of the engine's part
        half = low + window // 4
        values.update(_operand(rng, "dst", sizes, form, Space.SBUF, low, half))
        quarter = [sizes[0] // GROUP_ELEMENTS, *sizes[1:]]
        values.update(_operand(rng, SCALES, quarter, E8M0, Space.SBUF, half, low + window // 2))
    for slot in OPERANDS:
        if f"{slot}_space" in values:
            values[f"{slot}_partition"] = start
    if program.grouped:
        values[f"{SCALES}_partition"] += OFFSET_STEP * rng.randint(0, largest_offset(config) // OFFSET_STEP)
    return Instruction(program.opcode, {name: int(value) for name, value in values.items() if value})


def casts(rng: Random, config: CoreConfig, *, window: int) -> list[Instruction]:
    """A copy from every type of the core to every other, and a sum whose operands are of any two in turn, of Vector.

    Each takes 8 elements of all partitions, somewhere in a window, to its upper half.
    """
    out, forms, sizes = [], config.elements, [8, 1, 1, 1]
    for n, a in enumerate(forms):
        for m, b in enumerate(forms):
            third = forms[(n + m) % len(forms)]
            low, _ = rng.choice(windows(config, window))
            places = {"src0": (a, low), "src1": (b, low), "dst": (third, low + window)}
            copied = {"src0": (a, low), "dst": (b, low + window)}
            for opcode, operands in ((Opcode.TENSOR_COPY, copied), (Opcode.TENSOR_TENSOR, places)):
                if opcode == Opcode.TENSOR_TENSOR and (n + m) % 4:
                    continue
                values = {"partitions": config.partitions, "op0": int(AluOp.ADD), "tag": len(out)}
                if opcode == Opcode.TENSOR_COPY:
                    del values["op0"]
                for slot, (form, base) in operands.items():
                    values |= _operand(rng, slot, sizes, form, Space.SBUF, base, base + window)
                out.append(Instruction(opcode, {name: int(value) for name, value in values.items() if value}))
    return out


def random_instructions(
    config: CoreConfig, *, engine: str, count: int, seed: int, window: int = 512, upper: str = "scalar"
) -> list[Instruction]:
    """`count` instructions of one engine, the same for the same seed; now and then one comes twice in a row."""
    rng = Random(f"{engine}-{seed}")
    out: list[Instruction] = []
    for _ in range(count):
        if out and rng.random() < 0.15:  # it begins with the word that was read last, if it has one element
            out.append(out[-1])
        else:
            out.append(random_instruction(rng, config, engine=engine, window=window, upper=upper))
    return out
