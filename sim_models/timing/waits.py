"""Where cycles went: why a queue's head did not issue, and what held an instruction inside its engine.

Queue: every cycle from the start to the end of a run is an issue, a cycle of one `Wait`, or after the queue's halt.
Engine: every cycle in which a channel has an unfinished instruction belongs to one `Work`: it moved something (a
column, a beat, lane by lane an element), or one `Hold` names what it waited for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from makalu.spec.engines import Channel
from makalu.spec.isa import Queue

__all__ = ["Cause", "EngineWork", "Hold", "Wait", "WaitLog", "Work", "share_out"]


class Cause(StrEnum):
    """Why the oldest instruction of a queue does not issue; an instruction meets them in this order."""

    FETCH = "fetch"
    """It has not arrived from memory."""
    DECODE = "decode"
    """It has arrived, and is not decoded yet."""
    SEMAPHORE = "semaphore"
    """A semaphore that it waits for has not reached the value."""
    AFTER = "after"
    """It has `after`, or is the halt, and an earlier instruction of the queue has not finished."""
    DEPTH = "finish depth"
    """Its finish channel has as many unfinished instructions as it can."""
    ENGINE = "engine busy"
    """Its engine does not accept it."""


class Hold(StrEnum):
    """What an instruction waits for inside its engine."""

    START = "start"
    """Tensor: accepted, its first words are on their way to the array."""
    HAZARD = "PSUM hazard"
    """Tensor: the element that a column would add to is still in the adder."""
    SBUF = "SBUF"
    """A word that has not been read, a bank that the other engine has, or a buffer before the SBUF that is full."""
    PSUM = "PSUM bank"
    """Vector, Scalar: the bank is the tensor engine's or the other engine's."""
    LATENCY = "memory latency"
    """DMA: bursts are open or cannot be opened, and no beat or answer is due yet."""
    BANDWIDTH = "memory bandwidth"
    """DMA: a beat is due, and the memory's bytes a cycle do not allow it."""
    MEMORY = "memory"
    """DMA whose handshakes are replayed: latency or bandwidth, the record does not say."""
    PIPELINE = "pipeline"
    """All has moved, nothing follows, and the results are on their way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """`cycles` cycles from `first` on, in which instruction `index` of a queue was the oldest and did not issue."""

    queue: Queue
    index: int
    cause: Cause
    semaphore: int | None
    """Only of a wait for a semaphore."""
    first: int
    cycles: int


@dataclass(frozen=True)
class Work:
    """One instruction's share of its channel's busy cycles: `moved` plus all of `holds`."""

    channel: Channel
    queue: Queue
    index: int
    moved: int
    holds: Mapping[Hold, int]

    @property
    def cycles(self) -> int:
        return self.moved + sum(self.holds.values())


class EngineWork(NamedTuple):
    """What an engine's model notes: `moved` and `holds` fill the cycles after its issue, or after the last move of the
    instruction before where that is later, up to `last`; the time from there to the finish is `tail`'s."""

    last: int
    moved: int
    holds: dict[Hold, int]
    tail: Hold = Hold.PIPELINE


class WaitLog:
    """Waits of one queue; `see` is called in every cycle in which something may change."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._cause: Cause | None = None
        self._semaphore: int | None = None
        self._open: list[tuple[Cause, int | None, int]] = []
        self.waits: list[Wait] = []

    def see(self, t: int, cause: Cause, semaphore: int | None = None) -> None:
        """The oldest instruction does not issue in t, nor later until the next call."""
        if self._cause is not cause or self._semaphore != semaphore:
            self._cause, self._semaphore = cause, semaphore
            self._open.append((cause, semaphore, t))

    def issue(self, t: int, index: int) -> None:
        """It issues in t. Of two semaphores the cycles are those of the one that came last: the other alone would not
        have let it go."""
        end = t
        last: int | None = None
        for cause, semaphore, first in reversed(self._open):
            if cause is Cause.SEMAPHORE:
                if last is not None:
                    before = self.waits.pop()
                    end = before.first + before.cycles
                last = semaphore = semaphore if last is None else last
            self.waits.append(Wait(self._queue, index, cause, semaphore, first, end - first))
            end = first
        self._cause = None
        self._open.clear()


def share_out(
    channel: Channel, issues: Sequence[tuple[int, Queue, int]], finishes: Sequence[int], works: Sequence[EngineWork]
) -> list[Work]:
    """Work of a channel's instructions, in order: (issue, queue, index) of each, its finish and its model's note.

    What is left of an instruction after its last move is its own until the next one of the channel is issued.
    """
    out = []
    for n, ((_, queue, index), finish, work) in enumerate(zip(issues, finishes, works, strict=True)):
        holds = {hold: cycles for hold, cycles in work.holds.items() if cycles}
        tail = (min(finish, issues[n + 1][0]) if n + 1 < len(issues) else finish) - work.last
        if tail > 0:
            holds[work.tail] = holds.get(work.tail, 0) + tail
        out.append(Work(channel, queue, index, work.moved, holds))
    return out
