"""Codes that the hardware reports when a queue stops, and the base of the errors that a user can cause.

The rules behind the codes are rows of `operand.py` and `field_rules.py`; an instruction that breaks several reports the
first code in `PRECEDENCE`. A queue reports its first error in program order: an instruction is refused when everything
before it has finished. Whether there is memory at an address, the bus says.
"""

from enum import IntEnum

__all__ = ["PRECEDENCE", "ErrorCode", "MakaluError"]


class MakaluError(Exception):
    """Base of what a preset, a kernel, a value or a missing tool can cause; the message has rule, value and place.

    The `makalu` command prints the message; every other exception is a defect and keeps its traceback.
    """


class ErrorCode(IntEnum):
    """Why a queue stopped."""

    NONE = 0
    OPCODE = 1
    """Unknown opcode, or an opcode that this queue does not execute."""
    RESERVED = 2
    """A bit that the opcode does not use is set, the slot of a scalar operand without `operand0_tensor` included."""
    OPERAND = 3
    """Space, element type, operation or function that the opcode does not allow."""
    SIZE = 4
    """A number of elements, partitions or columns."""
    PARTITION = 5
    """Partitions that the core does not have, or that the instruction does not allow."""
    ALIGNMENT = 6
    """An offset or a stride. At start: a program that is not aligned to an instruction."""
    SBUF_ADDRESS = 7
    """An access pattern (strides are signed) leaves the partition's SBUF."""
    PSUM_ADDRESS = 8
    """An access pattern leaves the partition's PSUM, or one bank."""
    SEMAPHORE = 9
    """An unknown wait or signal kind, or a used wait or signal with a semaphore beyond the preset's count."""
    FETCH = 10
    """The bus answered an instruction fetch with an error."""
    BUS_READ = 11
    """The bus answered a DMA read with an error. Each byte of its destination is old or new, everything else old."""
    BUS_WRITE = 12
    """The bus answered a DMA write with an error. Each byte of its destination, and of stores behind it that
    had been issued, is old or new, everything else old."""
    WATCHDOG = 13
    """For the programmed number of cycles no instruction issued or finished and no engine worked (active and not
    stalled), while this queue was running. Address and tag are those of the queue's oldest unfinished instruction (of
    its first channel that has one), so of a transfer that the bus does not answer; else of the next one to issue."""
    MEMORY_ADDRESS = 14
    """The memory side of a DMA (five signed strides, dimension 4 is the partition) leaves the bus's addresses, 0 to
    2^address_bits - 1."""
    ELEMENTS = 15
    """More elements a partition than the preset's `sequencer.elements`. So every instruction ends."""
    VERSION = 16
    """An instruction of another version of the encoding (`spec/fields.py`)."""
    TAG = 17
    """A tag of a sparse load is out of range (`spec/sparsity.py`). Matmuls behind the load write nothing."""


PRECEDENCE: tuple[ErrorCode, ...] = (
    ErrorCode.FETCH,
    ErrorCode.VERSION,
    *(code for code in ErrorCode if code not in (ErrorCode.NONE, ErrorCode.FETCH, ErrorCode.VERSION)),
)
"""Which code is reported of several: the lowest, but nothing else is known of an instruction that did not arrive, or
whose encoding is another."""
