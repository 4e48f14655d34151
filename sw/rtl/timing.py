"""The timing models' prediction of a program, compared with what the RTL did."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from makalu.sim_models.timing.core import Timeline
from makalu.sim_models.timing.handshakes import Handshakes
from makalu.spec.config import CoreConfig
from makalu.spec.engines import Channel
from makalu.spec.isa import Queue
from makalu.spec.memory import MemoryTiming
from makalu.sw.compile.program import Program
from makalu.sw.rtl.machine import RunResult
from makalu.sw.rtl.trace import Trace, read_trace
from makalu.sw.timing import predict

__all__ = ["Difference", "compare", "first_difference", "largest_difference", "predict_run", "start_of"]


@dataclass(frozen=True)
class Difference:
    """One event of the two accounts; None: it is missing there."""

    kind: str
    """issue or finish."""
    where: Queue | Channel
    number: int
    """Place among the events of the queue or channel."""
    tag: int
    predicted: int | None
    seen: int | None

    @property
    def cycles(self) -> float:
        if self.predicted is None or self.seen is None:
            return float("inf")
        return abs(self.predicted - self.seen)

    def __str__(self) -> str:
        place = f"{self.where.name.lower()} {self.kind} {self.number}"
        return f"{place}, tag {self.tag}: predicted in cycle {self.predicted}, seen in {self.seen}"


def start_of(trace: Trace, cycles: int) -> int:
    """First cycle in which the queues ran, of a run whose register `cycles` is given: a run ends with an issue."""
    return trace.issues()[-1].cycle + 1 - cycles


def compare(timeline: Timeline, trace: Trace) -> list[Difference]:
    """Every issue and finish of either side, by cycle."""
    accounts = {
        "issue": (timeline.issues, trace.issues()),
        "finish": (timeline.finishes, trace.finishes()),
    }
    rows = []
    for kind, (predicted, seen) in accounts.items():
        left = _by_place((e.where, e.cycle, e.tag) for e in predicted)
        right = _by_place((e.where, e.cycle, e.tag) for e in seen)
        for where in left.keys() | right.keys():
            mine, theirs = left[where], right[where]
            for n in range(max(len(mine), len(theirs))):
                a = mine[n] if n < len(mine) else None
                b = theirs[n] if n < len(theirs) else None
                if a is not None and b is not None and a[1] != b[1]:
                    raise ValueError(f"{where.name.lower()} {kind} {n} has tag {a[1]}, in the trace {b[1]}")
                tag = a[1] if a is not None else b[1] if b is not None else 0
                rows.append(Difference(kind, where, n, tag, a[0] if a else None, b[0] if b else None))
    return sorted(rows, key=lambda d: (d.seen if d.seen is not None else d.predicted, d.kind, d.where))


def largest_difference(timeline: Timeline, trace: Trace) -> float:
    """Cycles, over all events; infinite if one is missing."""
    return max((d.cycles for d in compare(timeline, trace)), default=0)


def first_difference(timeline: Timeline, trace: Trace) -> Difference | None:
    """The earliest event that was not where it was predicted."""
    return next((d for d in compare(timeline, trace) if d.cycles), None)


def predict_run(
    program: Program,
    config: CoreConfig,
    result: RunResult,
    memory: MemoryTiming | None = None,
    *,
    observe: str = "trace",
) -> tuple[Timeline, Trace]:
    """Prediction for a run of a machine with `observe`, started when it was, and its trace.

    Without `memory` the run's handshakes are replayed; it must have a log.
    """
    if result.trace is None:
        raise ValueError("the run has no trace")
    trace = read_trace(result.trace, config, observe)
    source: MemoryTiming | Handshakes
    if memory is not None:
        source = memory
    elif result.log is not None:
        source = Handshakes.parse(result.log.read_text().splitlines())
    else:
        raise ValueError("the run has no log of its handshakes")
    return predict(program, config, source, start=start_of(trace, result.cycles)), trace


def _by_place(
    events: Iterable[tuple[Queue | Channel, int, int]],
) -> dict[Queue | Channel, list[tuple[int, int]]]:
    out: dict[Queue | Channel, list[tuple[int, int]]] = defaultdict(list)
    for where, cycle, tag in events:
        out[where].append((cycle, tag))
    return out
