"""The rules that an instruction must keep, as text: software refuses what the hardware refuses.

The rows are those of `spec/operand.py` and `spec/field_rules.py`. What each means, and the sentence that names rule and
value, is in `operand_rules.py` and `tensor_rules.py`, for fields here. The code of a violation is the first in
`PRECEDENCE` of all the rules that the instruction breaks, so it does not depend on the order in which they are looked
at.

Decisions where the tables are silent:

- An operand that the instruction does not have (`src1` while `operand0_tensor` is 0) must be all zeros: RESERVED.
- `op1` of `tensor_scalar` may be BYPASS; so may `op0`.
"""

from collections.abc import Iterable, Iterator

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, InstructionError, decode, field_value, foreign
from makalu.spec.errors import PRECEDENCE, ErrorCode
from makalu.spec.field_rules import FieldRule, field_rules
from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.isa import FIELDS, INSTRUCTIONS, Opcode, Queue
from makalu.spec.tensor_modes import Mode

from .operand_rules import OPERAND_READINGS
from .place import Loaded, Readings, places, used
from .tensor_rules import TENSOR_READINGS

__all__ = ["READINGS", "QueueCheck", "Violation", "check", "check_bytes", "loaded_by"]

Violation = tuple[ErrorCode, str]
"""The code that the hardware reports, and a sentence that names rule and value."""

READINGS: Readings = {**OPERAND_READINGS, **TENSOR_READINGS}
"""What each rule has to say about an operand."""

_NONE: Violation = (ErrorCode.NONE, "")


class QueueCheck:
    """`check_bytes` of the instructions of one queue, in their order: a rule may look at what came before."""

    def __init__(self, queue: Queue, config: CoreConfig) -> None:
        self.queue, self.config = queue, config
        self.loaded: Loaded | None = Loaded(None, Mode.SINGLE)

    def __call__(self, data: bytes) -> Violation:
        violation = check_bytes(data, self.queue, self.config, loaded=self.loaded)
        if violation == _NONE:
            self.loaded = loaded_by(decode(data), self.loaded)
        return violation


def loaded_by(instruction: Instruction, before: Loaded | None) -> Loaded | None:
    """The last load of a stationary tile behind a legal instruction; `before`: in front of it."""
    if instruction.opcode == Opcode.LOAD_SPARSE:
        return Loaded(FORMAT_OF_CODE[instruction["src0_dtype"]], Mode.SPARSE, instruction["ratio"], waits=True)
    if instruction.opcode == Opcode.MATMUL and before is not None:
        return before._replace(waits=False)
    if instruction.opcode != Opcode.LOAD_STATIONARY:
        return before
    return Loaded(FORMAT_OF_CODE[instruction["src0_dtype"]], Mode(instruction["mode"]), waits=True)


def check_bytes(data: bytes, queue: Queue, config: CoreConfig, *, loaded: Loaded | None = None) -> Violation:
    """`check` of an encoded instruction; reports unknown opcodes and reserved bits too."""
    word = int.from_bytes(data, "little")
    if (text := foreign(word)) is not None:
        return ErrorCode.VERSION, text
    code = field_value(word, "opcode")
    if code not in Opcode._value2member_map_:
        return ErrorCode.OPCODE, f"opcode {code:#04x} is unknown"
    opcode = Opcode(code)
    if queue not in INSTRUCTIONS[opcode].queues:
        return _wrong_queue(opcode, queue)
    if not INSTRUCTIONS[opcode].there(config):
        return _not_there(opcode, config)
    try:
        instruction = decode(data)
    except InstructionError as error:
        return ErrorCode.RESERVED, str(error)
    return check(instruction, queue, config, loaded=loaded)


def check(instruction: Instruction, queue: Queue, config: CoreConfig, *, loaded: Loaded | None = None) -> Violation:
    """(NONE, "") for a legal instruction, else the code that goes before the others that apply, and its sentence.

    `loaded`: the queue's load before it; None where there is none, or it is not looked at.
    """
    if queue not in INSTRUCTIONS[instruction.opcode].queues:
        return _wrong_queue(instruction.opcode, queue)
    if not INSTRUCTIONS[instruction.opcode].there(config):
        return _not_there(instruction.opcode, config)
    readings: list[tuple[ErrorCode, Iterable[str]]] = [
        (ErrorCode.RESERVED, _unused_slots(instruction)),
        (ErrorCode.RESERVED, _absent_fields(instruction, config)),
    ]
    readings += [(rule.code, _field(rule, instruction, config)) for rule in field_rules(instruction.opcode)]
    for place in places(instruction, config, loaded):
        readings += [(rule.code, READINGS[rule](place)) for rule in place.allowed.rules]
    # lazily: a reading may rest on the rules of the codes below its own
    for code, texts in sorted(readings, key=lambda reading: PRECEDENCE.index(reading[0])):
        for text in texts:
            return code, f"{instruction.opcode.name.lower()}: {text}"
    return _NONE


def _wrong_queue(opcode: Opcode, queue: Queue) -> Violation:
    return ErrorCode.OPCODE, f"{opcode.name.lower()} does not run on the {queue.name.lower()} queue"


def _not_there(opcode: Opcode, config: CoreConfig) -> Violation:
    return ErrorCode.OPCODE, f"{opcode.name.lower()} is no instruction of preset {config.name}"


def _absent_fields(instruction: Instruction, config: CoreConfig) -> Iterator[str]:
    for f in FIELDS.values():
        if f.feature and f.feature not in config.features and instruction[f.name]:
            yield f"{f.name} must be 0 on preset {config.name}, which has no {f.feature}, not {instruction[f.name]}"


def _unused_slots(instruction: Instruction) -> Iterator[str]:
    for slot, allowed in INSTRUCTIONS[instruction.opcode].operands.items():
        if not used(allowed, instruction):
            assert allowed.when is not None
            field, value = allowed.when[0], instruction[allowed.when[0]]
            for name in FIELDS:
                if name.startswith(f"{slot}_") and instruction[name]:
                    yield f"{name} must be 0 while {field} is {value}, not {instruction[name]}"


def _field(rule: FieldRule, instruction: Instruction, config: CoreConfig) -> Iterator[str]:
    value, high = instruction[rule.field], rule.high(config)
    gaps = rule.gaps(config)
    if (rule.low <= value <= high and value not in gaps) or (rule.when and not instruction[rule.when]):
        return
    if gaps and value in gaps:
        yield f"{rule.field} {value} is not one that the core has"
        return
    if rule.names is not None:
        yield f"{rule.field} must be one of {[member.name for member in rule.names]}, not {value}"
    elif rule.when and not high:
        yield f"{rule.field} must be 0 while {rule.when} is {instruction[rule.when]}, not {value}"
    elif rule.low:
        yield f"{rule.field} must be from {rule.low} to {high}, not {value}"
    else:
        yield f"{rule.field} must be below {high + 1}, not {value}"
