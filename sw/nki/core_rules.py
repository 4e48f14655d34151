"""What the instruction table of the core allows, for the front end: operand rows, and what a broken rule says."""

from makalu.spec.formats import Format
from makalu.spec.isa import INSTRUCTIONS, Opcode, Operand, OperandRule
from makalu.spec.operand import EVERY_OPERAND

from .recording import current

__all__ = ["named", "operand_row", "rule_of", "types_of"]


def operand_row(opcode: Opcode, slot: str) -> Operand:
    """Spaces, element types and rules of an operand slot."""
    return INSTRUCTIONS[opcode].operands[slot]


def rule_of(opcode: Opcode, slot: str, rule: OperandRule) -> str:
    """For the end of a message: whose rule it is, and what it says. Errors: `ValueError` for a rule the row lacks."""
    row = operand_row(opcode, slot)
    if rule not in (*EVERY_OPERAND, *row.own_rules):
        raise ValueError(f"{opcode.name} {slot} does not keep {rule.name}")
    return f"core, {opcode.name.lower()} {slot}: {rule.text}"


def types_of(opcode: Opcode, slot: str) -> tuple[Format, ...]:
    """The element types that the slot may hold on the core of the running recording."""
    return operand_row(opcode, slot).types(current().config)


def named(opcode: Opcode, slot: str) -> str:
    """`types_of`, for a message."""
    *others, last = (form.name for form in types_of(opcode, slot))
    return f"{', '.join(others)} or {last}" if others else last
