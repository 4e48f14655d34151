"""Codes that the hardware reports when a queue stops, and the order in which one instruction's rules are checked."""

from enum import IntEnum

__all__ = ["ErrorCode"]


class ErrorCode(IntEnum):
    NONE = 0
    OPCODE = 1
    """Unknown opcode, or an opcode that this queue does not execute."""
    RESERVED = 2
    """A bit that the opcode does not use is set."""
    OPERAND = 3
    """Space, element type, operation or function that the opcode does not allow."""
    SIZE = 4
    """A size, `partitions` or `columns` of 0, a count above the geometry, operands of different sizes."""
    PARTITION = 5
    """partition + partitions beyond the geometry, or operands on different start partitions."""
    ALIGNMENT = 6
    """An offset that is not a multiple of the element; a stationary tile that is not word-aligned with unit stride."""
    SBUF_ADDRESS = 7
    """An access pattern leaves the partition's SBUF."""
    PSUM_ADDRESS = 8
    """An access pattern leaves the partition's PSUM, or a matmul's destination leaves one bank."""
    SEMAPHORE = 9
    """A semaphore index beyond the preset's count, or an unknown wait or signal kind."""
    FETCH = 10
    """The bus answered an instruction fetch with an error."""
    BUS_READ = 11
    """The bus answered a DMA read with an error."""
    BUS_WRITE = 12
    """The bus answered a DMA write with an error."""
    WATCHDOG = 13
    """No instruction issued or finished anywhere for the programmed number of cycles while this queue was waiting."""
