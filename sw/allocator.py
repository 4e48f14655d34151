"""Addresses of SBUF and PSUM tiles: a tile lives from its first to its last operation, no two live tiles overlap.

Placement is next fit: the search starts behind the tile placed last, so that a kernel that makes a tile in every turn
of a loop gets as many buffers as the memory holds. When that does not fit, everything is placed again, first fit from
address 0. SBUF tiles start on a word; PSUM tiles own whole banks, so an engine that reads one tile never waits for the
matmul that writes another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.errors import MakaluError

from .nki.recording import Recording, Site
from .nki.tensor import Buffer, Storage

__all__ = ["AllocationError", "Lifetime", "allocate", "lifetimes", "unit_of"]


class AllocationError(MakaluError, RuntimeError):
    """A tile does not fit; the message names it, its size and the largest gap."""


@dataclass(frozen=True)
class Lifetime:
    storage: Storage
    first: int
    last: int
    """Operation numbers, both included."""
    site: Site
    """Of the first."""

    def overlaps(self, other: "Lifetime") -> bool:
        return self.first <= other.last and other.first <= self.last


def lifetimes(recording: Recording, buffer: Buffer) -> list[Lifetime]:
    """Of every tile in `buffer` that an operation uses, by first use."""
    spans: dict[Storage, tuple[int, int, Site]] = {}
    for number, operation in enumerate(recording.operations):
        for tensor in operation.tensors.values():
            if tensor.buffer is buffer:
                first, _, site = spans.get(tensor.storage, (number, number, operation.site))
                spans[tensor.storage] = first, number, site
    return [Lifetime(storage, *span) for storage, span in spans.items()]


def allocate(recording: Recording) -> dict[Storage, int]:
    """Byte offset within a partition of every tile that is used. Errors: `AllocationError`."""
    config = recording.config
    out: dict[Storage, int] = {}
    for buffer, limit in ((Buffer.SBUF, config.sbuf.partition_bytes), (Buffer.PSUM, config.psum.partition_bytes)):
        out |= _place(lifetimes(recording, buffer), buffer.name, limit, unit_of(config, buffer), config)
    return out


def unit_of(config: CoreConfig, buffer: Buffer) -> int:
    """What a tile starts on and fills [bytes]."""
    return config.sbuf.word_bytes if buffer is Buffer.SBUF else config.psum.bank_bytes


def _place(spans: Sequence[Lifetime], memory: str, limit: int, unit: int, config: CoreConfig) -> dict[Storage, int]:
    failure: AllocationError | None = None
    for rotate in (True, False):
        try:
            return _fit(spans, memory, limit, unit, config, rotate=rotate)
        except AllocationError as error:
            failure = error
    assert failure is not None
    raise failure


def _fit(
    spans: Sequence[Lifetime], memory: str, limit: int, unit: int, config: CoreConfig, *, rotate: bool
) -> dict[Storage, int]:
    placed: list[tuple[Lifetime, int, int]] = []
    out: dict[Storage, int] = {}
    start = 0
    for span in spans:
        size = -(-span.storage.row_bytes // unit) * unit
        live = sorted((low, high) for other, low, high in placed if other.overlaps(span))
        gaps, edge = [], 0
        for low, high in [*live, (limit, limit)]:
            if low > edge:
                gaps.append((edge, low))
            edge = max(edge, high)
        # the gap behind the last tile first, cut where the search starts
        behind = [(max(low, start), high) for low, high in gaps if high > start]
        fitting = [low for low, high in (behind if rotate else []) + gaps if high - low >= size]
        if not fitting:
            largest = max((high - low for low, high in gaps), default=0)
            raise AllocationError(
                f"{span.storage} needs {size} bytes a partition at operation {span.first} ({span.site}); "
                f"the largest gap in {memory} has {largest}, {size - largest} too few ({len(live)} live tiles hold "
                f"{sum(high - low for low, high in live)} of {limit} bytes, preset {config.name})"
            )
        placed.append((span, fitting[0], fitting[0] + size))
        out[span.storage] = fitting[0]
        start = fitting[0] + size
    return out
