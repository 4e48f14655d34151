"""When each instruction of a program is decoded, issues and finishes; the engines are given."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import QUEUE_CHANNELS, Channel, finish_depth
from makalu.spec.isa import FIELDS, QUEUES, SIGNALS, WAITS, Opcode, Queue, SignalKind, WaitKind
from makalu.spec.sequencer import CHANNEL_OF, CONTROL_OPCODES, DECODE_CYCLES, DECODE_PERIOD, DECODED_INSTRUCTIONS

from .fetch import Arrival, FetchTiming, InstructionPort
from .waits import Cause, EngineWork, WaitLog

__all__ = ["Engine", "Event", "QueueTiming", "SequencerTiming"]

_MODULUS = 1 << FIELDS["wait0_value"].bits
_REPORT_EVERY = 256
"""Instructions from one report to the next."""
_CHANNELS = {c.name.lower(): c for c in Channel}


class Engine(Protocol):
    """The face of every engine's timing model; see docs/contract.md, "Timing models"."""

    def next_accept(self, t: int, instruction: Instruction) -> int: ...

    def issue(self, t: int, instruction: Instruction) -> None: ...

    def next_event(self) -> int | None: ...

    def advance(self, t: int) -> list[tuple[int, str]]: ...

    def work_of(self, channel: Channel) -> list[EngineWork]:
        """What it noted of the instructions of a channel, in the order in which they finished."""
        ...


@dataclass(frozen=True)
class Event:
    """An issue or finish; `channel` is None for `nop` and `halt`, which finish as they issue."""

    cycle: int
    queue: Queue
    channel: Channel | None
    index: int
    """How many the queue issued before it."""
    tag: int


class QueueTiming:
    """Decoded instructions of one queue.

    With `room` = fewer than DECODED_INSTRUCTIONS decoded at the start of the cycle:
    push_n  = the first cycle >= read_n + DECODE_PERIOD with room
    read_n  = the first cycle > last beat of n, and >= push_(n-1)
    ready_n = push_n + DECODE_CYCLES - DECODE_PERIOD; from then on n may issue when it is the oldest.
    """

    def __init__(self, *, queue: Queue, running: bool) -> None:
        self.queue = queue
        self.running = running
        self.log = WaitLog(queue)
        self._decoding: tuple[int, Instruction] | None = None
        """Cycle of the read."""
        self._ready: deque[tuple[int, Instruction]] = deque()
        self._oldest = 0

    @property
    def oldest(self) -> int:
        """How many have issued."""
        return self._oldest

    def head(self, t: int) -> Instruction | None:
        """The instruction that may issue in t as far as the decoder goes."""
        return self._ready[0][1] if self.running and self._ready and self._ready[0][0] <= t else None

    def missing(self, t: int, arrived: deque[Arrival]) -> Cause:
        """Why there is no head in t."""
        decoding = self._ready or self._decoding is not None or (arrived and arrived[0].last < t)
        return Cause.DECODE if decoding else Cause.FETCH

    def step(self, t: int, arrived: deque[Arrival], *, issued: bool) -> tuple[bool, bool]:
        """The decoder's cycle t and the issue in it; (an instruction is read, anything changes)."""
        room = len(self._ready) < DECODED_INSTRUCTIONS
        pushed = self._decoding if room and self._decoding and t >= self._decoding[0] + DECODE_PERIOD else None
        reads = bool(arrived) and arrived[0].last < t and (self._decoding is None or pushed is not None)
        if issued:
            self.log.issue(t, self._oldest)
            _, instruction = self._ready.popleft()
            if instruction.opcode is Opcode.HALT:
                self.running = False
            self._oldest += 1
        if pushed is not None:
            self._ready.append((t + DECODE_CYCLES - DECODE_PERIOD, pushed[1]))
            self._decoding = None
        if reads:
            self._decoding = (t, arrived[0].instruction)
        return reads, pushed is not None or reads or issued

    def wakes(self, t: int, arrived: deque[Arrival]) -> list[int]:
        """Cycles after t in which the decoder does something if nothing issues."""
        out = [self._ready[0][0]] if self._ready and self._ready[0][0] > t else []
        if self._decoding is not None and len(self._ready) < DECODED_INSTRUCTIONS:
            out.append(max(t + 1, self._decoding[0] + DECODE_PERIOD))
        if self._decoding is None and arrived:
            out.append(max(t + 1, arrived[0].last + 1))
        return out


class SequencerTiming:
    """Issue and finish of every instruction, from the cycle in which the queues run first.

    In cycle t the head of a queue issues when it is ready, its waits are met by the signals of cycles before t, with
    `after` or `halt` nothing of the queue was unfinished at the start of t, its finish channel had a place then, and
    its engine accepts it: `next_accept(t) == t`. Only cycles in which something may change are looked at.

    Does not: model refused instructions, bus errors or the watchdog.

    Parameters
    ----------
    config : CoreConfig
    streams : what each queue executes, in order, the halt last; each is read once, an instruction when it is requested,
        and nothing is kept of what has finished; a queue that is missing is not enabled
    port : InstructionPort
    engines : an engine for each channel; channels may share one
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        streams: Mapping[Queue, Iterable[Instruction]],
        port: InstructionPort,
        engines: Mapping[Channel, Engine],
    ) -> None:
        self.queues = [QueueTiming(queue=q, running=q in streams) for q in QUEUES]
        self.fetch = FetchTiming(config=config, port=port, streams={q: iter(each) for q, each in streams.items()})
        self.engines = engines
        self._distinct = list({id(e): e for e in engines.values()}.values())
        self._unfinished: dict[Channel, deque[tuple[Event, Instruction]]] = {c: deque() for c in Channel}
        self._depth = {c: finish_depth(config, c) for c in Channel}
        self.semaphores = [0] * config.sequencer.semaphores
        self.issues: list[Event] = []
        self.finishes: list[Event] = []

    def run(self, *, start: int = 0, limit: int | None = None, report: Callable[[int], None] | None = None) -> int:
        """To the end, with queues that run first in cycle `start`; returns the first cycle in which none runs."""
        t, last, due = start, start - 1, _REPORT_EVERY
        while any(q.running for q in self.queues):
            if limit is not None and t > limit:
                raise TimeoutError(f"the program still runs in cycle {t}; {self._blocked(t)}")
            wakes, changed = self._cycle(t)
            if report is not None and len(self.issues) >= due:
                due += _REPORT_EVERY
                report(len(self.issues))
            if changed:
                last = t
            following = t + 1 if changed else max(t + 1, min(wakes)) if wakes else None
            if following is None:
                raise TimeoutError(f"nothing happens after cycle {t}; {self._blocked(t)}")
            t = following
        return last + 1

    def _blocked(self, t: int) -> str:
        heads = {q.queue.name.lower(): q.oldest for q in self.queues if q.running}
        return f"instructions that have not issued, by queue: {heads}"

    def _free(self, t: int, queue: QueueTiming, instruction: Instruction) -> bool:
        """Nothing but the channel and the engine may still hold the head."""
        for n in range(WAITS):
            if instruction[f"wait{n}_kind"] == WaitKind.REACHED:
                semaphore = instruction[f"wait{n}_semaphore"]
                ahead = self.semaphores[semaphore] - instruction[f"wait{n}_value"]
                if ahead % _MODULUS >= _MODULUS // 2:
                    queue.log.see(t, Cause.SEMAPHORE, semaphore)
                    return False
        if instruction["after"] or instruction.opcode is Opcode.HALT:
            if any(self._unfinished[c] for c in QUEUE_CHANNELS[queue.queue]):
                queue.log.see(t, Cause.AFTER)
                return False
        return True

    def _cycle(self, t: int) -> tuple[list[int], bool]:
        """Cycle t: decisions on its start, then the edge; returns when to look again, and whether anything changed."""
        wakes: list[int] = []
        finished = [event for engine in self._distinct for event in engine.advance(t)]
        issuing: list[tuple[QueueTiming, Instruction, Channel | None] | None] = []
        for queue in self.queues:
            instruction = queue.head(t)
            issuing.append(None)
            if instruction is None:
                if queue.running:
                    queue.log.see(t, queue.missing(t, self.fetch.arrived[queue.queue]))
                continue
            if not self._free(t, queue, instruction):
                continue
            if instruction.opcode in CONTROL_OPCODES:
                issuing[-1] = (queue, instruction, None)
                continue
            channel = CHANNEL_OF[instruction.opcode]
            if len(self._unfinished[channel]) < self._depth[channel]:
                accept = self.engines[channel].next_accept(t, instruction)
                if accept == t:
                    issuing[-1] = (queue, instruction, channel)
                else:
                    queue.log.see(t, Cause.ENGINE)
                    wakes.append(accept)
            else:
                queue.log.see(t, Cause.DEPTH)

        changed = bool(finished)
        running = [q.running for q in self.queues]
        changed |= self.fetch.choose(t, running)
        signals: list[Instruction] = []
        for cycle, name in finished:
            if cycle != t:
                raise ValueError(f"{name} finishes in cycle {cycle}, which nobody announced before cycle {t}")
            event, instruction = self._unfinished[_CHANNELS[name]].popleft()
            signals.append(instruction)
            self.finishes.append(Event(t, event.queue, event.channel, event.index, event.tag))
        for queue, going in zip(self.queues, issuing, strict=True):
            if going is not None:
                signals += self._issue(t, *going)
            arrived = self.fetch.arrived[queue.queue]
            read, moved = queue.step(t, arrived, issued=going is not None)
            changed |= moved
            if read:
                self.fetch.taken(queue.queue)
        for instruction in signals:
            for n in range(SIGNALS):
                if instruction[f"signal{n}_kind"] == SignalKind.INCREMENT:
                    self.semaphores[instruction[f"signal{n}_semaphore"]] += 1

        for queue in self.queues:
            wakes += queue.wakes(t, self.fetch.arrived[queue.queue])
        events = [e for engine in self._distinct if (e := engine.next_event()) is not None]
        choice = self.fetch.next_choice(t, [q.running for q in self.queues])
        return wakes + events + ([choice] if choice is not None else []), changed

    def _issue(
        self, t: int, queue: QueueTiming, instruction: Instruction, channel: Channel | None
    ) -> list[Instruction]:
        event = Event(t, queue.queue, channel, queue.oldest, instruction["tag"])
        self.issues.append(event)
        if channel is None:
            return [instruction]
        self.engines[channel].issue(t, instruction)
        self._unfinished[channel].append((event, instruction))
        return []
