"""The rules that an instruction must keep, as text: software refuses what the hardware refuses.

The code of a violation is the lowest `ErrorCode` of all the rules that the instruction breaks, so it does not depend
on the order in which they are looked at.

Decisions where the tables are silent:

- An optional operand (`src1` while `operand0_tensor` is 0) must be all zeros: RESERVED.
- A PSUM operand is fp32; PSUM has no other element: OPERAND.
- `op1` of `tensor_scalar` may be BYPASS; so may `op0`.
- A semaphore index is looked at only when its kind is not NONE.
"""

from collections.abc import Iterator

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, InstructionError, decode
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import (
    AP_DIMS,
    FIELDS,
    INSTRUCTIONS,
    MEMORY_DIMS,
    SIGNALS,
    WAITS,
    AluOp,
    Function,
    Opcode,
    Operand,
    Queue,
    SignalKind,
    Space,
    WaitKind,
)

from .operand import OperandPattern, operand

__all__ = ["Violation", "check", "check_bytes"]

Violation = tuple[ErrorCode, str]
"""The code that the hardware reports, and a sentence that names rule and value."""

_NONE: Violation = (ErrorCode.NONE, "")


def check_bytes(data: bytes, queue: Queue, config: CoreConfig) -> Violation:
    """`check` of an encoded instruction; reports unknown opcodes and reserved bits too."""
    code = data[0]
    if code not in Opcode._value2member_map_:
        return ErrorCode.OPCODE, f"opcode {code:#04x} is unknown"
    opcode = Opcode(code)
    if queue not in INSTRUCTIONS[opcode].queues:
        return _wrong_queue(opcode, queue)
    try:
        instruction = decode(data)
    except InstructionError as error:
        return ErrorCode.RESERVED, str(error)
    return check(instruction, queue, config)


def check(instruction: Instruction, queue: Queue, config: CoreConfig) -> Violation:
    """(NONE, "") for a legal instruction, else the lowest code that applies and its sentence."""
    if queue not in INSTRUCTIONS[instruction.opcode].queues:
        return _wrong_queue(instruction.opcode, queue)
    for rule in (_reserved, _operands, _sizes, _partitions, _alignment, _sbuf, _psum, _semaphores, _memory):
        for code, text in rule(instruction, config):
            return code, f"{instruction.opcode.name.lower()}: {text}"
    return _NONE


def _wrong_queue(opcode: Opcode, queue: Queue) -> Violation:
    return ErrorCode.OPCODE, f"{opcode.name.lower()} does not run on the {queue.name.lower()} queue"


def _slots(instruction: Instruction) -> Iterator[tuple[str, Operand]]:
    """The operand slots that this instruction uses, with what the table allows in each."""
    for slot, allowed in INSTRUCTIONS[instruction.opcode].operands.items():
        if not allowed.scalar or instruction["operand0_tensor"]:
            yield slot, allowed


def _lanes(instruction: Instruction, slot: str) -> int:
    """Partitions over which `slot` lies."""
    return instruction["columns" if (instruction.opcode, slot) == (Opcode.MATMUL, "dst") else "partitions"]


def _patterns(instruction: Instruction, space: Space) -> Iterator[tuple[str, OperandPattern]]:
    for slot, _ in _slots(instruction):
        if instruction[f"{slot}_space"] == space:
            yield slot, operand(instruction, slot, count=_lanes(instruction, slot))


def _reserved(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    for slot, allowed in INSTRUCTIONS[instruction.opcode].operands.items():
        if allowed.scalar and not instruction["operand0_tensor"]:
            for name in FIELDS:
                if name.startswith(f"{slot}_") and instruction[name]:
                    yield ErrorCode.RESERVED, f"{name} must be 0 while operand0_tensor is 0, not {instruction[name]}"


def _operands(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    for slot, allowed in _slots(instruction):
        space, code = instruction[f"{slot}_space"], instruction[f"{slot}_dtype"]
        if space not in allowed.spaces:
            names = [s.name for s in allowed.spaces]
            yield ErrorCode.OPERAND, f"{slot}_space must be one of {names}, not {space}"
        if code not in [FORMATS[name].code for name in allowed.dtypes]:
            yield ErrorCode.OPERAND, f"{slot}_dtype must be one of {list(allowed.dtypes)}, not {code}"
        if space == Space.PSUM and code != FP32.code:
            yield ErrorCode.OPERAND, f"{slot}_dtype must be fp32 in PSUM, not {code}"
    fields = INSTRUCTIONS[instruction.opcode].fields
    for name, kind in (("op0", AluOp), ("op1", AluOp), ("function", Function)):
        if name in fields and instruction[name] not in kind._value2member_map_:
            yield ErrorCode.OPERAND, f"{name} must be one of {[k.name for k in kind]}, not {instruction[name]}"


def _sizes(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    fields = INSTRUCTIONS[instruction.opcode].fields
    for name, limit in (("partitions", config.partitions), ("columns", config.tensor.columns)):
        if name in fields and not 1 <= instruction[name] <= limit:
            yield ErrorCode.SIZE, f"{name} must be from 1 to {limit}, not {instruction[name]}"
    first: tuple[str, tuple[int, ...]] | None = None
    for slot, allowed in _slots(instruction):
        sizes = tuple(instruction[f"{slot}_size{d}"] for d in range(AP_DIMS))
        if 0 in sizes:
            yield ErrorCode.SIZE, f"{slot} has a size of 0 in {sizes}"
        if allowed.scalar:
            if set(sizes) != {1}:
                yield ErrorCode.SIZE, f"{slot} holds one element a partition, not {sizes}"
            continue
        if first is None:
            first = slot, sizes
        elif sizes != first[1]:
            yield ErrorCode.SIZE, f"{slot} has sizes {sizes} and {first[0]} has {first[1]}; they must be equal"
    if instruction.opcode == Opcode.LOAD_STATIONARY:
        size0, *rest = (instruction[f"src0_size{d}"] for d in range(AP_DIMS))
        if size0 > config.tensor.columns or set(rest) != {1}:
            yield (
                ErrorCode.SIZE,
                f"a stationary tile has 1 to {config.tensor.columns} columns in dimension 0, not {[size0, *rest]}",
            )


def _partitions(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    starts = {}
    for slot, _ in _slots(instruction):
        start, count = instruction[f"{slot}_partition"], _lanes(instruction, slot)
        if start + count > config.partitions:
            yield (
                ErrorCode.PARTITION,
                f"{slot} ends at partition {start + count}, the core has {config.partitions}",
            )
        starts[slot] = start
    if instruction.opcode == Opcode.MATMUL:
        if starts["dst"]:
            yield ErrorCode.PARTITION, f"dst_partition must be 0, not {starts['dst']}"
    elif len(set(starts.values())) > 1:
        yield ErrorCode.PARTITION, f"operands must start in the same partition, not in {starts}"


def _alignment(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    for space in (Space.SBUF, Space.PSUM):
        for slot, pattern in _patterns(instruction, space):
            if pattern.offset % pattern.format.bytes:
                yield (
                    ErrorCode.ALIGNMENT,
                    f"{slot}_offset must be a multiple of {pattern.format.bytes}, not {pattern.offset}",
                )
    if instruction.opcode == Opcode.LOAD_STATIONARY:
        word, offset, stride = config.sbuf.word_bytes, instruction["src0_offset"], instruction["src0_stride0"]
        if offset % word:
            yield ErrorCode.ALIGNMENT, f"src0_offset of a stationary tile must be a multiple of {word}, not {offset}"
        if stride != 1:
            yield ErrorCode.ALIGNMENT, f"src0_stride0 of a stationary tile must be 1, not {stride}"


def _sbuf(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    limit = config.sbuf.partition_bytes
    for slot, pattern in _patterns(instruction, Space.SBUF):
        low, high = pattern.extent
        if low < 0 or high >= limit:
            yield (
                ErrorCode.SBUF_ADDRESS,
                f"{slot} covers bytes {low} to {high}, a partition of SBUF has {limit}",
            )


def _psum(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    limit, bank = config.psum.partition_bytes, config.psum.bank_bytes
    for slot, pattern in _patterns(instruction, Space.PSUM):
        low, high = pattern.extent
        if low < 0 or high >= limit:
            yield (
                ErrorCode.PSUM_ADDRESS,
                f"{slot} covers bytes {low} to {high}, a partition of PSUM has {limit}",
            )
        if instruction.opcode == Opcode.MATMUL and low // bank != high // bank:
            yield (
                ErrorCode.PSUM_ADDRESS,
                f"{slot} covers bytes {low} to {high}, more than one bank of {bank}",
            )


def _memory(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    if instruction.opcode not in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
        return
    ((_, pattern),) = _patterns(instruction, Space.SBUF)
    extents = (*pattern.sizes, pattern.count)
    reach = [(size - 1) * instruction[f"memory_stride{d}"] for d, size in zip(range(MEMORY_DIMS), extents, strict=True)]
    low = instruction["address"] + sum(min(0, step) for step in reach)
    high = instruction["address"] + sum(max(0, step) for step in reach) + pattern.format.bytes - 1
    if low < 0 or high >= 1 << config.bus.address_bits:
        text = f"covers memory {low:#x} to {high:#x}, the bus has {config.bus.address_bits} address bits"
        yield ErrorCode.MEMORY_ADDRESS, text


def _semaphores(instruction: Instruction, config: CoreConfig) -> Iterator[Violation]:
    count = config.sequencer.semaphores
    for prefix, kind, count_of in (("wait", WaitKind, WAITS), ("signal", SignalKind, SIGNALS)):
        for i in range(count_of):
            value, index = instruction[f"{prefix}{i}_kind"], instruction[f"{prefix}{i}_semaphore"]
            if value not in kind._value2member_map_:
                yield ErrorCode.SEMAPHORE, f"{prefix}{i}_kind must be one of {[k.name for k in kind]}, not {value}"
            elif value and index >= count:
                yield ErrorCode.SEMAPHORE, f"{prefix}{i}_semaphore must be below {count}, not {index}"
