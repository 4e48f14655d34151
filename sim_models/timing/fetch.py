"""When instructions arrive: the fetch unit's choices, and the instruction port under either memory contract."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES, Opcode, Queue
from makalu.spec.memory import MemoryTiming

__all__ = ["Arrival", "FetchTiming", "FixedInstructionPort", "InstructionPort", "RecordedInstructionPort"]


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


class Arrival(NamedTuple):
    """An instruction on its way or in the prefetch buffer."""

    last: int
    """Cycle of its last beat."""
    instruction: Instruction


class FetchTiming:
    """Which queue's instruction is requested when: one choice a cycle at most, in turn, within each queue's credit.

    A choice in cycle t needs the address register free (no AR waits, or its handshake is in t), a running queue whose
    halt has not arrived before t, and fewer than `buffer_instructions` requested or buffered at the start of t.

    Does not: model failed fetches; know a program: what a queue executes is taken when it is requested.

    Errors: `ValueError` for a stream that ends without a halt.
    """

    def __init__(
        self, *, config: CoreConfig, port: InstructionPort, streams: Mapping[Queue, Iterator[Instruction]]
    ) -> None:
        """`streams`: what each queue executes, in order, to its halt."""
        self._port = port
        self._depth = config.sequencer.buffer_instructions
        self._streams = streams
        self._ended: list[int | None] = [None] * len(QUEUES)
        self._free = 0
        self._last = len(QUEUES) - 1
        self.held = [0] * len(QUEUES)
        self.arrived: list[deque[Arrival]] = [deque() for _ in QUEUES]
        """Those that the decoder has not read yet; readable from the cycle after the last beat."""

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
                if self._ended[q] is None:  # beyond the halt there is nothing that anybody decodes
                    instruction = self._following(q)
                    self.arrived[q].append(Arrival(last, instruction))
                    if instruction.opcode is Opcode.HALT:
                        self._ended[q] = last
                return True
        return False

    def _following(self, q: int) -> Instruction:
        instruction = next(self._streams[Queue(q)], None)
        if instruction is None:
            raise ValueError(f"what {Queue(q).name.lower()} executes must end with halt")
        return instruction

    def taken(self, q: int) -> None:
        self.arrived[q].popleft()
        self.held[q] -= 1

    def next_choice(self, t: int, running: Sequence[bool]) -> int | None:
        """The first cycle after t in which a burst is chosen if no credit comes back."""
        at = max(t + 1, self._free)
        return at if any(self._wants(at, q, running[q]) for q in range(len(QUEUES))) else None
