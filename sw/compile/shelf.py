"""What lies in a memory while a program runs: live tiles by address, the gaps between them, and who dies when."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

__all__ = ["Gap", "Shelf", "Tile", "gaps"]

Gap = tuple[int, int]
"""First byte, and the one behind the last."""
Tile = tuple[int, int, int]
"""First byte, the one behind the last, and who it is."""


class Shelf:
    """Live tiles, none over another."""

    def __init__(self) -> None:
        self.live: list[Tile] = []
        """By address."""
        self._ends: list[tuple[int, Tile]] = []

    def expire(self, now: int) -> None:
        """Tiles whose last operation is before `now` are gone."""
        while self._ends and self._ends[0][0] < now:
            _, tile = heapq.heappop(self._ends)
            del self.live[bisect_left(self.live, tile)]

    def add(self, tile: Tile, last: int) -> None:
        """`tile` lives up to operation `last`; its bytes are free (`touching`)."""
        insort(self.live, tile)
        heapq.heappush(self._ends, (last, tile))

    def touching(self, low: int, high: int) -> Tile | None:
        """A live tile that has one of these bytes."""
        at = bisect_left(self.live, (high,))
        return self.live[at - 1] if at and self.live[at - 1][1] > low else None


def gaps(tiles: Sequence[Tile], limit: int, start: int = 0) -> Iterator[Gap]:
    """Free bytes of 0..limit-1 from `start` on; `tiles` sorted by address, which may lie over each other."""
    at = bisect_left(tiles, (start,))
    # tiles that begin earlier and reach over `start`: one on a shelf, where none lies over another
    edge = max(start, tiles[at - 1][1]) if at else start
    for low, high, _ in tiles[at:]:
        if low > edge:
            yield edge, low
        edge = max(edge, high)
    if limit > edge:
        yield edge, limit
