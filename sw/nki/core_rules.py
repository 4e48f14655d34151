"""What the instruction table of the core allows, for the front end: operand rows, and what a broken rule says."""

from makalu.spec.isa import INSTRUCTIONS, Opcode, Operand, OperandRule
from makalu.spec.operand import EVERY_OPERAND

__all__ = ["named", "operand_row", "rule_of"]


def operand_row(opcode: Opcode, slot: str) -> Operand:
    """Spaces, element types and rules of an operand slot."""
    return INSTRUCTIONS[opcode].operands[slot]


def rule_of(opcode: Opcode, slot: str, rule: OperandRule) -> str:
    """For the end of a message: whose rule it is, and what it says. Errors: `ValueError` for a rule the row lacks."""
    row = operand_row(opcode, slot)
    if rule not in (*EVERY_OPERAND, *row.own_rules):
        raise ValueError(f"{opcode.name} {slot} does not keep {rule.name}")
    return f"core, {opcode.name.lower()} {slot}: {rule.text}"


def named(opcode: Opcode, slot: str) -> str:
    """The element types of a slot, for a message."""
    return " or ".join(form.name for form in operand_row(opcode, slot).dtypes)
