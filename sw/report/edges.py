"""Which instruction let which other one go: the semaphores of a run, replayed from its issues and finishes."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from makalu.sim_models.timing.waits import Cause, Wait
from makalu.spec.isa import FIELDS, SIGNALS, WAITS, SignalKind, WaitKind

from .rows import Key, Row

__all__ = ["Edge", "edges_of", "source_of", "waited_for"]

_MODULUS = FIELDS["wait0_value"].high + 1


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` finished in cycle `released` and so brought `semaphore` to what `target` waits for."""

    source: Row
    target: Row
    semaphore: int
    released: int


def edges_of(rows: Sequence[Row]) -> list[Edge]:
    """One for each wait that an increment met, by target; a value that holds from the start has none."""
    signals: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r.finish, r.queue)):
        for n in range(SIGNALS):
            if row.instruction[f"signal{n}_kind"] == SignalKind.INCREMENT:
                signals[row.instruction[f"signal{n}_semaphore"]].append((row.finish, row))
    cycles = {semaphore: [cycle for cycle, _ in found] for semaphore, found in signals.items()}
    out = []
    for row in rows:
        for n in range(WAITS):
            if row.instruction[f"wait{n}_kind"] != WaitKind.REACHED:
                continue
            semaphore = row.instruction[f"wait{n}_semaphore"]
            # signals of cycles before the issue count
            count = bisect_left(cycles.get(semaphore, []), row.issue)
            needed = count - (count - row.instruction[f"wait{n}_value"]) % _MODULUS
            if needed > 0:
                released, source = signals[semaphore][needed - 1]
                out.append(Edge(source, row, semaphore, released))
    return out


def waited_for(edges: Sequence[Edge]) -> dict[tuple[Key, int], Edge]:
    """By (target, semaphore) the edge that came last: whom a wait for that semaphore was for."""
    return {(e.target.key, e.semaphore): e for e in sorted(edges, key=lambda e: e.released)}


def source_of(wait: Wait, sources: Mapping[tuple[Key, int], Edge]) -> Row | None:
    """Whom a wait was for, where it was for a semaphore."""
    if wait.cause is not Cause.SEMAPHORE or wait.semaphore is None:
        return None
    edge = sources.get(((wait.queue, wait.index), wait.semaphore))
    return edge.source if edge else None
