"""Which instruction waits for which: needed waits a step, without those that others imply."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from makalu.spec.engines import Channel

from .steps import Step

__all__ = ["Knowledge", "Waits"]

Waits = list[tuple[Channel, int]]
"""(channel, number of its instruction, from 1) that must have finished."""

_NONE = (0,) * len(Channel)


@dataclass
class Knowledge:
    """What is known to have finished when a queue issues its next instruction: instructions of each channel.

    A queue knows what it waited for, and what that knew when it issued; a channel finishes in order, so a number
    stands for all before it.
    """

    _of_queue: dict[int, list[int]] = field(default_factory=dict)
    _of_instruction: dict[Channel, list[tuple[int, ...]]] = field(default_factory=lambda: {c: [_NONE] for c in Channel})
    _positions: dict[Channel, list[int]] = field(default_factory=lambda: {c: [-1] for c in Channel})

    def issued(self, channel: Channel) -> int:
        """Instructions of a channel so far."""
        return len(self._positions[channel]) - 1

    def issue(self, step: Step, position: int) -> int:
        """A step issues, after its waits; position in program order. Its number in its channel."""
        self._of_instruction[step.channel].append(tuple(self._queue(step.queue)))
        self._positions[step.channel].append(position)
        return self.issued(step.channel)

    def wait(self, queue: int, needed: Iterable[tuple[Channel, int]]) -> Waits:
        """What the queue must wait for so that `needed` has finished; it is known afterwards."""
        known = self._queue(queue)
        last: dict[Channel, int] = {}
        for channel, number in needed:
            if number > last.get(channel, known[channel]):
                last[channel] = number
        out: Waits = []
        # the newest first: it often brings the others along
        for channel in sorted(last, key=lambda c: -self._positions[c][last[c]]):
            if known[channel] < last[channel]:
                out.append((channel, last[channel]))
                self.learn(queue, self._of_instruction[channel][last[channel]])
                known[channel] = max(known[channel], last[channel])
        return sorted(out)

    def learn(self, queue: int, finished: Sequence[int]) -> None:
        """The queue knows that this many instructions of each channel have finished."""
        known = self._queue(queue)
        for channel, number in enumerate(finished):
            if number > known[channel]:
                known[channel] = number

    def _queue(self, queue: int) -> list[int]:
        return self._of_queue.setdefault(queue, [0] * len(Channel))
