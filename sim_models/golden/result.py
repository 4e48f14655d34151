"""What a run of the golden machine leaves: images, findings, errors of queues; and what strict mode raises."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makalu.spec.errors import ErrorCode, MakaluError
from makalu.spec.isa import Opcode, Queue

__all__ = ["Deadlock", "Finding", "GoldenError", "IllegalInstruction", "QueueError", "Result"]


class GoldenError(MakaluError, RuntimeError):
    """A program that golden refuses in strict mode; `queue` and `address` of the instruction, if it is one."""

    def __init__(self, text: str, *, queue: Queue | None = None, address: int = 0) -> None:
        super().__init__(text)
        self.queue, self.address = queue, address


class IllegalInstruction(GoldenError):
    """An instruction breaks a rule of `check`; its queue stops."""


class Deadlock(GoldenError):
    """No queue can go on; the message names what each waits for."""


@dataclass(frozen=True)
class Finding:
    """A read of what was never written, or another use whose result the contract leaves open."""

    queue: Queue
    address: int
    text: str

    def __str__(self) -> str:
        return f"{self.queue.name.lower()} at {self.address:#x}: {self.text}"


@dataclass(frozen=True)
class QueueError:
    """What the hardware shows in the queue's error registers, and a sentence."""

    code: ErrorCode
    address: int
    tag: int
    text: str


@dataclass(kw_only=True)
class Result:
    """Images after the run: bytes of memory, SBUF [P, bytes] and PSUM [P, elements] with their written masks."""

    memory: NDArray[np.uint8]
    sbuf: NDArray[np.uint8]
    sbuf_written: NDArray[np.bool_]
    psum: NDArray[np.uint32]
    psum_written: NDArray[np.bool_]
    semaphores: tuple[int, ...]
    findings: list[Finding]
    errors: dict[Queue, QueueError]
    blocked: dict[Queue, str]
    """Queues that neither halted nor stopped, and what they wait for."""
    executed: list[tuple[Queue, Opcode, int]]
    """Queue, opcode and tag in the order of issue."""
