"""Timing of the DMA's load channel: AR, R beats, lines, words, finishes."""

from collections import defaultdict, deque
from collections.abc import Sequence
from functools import lru_cache

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.frame import LOAD_PHASE, PHASES

from .dma_bursts import Moves, descriptor_bursts
from .handshakes import NEVER
from .waits import EngineWork, Hold

__all__ = ["LoadTrack", "slot_from"]

_WORD_AFTER = 3
"""From a line's step in the aligner to its first word, at least."""
_FINISH_AFTER = 4
"""From a line's step in the aligner to the finish, at least: to the lane, counted, its word, the channel."""


def slot_from(t: int, partition: int, phase: int, config: CoreConfig) -> int:
    """First cycle >= t in which the partition is in `phase`."""
    return t + (phase + partition * config.tensor.add_stages - t) % PHASES


@lru_cache(maxsize=1 << 12)
def _line_ends(slot: int, turns: tuple[int, ...]) -> tuple[int, ...]:
    """Last words of lines whose steps are in the cycles 0, 1, ..., in an idle lane with its phase in cycle `slot`."""
    out: list[int] = []
    for step, count in enumerate(turns):
        earliest = max(step + _WORD_AFTER, out[-1] + 1 if out else 0)
        out.append(earliest + (slot - earliest) % PHASES + PHASES * (count - 1))
    return tuple(out)


class LoadTrack:
    """Everything about loads but when the memory may offer the next beat.

    Burst n (over all descriptors), its beats' steps x, its last step done_n:
    go_n = max(offered, ar_(n-1), done_(n - outstanding_reads) + 1);  ar_n = max(go_n + 1, last_(n - memory's) + 1)
    A beat is wanted from max(ar_n + 1 + latency, x' + 1) on, x' the step of the beat before; offered in u it is taken
    in x = max(u, step before + 1, room in the lane). A line of step g has its first word in the lane's first slot from
    max(g + 3, last word before + 1) on. finish = max(last word, finish before) + 1.

    Does not: model bus errors.
    """

    def __init__(
        self, config: CoreConfig, *, latency: int, outstanding: int, record: Sequence[int] | None = None
    ) -> None:
        """`record`: cycles of all R handshakes; then every time follows as soon as a descriptor is accepted."""
        self.config = config
        self._latency = latency
        self._record = None if record is None else iter(record)
        self._bursts: deque[tuple[int, int, Moves, bool]] = deque()
        """(earliest offer, partition, moves, last of its descriptor) of bursts without AR."""
        self.want: int | None = None
        """Cycle from which the next beat is wanted, if it is known."""
        self.remaining: deque[int] = deque()
        """Beats that the unfinished descriptors still need, oldest first."""
        self.finishes: list[int] = []
        self.work: list[EngineWork] = []
        self._issued: deque[tuple[int, int]] = deque()
        """(issue, beats) of the unfinished descriptors."""
        self._bandwidth = self._room = 0
        """Cycles of the oldest descriptor in which a beat was due and not offered, offered and not taken."""
        self._partition, self._moves, self._last_burst = 0, Moves(0, 0, 0, (), ()), False
        self._beat = self._line = 0
        self._go = self._ar = self._taken = self._step = -1
        self._done: deque[int] = deque([-1] * config.dma.outstanding_reads, maxlen=config.dma.outstanding_reads)
        self._last_beats: deque[int] = deque([-1] * outstanding, maxlen=outstanding)
        depth = self._depth = config.dma.partition_lines
        self._lanes: dict[int, deque[int]] = defaultdict(lambda: deque([-1] * depth, maxlen=depth))
        """Last words of each lane's youngest lines."""
        self._written = -1

    def issue(self, t: int, instruction: Instruction) -> None:
        rows = descriptor_bursts(instruction, self.config, load=True)
        self._bursts.extend((t + 2 if i == 0 else 0, p, m, i == len(rows) - 1) for i, (p, m) in enumerate(rows))
        self.remaining.append(sum(moves.units_in for _, moves in rows))
        self._issued.append((t, self.remaining[-1]))
        if self.want is None:
            self._next_burst()

    def least(self) -> int:
        """Cycles from the step of the last beat of a descriptor to its finish, at least."""
        return _FINISH_AFTER

    def offer(self, u: int) -> None:
        """The beat that is wanted is offered in cycle u."""
        moves = self._moves
        if self._record is None:
            x = self._earliest(u)
            self._room += x - u
            assert self.want is not None
            self._bandwidth += u - self.want
        else:
            x = next(self._record, NEVER)
            if x < self._earliest(x):
                raise ValueError(f"the record has an R handshake in {x}, before the lane has room")
        self._take(x)
        self._taken = x
        self.remaining[0] -= 1
        if self._beat < moves.units_in:
            self.want = x + 1
            return
        self._last_beats.append(x)
        while self._beat < moves.steps:
            self._take(self._earliest(self._step + 1))
        self._end(x)

    def drain(self) -> None:
        """All beats, each offered in the cycle from which it is wanted."""
        while self.want is not None:
            if not self._undisturbed():
                self.offer(self.want)

    def _undisturbed(self) -> bool:
        """The beats of the next burst at once, where each is a line, and its lane has none that waits for a slot."""
        moves, x = self._moves, self.want
        lane, beats = self._lanes[self._partition], moves.units_in
        assert x is not None
        if self._beat or moves.prefill or beats != moves.units_out or beats > self._depth:
            return False
        if self._record is not None or x <= self._step or x <= lane[-1]:
            return False
        slot = slot_from(x, self._partition, LOAD_PHASE, self.config) - x
        lane.extend([x + end for end in _line_ends(slot, moves.turns)])
        self._written = max(self._written, lane[-1])
        self._step = self._taken = last = x + beats - 1
        self._last_beats.append(last)
        self.remaining[0] -= beats
        self._end(last)
        return True

    def _end(self, x: int) -> None:
        """The burst has had all its steps, its last beat in x."""
        self._done.append(self._step)
        if self._last_burst:
            self._note(x)
            self.remaining.popleft()
            self.finishes.append(max(self._written, self.finishes[-1] if self.finishes else -1) + 1)
            self._written = -1
        self._next_burst()

    def _note(self, last: int) -> None:
        issued, beats = self._issued.popleft()
        rest = last - max(issued, self.work[-1].last if self.work else -1) - beats - self._bandwidth - self._room
        memory = Hold.LATENCY if self._record is None else Hold.MEMORY
        holds = {memory: rest, Hold.BANDWIDTH: self._bandwidth, Hold.SBUF: self._room}
        self.work.append(EngineWork(last, beats, holds))
        self._bandwidth = self._room = 0

    def _next_burst(self) -> None:
        if not self._bursts:
            self.want = None
            return
        offered, self._partition, self._moves, self._last_burst = self._bursts.popleft()
        # a walker that is idle takes the descriptor one cycle after its last burst, and offers one cycle later
        offered = max(offered, self._go + (2 if offered else 1))
        self._go = max(offered, self._ar, self._done[0] + 1)
        self._ar = max(self._go + 1, self._last_beats[0] + 1)
        self._beat = self._line = 0
        self.want = max(self._ar + 1 + self._latency, self._taken + 1)

    def _earliest(self, t: int) -> int:
        """First cycle >= t in which the next step may be taken, its beat being there."""
        t = max(t, self._step + 1)
        gives = self._beat >= self._moves.prefill
        return max(t, self._lanes[self._partition][0] + 1) if gives else t

    def _take(self, x: int) -> None:
        self._step = x
        if self._beat >= self._moves.prefill:
            lane = self._lanes[self._partition]
            first = slot_from(max(x + _WORD_AFTER, lane[-1] + 1), self._partition, LOAD_PHASE, self.config)
            lane.append(first + PHASES * (self._moves.turns[self._line] - 1))
            self._written = max(self._written, lane[-1])
            self._line += 1
        self._beat += 1
