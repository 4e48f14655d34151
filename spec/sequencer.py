"""What the sequencer, its models and its users agree on beside the instruction table: channels, depths, delays."""

from enum import IntEnum

from .config import CoreConfig
from .isa import FIELDS, INSTRUCTIONS, Opcode, Queue, used_fields

__all__ = [
    "CHANNEL_OF",
    "CONTROL_OPCODES",
    "DECODED_INSTRUCTIONS",
    "DECODE_CYCLES",
    "DECODE_PERIOD",
    "QUEUE_CHANNELS",
    "Channel",
    "allowed_bits",
    "finish_depth",
    "queue_bits",
]

DECODED_INSTRUCTIONS = 2
"""Decoded instructions that a queue holds: a load_stationary and its matmul can issue in consecutive cycles."""
DECODE_CYCLES = 7
"""From the cycle in which an instruction is read out of the buffer to the first cycle in which it may issue: 1 for the
memory, 4 + 1 for the multiply-accumulate over the dimensions, 1 for the verdict."""
DECODE_PERIOD = 5
"""Cycles between two reads while there is room."""


class Channel(IntEnum):
    """Finish channels: in each, instructions finish in the order in which they issued."""

    TENSOR_LOAD = 0
    MATMUL = 1
    VECTOR = 2
    SCALAR = 3
    DMA_LOAD = 4
    DMA_STORE = 5


CHANNEL_OF: dict[Opcode, Channel] = {
    Opcode.LOAD_STATIONARY: Channel.TENSOR_LOAD,
    Opcode.MATMUL: Channel.MATMUL,
    Opcode.TENSOR_COPY: Channel.VECTOR,
    Opcode.TENSOR_TENSOR: Channel.VECTOR,
    Opcode.TENSOR_SCALAR: Channel.VECTOR,
    Opcode.ACTIVATION: Channel.SCALAR,
    Opcode.DMA_LOAD: Channel.DMA_LOAD,
    Opcode.DMA_STORE: Channel.DMA_STORE,
}
CONTROL_OPCODES = (Opcode.HALT, Opcode.NOP)
"""Executed by the sequencer itself: they finish in the cycle in which they issue."""

QUEUE_CHANNELS: dict[Queue, tuple[Channel, ...]] = {
    Queue.TENSOR: (Channel.TENSOR_LOAD, Channel.MATMUL),
    Queue.VECTOR: (Channel.VECTOR,),
    Queue.SCALAR: (Channel.SCALAR,),
    Queue.SYNC: (Channel.DMA_LOAD,),
    Queue.GPSIMD: (Channel.DMA_STORE,),
}


def finish_depth(config: CoreConfig, channel: Channel) -> int:
    """Issued instructions of a channel that may be unfinished; the next one waits. A power of two.

    Tensor: the array holds (rows * L + columns) cycles of work; instructions shorter than 8 cycles may wait.
    Vector and Scalar execute one at a time. DMA: two instructions for each place in the engine's queue.
    """
    if channel in (Channel.VECTOR, Channel.SCALAR):
        return 2
    if channel in (Channel.DMA_LOAD, Channel.DMA_STORE):
        return 2 * config.dma.queue
    cycles = config.tensor.rows * config.tensor.add_stages + config.tensor.columns
    return max(8, 1 << (cycles // 8 - 1).bit_length())


def allowed_bits(opcode: Opcode, *, scalar_operands: bool = True) -> int:
    """Mask of the bits that may be set; without `scalar_operands` the slot of a scalar operand is reserved."""
    skip = tuple(f"{s}_" for s, o in INSTRUCTIONS[opcode].operands.items() if o.scalar and not scalar_operands)
    mask = 0
    for name in used_fields(opcode):
        if not (skip and name.startswith(skip)):
            mask |= ((1 << FIELDS[name].bits) - 1) << FIELDS[name].lsb
    return mask


def queue_bits(queue: Queue) -> int:
    """Mask of the instruction bits that any opcode of the queue uses: what its decoded instructions must store."""
    mask = 0
    for opcode, spec in INSTRUCTIONS.items():
        if queue in spec.queues:
            mask |= allowed_bits(opcode)
    return mask
