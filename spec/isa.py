"""The instruction set, once: a table of fields and a table of instructions.

Encoder, decoder and disassembler (`encoding.py`), the RTL's layout (`hw/lib/instruction.py`), the golden machine and
the docs page (`docs/isa.md`, written by `makalu docs`) all derive from the two tables. An instruction is 128 bytes,
little-endian; bit i of the instruction is bit i % 8 of byte i // 8. A field that an opcode does not use must be zero;
so must every bit that no field names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache

from .engines import CHANNELS, QUEUES, Channel, Queue
from .formats import ACCUMULATOR, DMA_ELEMENTS, LANE_ELEMENTS, TENSOR_OPERANDS
from .operand import Operand, OperandRule, Space

__all__ = [
    "AP_DIMS",
    "FIELDS",
    "INSTRUCTIONS",
    "INSTRUCTION_BYTES",
    "MEMORY_DIMS",
    "OPERANDS",
    "QUEUES",
    "SEMAPHORE_BITS",
    "SIGNALS",
    "WAITS",
    "AluOp",
    "Field",
    "Function",
    "Opcode",
    "Operand",
    "OperandRule",
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

WAITS = 2
SIGNALS = 2
"""Waits and signals of one instruction."""
SEMAPHORE_BITS = 32
"""Width of a semaphore; a wait compares as many of its low bits as the instruction's value has."""


class Opcode(IntEnum):
    """What an instruction does: `INSTRUCTIONS` has a row for each."""

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


class WaitKind(IntEnum):
    """REACHED: issue only when (semaphore - value) mod 2^16 < 2^15."""

    NONE = 0
    REACHED = 1


class SignalKind(IntEnum):
    """INCREMENT: add 1 to the semaphore when the instruction finishes."""

    NONE = 0
    INCREMENT = 1


class AluOp(IntEnum):
    """op(a, b), rounded once to fp32; BYPASS is the data operand."""

    BYPASS = 0
    ADD = 1
    SUBTRACT = 2
    MULTIPLY = 3
    MAX = 4
    MIN = 5


class Function(IntEnum):
    """Of an activation; RELU is max(x, +0), a NaN stays the canonical NaN."""

    IDENTITY = 1
    RELU = 2


@dataclass(frozen=True)
class Field:
    """A run of bits of the instruction: `bits` of them from bit `lsb` on, two's complement where it is `signed`."""

    name: str
    lsb: int
    bits: int
    meaning: str
    """With its unit, for somebody who writes an instruction by hand."""
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
        Field(f"{name}_space", lsb, 2, "a `Space`"),
        Field(f"{name}_dtype", lsb + 2, 5, "element type, a code of the formats"),
        Field(f"{name}_partition", lsb + 7, 7, "first partition"),
        Field(f"{name}_offset", lsb + 14, 18, "of the first element in each partition [bytes]"),
    ]
    for d in range(AP_DIMS):
        meaning = f"elements along dimension {d}, at least 1" + (" (the innermost)" if d == 0 else "")
        out.append(Field(f"{name}_size{d}", lsb + 32 + 16 * d, 16, meaning))
    for d in range(AP_DIMS):
        meaning = f"from one element to the next along dimension {d} [elements]"
        out.append(Field(f"{name}_stride{d}", lsb + 96 + 16 * d, 16, meaning, signed=True))
    return out


def _fields() -> dict[str, Field]:
    table = [
        Field("opcode", 0, 8, "an `Opcode`"),
        Field("after", 8, 1, "wait until every earlier instruction of this queue has finished"),
        Field("accumulate", 9, 1, "add to PSUM instead of overwriting"),
        Field("operand0_tensor", 10, 1, "src1 is a [P, 1] tensor of fp32, one value a partition; else it is all 0"),
        Field("reverse0", 11, 1, "op0(operand0, data) instead of op0(data, operand0)"),
        Field("reverse1", 12, 1, "op1(immediate1, data) instead of op1(data, immediate1)"),
        Field("tag", 16, 16, "for traces and the error registers; any value"),
    ]
    for i in range(WAITS):
        base = 32 + 32 * i
        table += [
            Field(f"wait{i}_kind", base, 2, "a `WaitKind`"),
            Field(f"wait{i}_semaphore", base + 2, 8, "number of the semaphore"),
            Field(f"wait{i}_value", base + 10, 16, "what it is compared with, modulo 2^16"),
        ]
    for i in range(SIGNALS):
        base = 96 + 16 * i
        table += [
            Field(f"signal{i}_kind", base, 2, "a `SignalKind`"),
            Field(f"signal{i}_semaphore", base + 2, 8, "number of the semaphore"),
        ]
    for i, name in enumerate(OPERANDS):
        table += _operand(name, 128 + 160 * i)
    table += [
        Field("partitions", 608, 8, "that take part: K of a matmul, lanes of Vector and Scalar, rows of a DMA"),
        Field("columns", 616, 8, "M of a matmul: PE columns, PSUM partitions 0 to M - 1"),
        Field("op0", 624, 8, "an `AluOp`"),
        Field("op1", 632, 8, "an `AluOp`"),
        Field("function", 640, 8, "a `Function`"),
        Field("immediate0", 672, 32, "fp32 bits"),
        Field("immediate1", 704, 32, "fp32 bits"),
        Field("address", 736, 64, "of the first element in memory [bytes]"),
    ]
    for d in range(MEMORY_DIMS):
        along = f"dimension {d}" if d < AP_DIMS else "the partitions"
        meaning = f"from one element to the next along {along} in memory [bytes]"
        table.append(Field(f"memory_stride{d}", 800 + 32 * d, 32, meaning, signed=True))
    return {f.name: f for f in table}


FIELDS: dict[str, Field] = _fields()
"""Every named field; bits 960 to 1023 and the gaps are reserved (register overrides, index operand)."""


@dataclass(frozen=True)
class InstructionSpec:
    """One row of the instruction table: who executes an opcode, what it may use and what it does."""

    opcode: Opcode
    channel: Channel | None = None
    """Where it finishes, and so which queue accepts it; None: the sequencer executes it itself, in any queue."""
    operands: Mapping[str, Operand] = field(default_factory=dict)
    """By slot, a name of `OPERANDS`; a slot that is not here must be zero."""
    fields: tuple[str, ...] = ()
    """Fields used beside the common header (opcode, after, tag, waits, signals) and the operands."""
    equation: str = ""
    """What it computes, in the notation of the docs: K, M, N, P are sizes; (+)= adds where `accumulate` is set."""

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Those that accept it; any other refuses it."""
        return QUEUES if self.channel is None else (CHANNELS[self.channel].queue,)

    @property
    def name(self) -> str:
        """The mnemonic."""
        return self.opcode.name.lower()


_SBUF, _PSUM, _ANY = (Space.SBUF,), (Space.PSUM,), (Space.SBUF, Space.PSUM)
_FP32 = (ACCUMULATOR,)
_SAME = (OperandRule.SAME_SIZES, OperandRule.SAME_PARTITION)
_SCALAR = Operand(_SBUF, _FP32, (OperandRule.ONE_ELEMENT, OperandRule.SAME_PARTITION), scalar=True)
_MEMORY = ("partitions", "address", *(f"memory_stride{d}" for d in range(MEMORY_DIMS)))

INSTRUCTIONS: dict[Opcode, InstructionSpec] = {
    s.opcode: s
    for s in (
        InstructionSpec(Opcode.HALT, equation="the queue stops when its earlier instructions have finished"),
        InstructionSpec(Opcode.NOP, equation="only waits and signals"),
        InstructionSpec(
            Opcode.LOAD_STATIONARY,
            Channel.TENSOR_LOAD,
            {
                "src0": Operand(
                    _SBUF, TENSOR_OPERANDS, (OperandRule.TILE, OperandRule.WORD_ALIGNED, OperandRule.UNIT_STRIDE)
                )
            },
            ("partitions",),
            "shadow[K, M] = src0[K, M]",
        ),
        InstructionSpec(
            Opcode.MATMUL,
            Channel.MATMUL,
            {
                "dst": Operand(_PSUM, _FP32, (OperandRule.FROM_ZERO, OperandRule.ONE_BANK), count="columns"),
                "src0": Operand(_SBUF, TENSOR_OPERANDS, (OperandRule.SAME_SIZES,)),
            },
            ("partitions", "columns", "accumulate"),
            "dst[M, N] (+)= stationary[K, M].T @ src0[K, N]",
        ),
        InstructionSpec(
            Opcode.TENSOR_COPY,
            Channel.VECTOR,
            {"dst": Operand(_SBUF, LANE_ELEMENTS), "src0": Operand(_ANY, LANE_ELEMENTS, _SAME)},
            ("partitions",),
            "dst[P, N] = cast(src0[P, N])",
        ),
        InstructionSpec(
            Opcode.TENSOR_TENSOR,
            Channel.VECTOR,
            {
                "dst": Operand(_SBUF, LANE_ELEMENTS),
                "src0": Operand(_ANY, LANE_ELEMENTS, _SAME),
                "src1": Operand(_ANY, LANE_ELEMENTS, _SAME),
            },
            ("partitions", "op0"),
            "dst[P, N] = cast(op0(src0[P, N], src1[P, N]))",
        ),
        InstructionSpec(
            Opcode.TENSOR_SCALAR,
            Channel.VECTOR,
            {"dst": Operand(_SBUF, LANE_ELEMENTS), "src0": Operand(_ANY, LANE_ELEMENTS, _SAME), "src1": _SCALAR},
            ("partitions", "operand0_tensor", "op0", "op1", "reverse0", "reverse1", "immediate0", "immediate1"),
            "dst[P, N] = cast(op1(op0(src0[P, N], operand0), immediate1)); operand0 = src1[P, 1] or immediate0",
        ),
        InstructionSpec(
            Opcode.ACTIVATION,
            Channel.SCALAR,
            {"dst": Operand(_SBUF, LANE_ELEMENTS), "src0": Operand(_ANY, LANE_ELEMENTS, _SAME), "src1": _SCALAR},
            ("partitions", "operand0_tensor", "function", "immediate0", "immediate1"),
            "dst[P, N] = cast(function(src0[P, N] * immediate0 + bias)); bias = src1[P, 1] or immediate1",
        ),
        InstructionSpec(
            Opcode.DMA_LOAD,
            Channel.DMA_LOAD,
            {"dst": Operand(_SBUF, DMA_ELEMENTS, (OperandRule.IN_MEMORY,))},
            _MEMORY,
            "dst[P, N] = memory[P, N]",
        ),
        InstructionSpec(
            Opcode.DMA_STORE,
            Channel.DMA_STORE,
            {"src0": Operand(_SBUF, DMA_ELEMENTS, (OperandRule.IN_MEMORY,))},
            _MEMORY,
            "memory[P, N] = src0[P, N]",
        ),
    )
}

_COMMON = (
    "opcode",
    "after",
    "tag",
    *(f"wait{i}_{part}" for i in range(WAITS) for part in ("kind", "semaphore", "value")),
    *(f"signal{i}_{part}" for i in range(SIGNALS) for part in ("kind", "semaphore")),
)


@cache
def used_fields(opcode: Opcode) -> tuple[str, ...]:
    """Names of the fields that may be non-zero in this opcode, in the order of the table."""
    spec = INSTRUCTIONS[opcode]
    used = set(_COMMON) | set(spec.fields)
    for slot in spec.operands:
        used |= {name for name in FIELDS if name.startswith(f"{slot}_")}
    return tuple(name for name in FIELDS if name in used)
