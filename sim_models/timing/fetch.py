"""When instructions arrive: the fetch unit's choices, and the instruction port under either memory contract."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from makalu.spec.config import CoreConfig
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES
from makalu.spec.memory import MemoryTiming

__all__ = ["FetchTiming", "FixedInstructionPort", "InstructionPort", "RecordedInstructionPort"]


class InstructionPort(Protocol):
    def burst(self, chosen: int) -> tuple[int, int]:
        """The next burst, chosen in cycle `chosen` (ARVALID in chosen + 1): cycles of its AR and of its last R beat."""


class FixedInstructionPort:
    """The contract `fixed` of `spec/memory.py`, with RREADY always high.

    ar_n = max(chosen_n + 1, last_(n - outstanding) + 1); first_n = max(ar_n + 1 + latency, last_(n-1) + 1);
    last_n = first_n + beats - 1.
    """

    def __init__(self, *, config: CoreConfig, timing: MemoryTiming) -> None:
        self._beats = INSTRUCTION_BYTES // config.bus.instruction_bytes
        self._latency = timing.latency
        self._open: deque[int] = deque([-1] * timing.outstanding_instructions)
        """Last beats of the youngest `outstanding` bursts, oldest first."""

    def burst(self, chosen: int) -> tuple[int, int]:
        address = max(chosen + 1, self._open.popleft() + 1)
        youngest = self._open[-1] if self._open else address
        last = max(address + 1 + self._latency, youngest + 1) + self._beats - 1
        self._open.append(last)
        return address, last


class RecordedInstructionPort:
    """The contract `recorded`: cycles of each burst's AR and last R beat, in order, on the clock of the queues."""

    def __init__(self, bursts: Sequence[tuple[int, int]]) -> None:
        self._bursts = deque(bursts)

    def burst(self, chosen: int) -> tuple[int, int]:
        if not self._bursts:
            raise ValueError(f"the record has no burst for the fetch that is chosen in cycle {chosen}")
        address, last = self._bursts.popleft()
        if address <= chosen:
            raise ValueError(f"the record has AR in cycle {address}; it is chosen in {chosen} and cannot be that early")
        return address, last


class FetchTiming:
    """Which queue's instruction is requested when: one choice a cycle at most, in turn, within each queue's credit.

    A choice in cycle t needs the address register free (no AR waits, or its handshake is in t), a running queue whose
    halt has not arrived before t, and fewer than `buffer_instructions` requested or buffered at the start of t.

    Does not: model failed fetches.
    """

    def __init__(self, *, config: CoreConfig, port: InstructionPort, lengths: Sequence[int]) -> None:
        """`lengths[q]`: instructions of the queue's program, its halt included."""
        self._port = port
        self._depth = config.sequencer.buffer_instructions
        self._lengths = lengths
        self._next = [0] * len(QUEUES)
        self._ended: list[int | None] = [None] * len(QUEUES)
        self._free = 0
        self._last = len(QUEUES) - 1
        self.held = [0] * len(QUEUES)
        self.arrived: list[deque[int]] = [deque() for _ in QUEUES]
        """Last beats of the instructions that the decoder has not read yet; readable from the cycle after."""

    def _wants(self, t: int, q: int, running: bool) -> bool:
        ended = self._ended[q]
        return running and self.held[q] < self._depth and (ended is None or t <= ended)

    def choose(self, t: int, running: Sequence[bool]) -> bool:
        """Cycle t; true when a burst is chosen. Credits change after the cycle: call before `taken`."""
        if t < self._free:
            return False
        count = len(QUEUES)
        for n in range(1, count + 1):
            q = (self._last + n) % count
            if self._wants(t, q, running[q]):
                self._free, last = self._port.burst(t)
                self._last = q
                self.held[q] += 1
                if self._next[q] < self._lengths[q]:
                    self.arrived[q].append(last)
                if self._next[q] == self._lengths[q] - 1:
                    self._ended[q] = last
                self._next[q] += 1
                return True
        return False

    def taken(self, q: int) -> None:
        self.arrived[q].popleft()
        self.held[q] -= 1

    def next_choice(self, t: int, running: Sequence[bool]) -> int | None:
        """The first cycle after t in which a burst is chosen if no credit comes back."""
        at = max(t + 1, self._free)
        return at if any(self._wants(at, q, running[q]) for q in range(len(QUEUES))) else None
