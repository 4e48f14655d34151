"""The instruction set, once: a table of fields and a table of instructions.

Encoder, decoder and disassembler (`encoding.py`), the RTL's layout (`hw/lib/instruction.py`), the golden machine and
the docs page (`docs/isa.md`, written by `makalu docs`) all derive from the two tables. An instruction is 128 bytes,
little-endian; bit i of the instruction is bit i % 8 of byte i // 8. A field that an opcode does not use must be zero;
so must every bit that no field names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = [
    "AP_DIMS",
    "FIELDS",
    "INSTRUCTIONS",
    "INSTRUCTION_BYTES",
    "MEMORY_DIMS",
    "OPERANDS",
    "QUEUES",
    "AluOp",
    "Field",
    "Function",
    "Opcode",
    "Operand",
    "Queue",
    "SignalKind",
    "Space",
    "WaitKind",
    "used_fields",
]

INSTRUCTION_BYTES = 128
AP_DIMS = 4
"""(size, stride) pairs of an operand along the free axis; dimension 0 is the innermost."""
MEMORY_DIMS = 5
"""Strides of a DMA's memory side: dimensions 0 to 3 as the SBUF side, dimension 4 is the partition."""


class Queue(IntEnum):
    TENSOR = 0
    VECTOR = 1
    SCALAR = 2
    SYNC = 3


QUEUES: tuple[Queue, ...] = tuple(Queue)


class Opcode(IntEnum):
    HALT = 0x01
    NOP = 0x02
    LOAD_STATIONARY = 0x10
    MATMUL = 0x11
    TENSOR_COPY = 0x20
    TENSOR_TENSOR = 0x21
    TENSOR_SCALAR = 0x22
    ACTIVATION = 0x30
    DMA_LOAD = 0x40
    DMA_STORE = 0x41


class Space(IntEnum):
    NONE = 0
    SBUF = 1
    PSUM = 2


class WaitKind(IntEnum):
    NONE = 0
    REACHED = 1
    """Wait until (semaphore - value) mod 2^16 < 2^15."""


class SignalKind(IntEnum):
    NONE = 0
    INCREMENT = 1
    """Add 1 when the instruction finishes."""


class AluOp(IntEnum):
    BYPASS = 0
    ADD = 1
    SUBTRACT = 2
    MULTIPLY = 3
    MAX = 4
    MIN = 5


class Function(IntEnum):
    IDENTITY = 1
    RELU = 2


@dataclass(frozen=True)
class Field:
    name: str
    lsb: int
    bits: int
    signed: bool = False

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - self.signed)) - 1


OPERANDS = ("dst", "src0", "src1")


def _operand(name: str, lsb: int) -> list[Field]:
    """160 bits: where (32), sizes (4 x 16), strides in elements (4 x 16, signed)."""
    out = [
        Field(f"{name}_space", lsb, 2),
        Field(f"{name}_dtype", lsb + 2, 5),
        Field(f"{name}_partition", lsb + 7, 7),
        Field(f"{name}_offset", lsb + 14, 18),
    ]
    out += [Field(f"{name}_size{d}", lsb + 32 + 16 * d, 16) for d in range(AP_DIMS)]
    out += [Field(f"{name}_stride{d}", lsb + 96 + 16 * d, 16, signed=True) for d in range(AP_DIMS)]
    return out


def _fields() -> dict[str, Field]:
    table = [
        Field("opcode", 0, 8),
        Field("after", 8, 1),  # wait until every earlier instruction of this queue has finished
        Field("accumulate", 9, 1),  # matmul: add to PSUM instead of overwriting
        Field("operand0_tensor", 10, 1),  # tensor_scalar, activation: src1 is a [P, 1] tensor, one value a partition
        Field("reverse0", 11, 1),  # tensor_scalar: op0(operand0, data) instead of op0(data, operand0)
        Field("reverse1", 12, 1),  # tensor_scalar: op1(operand1, data) instead of op1(data, operand1)
        Field("tag", 16, 16),
    ]
    for i in range(2):
        base = 32 + 32 * i
        table += [
            Field(f"wait{i}_kind", base, 2),
            Field(f"wait{i}_semaphore", base + 2, 8),
            Field(f"wait{i}_value", base + 10, 16),
        ]
    for i in range(2):
        base = 96 + 16 * i
        table += [Field(f"signal{i}_kind", base, 2), Field(f"signal{i}_semaphore", base + 2, 8)]
    for i, name in enumerate(OPERANDS):
        table += _operand(name, 128 + 160 * i)
    table += [
        Field("partitions", 608, 8),  # that take part: K of a matmul, lanes of Vector and Scalar, rows of a DMA
        Field("columns", 616, 8),  # M of a matmul: PE columns, PSUM partitions 0 .. M-1
        Field("op0", 624, 8),
        Field("op1", 632, 8),
        Field("function", 640, 8),
        Field("immediate0", 672, 32),  # fp32 bits
        Field("immediate1", 704, 32),  # fp32 bits
        Field("address", 736, 64),  # byte address in memory
    ]
    table += [Field(f"memory_stride{d}", 800 + 32 * d, 32, signed=True) for d in range(MEMORY_DIMS)]  # bytes
    return {f.name: f for f in table}


FIELDS: dict[str, Field] = _fields()
"""Every named field; bits 960 to 1023 and the gaps are reserved (register overrides, index operand)."""


@dataclass(frozen=True)
class Operand:
    """What an instruction allows in one of its operand slots."""

    spaces: tuple[Space, ...]
    dtypes: tuple[str, ...]
    scalar: bool = False
    """One element a partition: all sizes are 1; used when `operand0_tensor` is set, else the slot is zero."""


@dataclass(frozen=True)
class InstructionSpec:
    opcode: Opcode
    queues: tuple[Queue, ...]
    operands: Mapping[str, Operand] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    """Fields used beside the common header (opcode, after, tag, waits, signals) and the operands."""
    equation: str = ""

    @property
    def name(self) -> str:
        return self.opcode.name.lower()


_SBUF, _PSUM, _ANY = (Space.SBUF,), (Space.PSUM,), (Space.SBUF, Space.PSUM)
_BOTH = ("fp32", "bf16")

INSTRUCTIONS: dict[Opcode, InstructionSpec] = {
    s.opcode: s
    for s in (
        InstructionSpec(Opcode.HALT, QUEUES, equation="the queue stops when its earlier instructions have finished"),
        InstructionSpec(Opcode.NOP, QUEUES, equation="only waits and signals"),
        InstructionSpec(
            Opcode.LOAD_STATIONARY,
            (Queue.TENSOR,),
            {"src0": Operand(_SBUF, ("bf16",))},
            ("partitions",),
            "shadow[K, M] = src0[K, M]",
        ),
        InstructionSpec(
            Opcode.MATMUL,
            (Queue.TENSOR,),
            {"dst": Operand(_PSUM, ("fp32",)), "src0": Operand(_SBUF, ("bf16",))},
            ("partitions", "columns", "accumulate"),
            "dst[M, N] (+)= stationary[K, M].T @ src0[K, N]",
        ),
        InstructionSpec(
            Opcode.TENSOR_COPY,
            (Queue.VECTOR,),
            {"dst": Operand(_SBUF, _BOTH), "src0": Operand(_ANY, _BOTH)},
            ("partitions",),
            "dst[P, N] = cast(src0[P, N])",
        ),
        InstructionSpec(
            Opcode.TENSOR_TENSOR,
            (Queue.VECTOR,),
            {"dst": Operand(_SBUF, _BOTH), "src0": Operand(_ANY, _BOTH), "src1": Operand(_ANY, _BOTH)},
            ("partitions", "op0"),
            "dst[P, N] = cast(op0(src0[P, N], src1[P, N]))",
        ),
        InstructionSpec(
            Opcode.TENSOR_SCALAR,
            (Queue.VECTOR,),
            {
                "dst": Operand(_SBUF, _BOTH),
                "src0": Operand(_ANY, _BOTH),
                "src1": Operand(_SBUF, ("fp32",), scalar=True),
            },
            ("partitions", "operand0_tensor", "op0", "op1", "reverse0", "reverse1", "immediate0", "immediate1"),
            "dst[P, N] = cast(op1(op0(src0[P, N], operand0), immediate1)); operand0 = src1[P, 1] or immediate0",
        ),
        InstructionSpec(
            Opcode.ACTIVATION,
            (Queue.SCALAR,),
            {
                "dst": Operand(_SBUF, _BOTH),
                "src0": Operand(_ANY, _BOTH),
                "src1": Operand(_SBUF, ("fp32",), scalar=True),
            },
            ("partitions", "operand0_tensor", "function", "immediate0", "immediate1"),
            "dst[P, N] = cast(function(src0[P, N] * immediate0 + bias)); bias = src1[P, 1] or immediate1",
        ),
        InstructionSpec(
            Opcode.DMA_LOAD,
            (Queue.SYNC,),
            {"dst": Operand(_SBUF, _BOTH)},
            ("partitions", "address", *(f"memory_stride{d}" for d in range(MEMORY_DIMS))),
            "dst[P, N] = memory[P, N]",
        ),
        InstructionSpec(
            Opcode.DMA_STORE,
            (Queue.SYNC,),
            {"src0": Operand(_SBUF, _BOTH)},
            ("partitions", "address", *(f"memory_stride{d}" for d in range(MEMORY_DIMS))),
            "memory[P, N] = src0[P, N]",
        ),
    )
}

_COMMON = (
    "opcode",
    "after",
    "tag",
    *(f"wait{i}_{part}" for i in range(2) for part in ("kind", "semaphore", "value")),
    *(f"signal{i}_{part}" for i in range(2) for part in ("kind", "semaphore")),
)


def used_fields(opcode: Opcode) -> tuple[str, ...]:
    """Names of the fields that may be non-zero in this opcode, in the order of the table."""
    spec = INSTRUCTIONS[opcode]
    used = set(_COMMON) | set(spec.fields)
    for slot in spec.operands:
        used |= {name for name in FIELDS if name.startswith(f"{slot}_")}
    return tuple(name for name in FIELDS if name in used)
