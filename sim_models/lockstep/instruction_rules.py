"""The verdict of the hardware on an encoded instruction: the docstrings of `ErrorCode`, read once more."""

from makalu.spec.config import CoreConfig
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FORMATS
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

__all__ = ["field_of", "verdict"]

_BYTES = {f.code: f.bytes for f in FORMATS.values()}
_NAMES = {f.code: f.name for f in FORMATS.values()}


def field_of(word: int, name: str) -> int:
    """Value of a field in a 1024-bit instruction, with its sign."""
    f = FIELDS[name]
    raw = (word >> f.lsb) & ((1 << f.bits) - 1)
    return raw - (1 << f.bits) if f.signed and raw >> (f.bits - 1) else raw


def verdict(word: int, queue: Queue, config: CoreConfig) -> ErrorCode:
    """The lowest code whose rule the instruction breaks in this queue, or NONE; what the bus said is not known here."""
    code = field_of(word, "opcode")
    if code not in list(Opcode) or queue not in INSTRUCTIONS[Opcode(code)].queues:
        return ErrorCode.OPCODE
    instruction = _Instruction(word, Opcode(code), config)
    checks = (
        (ErrorCode.RESERVED, instruction.reserved),
        (ErrorCode.OPERAND, instruction.operand),
        (ErrorCode.SIZE, instruction.size),
        (ErrorCode.PARTITION, instruction.partition),
        (ErrorCode.ALIGNMENT, instruction.alignment),
        (ErrorCode.SBUF_ADDRESS, instruction.sbuf),
        (ErrorCode.PSUM_ADDRESS, instruction.psum),
        (ErrorCode.SEMAPHORE, instruction.semaphore),
        (ErrorCode.MEMORY_ADDRESS, instruction.memory),
    )
    for error, broken in checks:
        if broken():
            return error
    return ErrorCode.NONE


class _Instruction:
    """One instruction's rules; a method is true when its rule is broken, and may assume that the earlier ones hold."""

    def __init__(self, word: int, opcode: Opcode, config: CoreConfig) -> None:
        self.word, self.opcode, self.config = word, opcode, config
        self.spec = INSTRUCTIONS[opcode]
        self.scalar_used = bool(self["operand0_tensor"])
        self.slots: dict[str, Operand] = {
            s: o for s, o in self.spec.operands.items() if not o.scalar or self.scalar_used
        }

    def __getitem__(self, name: str) -> int:
        return field_of(self.word, name)

    def sizes(self, slot: str) -> list[int]:
        return [self[f"{slot}_size{d}"] for d in range(AP_DIMS)]

    def span(self, slot: str) -> tuple[int, int]:
        """First and last byte of the pattern."""
        size = _BYTES[self[f"{slot}_dtype"]]
        steps = [(n - 1) * self[f"{slot}_stride{d}"] for d, n in enumerate(self.sizes(slot))]
        start = self[f"{slot}_offset"]
        low = start + size * sum(min(s, 0) for s in steps)
        return low, start + size * sum(max(s, 0) for s in steps) + size - 1

    def reserved(self) -> bool:
        left = self.word
        named = {"opcode", "after", "tag", *self.spec.fields}
        named |= {n for n in FIELDS if n.startswith(("wait", "signal")) or n.split("_")[0] in self.slots}
        for name in named:
            left &= ~(((1 << FIELDS[name].bits) - 1) << FIELDS[name].lsb)
        return left != 0

    def operand(self) -> bool:
        for slot, allowed in self.slots.items():
            space, dtype = self[f"{slot}_space"], self[f"{slot}_dtype"]
            if space not in allowed.spaces or _NAMES.get(dtype) not in allowed.dtypes:
                return True
            if space == Space.PSUM and _NAMES[dtype] != "fp32":
                return True
        for name in ("op0", "op1"):
            if name in self.spec.fields and self[name] not in list(AluOp):
                return True
        return "function" in self.spec.fields and self["function"] not in list(Function)

    def size(self) -> bool:
        tensors = [self.sizes(s) for s, o in self.slots.items() if not o.scalar]
        if any(0 in sizes or sizes != tensors[0] for sizes in tensors):
            return True
        if any(o.scalar and self.sizes(s) != [1] * AP_DIMS for s, o in self.slots.items()):
            return True
        limits = (("partitions", self.config.partitions), ("columns", self.config.tensor.columns))
        if any(name in self.spec.fields and not 1 <= self[name] <= limit for name, limit in limits):
            return True
        if self.opcode is Opcode.LOAD_STATIONARY:
            size0, *outer = tensors[0]
            return size0 > self.config.tensor.columns or outer != [1] * (AP_DIMS - 1)
        return False

    def partition(self) -> bool:
        starts = {slot: self[f"{slot}_partition"] for slot in self.slots}
        if self.opcode is Opcode.MATMUL and starts.pop("dst"):
            return True
        if any(start + self["partitions"] > self.config.partitions for start in starts.values()):
            return True
        vector = set(self.spec.queues) <= {Queue.VECTOR, Queue.SCALAR}
        return vector and len(set(starts.values())) > 1

    def alignment(self) -> bool:
        if any(self[f"{slot}_offset"] % _BYTES[self[f"{slot}_dtype"]] for slot in self.slots):
            return True
        if self.opcode is Opcode.LOAD_STATIONARY:
            return self["src0_stride0"] != 1 or self["src0_offset"] % self.config.sbuf.word_bytes != 0
        return False

    def _leaves(self, space: Space, limit: int) -> bool:
        spans = [self.span(slot) for slot in self.slots if self[f"{slot}_space"] == space]
        return any(low < 0 or high >= limit for low, high in spans)

    def sbuf(self) -> bool:
        return self._leaves(Space.SBUF, self.config.sbuf.partition_bytes)

    def psum(self) -> bool:
        if self._leaves(Space.PSUM, self.config.psum.partition_bytes):
            return True
        if self.opcode is not Opcode.MATMUL:
            return False
        low, high = self.span("dst")
        return low // self.config.psum.bank_bytes != high // self.config.psum.bank_bytes

    def memory(self) -> bool:
        if "address" not in self.spec.fields:
            return False
        (slot,) = self.slots
        counts = [*self.sizes(slot), self["partitions"]]
        steps = [(n - 1) * self[f"memory_stride{d}"] for d, n in zip(range(MEMORY_DIMS), counts, strict=True)]
        first = self["address"] + sum(s for s in steps if s < 0)
        last = self["address"] + sum(s for s in steps if s > 0) + _BYTES[self[f"{slot}_dtype"]] - 1
        return first < 0 or last >> self.config.bus.address_bits != 0

    def semaphore(self) -> bool:
        kinds: dict[str, int] = {f"wait{n}": WaitKind.REACHED for n in range(WAITS)}
        kinds |= {f"signal{n}": SignalKind.INCREMENT for n in range(SIGNALS)}
        count = self.config.sequencer.semaphores
        for name, last in kinds.items():
            kind, index = self[f"{name}_kind"], self[f"{name}_semaphore"]
            if kind > last or (kind and index >= count):
                return True
        return False
