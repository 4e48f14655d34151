"""Number formats as records: every width in the RTL and every mask in the models derives from these.

A new format is a row here, and a member of the groups below whose operands may hold it. Casts and operands of the array
(`hw/arith`, `sim_models`) follow from the row; a scale and a packed format have none yet.

Does not: compute. The arithmetic is written twice from this page, in the RTL and in numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import cached_property

__all__ = [
    "ACCUMULATOR",
    "BF16",
    "CARRIED",
    "DMA_ELEMENTS",
    "FORMATS",
    "FORMAT_OF_CODE",
    "FP32",
    "HALF_SUM",
    "INTEGERS",
    "LANE_ELEMENTS",
    "SIGNIFICAND_BITS",
    "SINGLES",
    "SUMS",
    "TENSOR_OPERANDS",
    "TENSOR_RESULTS",
    "Format",
    "FormatKind",
    "Overflow",
]

SIGNIFICAND_BITS = 12
"""Width of an operand's significand inside the array, leading bit included: bf16, fp16, tf32 and every fp8 fit."""


class FormatKind(Enum):
    """What the bits of an element mean."""

    IEEE = "all-ones exponent: infinity or NaN"
    FINITE_NAN = "no infinity; all ones is the NaN (e4m3fn)"
    FINITE = "neither infinity nor NaN: every code is a number (e2m1fn)"
    SCALE = "2^(code - bias), no sign and no zero; all ones is the NaN (e8m0)"
    INTEGER = "two's complement, or unsigned"


class Overflow(Enum):
    """What a result beyond the largest finite number becomes."""

    INFINITY = "infinity of its sign"
    NAN = "the canonical NaN"
    SATURATE = "the largest finite number of its sign"


@dataclass(frozen=True, kw_only=True, eq=False)
class Format:
    """An element: sign, exponent, fraction from the highest bit down, `elements` of them in 2^`size_log2` bytes.

    Derived values (`largest`, `infinity`, `canonical_nan`) are the bits of one element, without `padding`.
    Raises `ValueError` where container, sign and overflow rule do not fit the kind.
    """

    name: str
    long_name: str
    """As ml_dtypes, torch and NKI call it."""
    code: int
    """Encoding in an instruction operand's `dtype` field."""
    size_log2: int
    """log2 of the bytes of the container, which is what addresses, strides and alignment count in."""
    exponent_bits: int
    fraction_bits: int
    """Of an integer: the bits of its magnitude."""
    kind: FormatKind = FormatKind.IEEE
    signed: bool = True
    overflow: Overflow = Overflow.INFINITY
    elements: int = 1
    """In a container: more than one where elements are packed."""

    def __post_init__(self) -> None:
        if self.elements * self.bits > 8 * self.bytes:
            raise ValueError(f"{self.elements} elements of {self.bits} bits do not fit into {self.bytes} bytes")
        if (self.exponent_bits == 0) != (self.kind is FormatKind.INTEGER):
            raise ValueError(f"{self.name}: an integer, and only an integer, has no exponent")
        if self.kind is FormatKind.SCALE and (self.signed or self.fraction_bits):
            raise ValueError(f"{self.name}: a scale has neither sign nor fraction")
        needs = {Overflow.INFINITY: self.has_infinity, Overflow.NAN: self.has_nan, Overflow.SATURATE: True}
        if not needs[self.overflow]:
            raise ValueError(f"{self.name} has no {self.overflow.name.lower()} to overflow to")

    @cached_property
    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, each.name) for each in fields(self))

    def __eq__(self, other: object) -> bool:
        # most questions are whether one of a table is another one of it
        return self is other or (
            isinstance(other, Format) and self.name == other.name and self._values == other._values
        )

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def bits(self) -> int:
        """Of one element."""
        return self.signed + self.exponent_bits + self.fraction_bits

    @cached_property
    def bytes(self) -> int:
        """Of the container."""
        return 1 << self.size_log2

    @property
    def padding(self) -> int:
        """Low bits of an element's place that it does not use (tf32): ignored when read, 0 when written."""
        return 8 * self.bytes // self.elements - self.bits

    @property
    def bias(self) -> int:
        return 0 if self.kind is FormatKind.INTEGER else (1 << (self.exponent_bits - 1)) - 1

    @property
    def exponent_mask(self) -> int:
        return (1 << self.exponent_bits) - 1

    @property
    def magnitude_mask(self) -> int:
        """Everything but the sign."""
        return (1 << (self.exponent_bits + self.fraction_bits)) - 1

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal number; also the exponent of every subnormal."""
        return -self.bias if self.kind is FormatKind.SCALE else 1 - self.bias

    @property
    def has_infinity(self) -> bool:
        return self.kind is FormatKind.IEEE

    @property
    def has_nan(self) -> bool:
        return self.kind in (FormatKind.IEEE, FormatKind.FINITE_NAN, FormatKind.SCALE)

    @cached_property
    def splits(self) -> bool:
        """Its significand does not fit an operand of the array: it has a lower part (`spec/tensor_types.py`)."""
        return self.kind is not FormatKind.INTEGER and self.fraction_bits >= SIGNIFICAND_BITS

    @property
    def infinity(self) -> int:
        """Bits of the positive infinity. Raises `ValueError` where there is none."""
        if not self.has_infinity:
            raise ValueError(f"{self.name} has no infinity")
        return self.exponent_mask << self.fraction_bits

    @property
    def largest(self) -> int:
        """Bits of the largest finite number."""
        return self.infinity - 1 if self.has_infinity else self.magnitude_mask - self.has_nan

    @property
    def canonical_nan(self) -> int:
        """Positive quiet NaN with an otherwise empty payload: the only NaN that Makalu writes.

        All ones where that is the only NaN. Raises `ValueError` where there is none.
        """
        if not self.has_nan:
            raise ValueError(f"{self.name} has no NaN")
        return self.infinity | (1 << (self.fraction_bits - 1)) if self.has_infinity else self.magnitude_mask

    @property
    def lowest(self) -> int:
        """Of an integer: its smallest value."""
        return -1 << self.fraction_bits if self.signed else 0

    @property
    def beyond(self) -> int:
        """Bits of what is rounded to more than the largest finite number, without its sign."""
        if self.overflow is Overflow.SATURATE:
            return self.largest
        return self.infinity if self.overflow is Overflow.INFINITY else self.canonical_nan


FP32 = Format(name="fp32", long_name="float32", code=1, size_log2=2, exponent_bits=8, fraction_bits=23)
BF16 = Format(name="bf16", long_name="bfloat16", code=2, size_log2=1, exponent_bits=8, fraction_bits=7)
FP16 = Format(name="fp16", long_name="float16", code=3, size_log2=1, exponent_bits=5, fraction_bits=10)
TF32 = Format(name="tf32", long_name="tfloat32", code=4, size_log2=2, exponent_bits=8, fraction_bits=10)
E5M2 = Format(name="e5m2", long_name="float8_e5m2", code=5, size_log2=0, exponent_bits=5, fraction_bits=2)
E4M3 = Format(name="e4m3", long_name="float8_e4m3", code=6, size_log2=0, exponent_bits=4, fraction_bits=3)
E3M4 = Format(name="e3m4", long_name="float8_e3m4", code=7, size_log2=0, exponent_bits=3, fraction_bits=4)
E4M3FN = replace(
    E4M3,
    name="e4m3fn",
    long_name="float8_e4m3fn",
    code=8,
    kind=FormatKind.FINITE_NAN,
    overflow=Overflow.NAN,
)


E8M0 = Format(
    name="e8m0",
    long_name="float8_e8m0fnu",
    code=15,
    size_log2=0,
    exponent_bits=8,
    fraction_bits=0,
    kind=FormatKind.SCALE,
    signed=False,
    overflow=Overflow.NAN,
)
"""Scale of a group of elements in MX (`quads.py`)."""


def _four(of: Format, code: int) -> Format:
    """Four elements of `of` in one container, the first in its lowest bits."""
    bits = 4 * of.bits
    return replace(
        of, name=f"{of.name}_x4", long_name=f"{of.long_name}_x4", code=code, size_log2=bits.bit_length() - 4, elements=4
    )


E2M1 = Format(
    name="e2m1",
    long_name="float4_e2m1fn",
    code=0,
    size_log2=0,
    exponent_bits=2,
    fraction_bits=1,
    kind=FormatKind.FINITE,
    overflow=Overflow.SATURATE,
)
"""Has no code of its own: it lies in memory in fours only."""
E4M3FN_X4, E5M2_X4, E2M1_X4 = _four(E4M3FN, 16), _four(E5M2, 17), _four(E2M1, 18)


def _integer(name: str, code: int, size_log2: int, *, signed: bool) -> Format:
    return Format(
        name=name,
        long_name=name,
        code=code,
        size_log2=size_log2,
        exponent_bits=0,
        fraction_bits=(8 << size_log2) - signed,
        kind=FormatKind.INTEGER,
        signed=signed,
        overflow=Overflow.SATURATE,
    )


INTEGERS = tuple(
    _integer(f"{'u' * (not signed)}int{8 << size}", 9 + 2 * size + (not signed), size, signed=signed)
    for size in range(3)
    for signed in (True, False)
)
"""int8, uint8, int16, ...: what Vector, Scalar and the DMA may have beside the array's types."""

_NUMBERS = (FP32, BF16, FP16, TF32, E5M2, E4M3, E3M4, E4M3FN, *INTEGERS)
FORMATS: Mapping[str, Format] = {f.name: f for f in (*_NUMBERS, E8M0, E4M3FN_X4, E5M2_X4, E2M1_X4)}
FORMAT_OF_CODE: Mapping[int, Format] = {f.code: f for f in FORMATS.values()}

ACCUMULATOR = FP32
"""Chain, PSUM, the lanes' steps, immediates and scalar operands: every element widens to it, every result leaves it.
Every core has it; the others are those of its preset (`CoreConfig.formats`)."""
SINGLES = (BF16, FP16, TF32, FP32, E5M2, E4M3, E3M4, E4M3FN)
"""What the array multiplies one by one. A kernel that does not choose takes the first, which every preset has."""
TENSOR_OPERANDS = (*SINGLES, E4M3FN_X4, E5M2_X4, E2M1_X4)
"""And in fours."""
CARRIED = FORMATS["uint16"]
"""Bits that the array carries through a sum (`spec/tensor_types.py`)."""
HALF_SUM = BF16
"""What a half of a word of PSUM has of a sum."""
SUMS = (ACCUMULATOR, HALF_SUM)
"""What PSUM holds sums as: each is rounded from the accumulator's, and widens to it when a matmul adds to it."""
TENSOR_RESULTS = (*SUMS, CARRIED)
"""What a matmul writes: sums, or what they carry."""
LANE_ELEMENTS = _NUMBERS
"""What Vector and Scalar read and write."""
DMA_ELEMENTS = _NUMBERS
"""What a DMA moves; it looks at sizes only."""
