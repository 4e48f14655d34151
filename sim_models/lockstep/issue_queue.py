"""One queue of the sequencer, cycle by cycle: decode, waits, issue, state."""

from collections import deque
from dataclasses import dataclass, field

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import field_value
from makalu.spec.engines import QUEUE_CHANNELS, Channel
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, SIGNALS, WAITS, Opcode, Queue
from makalu.spec.registers import COUNTERS, REGISTER_BITS, QueueState
from makalu.spec.sequencer import CHANNEL_OF, DECODE_PERIOD, DECODED_INSTRUCTIONS

from ..golden.check import QueueCheck

__all__ = ["IssueQueueModel", "Issued"]

_MODULUS = 1 << FIELDS["wait0_value"].bits


@dataclass(frozen=True)
class Issued:
    """What a finish channel remembers."""

    tag: int
    address: int
    signals: tuple[int, ...]


class _Decoded:
    """An instruction behind the decoder; its fields are read once, for it may wait here for hundreds of cycles."""

    def __init__(self, word: int, code: ErrorCode) -> None:
        self.word, self.code = word, code
        self.fresh = True
        """The verdict is there in the next cycle."""
        self.tag = 0 if code is ErrorCode.FETCH else field_value(word, "tag")
        if code is not ErrorCode.NONE:
            return
        self.opcode = Opcode(field_value(word, "opcode"))
        self.channel = CHANNEL_OF.get(self.opcode)
        self.waits = _used(word, "wait", WAITS, "semaphore", "value")
        self.signals = tuple(semaphore for (semaphore,) in _used(word, "signal", SIGNALS, "semaphore"))
        self.last = bool(field_value(word, "after")) or self.opcode is Opcode.HALT
        """Issues when everything before it has finished."""


def _used(word: int, kind: str, count: int, *parts: str) -> tuple[tuple[int, ...], ...]:
    """The `parts` of each wait or signal that the instruction has."""
    used = [n for n in range(count) if field_value(word, f"{kind}{n}_kind")]
    return tuple(tuple(field_value(word, f"{kind}{n}_{part}") for part in parts) for n in used)


@dataclass
class IssueQueueModel:
    """Lockstep model of `hw/sequencer/{decode,queue,counters}.py` of one queue."""

    config: CoreConfig
    queue: Queue
    state: QueueState = QueueState.IDLE
    error: tuple[ErrorCode, int, int] = (ErrorCode.NONE, 0, 0)
    """Code, address, tag."""
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))

    def __post_init__(self) -> None:
        self.channels = QUEUE_CHANNELS[self.queue]
        self._address = 0
        self._decoding: tuple[int, bool, int] | None = None
        """Word, failed, cycles in the decoder."""
        self._decoded: deque[_Decoded] = deque()
        self._check = QueueCheck(self.queue, self.config)

    # what this cycle shows

    def _verdict(self, word: int) -> ErrorCode:
        return self._check(word.to_bytes(INSTRUCTION_BYTES, "little"))[0]

    @property
    def running(self) -> bool:
        return self.state is QueueState.RUNNING

    @property
    def _head(self) -> _Decoded | None:
        if self.running and self._decoded and not self._decoded[0].fresh:
            return self._decoded[0]
        return None

    @property
    def _legal(self) -> _Decoded | None:
        """The head, if it broke no rule."""
        head = self._head
        return head if head is not None and head.code is ErrorCode.NONE else None

    @property
    def word(self) -> int | None:
        """The legal instruction at the head."""
        return None if (legal := self._legal) is None else legal.word

    def free(self, semaphores: list[int], outstanding: bool) -> bool:
        """The head waits for nothing but its engine and its finish channel."""
        legal = self._legal
        if legal is None or (legal.last and outstanding):
            return False
        return all((semaphores[s] - value) % _MODULUS < _MODULUS // 2 for s, value in legal.waits)

    def request(self, free: bool, room: dict[Channel, bool]) -> Channel | None:
        """The channel that the head, if `free`, may issue to in this cycle."""
        channel = self._legal.channel if free and self._legal is not None else None
        return channel if channel is not None and room[channel] else None

    def controls(self, free: bool) -> bool:
        """A `nop` or `halt`, if `free`, issues in this cycle."""
        return free and self._legal is not None and self._legal.channel is None

    def issued(self) -> Issued:
        legal = self._legal
        if legal is None:
            raise ValueError(f"{self.queue.name.lower()} has no instruction that could issue")
        return Issued(tag=legal.tag, address=self._address, signals=legal.signals)

    def reads(self, available: bool) -> bool:
        """The decoder takes an instruction out of the buffer in this cycle."""
        return available and (self._decoding is None or self._pushes())

    def _pushes(self) -> bool:
        room = len(self._decoded) < DECODED_INSTRUCTIONS
        return self._decoding is not None and self._decoding[2] >= DECODE_PERIOD - 1 and room

    # the edge

    def start(self, *, enabled: bool, address: int) -> None:
        self._decoding = None
        self._decoded.clear()
        self._check = QueueCheck(self.queue, self.config)
        self._address = address
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.state, self.error = QueueState.IDLE, (ErrorCode.NONE, 0, 0)
        if enabled and address % INSTRUCTION_BYTES:
            self.state, self.error = QueueState.ERROR, (ErrorCode.ALIGNMENT, address, 0)
        elif enabled:
            self.state = QueueState.RUNNING

    def count(self, *, issue: bool, free: bool, active: bool, stalled: bool) -> None:
        """This cycle's counter; to be called before `tick`."""
        if issue or (active and not stalled):
            name = "busy"
        elif active or free:
            name = "stall_port"
        elif not self.running:
            name = "idle"
        else:
            name = "stall_semaphore" if self._legal is not None else "stall_fetch"
        self.counters[name] = (self.counters[name] + 1) % (1 << REGISTER_BITS)

    def tick(
        self,
        *,
        issue: bool,
        taken: tuple[int, bool] | None,
        fault: tuple[ErrorCode, Issued] | None,
        expired: bool,
        oldest: Issued | None,
    ) -> None:
        head, legal = self._head, self._legal
        stop: tuple[ErrorCode, int, int] | None = None
        if fault is not None:
            stop = (fault[0], fault[1].address, fault[1].tag)
        elif head is not None and head.code is not ErrorCode.NONE and oldest is None:
            stop = (head.code, self._address, head.tag)
        elif expired and oldest is not None:
            stop = (ErrorCode.WATCHDOG, oldest.address, oldest.tag)
        elif expired:
            stop = (ErrorCode.WATCHDOG, self._address, head.tag if head else 0)
        if self.running and stop is not None:
            self.state, self.error = QueueState.ERROR, stop
        elif issue and legal is not None and legal.opcode is Opcode.HALT:
            self.state = QueueState.HALTED

        pushed = self._decoding if self._pushes() else None
        if pushed is not None:
            self._decoding = None
        elif self._decoding is not None:
            self._decoding = (*self._decoding[:2], self._decoding[2] + 1)
        if taken is not None:
            self._decoding = (*taken, 0)
        for waiting in self._decoded:
            waiting.fresh = False
        if issue:
            self._decoded.popleft()
            self._address = (self._address + INSTRUCTION_BYTES) % (1 << self.config.bus.address_bits)
        if pushed is not None:
            code = ErrorCode.FETCH if pushed[1] else self._verdict(pushed[0])
            self._decoded.append(_Decoded(pushed[0], code))
