"""Counters that wrap: boundaries that keep all queues within a window of the program order.

A wait for count V holds while (S - V) mod 2W < W, S the semaphore, W the window (2^15). It means "S has reached V" only
while V - W <= S < V + W: a queue that is far ahead of a producer, or far behind it, would misread S. So a program in
which a channel may pass W - 1 signals is cut into epochs of E = W / 4 steps. Where epoch e begins (e = 1, 2, ...),
every queue that the program uses has a *boundary*, `nop` that

- wait until its own channels' instructions of epochs up to e - 2 have finished,
- wait until every queue has passed its boundary e - 1: the barrier semaphore counts passed boundaries of all Q queues
  and must have reached Q * (e - 1) (all count to e - 1 before any counts to e, so the sum says it of each),
- and then increment the barrier.

Queues without work have boundaries too: else the others would not know how far they are.

Proof. Let queue q be at an instruction of epoch e, its boundary e behind it. (1) Every queue has passed boundary e - 1,
so every instruction of epochs up to e - 3 has finished, and q knows it: it waits for instructions of e - 2, e - 1 and e
only, of which each signals at most once. (2) q has not passed boundary e + 1, so nobody has passed e + 2, so no
instruction of epoch e + 2 has issued. Let N(e) be a channel's signals of epochs up to e; N(e) - N(e - 1) <= E. Then
N(e - 3) <= S <= N(e + 1) by (1) and (2), and N(e - 3) < V <= N(e), so V - S <= 3E <= W and S - V < 4E <= W. While q is
at its boundary e, with boundary e - 1 behind it: V = N(e - 2) at most and above N(e - 3) (own instructions up to e - 3
finished before its boundary e - 1 was passed); S of its own channels is from N(e - 3) to N(e - 1): below E and 2E. The
barrier is from Q * (e - 2) to Q * e - 1 then, so within Q <= W of Q * (e - 1).

Everything waits for what is before it in program order only, so nothing waits in a circle.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from makalu.spec.engines import CHANNELS, QUEUE_CHANNELS, Channel
from makalu.spec.isa import FIELDS, QUEUES, Queue

from .dependencies import Knowledge, Waits
from .steps import Step

__all__ = ["BARRIER", "WINDOW", "Boundary", "Epochs"]

WINDOW = 1 << (FIELDS["wait0_value"].bits - 1)
"""W: half the range of a wait's comparison."""
BARRIER = len(Channel)
"""Semaphore of the boundaries: the first behind those of the channels."""
_EPOCHS = 4
"""Epochs a window."""
_SMALLEST = 8
"""Window that holds a count of each queue."""


@dataclass(frozen=True)
class Boundary:
    """Of one queue, where an epoch begins."""

    queue: Queue
    own: Waits
    """Last instructions of its channels in the epochs up to the one before the previous."""
    marks: int
    """Count of the barrier to wait for; 0: none."""
    learned: tuple[int, ...]
    """Instructions of each channel that have finished then."""


class Epochs:
    """Boundaries of one program; none where no counter can leave the window.

    Parameters: the steps; `window` W, a power of two from 8 on, so not below the number of queues.
    """

    def __init__(self, steps: Sequence[Step], window: int) -> None:
        if window < _SMALLEST or window & (window - 1):
            raise ValueError(f"window must be a power of two from {_SMALLEST} on, not {window}")
        counts = Counter(step.channel for step in steps)
        # whether there are any
        self.boundaries = max(counts.values(), default=0) >= window
        used = {CHANNELS[channel].queue for channel in counts}
        self._queues = [queue for queue in QUEUES if queue in used]
        self._length = window // _EPOCHS
        # finished[e]: instructions of each channel in the epochs before e
        self._finished: list[tuple[int, ...]] = []

    def before(self, position: int, knowledge: Knowledge) -> Iterator[Boundary]:
        """Boundaries in front of the step at `position` (called for each, in order)."""
        if not self.boundaries or position % self._length:
            return
        epoch = position // self._length
        self._finished.append(tuple(knowledge.issued(channel) for channel in Channel))
        if epoch == 0:
            return
        own, others = (self._finished[max(0, epoch - back)] for back in (1, 2))
        for queue in self._queues:
            mine: Waits = [(channel, own[channel]) for channel in QUEUE_CHANNELS[queue]]
            yield Boundary(queue, mine, len(self._queues) * (epoch - 1), others)
