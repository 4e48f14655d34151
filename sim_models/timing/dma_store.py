"""Timing of the DMA's store channel: requests, words, lines, AW, W beats, B, finishes."""

from collections import deque
from collections.abc import Sequence

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.frame import PHASES, STORE_PHASE

from .dma_bursts import Moves, descriptor_bursts
from .dma_load import slot_from
from .handshakes import NEVER
from .waits import EngineWork, Hold

__all__ = ["StoreTrack"]

_REQUESTS = 2
_SHOWN_AFTER = 3
"""From the read of a line's last word to the line."""

_Offered = tuple[int, int, Moves, bool]
"""(earliest offer of a descriptor's first burst, else 0; partition, moves, last of its descriptor)."""


class _Lane:
    """A lane's words: line k is read from its first slot from max(request + 1, word before + 1, pop_(k - lines) + 1)
    on, and shown from max(last word + 3, pop_(k-1) + 1) on."""

    def __init__(self, partition: int, config: CoreConfig) -> None:
        self._partition, self._config = partition, config
        self._pops: deque[int] = deque([-1] * config.dma.partition_lines)
        """Pops that free a line which has not been taken again."""
        self._waiting: deque[tuple[int, int, bool]] = deque()
        """(request, words, last of the request) of lines that have not been read."""
        self._word = self._pop = -1
        self._whole: deque[int] = deque()
        self.ends: deque[int] = deque([-1] * _REQUESTS)
        """Last words of requests; a request may come in the cycle after that of the one before the last."""

    def request(self, t: int, lines: tuple[int, ...]) -> None:
        self.ends.popleft()
        self._waiting.extend((t, words, i == len(lines) - 1) for i, words in enumerate(lines))
        self._read()

    def pop(self, ready: int) -> int:
        """The oldest line is used in the first cycle >= `ready` in which it is shown."""
        self._pop = max(ready, self._whole.popleft() + _SHOWN_AFTER, self._pop + 1)
        self._pops.append(self._pop)
        self._read()
        return self._pop

    def _read(self) -> None:
        while self._waiting and self._pops:
            asked, words, last = self._waiting.popleft()
            earliest = max(asked, self._word, self._pops.popleft()) + 1
            self._word = slot_from(earliest, self._partition, STORE_PHASE, self._config) + PHASES * (words - 1)
            self._whole.append(self._word)
            if last:
                self.ends.append(self._word)


class StoreTrack:
    """Everything about stores but when the memory may take the next beat.

    Burst n (over all descriptors): begin_n = max(offered, aw_(n-1), b_(n - outstanding_writes) + 1);
    aw_n = max(begin_n + 1, b_(n - memory's) + 1); b_n = max(last W + 1 + latency, b_(n-1) + 1).
    A beat is on W from the cycle after its step in the aligner, its step not before the beat before has gone; it is
    wanted once AW has gone before. finish = last B + 1.

    Does not: model bus errors.
    """

    def __init__(
        self, config: CoreConfig, *, latency: int, outstanding: int, record: Sequence[int] | None = None
    ) -> None:
        """`record`: cycles of all B handshakes; then every finish follows as soon as a descriptor is accepted."""
        self.config = config
        self._latency = latency
        self._record = None if record is None else iter(record)
        self._ahead: deque[_Offered] = deque()
        self._bursts: deque[_Offered] = deque()
        self.want: int | None = None
        """Cycle from which the next beat is wanted, if it is known."""
        self.remaining: deque[int] = deque()
        """Beats that the unfinished descriptors still need, oldest first."""
        self.finishes: list[int] = []
        self.work: list[EngineWork] = []
        self._issued: deque[tuple[int, int]] = deque()
        """(issue, beats) of the unfinished descriptors."""
        self._bandwidth = self._latency_waits = 0
        """Cycles of the oldest descriptor in which a beat that was there was not taken, or waited for its AW."""
        self._lanes: dict[int, _Lane] = {p: _Lane(p, config) for p in range(config.partitions)}
        self._asked = self._begin = self._aw = self._step = self._sent = -1
        self._partition, self._moves, self._last_burst = 0, Moves(0, 0, 0, (), ()), False
        self._beat = 0
        own = config.dma.outstanding_writes
        self._answers: deque[int] = deque([-1] * own, maxlen=own)
        self._memory_answers: deque[int] = deque([-1] * outstanding, maxlen=outstanding)

    def issue(self, t: int, instruction: Instruction) -> None:
        rows = descriptor_bursts(instruction, self.config, load=False)
        if self._record is not None:
            answers = [next(self._record, NEVER) for _ in rows]
            self.finishes.append(answers[-1] + 1)
            self._note_record(t, answers[-1] + 1, sum(moves.units_out for _, moves in rows))
            return
        offers = [(t + 2 if i == 0 else 0, p, m, i == len(rows) - 1) for i, (p, m) in enumerate(rows)]
        self._ahead.extend(offers)
        self._bursts.extend(offers)
        self.remaining.append(sum(moves.units_out for _, moves in rows))
        self._issued.append((t, self.remaining[-1]))
        self._ask()
        if self.want is None:
            self._next_burst()

    def least(self) -> int:
        """Cycles from the last W beat of a descriptor to its finish, at least."""
        return 1 + self._latency + 1

    def offer(self, u: int) -> None:
        """The beat that is wanted goes in cycle u."""
        assert self.want is not None
        self._bandwidth += u - self.want
        self._sent = u
        self.remaining[0] -= 1
        if self._beat < self._moves.steps:
            self._next_beat()
            return
        answer = max(u + 1 + self._latency, self._answers[-1] + 1)
        self._answers.append(answer)
        self._memory_answers.append(answer)
        if self._last_burst:
            self._note(u)
            self.remaining.popleft()
            self.finishes.append(answer + 1)
        self._next_burst()

    def _note(self, last: int) -> None:
        issued, beats = self._issued.popleft()
        waited = self._bandwidth + self._latency_waits
        rest = last - max(issued, self.work[-1].last if self.work else -1) - beats - waited
        holds = {Hold.LATENCY: self._latency_waits, Hold.BANDWIDTH: self._bandwidth, Hold.SBUF: rest}
        self.work.append(EngineWork(last, beats, holds, Hold.LATENCY))
        self._bandwidth = self._latency_waits = 0

    def _note_record(self, issued: int, finish: int, beats: int) -> None:
        """Only answers are replayed: which cycles moved is not known, how many could is."""
        cycles = finish - max(issued, self.work[-1].last if self.work else -1)
        moved = min(beats, cycles)
        self.work.append(EngineWork(finish, moved, {Hold.MEMORY: cycles - moved}))

    def _ask(self) -> None:
        """The walker that runs ahead, as far as it is known when the lanes have room."""
        while self._ahead and self._lanes[self._ahead[0][1]].ends:
            offered, partition, moves, _ = self._ahead.popleft()
            lane = self._lanes[partition]
            self._asked = max(offered, self._asked + (2 if offered else 1), lane.ends[0] + 1)
            lane.request(self._asked, moves.lines)

    def _next_burst(self) -> None:
        if not self._bursts:
            self.want = None
            return
        offered, self._partition, self._moves, self._last_burst = self._bursts.popleft()
        # a walker that is idle takes the descriptor one cycle after its last burst, and offers one cycle later
        offered = max(offered, self._begin + (2 if offered else 1))
        self._begin = max(offered, self._aw, self._answers[0] + 1)
        self._aw = max(self._begin + 1, self._memory_answers[0] + 1)
        self._beat = 0
        self._step = max(self._step, self._begin)
        self._next_beat()

    def _next_beat(self) -> None:
        """The steps up to the next that gives a beat."""
        gives = False
        while not gives:
            gives = self._beat >= self._moves.prefill
            step = max(self._step + 1, self._sent if gives else 0)
            if self._beat < self._moves.units_in:
                step = self._lanes[self._partition].pop(step)
                self._ask()
            self._step = step
            self._beat += 1
        self._latency_waits += max(0, self._aw - self._step)
        self.want = max(self._step, self._aw) + 1
