"""The kernel's lines, the costly ones first: what each kept busy, and how long others waited for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .edges import Edge, source_of
from .rows import Key, Row

__all__ = ["lines"]

UNKNOWN = "(no line)"
"""Stands for the line of `nop` and `halt`, and of every instruction of a program that was loaded from a file."""


@dataclass
class _Line:
    calls: set[str] = field(default_factory=set)
    instructions: int = 0
    busy: int = 0
    waited: int = 0
    waited_for: int = 0
    bytes: int = 0
    macs: int = 0


def lines(rows: Sequence[Row], sources: Mapping[tuple[Key, int], Edge]) -> list[dict[str, Any]]:
    """By busy cycles plus the cycles that others waited.

    busy : cycles in which an engine worked on the line's instructions, added over engines
    waited : cycles in which the line's instructions were the oldest of their queue and did not issue
    waited_for : cycles in which other instructions waited for a semaphore that the line's instructions signalled
    """
    found: dict[str, _Line] = defaultdict(_Line)
    for row in rows:
        line = found[row.site or UNKNOWN]
        line.calls.add(row.call)
        line.instructions += 1
        line.busy += row.busy if row.channel is not None else 0
        line.waited += row.waited
        line.bytes += row.bytes
        line.macs += row.macs
        for wait in row.waits:
            source = source_of(wait, sources)
            if source is not None:
                found[source.site or UNKNOWN].waited_for += wait.cycles
    ranked = sorted(found.items(), key=lambda item: (-item[1].busy - item[1].waited_for, item[0]))
    return [{"line": site, **vars(line), "calls": sorted(line.calls)} for site, line in ranked]
