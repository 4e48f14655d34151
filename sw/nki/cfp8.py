"""Exponent offsets of fp8 operands: the documents say that biases are adjustable, and NKI has no argument for it."""

from makalu.spec.cfp8 import OFFSETTABLE
from makalu.spec.isa import FIELDS, Opcode, OperandRule

from .core_rules import rule_of
from .errors import KernelError, NotBuiltError, shown
from .recording import current
from .tensor import Tensor

__all__ = ["check_offsets", "offset_number"]

_FIELD = "exponent_offset"
_SIDES = (("stationary", Opcode.LOAD_STATIONARY), ("moving", Opcode.MATMUL))


def check_offsets(offsets: tuple[int, ...], operands: tuple[Tensor, Tensor], *, plain: bool) -> None:
    """Of (stationary, moving). Errors: no pair, out of range, a core without them, another type; `plain`: a matmul of
    single elements that is no transpose.
    """
    low, high = FIELDS[_FIELD].low, FIELDS[_FIELD].high
    if len(offsets) != len(_SIDES):
        raise KernelError(f"{_FIELD} must be (stationary, moving), not {shown(offsets)}")
    if not any(offsets):
        return
    config = current().config
    if not config.cfp8:
        raise NotBuiltError(f"{_FIELD}={offsets} on preset {config.name}, whose types have fixed exponent biases")
    for (name, opcode), tensor, offset in zip(_SIDES, operands, offsets, strict=True):
        rule = rule_of(opcode, "src0", OperandRule.MOVABLE)
        if not low <= offset <= high:
            raise KernelError(f"{_FIELD} of {name} must be from {low} to {high}, not {offset} ({rule})")
        if offset and tensor.dtype not in OFFSETTABLE:
            raise KernelError(f"{name} {tensor} with {_FIELD} {offset} ({rule})")
        if offset and not plain:
            raise KernelError(f"{_FIELD} of {name} is {offset} in double row or a transpose ({rule})")


def offset_number(offset: int) -> dict[str, int]:
    """For an operation's numbers."""
    return {_FIELD: offset} if offset else {}
