"""An instruction as a record, and its 128 bytes: encoder, decoder and disassembler, all from the tables of `isa.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from .errors import MakaluError
from .isa import ENCODING_VERSION, FIELDS, INSTRUCTION_BYTES, Opcode, used_fields

__all__ = ["Instruction", "InstructionError", "decode", "disassemble", "encode", "field_value", "foreign"]

_FIXED = ("opcode", "version")
"""Fields that are no value of an instruction."""


class InstructionError(MakaluError, ValueError):
    """A field value does not fit, or an encoding is not legal; the message carries field, rule and value."""


@dataclass(frozen=True)
class Instruction:
    """An opcode and the values of its non-zero fields, by name."""

    opcode: Opcode
    values: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        if name not in FIELDS:
            raise InstructionError(f"{name!r} is not a field of the instruction table")
        return int(self.opcode) if name == "opcode" else self.values.get(name, 0)


@cache
def _layout(opcode: Opcode) -> Mapping[str, tuple[int, int, int, int]]:
    """(lowest and highest value, mask, first bit) of the values that an opcode uses."""
    fields = [FIELDS[name] for name in used_fields(opcode) if name not in _FIXED]
    return {f.name: (f.low, f.high, (1 << f.bits) - 1, f.lsb) for f in fields}


@cache
def _unused(opcode: Opcode) -> int:
    """All bits that no field of the opcode has."""
    return ~sum(FIELDS[name].mask for name in used_fields(opcode))


def encode(instruction: Instruction) -> bytes:
    """128 bytes. Raises `InstructionError` for a field that the opcode does not use or a value that does not fit."""
    layout = _layout(instruction.opcode)
    word = int(instruction.opcode) | ENCODING_VERSION << FIELDS["version"].lsb
    for name, value in instruction.values.items():
        if name not in layout:
            raise InstructionError(f"{instruction.opcode.name.lower()} has no field {name!r}")
        low, high, mask, lsb = layout[name]
        if not low <= value <= high:
            opcode = instruction.opcode.name.lower()
            raise InstructionError(f"{opcode}: {name} must be from {low} to {high}, not {value}")
        word |= (value & mask) << lsb
    return word.to_bytes(INSTRUCTION_BYTES, "little")


def decode(data: bytes) -> Instruction:
    """The inverse of `encode`. Errors: `InstructionError` for another version, an unknown opcode, a reserved bit."""
    if len(data) != INSTRUCTION_BYTES:
        raise InstructionError(f"an instruction has {INSTRUCTION_BYTES} bytes, not {len(data)}")
    word = int.from_bytes(data, "little")
    if (text := foreign(word)) is not None:
        raise InstructionError(text)
    code = field_value(word, "opcode")
    if code not in Opcode._value2member_map_:
        raise InstructionError(f"opcode {code:#04x} is unknown")
    opcode = Opcode(code)
    reserved = word & _unused(opcode)
    if reserved:
        bit = (reserved & -reserved).bit_length() - 1
        raise InstructionError(f"{opcode.name.lower()}: reserved bit {bit} is set")
    values: dict[str, int] = {}
    for name, (_, high, mask, lsb) in _layout(opcode).items():
        raw = word >> lsb & mask
        if raw:
            values[name] = raw if raw <= high else raw - mask - 1
    return Instruction(opcode, values)


def field_value(word: int, name: str) -> int:
    """Value of a field in the 8 * INSTRUCTION_BYTES bits of an instruction, legal or not, with its sign."""
    f = FIELDS[name]
    raw = word >> f.lsb & (1 << f.bits) - 1
    return raw - (1 << f.bits) if f.signed and raw >> f.bits - 1 else raw


def foreign(word: int) -> str | None:
    """Why an instruction's bits mean nothing here: it is of another version of the encoding. None where it is not."""
    version = field_value(word, "version")
    if version == ENCODING_VERSION:
        return None
    return f"the instruction is of version {version} of the encoding, this is {ENCODING_VERSION}"


def disassemble(data: bytes) -> str:
    """One line: opcode and its non-zero fields."""
    instruction = decode(data)
    return " ".join([instruction.opcode.name.lower(), *(f"{k}={v}" for k, v in instruction.values.items())])
