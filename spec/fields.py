"""The bits of an instruction: fields by name, and the formats that lay them over one another.

An instruction is 128 bytes, little-endian; bit i of the instruction is bit i % 8 of byte i // 8. A field has one place
wherever it appears; an instruction has the fields of its engine's format only, so fields that no format has together
may share bits. A field that an opcode does not use must be zero; so must every bit that no field names.

`version` has the same place in every encoding, this one's and all that follow: a core refuses an instruction of another
encoding before it looks at anything else of it, and so does a program file.
"""

from dataclasses import dataclass
from itertools import chain, combinations

from .cfp8 import CFP8, OFFSET_BITS
from .random_bits import STOCHASTIC

__all__ = [
    "AP_DIMS",
    "ENCODING_VERSION",
    "FIELDS",
    "HEADER",
    "INSTRUCTION_BYTES",
    "INSTRUCTION_FORMATS",
    "MEMORY_DIMS",
    "OPERANDS",
    "SIGNALS",
    "WAITS",
    "Bits",
    "Field",
    "InstructionFormat",
]

INSTRUCTION_BYTES = 128
ENCODING_VERSION = 0
"""Of all formats together; the next one that changes the meaning of a legal bit is 1."""

AP_DIMS = 4
"""(size, stride) pairs of an operand along the free axis; dimension 0 is the innermost."""
MEMORY_DIMS = 5
"""Strides of a DMA's memory side: dimensions 0 to 3 as the SBUF side, dimension 4 is the partition."""

WAITS = 2
SIGNALS = 2
"""Waits and signals of one instruction."""

OPERANDS = ("dst", "src0", "src1")


@dataclass(frozen=True)
class Bits:
    """A run of bits of the instruction: `bits` of them from bit `lsb` on."""

    name: str
    lsb: int
    bits: int
    meaning: str
    """With its unit, for somebody who writes an instruction by hand."""

    @property
    def mask(self) -> int:
        return ((1 << self.bits) - 1) << self.lsb


@dataclass(frozen=True)
class Field(Bits):
    """Bits that an instruction has today, two's complement where it is `signed`."""

    signed: bool = False
    feature: str = ""
    """Of cores that have it (`CoreConfig.features`); elsewhere its bits are reserved. Empty: of all."""

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - self.signed)) - 1


def _header() -> list[Field]:
    rows = [
        Field("opcode", 0, 8, "an `Opcode`"),
        Field("after", 8, 1, "wait until every earlier instruction of this queue has finished"),
        Field("version", 13, 3, "of the encoding: ENCODING_VERSION"),
        Field("tag", 16, 16, "for traces and the error registers; any value"),
    ]
    for i in range(WAITS):
        base = 32 + 32 * i
        rows += [
            Field(f"wait{i}_kind", base, 2, "a `WaitKind`"),
            Field(f"wait{i}_semaphore", base + 2, 8, "number of the semaphore"),
            Field(f"wait{i}_value", base + 10, 16, "what it is compared with, modulo 2^16"),
        ]
    for i in range(SIGNALS):
        base = 96 + 16 * i
        rows += [
            Field(f"signal{i}_kind", base, 2, "a `SignalKind`"),
            Field(f"signal{i}_semaphore", base + 2, 8, "number of the semaphore"),
        ]
    return rows


_OPERAND_BITS = 32 + 2 * 16 * AP_DIMS


def _operand(name: str, lsb: int) -> list[Field]:
    """160 bits: where (32), sizes (4 x 16), strides in elements (4 x 16, signed)."""
    rows = [
        Field(f"{name}_space", lsb, 2, "a `Space`"),
        Field(f"{name}_dtype", lsb + 2, 5, "element type, a code of the formats"),
        Field(f"{name}_partition", lsb + 7, 7, "first partition"),
        Field(f"{name}_offset", lsb + 14, 18, "of the first element in each partition [bytes]"),
    ]
    for d in range(AP_DIMS):
        meaning = f"elements along dimension {d}, at least 1" + (" (the innermost)" if d == 0 else "")
        rows.append(Field(f"{name}_size{d}", lsb + 32 + 16 * d, 16, meaning))
    for d in range(AP_DIMS):
        meaning = f"from one element to the next along dimension {d} [elements]"
        rows.append(Field(f"{name}_stride{d}", lsb + 96 + 16 * d, 16, meaning, signed=True))
    return rows


def _memory() -> list[Field]:
    rows = [Field("address", 736, 64, "of the first element in memory [bytes]")]
    for d in range(MEMORY_DIMS):
        along = f"dimension {d}" if d < AP_DIMS else "the partitions"
        meaning = f"from one element to the next along {along} in memory [bytes]"
        rows.append(Field(f"memory_stride{d}", 800 + 32 * d, 32, meaning, signed=True))
    return rows


_FLAGS = [
    Field("accumulate", 9, 1, "add to PSUM instead of overwriting"),
    Field("operand0_tensor", 10, 1, "src1 is a [P, 1] tensor of fp32, one value a partition; else it is all 0"),
    Field("reverse0", 11, 1, "op0(operand0, data) instead of op0(data, operand0)"),
    Field("reverse1", 12, 1, "op1(immediate1, data) instead of op1(data, immediate1)"),
]
_TENSOR_ONLY = ("accumulate", "columns", "column", "apart", "part", "mode", "ratio", "exponent_offset")
_NUMBERS = [
    Field("partitions", 608, 8, "that take part: K of a matmul, lanes of Vector and Scalar, rows of a DMA"),
    Field("columns", 616, 8, "M of a matmul: PE columns and PSUM partitions, from the first of dst on"),
    Field("part", 624, 3, "a `Part`: what of an element is the operand"),
    Field("mode", 627, 2, "a `Mode` of the array"),
    Field("column", 632, 7, "first PE column of a stationary tile"),
    Field("apart", 639, 1, "rows outside a stationary tile add nothing to the sums of its columns"),
    Field("ratio", 629, 3, "moving elements of a partition and column among which a tag chooses"),
    Field("op0", 624, 8, "an `AluOp`"),
    Field("op1", 632, 8, "an `AluOp`"),
    Field("function", 640, 8, "a `Function`"),
    Field("scale_rule", 648, 2, "a `ScaleRule`"),
    Field("rounding", 650, 1, "a `Rounding`", feature=STOCHASTIC),
    Field("exponent_offset", 656, OFFSET_BITS, "of the operand: x * 2^offset", signed=True, feature=CFP8),
    Field("immediate0", 672, 32, "fp32 bits"),
    Field("immediate1", 704, 32, "fp32 bits"),
]
_PLACES = {name: _operand(name, 128 + _OPERAND_BITS * i) for i, name in enumerate(OPERANDS)}

HEADER: tuple[str, ...] = tuple(f.name for f in _header())
"""Fields of every instruction."""
FIELDS: dict[str, Field] = {f.name: f for f in (*_header(), *_FLAGS, *chain(*_PLACES.values()), *_NUMBERS, *_memory())}
"""Every named field."""

_OVERRIDES = Bits("overrides", 960, 64, "registers that replace fields")
_SOURCE_2 = Bits("src2", 736, _OPERAND_BITS, "a third source operand, where a DMA has its memory side")
_INDEX = Bits("index", 448, _OPERAND_BITS, "an index operand, where other formats have src1")


@dataclass(frozen=True)
class InstructionFormat:
    """What the instructions of some engines may have beside the header. Errors: `ValueError` where two rows meet."""

    name: str
    engines: tuple[str | None, ...]
    """Of rows of `STREAMS`; None: the sequencer executes them itself."""
    operands: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    reserved: tuple[Bits, ...] = (_OVERRIDES,)
    """Kept free: zero today, named so that nothing else is put there."""

    def __post_init__(self) -> None:
        for one, other in combinations((*(FIELDS[name] for name in self.names), *self.reserved), 2):
            if one.mask & other.mask:
                raise ValueError(f"format {self.name}: {one.name} and {other.name} share bits")

    @property
    def names(self) -> tuple[str, ...]:
        """Its fields in the order of the bits, header and operands included."""
        places = [f.name for slot in self.operands for f in _PLACES[slot]]
        return tuple(sorted((*HEADER, *places, *self.fields), key=lambda name: FIELDS[name].lsb))

    @property
    def free_bits(self) -> int:
        """That neither a field nor a reservation has."""
        return 8 * INSTRUCTION_BYTES - sum(row.bits for row in (*(FIELDS[n] for n in self.names), *self.reserved))


INSTRUCTION_FORMATS: dict[str, InstructionFormat] = {
    row.name: row
    for row in (
        InstructionFormat("control", (None,)),
        InstructionFormat(
            "tensor",
            ("tensor",),
            ("dst", "src0", "src1"),
            (
                *("partitions", "columns", "column", "apart", "part", "mode", "ratio", "rounding", "accumulate"),
                "exponent_offset",
            ),
        ),
        InstructionFormat(
            "lane",
            ("vector", "scalar"),
            ("dst", "src0", "src1"),
            tuple(f.name for f in (*_FLAGS, *_NUMBERS) if f.name not in _TENSOR_ONLY),
            (_SOURCE_2, _OVERRIDES),
        ),
        InstructionFormat(
            "dma", ("dma",), ("dst", "src0"), ("partitions", *(f.name for f in _memory())), (_INDEX, _OVERRIDES)
        ),
    )
}
