"""What the sequencer, its models and its users agree on beside the tables of instructions and engines."""

from .engines import Channel, Queue
from .isa import FIELDS, INSTRUCTIONS, Opcode, used_fields

__all__ = [
    "CHANNEL_OF",
    "CONTROL_OPCODES",
    "DECODED_INSTRUCTIONS",
    "DECODE_CYCLES",
    "DECODE_PERIOD",
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


def allowed_bits(opcode: Opcode, *, scalar_operands: bool = True) -> int:
    """Mask of the bits that may be set; without `scalar_operands` the slot of a scalar operand is reserved."""
    skip = tuple(f"{s}_" for s, o in INSTRUCTIONS[opcode].operands.items() if o.scalar and not scalar_operands)
    mask = 0
    for name in used_fields(opcode):
        if not (skip and name.startswith(skip)):
            mask |= FIELDS[name].mask
    return mask


def queue_bits(queue: Queue) -> int:
    """Mask of the instruction bits that its decoded instructions must store: all that any opcode of it uses, but the
    version, which the decoder has seen."""
    mask = 0
    for opcode, spec in INSTRUCTIONS.items():
        if queue in spec.queues:
            mask |= allowed_bits(opcode)
    return mask & ~FIELDS["version"].mask
