"""A run as a trace for ui.perfetto.dev.

Perfetto counts whole nanoseconds and a cycle of 2.4 GHz is less than one, so the file shows one tensor cycle as one
nanosecond: what the page calls 1.5 us are 1,500 cycles. The name of the first group states a cycle's real length.

Tracks: one an engine's channel, its slices an instruction each, from the later of its issue and the finish before it to
its finish; one a queue with what its oldest instruction waited for; counters of SBUF and PSUM. Arrows lead from the
instruction that signalled to the one that waited.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from makalu.spec.engines import Channel
from makalu.spec.isa import QUEUES
from makalu.spec.whole_file import write_whole

from .edges import Edge, edges_of, waited_for
from .occupancy import MEMORIES, lives_of, occupancy
from .perfetto_writer import Arguments, TraceWriter
from .record import RunRecord
from .rows import Key, Row, rows_of
from .summary import reason
from .units import label

__all__ = ["ENGINES", "OCCUPANCY", "QUEUE_TRACKS", "timeline", "write_timeline"]

_GROUPS = 1, 2, 3
ENGINES, QUEUE_TRACKS, OCCUPANCY = 100, 200, 300
"""The uuid of a track is one of these plus the number of its channel, queue or memory."""


def write_timeline(record: RunRecord, path: Path) -> None:
    """The trace as a file: open it in ui.perfetto.dev."""
    write_whole(path, timeline(record))


def timeline(record: RunRecord) -> bytes:
    """The trace, serialized."""
    rows = rows_of(record)
    edges = edges_of(rows)
    writer = TraceWriter()
    _tracks(writer, record, rows)
    arrows = _Arrows(edges)
    _engine_slices(writer, rows, arrows)
    _stalls(writer, rows, waited_for(edges), arrows)
    lives = lives_of(record, rows)
    for number, memory in enumerate(MEMORIES):
        for cycle, held in occupancy(record.config, lives, memory):
            writer.count(OCCUPANCY + number, cycle, held)
    return writer.trace.SerializeToString()


def _tracks(writer: TraceWriter, record: RunRecord, rows: Sequence[Row]) -> None:
    clock = record.config.product.tensor_clock_hz
    scale = f"1 ns here = 1 cycle = {1e9 / clock:.4g} ns at {clock / 1e9:g} GHz"
    engines, queues, memories = _GROUPS
    writer.group(engines, f"{record.kernel} on {record.config.name}: engines ({scale})", 0)
    writer.group(queues, "queues: what the oldest instruction waits for", 1)
    writer.group(memories, "tiles [bytes a partition]", 2)
    for channel in Channel:
        if any(row.channel is channel for row in rows):
            writer.track(ENGINES + channel, engines, label(channel.name), channel)
    for queue in QUEUES:
        if any(row.queue is queue for row in rows):
            writer.track(QUEUE_TRACKS + queue, queues, label(queue.name), queue)
    for number, memory in enumerate(MEMORIES):
        writer.track(OCCUPANCY + number, memories, label(memory), number).counter.unit_name = "bytes a partition"


def _engine_slices(writer: TraceWriter, rows: Sequence[Row], arrows: "_Arrows") -> None:
    for row in rows:
        if row.channel is not None:
            arrow = arrows.of(row)
            writer.slice(ENGINES + row.channel, row.begin, row.finish, row.name, dict(_arguments(row)), *arrow)


def _stalls(
    writer: TraceWriter, rows: Sequence[Row], sources: Mapping[tuple[Key, int], Edge], arrows: "_Arrows"
) -> None:
    """Waits, and the instructions that have no engine."""
    for row in sorted(rows, key=lambda r: (r.queue, r.index)):
        track = QUEUE_TRACKS + row.queue
        for wait in row.waits:
            args: Arguments = {"cause": str(wait.cause), "instruction": row.name, "cycles": wait.cycles}
            if wait.semaphore is not None:
                args["semaphore"] = wait.semaphore
            writer.slice(track, wait.first, wait.first + wait.cycles, reason(wait, sources), args)
        if row.channel is None:
            writer.slice(track, row.issue, row.issue + 1, row.name, {}, *arrows.of(row))


class _Arrows:
    """Numbers of the arrows that leave and that end at each instruction."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self._leaving: dict[Key, list[int]] = {}
        self._arriving: dict[Key, list[int]] = {}
        for number, edge in enumerate(edges, 1):
            self._leaving.setdefault(edge.source.key, []).append(number)
            self._arriving.setdefault(edge.target.key, []).append(number)

    def of(self, row: Row) -> tuple[list[int], list[int]]:
        return self._leaving.get(row.key, []), self._arriving.get(row.key, [])


def _arguments(row: Row) -> Iterator[tuple[str, int | str]]:
    yield "opcode", row.instruction.opcode.name.lower()
    yield "line", row.site
    yield "size", row.size
    yield "tag", row.instruction["tag"]
    yield "index in queue", row.index
    yield "issue", row.issue
    yield "finish", row.finish
    if row.bytes:
        yield "bytes", row.bytes
    if row.macs:
        yield "multiply-accumulates", row.macs
    if row.waited:
        yield "waited before issue", row.waited
    if row.work is not None:
        yield "moving", row.work.moved
        for hold, cycles in row.work.holds.items():
            yield f"held: {hold}", cycles
