"""A grid of instances in two halves that two threads can step at the same time.

Chunks are stepped from the highest to the lowest, because each reads what its lower neighbours stored in the cycle
before. The upper half's lowest row would read what the other thread overwrites: it reads a copy, made before both
start. And flags that the lower half sets there are kept until both are done.
"""

from collections.abc import Iterable

from makalu.sw.rtl.lanes.block import Block
from makalu.sw.rtl.lanes.flags import Flags

__all__ = ["LEAST_CHUNKS", "Halves"]

LEAST_CHUNKS = 32
"""A class of fewer chunks is not worth a second thread."""


class Halves:
    """Where a class is cut; `chunk` is None for one that is not."""

    def __init__(self, block: Block, flags: Flags) -> None:
        self._block, self._flags = block, flags
        place, grid = block.place, block.layout.design.grids[block.module]
        self.chunk: int | None = None
        self.offsets = [[column[c] for column in block.columns()] for c in range(place.chunks)]
        """Arena words that each chunk loads."""
        self.saved: list[tuple[int, int]] = []
        """(word of the copy, word) of what the upper half reads from the lower one."""
        self.later: dict[int, int] = {}
        """Flags of the upper half, and those that stand for them until both halves are done."""
        half = grid.rows // 2
        if not grid.chained or grid.rows < 2 or place.chunks < LEAST_CHUNKS or len(block.functions) != 1:
            return
        per_row = place.chunks // grid.rows
        below = [range(start, start + half * place.stride) for start in self._own_rows()]
        upper = range(half * per_row, place.chunks)
        copies = [copy.of for c in upper for copy in block.layout.copies.get((block.module, c), [])]
        if any(of in lower for of in copies for lower in below):
            return
        self.chunk = upper.start
        for c in upper:
            for k, word in enumerate(self.offsets[c]):
                if any(word in lower for lower in below):
                    copy = block.layout.allocate(place.lanes)
                    self.saved.append((copy, word))
                    self.offsets[c][k] = copy

    def _own_rows(self) -> list[int]:
        return [start for start, row in self._block.layout.rows.items() if row[0][0].module == self._block.module]

    def seen_from(self, chunk: int, woken: Iterable[int]) -> list[int]:
        """The flags that a chunk sets in place of `woken`."""
        if self.chunk is None or chunk >= self.chunk:
            return list(woken)
        name, chunks = self._block.module, self._block.place.chunks
        firsts = [self._flags.first[name, "copy"], *(self._flags.first[name, f.name] for f in self._block.functions)]
        upper = [range(first + self.chunk, first + chunks) for first in firsts]
        return [self._kept(flag) if any(flag in flags for flags in upper) else flag for flag in woken]

    def _kept(self, flag: int) -> int:
        if flag not in self.later:
            self.later[flag] = self._flags.count
            self._flags.count += 1
        return self.later[flag]
