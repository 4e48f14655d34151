"""Rules of single fields: from which value to which, and while which other field is set."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from .config import CoreConfig
from .errors import ErrorCode
from .isa import SIGNALS, WAITS, AluOp, Function, Opcode, SignalKind, WaitKind, used_fields
from .quantize import ScaleRule
from .sparsity import RATIO_LIMIT

__all__ = ["FIELD_RULES", "FieldRule", "field_rules"]


@dataclass(frozen=True)
class FieldRule:
    """low <= field <= high(config), in every instruction that has the field; `code` says that it is not."""

    field: str
    code: ErrorCode
    low: int
    high: Callable[[CoreConfig], int]
    names: type[IntEnum] | None = None
    """Whose members the values are, without a gap."""
    when: str = ""
    """Looked at only while this field is not 0; empty: always."""
    values: Callable[[CoreConfig], tuple[int, ...]] | None = None
    """Where not every one from low to high is legal: those that are."""

    def gaps(self, config: CoreConfig) -> tuple[int, ...]:
        """Values from low to high that are not legal."""
        if self.values is None:
            return ()
        return tuple(sorted({*range(self.low, self.high(config) + 1)} - {*self.values(config)}))


def _code(field: str, code: ErrorCode, kind: type[IntEnum]) -> FieldRule:
    high = max(kind)
    return FieldRule(field, code, min(kind), lambda config: high, kind)


def _index(kind: str) -> FieldRule:
    """The semaphore beside a wait's or signal's kind."""
    field = kind.replace("_kind", "_semaphore")
    return FieldRule(field, ErrorCode.SEMAPHORE, 0, lambda config: config.sequencer.semaphores - 1, when=kind)


_WAITS = tuple(f"wait{n}_kind" for n in range(WAITS))
_SIGNALS = tuple(f"signal{n}_kind" for n in range(SIGNALS))

FIELD_RULES: tuple[FieldRule, ...] = (
    FieldRule("partitions", ErrorCode.SIZE, 1, lambda config: config.partitions),
    FieldRule("columns", ErrorCode.SIZE, 1, lambda config: config.tensor.columns),
    FieldRule("part", ErrorCode.OPERAND, 0, lambda config: config.tensor.parts),
    FieldRule(
        "mode",
        ErrorCode.OPERAND,
        0,
        lambda config: config.tensor.modes[-1],
        values=lambda config: config.tensor.modes,
    ),
    FieldRule("apart", ErrorCode.OPERAND, 0, lambda config: 0, when="mode"),
    FieldRule("ratio", ErrorCode.SIZE, 1, lambda config: RATIO_LIMIT),
    _code("op0", ErrorCode.OPERAND, AluOp),
    _code("op1", ErrorCode.OPERAND, AluOp),
    _code("function", ErrorCode.OPERAND, Function),
    _code("scale_rule", ErrorCode.OPERAND, ScaleRule),
    *(_code(kind, ErrorCode.SEMAPHORE, WaitKind) for kind in _WAITS),
    *(_code(kind, ErrorCode.SEMAPHORE, SignalKind) for kind in _SIGNALS),
    *(_index(kind) for kind in (*_WAITS, *_SIGNALS)),
)


def field_rules(opcode: Opcode) -> tuple[FieldRule, ...]:
    """Those of the fields that an opcode has."""
    used = used_fields(opcode)
    return tuple(rule for rule in FIELD_RULES if rule.field in used and (not rule.when or rule.when in used))
