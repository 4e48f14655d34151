"""What a line of vectors may ask of the arithmetic units, and the same as the C++ table of the compiled judge."""

from dataclasses import dataclass

from makalu.hw.arith.assembly import INPUTS, OUTPUTS
from makalu.hw.arith.words import CHAIN_WORD
from makalu.spec.chain import CHAIN_NAN_EXPONENT
from makalu.spec.formats import FP32, TENSOR_OPERANDS, Format

__all__ = ["OPERATIONS", "Operation", "judged_units", "table_text"]

_OPERAND = TENSOR_OPERANDS[0]
_FORMATS = {"a": _OPERAND, "b": _OPERAND, "word": FP32, "x": FP32, "y": FP32}
"""Of the assembly's inputs as a line has them; `word` becomes a chain word."""
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
    """Inputs of one bit that are 1; other inputs are 0."""
    result: Format = FP32
    any_nan: bool = False
    """A NaN keeps its payload; where one is expected each is right."""


OPERATIONS: tuple[Operation, ...] = (
    Operation(name="fma", meaning="a * b + p", units="fma", operands=("a", "b", "word"), ones=("active",)),
    Operation(name="psum", meaning="p + x", units="psum", operands=("word", "x"), ones=("accumulate",)),
    Operation(name="add", meaning="x + y", units="add", operands=("x", "y")),
    Operation(name="sub", meaning="x - y", units="add", operands=("x", "y"), ones=("select",)),
    Operation(name="mul", meaning="x * y", units="mul", operands=("x", "y")),
    Operation(name="max", meaning="the larger of x, y", units="minmax", operands=("x", "y")),
    Operation(name="min", meaning="the smaller of x, y", units="minmax", operands=("x", "y"), ones=("select",)),
    Operation(name="narrow", meaning=f"{_OPERAND.name} of x", units="narrow", operands=("x",), result=_OPERAND),
    Operation(name="widen", meaning="fp32 of a", units="widen", operands=("a",), any_nan=True),
)


def judged_units(operation: Operation, subnormals: str) -> list[int]:
    """Places in OUTPUTS of all cuts that compute it; where no unit flushes, those that keep."""
    of = [number for number, output in enumerate(OUTPUTS) if output.operation == operation.units]
    return [number for number in of if OUTPUTS[number].subnormals == subnormals] or of


def _format(form: Format) -> str:
    return f"{{{form.bits}, {form.exponent_mask << form.fraction_bits:#x}u, {form.canonical_nan:#x}u}}"


def _words(fields: tuple[str, ...]) -> str:
    bits = sum(1 << INPUTS[name].offset for name in fields)
    words = [bits >> at & (1 << _WORD_BITS) - 1 for at in range(0, INPUTS.size, _WORD_BITS)]
    return ", ".join(f"{word:#x}u" for word in words)


def _operation(operation: Operation) -> str:
    operands = ", ".join(
        f"{{{INPUTS[name].offset}, {INPUTS[name].width}, {_FORMATS[name].bits}}}" for name in operation.operands
    )
    masks = [sum(1 << unit for unit in judged_units(operation, subnormals)) for subnormals in ("keep", "flush")]
    return (
        f'{{"{operation.name}", {len(operation.operands)}, {{{operands}}}, {{{_words((*operation.ones, "enable"))}}}, '
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
