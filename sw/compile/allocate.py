"""Addresses of SBUF and PSUM tiles: a tile lives from its first to its last operation, no two live tiles overlap.

Tiles are placed in order of first use, among those that are live then. Three policies are tried, each from the start:

1. next fit: the search begins behind the tile placed last, so that a kernel that makes a tile in every turn of a loop
   gets as many buffers as the memory holds;
2. first fit, which leaves larger gaps;
3. best fit: the smallest gap that holds the tile.

SBUF tiles start on a word. A PSUM tile up to a bank lies in one; with the first two policies in a free one where there
is one, so that an engine that reads a tile does not wait for the matmul that writes another. A larger tile takes whole
consecutive banks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.formats import FP32

from .shelf import Gap, Shelf, Tile, gaps

__all__ = ["AllocationError", "Span", "allocate"]

_LISTED = 3
"""Live tiles that a message names."""


class AllocationError(MakaluError, RuntimeError):
    """A tile does not fit, or an explicit address breaks a rule; names tile, line, sizes and who is in the way."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A tile and its life."""

    name: str
    """For messages."""
    memory: str
    """`sbuf` or `psum`."""
    bytes: int
    """A partition, at least 1."""
    first: int
    last: int
    """Operation numbers, both included."""
    site: str
    """Kernel line of the first use."""
    address: int | None = None
    """Byte offset in a partition that the kernel asks for."""


class _Policy(Enum):
    NEXT_FIT = 1
    FIRST_FIT = 2
    BEST_FIT = 3


@dataclass(frozen=True)
class _Memory:
    """What placing depends on, in bytes of a partition."""

    name: str
    limit: int
    unit: int
    """Tiles start on multiples of it."""
    bank: int
    """Tiles up to this size do not cross its borders; the whole memory where they may."""
    preset: str

    @classmethod
    def of(cls, memory: str, config: CoreConfig) -> "_Memory":
        sbuf, psum = config.sbuf, config.psum
        if memory == "sbuf":
            return cls("SBUF", sbuf.partition_bytes, sbuf.word_bytes, sbuf.partition_bytes, config.name)
        if memory == "psum":
            return cls("PSUM", psum.partition_bytes, FP32.bytes, psum.bank_bytes, config.name)
        raise ValueError(f"memory of a tile must be sbuf or psum, not {memory!r}")

    @property
    def banked(self) -> bool:
        return self.bank < self.limit

    def size(self, span: Span) -> int:
        """Bytes that the tile takes: whole units, above a bank whole banks."""
        step = self.step(span)
        return -(-span.bytes // step) * step

    def step(self, span: Span) -> int:
        """What the tile's address is a multiple of."""
        return self.bank if self.banked and span.bytes > self.bank else self.unit


def allocate(spans: Sequence[Span], config: CoreConfig, *, keep_addresses: bool = False) -> list[int]:
    """Byte offset within a partition of each tile, in the order of `spans`.

    Parameters
    ----------
    spans : of both memories, in any order.
    config : the core.
    keep_addresses : tiles with an `address` lie there, the others around them; else addresses are not looked at.

    Does not: move a tile during its life, look at partitions (a tile is taken to lie in all of them).
    Errors: `AllocationError`, that of the last policy.
    """
    out = [0] * len(spans)
    for name in dict.fromkeys(span.memory for span in spans):
        numbers = sorted((n for n, s in enumerate(spans) if s.memory == name), key=lambda n: spans[n].first)
        tiles = [spans[n] for n in numbers]
        for number, address in zip(numbers, _place(tiles, _Memory.of(name, config), keep_addresses), strict=True):
            out[number] = address
    return out


def _place(spans: Sequence[Span], memory: _Memory, keep: bool) -> list[int]:
    failure: AllocationError | None = None
    for policy in _Policy:
        try:
            return _Placing(spans, memory, keep, policy).run()
        except AllocationError as error:
            failure = error
    assert failure is not None
    raise failure


class _Placing:
    """One sweep over the tiles of one memory, by first use."""

    def __init__(self, spans: Sequence[Span], memory: _Memory, keep: bool, policy: _Policy) -> None:
        self._spans, self._memory, self._policy = spans, memory, policy
        self._shelf = Shelf()
        self._fixed = [n for n, span in enumerate(spans) if keep and span.address is not None]
        self._next_fixed = 0
        """Into `_fixed`: the first that the sweep has not reached."""
        self._start = 0

    def run(self) -> list[int]:
        out = []
        for number, span in enumerate(self._spans):
            self._shelf.expire(span.first)
            if self._next_fixed < len(self._fixed) and self._fixed[self._next_fixed] == number:
                self._next_fixed += 1
                low = self._checked(span)
            else:
                low = self._found(span)
                self._start = low + self._memory.size(span)
                if self._memory.banked:  # another bank each time
                    self._start = -(-self._start // self._memory.bank) * self._memory.bank
            self._shelf.add((low, low + self._memory.size(span), number), span.last)
            out.append(low)
        return out

    def _found(self, span: Span) -> int:
        size, banked, step = self._memory.size(span), self._memory.banked, self._memory.step(span)
        obstacles = self._obstacles(span)
        fitting = (gap for gap in self._gaps(obstacles, step) if gap[1] - gap[0] >= size)
        best: Gap | None
        if self._policy is _Policy.BEST_FIT:
            best = min(fitting, key=lambda gap: (gap[1] - gap[0], gap), default=None)
        elif banked and step < self._memory.bank:
            some = list(fitting)
            best = next((gap for gap in some if gap[1] - gap[0] == self._memory.bank), some[0] if some else None)
        else:
            best = next(fitting, None)
        if best is None:
            raise AllocationError(self._full(span, obstacles, step))
        return best[0]

    def _obstacles(self, span: Span) -> Sequence[Tile]:
        """Live tiles, and tiles with an address that will begin during this one's life."""
        coming: list[Tile] = []
        for number in islice(self._fixed, self._next_fixed, None):
            other = self._spans[number]
            if other.first > span.last:
                break
            low = other.address or 0
            coming.append((low, low + self._memory.size(other), number))
        return sorted([*self._shelf.live, *coming]) if coming else self._shelf.live

    def _gaps(self, obstacles: Sequence[Tile], step: int) -> Iterator[Gap]:
        """In the order of the search: from the start of the policy, then from address 0."""
        if self._policy is _Policy.NEXT_FIT and self._start:
            yield from self._cut(gaps(obstacles, self._memory.limit, self._start), step)
        yield from self._cut(gaps(obstacles, self._memory.limit), step)

    def _cut(self, free: Iterator[Gap], step: int) -> Iterator[Gap]:
        """Gaps from a multiple of `step` on; at the borders of banks for tiles that do not cross them."""
        bank = self._memory.bank
        for low, high in free:
            low = -(-low // step) * step
            if step == bank:
                high = high // bank * bank
            while step < bank and low // bank < (high - 1) // bank:
                border = (low // bank + 1) * bank
                yield low, border
                low = border
            if low < high:
                yield low, high

    def _checked(self, span: Span) -> int:
        """The address that the kernel asks for."""
        low, size, memory = span.address or 0, self._memory.size(span), self._memory
        what = f"{span.name} at address {low} ({span.site})"
        if low % memory.step(span) or low < 0:
            raise AllocationError(
                f"{what}: addresses of its size in {memory.name} are multiples of {memory.step(span)}"
            )
        if low + size > memory.limit:
            raise AllocationError(f"{what} ends at byte {low + size}, a partition of {memory.name} has {memory.limit}")
        if span.bytes <= memory.bank and low // memory.bank != (low + span.bytes - 1) // memory.bank:
            raise AllocationError(f"{what} of {span.bytes} bytes crosses a border of banks of {memory.bank} bytes")
        other = self._shelf.touching(low, low + size)
        if other is not None:
            their = self._spans[other[2]]
            raise AllocationError(
                f"{what} lies over {their.name} at {other[0]} to {other[1] - 1}, which lives from operation "
                f"{their.first} to {their.last} ({their.site})"
            )
        return low

    def _full(self, span: Span, obstacles: Sequence[Tile], step: int) -> str:
        memory, size = self._memory, self._memory.size(span)
        largest = max((high - low for low, high in self._gaps(obstacles, step)), default=0)
        used = sum(high - low for low, high, _ in obstacles)
        heavy = sorted(obstacles, key=lambda tile: tile[0] - tile[1])[:_LISTED]
        names = ", ".join(f"{self._spans[n].name} {high - low} ({self._spans[n].site})" for low, high, n in heavy)
        return (
            f"{span.name} needs {size} bytes a partition at operation {span.first} ({span.site}); the largest gap in "
            f"{memory.name} has {largest}, {size - largest} too few ({len(obstacles)} live tiles hold {used} of "
            f"{memory.limit} bytes, preset {memory.preset})" + (f"; the largest: {names}" if names else "")
        )
