"""Codes that the hardware reports when a queue stops, and the base of the errors that a user can cause.

An instruction that breaks several rules reports the lowest code; `FETCH` goes before all, because nothing else is
known of an instruction that did not arrive. A queue reports its first error in program order: an instruction is refused
when everything before it has finished. Rules are those of codes 1 to 9, 14 and 15 below, word for word what
`hw/sequencer` checks; `operand.py` and `field_rules.py` have them as data. Whether there is memory at an address, the
bus says.
"""

from enum import IntEnum

__all__ = ["ErrorCode", "MakaluError"]


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
    """Space, element type, operation or function that the opcode does not allow; a PSUM operand that is not fp32."""
    SIZE = 4
    """A size of 0; operands of different sizes; a scalar operand with a size other than 1; `partitions` or `columns`
    of 0 or above the geometry; a stationary tile with size0 above the columns or another size that is not 1."""
    PARTITION = 5
    """Start partition + `partitions` beyond the geometry (a matmul's destination: start partition other than 0);
    operands of Vector or Scalar on different start partitions."""
    ALIGNMENT = 6
    """An offset that is not a multiple of the element; a stationary tile with an offset that is not a multiple of the
    SBUF word, or with stride0 other than 1. At start: a program that is not aligned to an instruction."""
    SBUF_ADDRESS = 7
    """The first or last byte of an access pattern (strides are signed) lies outside the partition's SBUF."""
    PSUM_ADDRESS = 8
    """An access pattern leaves the partition's PSUM, or a matmul's destination leaves one bank."""
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
    """The first or last byte of a DMA's memory side (five signed strides, dimension 4 is the partition) lies outside
    the bus's addresses, 0 to 2^address_bits - 1."""
    ELEMENTS = 15
    """More elements a partition than an instruction may have: the sizes, each rounded up to a power of two, multiply to
    more than the preset's `sequencer.elements`. So every instruction ends."""
