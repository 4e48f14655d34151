"""The instruction set, once: the table of instructions, over the fields and formats of `fields.py`.

Encoder, decoder and disassembler (`encoding.py`), the RTL's layout (`hw/lib/instruction.py`), the golden machine and
the docs page (`docs/isa.md`, written by `makalu docs`) all derive from these tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

from .engines import CHANNELS, QUEUES, Channel, Queue
from .fields import (
    AP_DIMS,
    ENCODING_VERSION,
    FIELDS,
    HEADER,
    INSTRUCTION_BYTES,
    INSTRUCTION_FORMATS,
    MEMORY_DIMS,
    OPERANDS,
    SIGNALS,
    WAITS,
    Field,
    InstructionFormat,
)
from .formats import ACCUMULATOR, CARRIED, DMA_ELEMENTS, E8M0, LANE_ELEMENTS, SINGLES, TENSOR_OPERANDS, TENSOR_RESULTS
from .operand import Operand, OperandRule, Space
from .quantize import QUANTIZED, UNQUANTIZED
from .sparsity import SPARSE, TAGS
from .tensor_modes import Mode

if TYPE_CHECKING:
    from .config import CoreConfig

__all__ = [
    "AP_DIMS",
    "ENCODING_VERSION",
    "FIELDS",
    "INSTRUCTIONS",
    "INSTRUCTION_BYTES",
    "LOADS",
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

SEMAPHORE_BITS = 32
"""Width of a semaphore; a wait compares as many of its low bits as the instruction's value has."""


class Opcode(IntEnum):
    """What an instruction does: `INSTRUCTIONS` has a row for each."""

    HALT = 0x01
    NOP = 0x02
    LOAD_STATIONARY = 0x10
    MATMUL = 0x11
    LOAD_SPARSE = 0x12
    TRANSPOSE = 0x13
    TENSOR_COPY = 0x20
    TENSOR_TENSOR = 0x21
    TENSOR_SCALAR = 0x22
    MEMSET = 0x23
    QUANTIZE_MX = 0x24
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
class InstructionSpec:
    """One row of the instruction table: who executes an opcode, what it may use and what it does."""

    opcode: Opcode
    channel: Channel | None = None
    """Where it finishes, and so which queue accepts it; None: the sequencer executes it itself, in any queue."""
    operands: Mapping[str, Operand] = field(default_factory=dict)
    """By slot, a name of `OPERANDS`; a slot that is not here must be zero."""
    fields: tuple[str, ...] = ()
    """Fields of its format that it uses beside the header and the operands."""
    equation: str = ""
    """What it computes, in the notation of the docs: K, M, N, P are sizes; (+)= adds where `accumulate` is set."""

    def __post_init__(self) -> None:
        beyond = {*self.operands, *self.fields} - {*self.format.operands, *self.format.fields}
        if beyond:
            raise ValueError(f"{self.name}: {sorted(beyond)} is not in the format {self.format.name}")

    def there(self, config: "CoreConfig") -> bool:
        """The core has it: there is a type for each operand that every instruction of the opcode has."""
        return all(operand.types(config) for operand in self.operands.values() if operand.when is None)

    def writes(self, slot: str) -> bool:
        """The operand in `slot` is a destination."""
        return slot == "dst" or self.operands[slot].written

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Those that accept it; any other refuses it."""
        return QUEUES if self.channel is None else (CHANNELS[self.channel].queue,)

    @property
    def name(self) -> str:
        """The mnemonic."""
        return self.opcode.name.lower()

    @property
    def format(self) -> InstructionFormat:
        """That of the engine that executes it."""
        engine = None if self.channel is None else CHANNELS[self.channel].engine
        return next(row for row in INSTRUCTION_FORMATS.values() if engine in row.engines)


_SBUF, _PSUM, _ANY = (Space.SBUF,), (Space.PSUM,), (Space.SBUF, Space.PSUM)
_FP32 = (ACCUMULATOR,)
_SAME = (OperandRule.SAME_SIZES, OperandRule.SAME_PARTITION)
_SCALAR = Operand(
    _SBUF, _FP32, (OperandRule.ONE_ELEMENT, OperandRule.SAME_PARTITION), scalar=True, when=("operand0_tensor", 1)
)
_RESULT = Operand(_SBUF, LANE_ELEMENTS, (OperandRule.SHORTER,))
_SCALES = Operand(
    _SBUF,
    (E8M0,),
    (
        OperandRule.SAME_SIZES,
        OperandRule.ONE_LINE,
        OperandRule.OF_QUADRANTS,
        OperandRule.WORD_ALIGNED,
        OperandRule.UNIT_STRIDE,
    ),
    when=("mode", Mode.MX),
    among="scales",
)
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
                    _SBUF,
                    TENSOR_OPERANDS,
                    (
                        OperandRule.OF_MODE,
                        OperandRule.MOVABLE,
                        OperandRule.UNTAGGED,
                        OperandRule.TILE,
                        OperandRule.COLUMNS_WITHIN,
                        OperandRule.WORD_ALIGNED,
                        OperandRule.UNIT_STRIDE,
                        OperandRule.ROWS_ALIGNED,
                        OperandRule.QUADRANTS,
                    ),
                    among="operands",
                ),
                "src1": _SCALES,
            },
            ("partitions", "column", "apart", "part", "mode", "exponent_offset"),
            "shadow[K, M] = part of src0[K, M] times 2^exponent_offset, in mx times src1[K / 32, M]; apart: other"
            " rows of these columns add nothing",
        ),
        InstructionSpec(
            Opcode.MATMUL,
            Channel.MATMUL,
            {
                "dst": Operand(
                    _PSUM,
                    TENSOR_RESULTS,
                    (OperandRule.COLUMN_TILE, OperandRule.ONE_BANK, OperandRule.ADDABLE, OperandRule.SHORTER),
                    among="outputs",
                    count="columns",
                ),
                "src0": Operand(
                    _SBUF,
                    TENSOR_OPERANDS,
                    (
                        OperandRule.OF_MODE,
                        OperandRule.MOVABLE,
                        OperandRule.MIXABLE,
                        OperandRule.SAME_COLUMNS,
                        OperandRule.ROWS_ALIGNED,
                        OperandRule.QUADRANTS,
                        OperandRule.GROUPS,
                    ),
                    among="operands",
                ),
                "src1": _SCALES,
            },
            ("partitions", "columns", "part", "mode", "accumulate", "rounding", "exponent_offset"),
            "dst[M, N] (+)= stationary[K, M].T @ part of src0[K, N] times 2^exponent_offset, in mx times"
            " src1[K / 32, N]; K = products of the mode x partitions; in sparse each weight meets the element of src0"
            " that its tag says",
        ),
        InstructionSpec(
            Opcode.LOAD_SPARSE,
            Channel.TENSOR_LOAD,
            {
                "src0": Operand(
                    _SBUF,
                    SPARSE,
                    (
                        OperandRule.ROW_TILE,
                        OperandRule.COLUMNS_WITHIN,
                        OperandRule.WORD_ALIGNED,
                        OperandRule.UNIT_STRIDE,
                        OperandRule.WHOLE_GROUPS,
                    ),
                    among="operands",
                ),
                "src1": Operand(
                    _SBUF,
                    (TAGS,),
                    (
                        OperandRule.QUARTER_SIZES,
                        OperandRule.SAME_SOURCE,
                        OperandRule.WORD_ALIGNED,
                        OperandRule.UNIT_STRIDE,
                    ),
                    among="tags",
                ),
            },
            ("partitions", "column", "ratio"),
            "shadow[K, M] = src0[K, M] with tags src1[K, M / 4], for a matmul in sparse",
        ),
        InstructionSpec(
            Opcode.TRANSPOSE,
            Channel.MATMUL,
            {
                "dst": Operand(
                    _PSUM,
                    (CARRIED,),
                    (OperandRule.COLUMN_TILE, OperandRule.ONE_BANK, OperandRule.AS_PARTITIONS),
                    among="background",
                    count="columns",
                ),
                "src0": Operand(
                    _SBUF,
                    SINGLES,
                    (
                        OperandRule.AS_COLUMNS,
                        OperandRule.OF_BITS,
                        OperandRule.NONE_WAITS,
                        OperandRule.WORD_ALIGNED,
                        OperandRule.UNIT_STRIDE,
                    ),
                    among="operands",
                ),
            },
            ("partitions", "columns", "part"),
            "dst[M, K] = 16 bits of src0[K, M], beside matmuls; `part` says which; the shadow registers are free again",
        ),
        InstructionSpec(
            Opcode.TENSOR_COPY,
            Channel.VECTOR,
            {"dst": _RESULT, "src0": Operand(_ANY, LANE_ELEMENTS, _SAME)},
            ("partitions", "rounding"),
            "dst[P, N] = cast(src0[P, N])",
        ),
        InstructionSpec(
            Opcode.TENSOR_TENSOR,
            Channel.VECTOR,
            {
                "dst": _RESULT,
                "src0": Operand(_ANY, LANE_ELEMENTS, _SAME),
                "src1": Operand(_ANY, LANE_ELEMENTS, _SAME),
            },
            ("partitions", "op0", "rounding"),
            "dst[P, N] = cast(op0(src0[P, N], src1[P, N]))",
        ),
        InstructionSpec(
            Opcode.TENSOR_SCALAR,
            Channel.VECTOR,
            {"dst": _RESULT, "src0": Operand(_ANY, LANE_ELEMENTS, _SAME), "src1": _SCALAR},
            (
                *("partitions", "operand0_tensor", "op0", "op1", "reverse0", "reverse1", "immediate0", "immediate1"),
                "rounding",
            ),
            "dst[P, N] = cast(op1(op0(src0[P, N], operand0), immediate1)); operand0 = src1[P, 1] or immediate0",
        ),
        InstructionSpec(
            Opcode.MEMSET,
            Channel.VECTOR,
            {"dst": _RESULT},
            ("partitions", "immediate0", "rounding"),
            "dst[P, N] = cast(immediate0)",
        ),
        InstructionSpec(
            Opcode.QUANTIZE_MX,
            Channel.VECTOR,
            {
                "dst": Operand(_SBUF, QUANTIZED, (OperandRule.WHOLE_QUADRANTS,)),
                "src0": Operand(_SBUF, UNQUANTIZED, _SAME),
                "src1": Operand(
                    _SBUF,
                    (E8M0,),
                    (OperandRule.QUARTER_SIZES, OperandRule.OF_QUADRANTS),
                    among="scales",
                    written=True,
                ),
            },
            ("partitions", "scale_rule"),
            "dst[P, N] = cast(src0[P, N] / scale), src1[P / 32, N / 4] = scale; one for 8 partitions x 4 elements, by"
            " scale_rule",
        ),
        InstructionSpec(
            Opcode.ACTIVATION,
            Channel.SCALAR,
            {"dst": _RESULT, "src0": Operand(_ANY, LANE_ELEMENTS, _SAME), "src1": _SCALAR},
            ("partitions", "operand0_tensor", "function", "immediate0", "immediate1", "rounding"),
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


LOADS: tuple[Opcode, ...] = tuple(o for o, row in INSTRUCTIONS.items() if row.channel is Channel.TENSOR_LOAD)
"""What brings a stationary tile to the array."""


@cache
def used_fields(opcode: Opcode) -> tuple[str, ...]:
    """Names of the fields that may be non-zero in this opcode, in the order of the bits."""
    spec = INSTRUCTIONS[opcode]
    slots = tuple(f"{slot}_" for slot in spec.operands)
    used = {*HEADER, *spec.fields}
    return tuple(n for n in spec.format.names if n in used or (slots and n.startswith(slots)))
