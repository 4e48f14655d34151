"""How much of SBUF and PSUM holds live tiles, by cycle.

A tile is live from the issue of its first instruction to the finish of its last, in program order. What two live tiles
share counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.sw.compile.tile import PlacedTile

from .record import RunRecord
from .rows import Row

__all__ = ["MEMORIES", "Life", "capacity", "lives_of", "occupancy"]

MEMORIES = ("sbuf", "psum")


@dataclass(frozen=True)
class Life:
    """A tile's cycles, both included."""

    tile: PlacedTile
    first: int
    last: int


def capacity(config: CoreConfig, memory: str) -> int:
    """Bytes a partition."""
    return (config.sbuf if memory == "sbuf" else config.psum).partition_bytes


def lives_of(record: RunRecord, rows: Sequence[Row]) -> list[Life]:
    """Of every tile whose first and last instruction ran."""
    by_number = {row.number: row for row in rows if row.number is not None}
    out = []
    for tile in record.program.tiles:
        if tile.first in by_number and tile.last in by_number:
            first, last = by_number[tile.first], by_number[tile.last]
            out.append(Life(tile, first.issue, max(first.finish, last.finish)))
    return out


def occupancy(config: CoreConfig, lives: Sequence[Life], memory: str) -> list[tuple[int, int]]:
    """(cycle, bytes a partition) at every change, by cycle."""
    changes: list[tuple[int, int, PlacedTile]] = []
    for life in lives:
        if life.tile.memory == memory:
            changes += [(life.first, 1, life.tile), (life.last + 1, -1, life.tile)]
    users = np.zeros(capacity(config, memory), np.int32)
    held = 0
    out: list[tuple[int, int]] = []
    for cycle, step, tile in sorted(changes, key=lambda change: change[0]):
        place = users[tile.address : tile.address + tile.bytes]
        before = int(np.count_nonzero(place))
        place += step
        held += int(np.count_nonzero(place)) - before
        if out and out[-1][0] == cycle:
            out.pop()
        if (out[-1][1] if out else 0) != held:
            out.append((cycle, held))
    return out
