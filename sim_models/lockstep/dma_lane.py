"""One partition's lane of the DMA: lines on their way into SBUF, words on their way out."""

from collections import deque
from dataclasses import dataclass, field

from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import GRANULE_BYTES

__all__ = ["Descriptor", "Line", "LoadLaneModel", "PortB", "Request", "StoreLaneModel"]

_REQUESTS = 2
_SHOWN_AFTER = 3
"""Cycles from the read of a line's last word to the first in which the line is shown."""


@dataclass
class Descriptor:
    """One instruction inside a channel."""

    lines: int = 0
    """On their way to SBUF."""
    complete: bool = False
    """Its last line has left the aligner."""


@dataclass
class Line:
    owner: Descriptor
    address: int
    low: int
    high: int
    data: bytes


@dataclass
class PortB:
    """What a lane does with SBUF's port B in a cycle."""

    write: bool
    address: int
    granules: int = 0
    data: bytes = b""
    fresh: tuple[bool, ...] = ()
    """Bytes of a write that come from the line; the others were read from the same word before."""


class LoadLaneModel:
    """Words of the oldest line, one a phase 3; a ragged word is read first."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.lines: deque[tuple[int, Line]] = deque()
        """(cycle in which the line came, line)"""
        self.word = 0
        self.merge: bytes | None = None
        self.reading = False

    def room(self, coming: int) -> bool:
        return len(self.lines) + coming < self.config.dma.partition_lines

    def access(self, now: int) -> PortB | None:
        """In a phase-3 cycle."""
        if not self.lines or self.lines[0][0] > now - 2:
            return None
        width = self.config.sbuf.word_bytes
        line = self.lines[0][1]
        at = self.word * width
        inside = [line.low <= at + b < line.high for b in range(width)]
        groups = [inside[g : g + GRANULE_BYTES] for g in range(0, width, GRANULE_BYTES)]
        ragged = any(any(group) and not all(group) for group in groups)
        if ragged and self.merge is None:
            return PortB(False, line.address + self.word)
        old = self.merge or bytes(width)
        mixed = bytes(line.data[at + b] if inside[b] else old[b] for b in range(width))
        granules = sum(any(group) << g for g, group in enumerate(groups))
        return PortB(True, line.address + self.word, granules, mixed, tuple(inside))

    def tick(self, now: int, access: PortB | None, sbuf_data: bytes, coming: Line | None) -> None:
        if self.reading:
            self.merge = sbuf_data
        self.reading = access is not None and not access.write
        if access is not None and access.write:
            self.merge = None
            line = self.lines[0][1]
            self.word += 1
            if self.word * self.config.sbuf.word_bytes >= line.high:
                self.lines.popleft()
                self.word = 0
                line.owner.lines -= 1
        if coming is not None:
            self.lines.append((now, coming))


@dataclass
class Request:
    address: int
    words: int


@dataclass
class _Reading:
    """A line that waits for words, or to be used."""

    words: list[bytes] = field(default_factory=list)
    whole_from: int | None = None
    """The cycle in which its last word was read."""


class StoreLaneModel:
    """Words of the oldest request, one a phase 7, while a line is free."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.requests: deque[Request] = deque()
        self.read = 0
        self.lines: deque[_Reading] = deque()
        self.reading = False

    @property
    def room(self) -> bool:
        return len(self.requests) < _REQUESTS

    def _in_line(self) -> int:
        return self.read % (self.config.bus.data_bytes // self.config.sbuf.word_bytes)

    def access(self) -> PortB | None:
        """In a phase-7 cycle."""
        if not self.requests or (self._in_line() == 0 and len(self.lines) == self.config.dma.partition_lines):
            return None
        return PortB(False, self.requests[0].address + self.read)

    def shown(self, now: int) -> bytes | None:
        if not self.lines or self.lines[0].whole_from is None or now < self.lines[0].whole_from + _SHOWN_AFTER:
            return None
        return b"".join(self.lines[0].words).ljust(self.config.bus.data_bytes, b"\0")

    def tick(self, now: int, access: PortB | None, sbuf_data: bytes, coming: Request | None, pop: bool) -> None:
        if self.reading:
            self.lines[-1].words.append(sbuf_data)
        self.reading = access is not None
        if pop:
            self.lines.popleft()
        if access is not None:
            if self._in_line() == 0:
                self.lines.append(_Reading())
            self.read += 1
            over = self.read == self.requests[0].words
            if over or self._in_line() == 0:
                self.lines[-1].whole_from = now
            if over:
                self.requests.popleft()
                self.read = 0
        if coming is not None:
            self.requests.append(coming)
