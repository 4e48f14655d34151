"""What the sequencer, its models and its users agree on beside the tables of instructions and engines."""

from .config import CoreConfig
from .engines import Channel, Queue
from .isa import FIELDS, INSTRUCTIONS, Opcode, used_fields

__all__ = [
    "CHANNEL_OF",
    "CONTROL_OPCODES",
    "DECODED_INSTRUCTIONS",
    "DECODE_CYCLES",
    "DECODE_PERIOD",
    "absent_bits",
    "allowed_bits",
    "queue_bits",
]

DECODED_INSTRUCTIONS = 2
"""Decoded instructions that a queue holds: a load_stationary and its matmul can issue in consecutive cycles."""
DECODE_CYCLES = 7
"""From the cycle in which an instruction is read out of the buffer to the first cycle in which it may issue: 1 for the
memory, 4 + 1 for the multiply-accumulate over the dimensions, 1 for the verdict."""
DECODE_PERIOD = 5
"""Cycles between two reads while there is room."""


CHANNEL_OF: dict[Opcode, Channel] = {
    opcode: row.channel for opcode, row in INSTRUCTIONS.items() if row.channel is not None
}
CONTROL_OPCODES = tuple(opcode for opcode, row in INSTRUCTIONS.items() if row.channel is None)
"""Executed by the sequencer itself: they finish in the cycle in which they issue."""


def allowed_bits(opcode: Opcode, *, optional: bool = True, config: CoreConfig | None = None) -> int:
    """Mask of the bits that may be set; without `optional` the slots of operands that not every instruction has are
    reserved, with `config` those that none of this core's has and the fields of features that it lacks.
    """
    operands = INSTRUCTIONS[opcode].operands
    skip = tuple(
        f"{slot}_"
        for slot, operand in operands.items()
        if (operand.when and not optional) or (config is not None and not operand.there(config))
    )
    mask = 0
    for name in used_fields(opcode):
        if not (skip and name.startswith(skip)):
            mask |= FIELDS[name].mask
    return mask if config is None else mask & ~absent_bits(config)


def absent_bits(config: CoreConfig) -> int:
    """Mask of the fields that no instruction of the core has: they are reserved."""
    return sum(f.mask for f in FIELDS.values() if f.feature and f.feature not in config.features)


def queue_bits(queue: Queue, config: CoreConfig | None = None) -> int:
    """Mask of the instruction bits that its decoded instructions must store: all that any opcode of it uses, but the
    version, which the decoder has seen."""
    mask = 0
    for opcode, spec in INSTRUCTIONS.items():
        if queue in spec.queues and (config is None or spec.there(config)):
            mask |= allowed_bits(opcode, config=config)
    return mask & ~FIELDS["version"].mask
