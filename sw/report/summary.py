"""Everything that a report states, as values that JSON can hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from makalu.sim_models.timing.waits import Wait

from .activity import activity
from .edges import Edge, edges_of, source_of, waited_for
from .findings import findings
from .lines import lines
from .occupancy import MEMORIES, Life, capacity, lives_of, occupancy
from .record import RunRecord
from .roofline import roofline
from .rows import Key, Row, rows_of
from .totals import engines, queues

__all__ = ["COLUMNS", "reason", "summary"]

COLUMNS: tuple[str, ...] = (
    "number",
    "queue",
    "index",
    "opcode",
    "call",
    "line",
    "size",
    "bytes",
    "issue",
    "finish",
    "busy",
    "waited",
    "why",
)
"""Of the table of instructions; cycles count from the first after reset, `busy` and `waited` are numbers of cycles."""


def summary(record: RunRecord) -> dict[str, Any]:
    """Cycles, roofline, queues and engines by cause, memories, kernel lines and the table of all instructions.

    Cycles of a list `steps` count from the start of the run.
    """
    config, timeline = record.config, record.timeline
    rows = rows_of(record)
    sources = waited_for(edges_of(rows))
    lives = lives_of(record, rows)
    width, shares = activity(rows, start=timeline.start, cycles=timeline.cycles)
    clock = config.product.tensor_clock_hz
    roof = roofline(record, rows)
    of_engines, of_queues = engines(timeline, rows), queues(timeline, rows, sources)
    return {
        "kernel": record.kernel,
        "preset": config.name,
        "digest": config.digest,
        "generation": config.product.generation,
        "simulated_by": record.simulated_by,
        "clock_hz": clock,
        "start": timeline.start,
        "cycles": timeline.cycles,
        "seconds": timeline.cycles / clock,
        "instructions": len(rows),
        "split": bool(timeline.waits or timeline.work),
        "findings": findings(timeline.cycles, roof, of_engines, of_queues),
        "roofline": roof,
        "engines": of_engines,
        "queues": of_queues,
        "activity": {"bin_cycles": width, "engines": shares},
        "memories": [_memory(record, memory, lives) for memory in MEMORIES],
        "lines": lines(rows, sources),
        "table": {"columns": list(COLUMNS), "rows": [_cells(row, sources) for row in rows]},
    }


def _memory(record: RunRecord, memory: str, lives: Sequence[Life]) -> dict[str, Any]:
    start = record.timeline.start
    steps = [(cycle - start, held) for cycle, held in occupancy(record.config, lives, memory)]
    peak = max((held for _, held in steps), default=0)
    return {
        "memory": memory,
        "capacity": capacity(record.config, memory),
        "tiles": sum(tile.memory == memory for tile in record.program.tiles),
        "peak": peak,
        "peak_cycle": next((cycle for cycle, held in steps if held == peak), None),
        "steps": steps,
    }


def _cells(row: Row, sources: Mapping[tuple[Key, int], Edge]) -> list[Any]:
    cells = {
        "number": row.number,
        "queue": row.queue.name.lower(),
        "index": row.index,
        "opcode": row.instruction.opcode.name.lower(),
        "call": row.call,
        "line": row.site,
        "size": row.size,
        "bytes": row.bytes,
        "issue": row.issue,
        "finish": row.finish,
        "busy": row.busy if row.channel is not None else 0,
        "waited": row.waited,
        "why": ", ".join(f"{reason(wait, sources)} {wait.cycles}" for wait in row.waits),
    }
    return [cells[column] for column in COLUMNS]


def reason(wait: Wait, sources: Mapping[tuple[Key, int], Edge]) -> str:
    """The cause in words, of a semaphore with the opcode that signalled it."""
    source = source_of(wait, sources)
    return str(wait.cause) if source is None else f"{wait.cause} of {source.instruction.opcode.name.lower()}"
