"""What a line of vectors may ask of the arithmetic units, and the same as the C++ table of the compiled judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from makalu.hw.arith.assembly import CAST, INPUTS, OUTPUTS
from makalu.hw.arith.words import CHAIN_WORD
from makalu.spec.chain import CHAIN_NAN_EXPONENT
from makalu.spec.formats import FP32, SINGLES, Format
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quads import QUADS, SCALE_BITS

__all__ = ["OPERATIONS", "Operation", "judged_units", "table_text"]

_OPERAND = SINGLES[0]
_CHAIN = "word"
"""The input that a line has as fp32 and the units as a chain word."""
_WORD_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`name operand ... result` is a line of it."""

    name: str
    meaning: str
    units: str
    """`operation` of the assembly's outputs that it judges."""
    operands: tuple[str, ...]
    """Inputs of the assembly in the order of a line."""
    ones: tuple[str, ...] = ()
    """Inputs of one bit that are 1; others that nothing names are 0."""
    types: Mapping[str, Format] = field(default_factory=dict)
    """Of the operands a and b; in the input `a_dtype` too where there is no a: the result's."""
    elements: int = 1
    """Of each typed operand, the first in its low bits."""
    result: Format = FP32
    any_nan: bool = False
    """A NaN keeps its payload; where one is expected each is right."""


def _name(operation: str, *forms: Format) -> str:
    """The array's first format needs no name."""
    return operation if all(form == _OPERAND for form in forms) else "-".join([operation, *(f.name for f in forms)])


OPERATIONS: tuple[Operation, ...] = (
    *(
        Operation(
            name=_name("fma", a, b),
            meaning=f"a * b + p, a of {a.name}, b of {b.name}",
            units="fma",
            operands=("a", "b", _CHAIN),
            ones=("active",),
            types={"a": a, "b": b},
        )
        for a in SINGLES
        for b in SINGLES
    ),
    *(
        Operation(
            name=f"pair-{a.name}-{b.name}",
            meaning=f"a0 * b0 + a1 * b1, cut (docs/numerics.md), + p, a of {a.name}, b of {b.name}",
            units="fma",
            operands=("a", "b", _CHAIN),
            ones=("active", "paired"),
            types={"a": a, "b": b},
            elements=2,
        )
        for a in PAIRABLE
        for b in PAIRABLE
    ),
    *(
        Operation(
            name=f"mx-{a.name.removesuffix('_x4')}-{b.name.removesuffix('_x4')}",
            meaning=f"four products of {a.name} and {b.name} times both scales, cut (docs/numerics.md), + p",
            units="quad",
            operands=("a", "a_scale", "b", "b_scale", _CHAIN),
            ones=("active", "paired"),
            types={"a": a, "b": b},
        )
        for a in QUADS
        for b in QUADS
    ),
    Operation(name="psum", meaning="p + x", units="psum", operands=("word", "x"), ones=("accumulate",)),
    Operation(name="add", meaning="x + y", units="add", operands=("x", "y")),
    Operation(name="sub", meaning="x - y", units="add", operands=("x", "y"), ones=("select",)),
    Operation(name="mul", meaning="x * y", units="mul", operands=("x", "y")),
    Operation(name="max", meaning="the larger of x, y", units="minmax", operands=("x", "y")),
    Operation(name="min", meaning="the smaller of x, y", units="minmax", operands=("x", "y"), ones=("select",)),
    *(
        Operation(
            name=_name("narrow", form),
            meaning=f"{form.name} of x",
            units="narrow",
            operands=("x",),
            types={"a": form},
            result=form,
        )
        for form in CAST
        if form != FP32
    ),
    *(
        Operation(
            name=_name("widen", form),
            meaning=f"fp32 of a, {form.name}",
            units="widen",
            operands=("a",),
            types={"a": form},
            any_nan=True,
        )
        for form in CAST
        if form != FP32
    ),
)


def judged_units(operation: Operation, subnormals: str) -> list[int]:
    """Places in OUTPUTS of all cuts that compute it; where none that flushes does, those that keep."""
    of = [number for number, output in enumerate(OUTPUTS) if output.operation == operation.units]
    if operation.elements > 1 or any(form.splits for form in operation.types.values()):
        subnormals = "keep"  # no unit that flushes has the format, or pairs
    return [number for number in of if OUTPUTS[number].subnormals == subnormals] or of


def _format(form: Format) -> str:
    last = form.infinity if form.has_infinity else form.largest
    nan = form.canonical_nan if form.has_nan else 0  # of an integer nothing is above the largest
    return f"{{{8 * form.bytes}, {last << form.padding:#x}u, {nan << form.padding:#x}u}}"


def _words(operation: Operation) -> str:
    values = dict.fromkeys((*operation.ones, "enable"), 1)
    values |= {f"{name}_dtype": form.code for name, form in operation.types.items()}
    bits = sum(value << INPUTS[name].offset for name, value in values.items())
    words = [bits >> at & (1 << _WORD_BITS) - 1 for at in range(0, INPUTS.size, _WORD_BITS)]
    return ", ".join(f"{word:#x}u" for word in words)


def _bits(operation: Operation, name: str) -> int:
    """Of an operand in a line."""
    form = operation.types.get(name)
    if name.endswith("_scale"):
        return SCALE_BITS
    return FP32.bits if form is None else 8 * form.bytes * operation.elements


def _operation(operation: Operation) -> str:
    operands = ", ".join(
        f"{{{INPUTS[name].offset}, {INPUTS[name].width}, {_bits(operation, name)}, {int(name == _CHAIN)}}}"
        for name in operation.operands
    )
    masks = [sum(1 << unit for unit in judged_units(operation, subnormals)) for subnormals in ("keep", "flush")]
    return (
        f'{{"{operation.name}", {len(operation.operands)}, {{{operands}}}, {{{_words(operation)}}}, '
        f"{_format(operation.result)}, {int(operation.any_nan)}, {{{masks[0]:#x}u, {masks[1]:#x}u}}}}"
    )


def table_text() -> str:
    """Header of judge.cpp, whose types it fills."""
    latest = max(output.latency for output in OUTPUTS)
    of_latency = [
        sum(1 << number for number, output in enumerate(OUTPUTS) if output.latency == cycles)
        for cycles in range(latest + 1)
    ]
    names = ", ".join(f'"{output.name}"' for output in OUTPUTS)
    lines = [
        "// Written by sw/rtl/judge_table.py.",
        f"constexpr int kLatest = {latest};",
        f"constexpr uint32_t kUnitsOfLatency[] = {{{', '.join(f'{mask:#x}u' for mask in of_latency)}}};",
        f"constexpr int kSignAt = {CHAIN_WORD['sign'].offset}, kIncrementAt = {CHAIN_WORD['increment'].offset};",
        f"constexpr int kExponentAt = {CHAIN_WORD['exponent'].offset}, kNanExponent = {CHAIN_NAN_EXPONENT};",
        f"constexpr Format kFp32 = {_format(FP32)};",
        f"const char* const kUnits[] = {{{names}}};",
        "const Operation kOperations[] = {",
        *(f"    {_operation(operation)}," for operation in OPERATIONS),
        "};",
    ]
    return "\n".join([*lines, ""])
