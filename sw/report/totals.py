"""Where the cycles of queues and engines went, in sums: each one's parts add up to the cycles of the run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from makalu.sim_models.timing.core import Timeline
from makalu.sim_models.timing.waits import Cause, Hold
from makalu.spec.engines import QUEUE_CHANNELS, Channel
from makalu.spec.isa import QUEUES, Queue

from .edges import Edge, source_of
from .rows import Key, Row

__all__ = ["BUSY", "ENGINE_PARTS", "HALTED", "IDLE", "ISSUE", "MOVING", "QUEUE_PARTS", "WAIT", "engines", "queues"]

ISSUE, WAIT, HALTED = "issue", "wait", "halted"
MOVING, BUSY, IDLE = "moving", "busy", "idle"

QUEUE_PARTS: tuple[str, ...] = (ISSUE, *(str(cause) for cause in Cause), WAIT, HALTED)
"""In the order of a bar; WAIT is what nobody knows the cause of."""
ENGINE_PARTS: tuple[str, ...] = (MOVING, *(str(hold) for hold in Hold), BUSY, IDLE)
"""In the order of a bar; BUSY is what nobody knows more about."""


def queues(timeline: Timeline, rows: Sequence[Row], sources: Mapping[tuple[Key, int], Edge]) -> list[dict[str, Any]]:
    """Of every queue that ran: its parts, and how long it waited for semaphores of which channel."""
    out = []
    for queue in QUEUES:
        own = [row for row in rows if row.queue is queue]
        if not own:
            continue
        parts: dict[str, int] = defaultdict(int)
        waits_for: dict[str, int] = defaultdict(int)
        parts[ISSUE] = len(own)
        parts[HALTED] = timeline.done - 1 - max(row.issue for row in own)
        for row in own:
            for wait in row.waits:
                parts[wait.cause] += wait.cycles
                if wait.cause is Cause.SEMAPHORE:
                    waits_for[_channel_name(source_of(wait, sources))] += wait.cycles
        parts[WAIT] = timeline.cycles - sum(parts.values())
        out.append(
            {
                "queue": queue.name.lower(),
                "instructions": len(own),
                "parts": _ordered(parts, QUEUE_PARTS),
                "waits_for": dict(sorted(waits_for.items(), key=lambda item: -item[1])),
            }
        )
    return out


def engines(timeline: Timeline, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of every channel that had an instruction."""
    out = []
    for channel in Channel:
        own = [row for row in rows if row.channel is channel]
        if not own:
            continue
        parts: dict[str, int] = defaultdict(int)
        busy = sum(row.busy for row in own)
        for row in own:
            if row.work is not None:
                parts[MOVING] += row.work.moved
                for hold, cycles in row.work.holds.items():
                    parts[hold] += cycles
        parts[BUSY] = busy - sum(parts.values())
        parts[IDLE] = timeline.cycles - busy
        out.append(
            {
                "engine": channel.name.lower(),
                "queue": next(_queue_name(q) for q, channels in QUEUE_CHANNELS.items() if channel in channels),
                "instructions": len(own),
                "busy": busy,
                "parts": _ordered(parts, ENGINE_PARTS),
            }
        )
    return out


def _queue_name(queue: Queue) -> str:
    return queue.name.lower()


def _channel_name(row: Row | None) -> str:
    if row is None:
        return "?"
    return row.queue.name.lower() if row.channel is None else row.channel.name.lower()


def _ordered(parts: dict[str, int], order: Sequence[str]) -> dict[str, int]:
    return {str(name): parts[name] for name in order if parts.get(name)}
