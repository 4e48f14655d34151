"""Lockstep models of the scales of MX: which words the head reads, and the memory that a group of partitions has."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.frame import SLOTS, STATIONARY_SLOTS
from makalu.spec.scales import (
    ENTRIES,
    GROUP_PARTITIONS,
    MOVING_ENTRIES,
    STATIONARY_BANKS,
    STATIONARY_ENTRIES,
    groups_of_a_quadrant,
    quadrant,
    scale_lead,
    scale_release,
    scale_words,
    scales_apart,
)

from .tensor_control import LookupPlace, Read

__all__ = ["ScaleGroups", "ScaleReads"]

Fields = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint8]


class ScaleReads:
    """Words of scales: which are to be read, which are in the groups' memories, which the columns have used up."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.loading = -1
        """Cycle in which the last word of the last load is read."""
        self.groups: dict[int, LookupPlace] = {}
        """By the cycle before the one in which the group is at the edge."""
        self._bank = 0
        self._words: deque[Read] = deque()
        self._first, self._last_read = False, -scales_apart(config) - 1
        """The next word is its matmul's first; the cycle in which the last one was read."""
        self._entry = self._used = self._position = 0
        self._reads: deque[int] = deque()
        """Cycles of the reads of words that are not used up."""
        self._free_from: deque[int] = deque()
        """Of words that are, the cycle from which their place may be taken."""

    @property
    def idle(self) -> bool:
        return not self._words

    @property
    def place(self) -> LookupPlace:
        """Of the next column's scale."""
        return LookupPlace(self._used, self._position)

    def _sources(self, instruction: Instruction) -> list[Read]:
        word, whole = self.config.sbuf.word_bytes, quadrant(self.config)
        first, count = instruction["src1_offset"] // word, scale_words(self.config, instruction["src1_size0"])
        span = instruction["partitions"] - whole + groups_of_a_quadrant(self.config)
        return [Read(0, first + i, 0, instruction["src1_partition"], span, 1) for i in range(count)]

    def load(self, a: int, load: Instruction) -> dict[int, Read]:
        """Reads of a load that is accepted in cycle a."""
        self._bank = (self._bank + 1) % STATIONARY_BANKS
        first = MOVING_ENTRIES + self._bank * (STATIONARY_ENTRIES // STATIONARY_BANKS)
        words = enumerate(self._sources(load))
        cycles = SLOTS, STATIONARY_SLOTS
        return {
            a + 1 + cycles[0] * (i // cycles[1]) + i % cycles[1]: read._replace(entry=first + i) for i, read in words
        }

    def group(self, cycle: int, g: int) -> None:
        """Group g of the last load is at the edge in `cycle`."""
        inside = self.config.sbuf.word_bytes // self.config.tensor.load_columns
        first = self._bank * (STATIONARY_ENTRIES // STATIONARY_BANKS)
        self.groups[cycle - 1] = LookupPlace(first + g // inside, g % inside)

    def matmul(self, matmul: Instruction) -> None:
        self._words.extend(self._sources(matmul))
        self._first = True

    def read(self, t: int, slot: int) -> Read | None:
        while self._free_from and self._free_from[0] <= t:
            self._free_from.popleft()
        taken = len(self._reads) + len(self._free_from)
        if not self._words or slot >= STATIONARY_SLOTS or t <= self.loading or taken == MOVING_ENTRIES:
            return None
        if self._first and t <= self._last_read + scales_apart(self.config):
            return None
        return self._words[0]._replace(entry=self._entry)

    def was_read(self, t: int) -> None:
        self._words.popleft()
        self._entry = (self._entry + 1) % MOVING_ENTRIES
        self._reads.append(t)
        self._first, self._last_read = False, t

    def there(self, h: int) -> bool:
        return bool(self._reads) and self._reads[0] + scale_lead(self.config) <= h

    def send(self, h: int, *, last: bool) -> None:
        """A column with the next scale is at the edge in cycle h."""
        self._position += 1
        if last or self._position == self.config.sbuf.word_bytes:
            self._position, self._used = 0, (self._used + 1) % MOVING_ENTRIES
            self._reads.popleft()
            self._free_from.append(h - 1 + scale_release(self.config))


class ScaleGroups:
    """The memories of the groups of partitions, and the scales that ride from row to row."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        count, self._late = config.partitions, config.tensor.add_stages
        groups = count // GROUP_PARTITIONS
        self._words = np.zeros((groups, ENTRIES, config.sbuf.word_bytes), np.uint8)
        self._first = np.arange(0, count, GROUP_PARTITIONS)
        """The first row of each group."""
        self.column: Fields = np.zeros(count, np.int64)
        """Scale of the column at each row's edge, and of the group's elements; where there is none it means nothing."""
        self.group: Fields = np.zeros((count, config.tensor.load_columns), np.int64)
        depth = (GROUP_PARTITIONS - 1) * self._late + 1
        self._past = np.zeros((depth, groups, 1 + config.tensor.load_columns), np.int64)
        """Of the first rows, the newest first."""
        self._coming: tuple[Fields, Fields, Fields] | None = None
        """Partitions whose read of scales arrives, the groups it is for, and its entry."""

    def lie_in(self, above: Fields) -> Flags:
        """Of partitions so far above the first one of scales."""
        return above % quadrant(self.config) < groups_of_a_quadrant(self.config)

    def arrive(self, data: Words) -> None:
        """Words of the reads of the cycle before."""
        if self._coming is not None:
            partitions, groups, entries = self._coming
            self._words[groups, entries] = data[partitions]
            self._coming = None

    def step(self, c: dict[tuple[str, str], Fields], reads: Flags) -> None:
        """The edge at the end of a cycle."""
        now = self._past[0].copy()
        width, width_of_word = self.config.tensor.load_columns, self.config.sbuf.word_bytes
        for kind, base, at, bytes_ in (
            ("column scale", 0, slice(0, 1), 1),
            ("group scale", MOVING_ENTRIES, slice(1, None), width),
        ):
            here = np.flatnonzero(c[kind, "valid"][self._first])
            rows = self._first[here]
            words = self._words[here, base + c[kind, "entry"][rows]].reshape(len(here), width_of_word // bytes_, bytes_)
            now[here, at] = words[np.arange(len(here)), c[kind, "place"][rows]]
        whole, inside = quadrant(self.config), groups_of_a_quadrant(self.config)
        partitions = np.flatnonzero(reads)
        above = (partitions - c["read", "start"][partitions]) % whole
        self._coming = partitions, partitions // whole * inside + above, c["read", "entry"][partitions]
        self._past = np.concatenate([now[None], self._past[:-1]])
        for below in range(GROUP_PARTITIONS):
            riding = self._past[below * self._late]
            self.column[below::GROUP_PARTITIONS], self.group[below::GROUP_PARTITIONS] = riding[:, 0], riding[:, 1:]
