"""Timing of the DMA: both channels behind one data port."""

from collections.abc import Callable

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.memory import CAP_BEATS, MemoryTiming

from .dma_load import LoadTrack
from .dma_store import StoreTrack
from .handshakes import NEVER, Handshakes
from .waits import EngineWork

__all__ = ["ChannelTiming", "DmaTiming"]

LOAD, STORE = Channel.DMA_LOAD.name.lower(), Channel.DMA_STORE.name.lower()
"""Names of the finish channels."""


class DmaTiming:
    """Loads and stores, exact to the cycle; `.load` and `.store` have an engine model's face.

    The channels meet only in the data port's tokens. Where these give each channel a beat in every cycle, every time
    follows as soon as a descriptor is accepted, as it does from a record. Work is one step a beat.

    Does not: know data; model bus errors.

    Parameters
    ----------
    config : CoreConfig
    memory : the contract `fixed`, or the record of a run: then R and B move when they did
    """

    def __init__(self, config: CoreConfig, memory: MemoryTiming | Handshakes) -> None:
        if isinstance(memory, MemoryTiming):
            plenty = memory.numerator >= len((LOAD, STORE)) * config.bus.data_bytes * memory.denominator
            self._tokens: _Tokens | None = None if plenty else _Tokens(memory, config.bus.data_bytes)
            self._load = LoadTrack(config, latency=memory.latency, outstanding=memory.outstanding_reads)
            self._store = StoreTrack(config, latency=memory.latency, outstanding=memory.outstanding_writes)
        else:
            self._tokens = None
            self._load = LoadTrack(config, latency=0, outstanding=1, record=memory.cycles["r"])
            self._store = StoreTrack(config, latency=0, outstanding=1, record=memory.cycles["b"])
        self.load = ChannelTiming(LOAD, self._load, config.dma.queue, self._run, self._least)
        self.store = ChannelTiming(STORE, self._store, config.dma.queue, self._run, self._least)

    def _run(self, t: int) -> None:
        """All beats up to and including cycle t."""
        load, store, tokens = self._load, self._store, self._tokens
        if tokens is None:
            load.drain()
            while store.want is not None:
                store.offer(store.want)
            return
        while True:
            read = NEVER if load.want is None else load.want
            write = NEVER if store.want is None else store.want
            first = min(read, write)
            if first > t:
                return
            u = tokens.one(first)
            if u > t:
                return
            reads, writes = tokens.grant(u, read <= u, write <= u)
            if reads:
                load.offer(u)
            if writes:
                store.offer(u)

    def _least(self, track: LoadTrack | StoreTrack) -> int:
        """A cycle before which the track's oldest descriptor does not finish, as far as tokens and beats tell."""
        assert track.want is not None and self._tokens is not None
        beats = track.remaining[0]
        return max(track.want + beats - 1, self._tokens.enough(beats)) + track.least()


class ChannelTiming:
    """One channel's face: `next_accept`, `issue`, `next_event`, `advance` of the contract."""

    def __init__(
        self,
        name: str,
        track: LoadTrack | StoreTrack,
        depth: int,
        run: Callable[[int], None],
        least: Callable[[LoadTrack | StoreTrack], int],
    ) -> None:
        self._name, self._track, self._depth, self._run, self._least = name, track, depth, run, least
        self._accepted = self._reported = 0

    def next_accept(self, t: int, instruction: Instruction) -> int:
        """A place is free from the cycle after a finish on. Before that is known: a cycle not later."""
        freeing = self._accepted - self._depth
        if freeing < 0:
            return t
        known = self._track.finishes
        if freeing < len(known):
            return max(t, known[freeing] + 1)
        return max(t, self._least(self._track)) + 1

    def issue(self, t: int, instruction: Instruction) -> None:
        if self.next_accept(t, instruction) != t:
            raise ValueError(f"{self._name} cannot accept in cycle {t}")
        self._run(t)
        self._accepted += 1
        self._track.issue(t, instruction)
        self._run(t)

    def next_event(self) -> int | None:
        """The next finish, or, while it is not known, a cycle not later than it."""
        if self._reported == self._accepted:
            return None
        known = self._track.finishes
        return known[self._reported] if self._reported < len(known) else self._least(self._track)

    def advance(self, t: int) -> list[tuple[int, str]]:
        self._run(t)
        out = []
        known = self._track.finishes
        while self._reported < len(known) and known[self._reported] <= t:
            out.append((known[self._reported], self._name))
            self._reported += 1
        return out

    def work_of(self, channel: Channel) -> list[EngineWork]:
        return self._track.work


class _Tokens:
    """The data port's bandwidth; see `spec/memory.py`, Tokens."""

    def __init__(self, memory: MemoryTiming, beat: int) -> None:
        self._cost = beat * memory.denominator
        self._gain = memory.numerator
        self._cap = CAP_BEATS * self._cost
        self._now, self._held = 0, self._cap
        self._write_last = True

    def one(self, t: int) -> int:
        """First cycle >= t in which a beat fits."""
        return max(t, self._now, self.enough(1))

    def enough(self, beats: int) -> int:
        """First cycle by which so many beats could have gone, were nothing lost to the cap."""
        return self._now - (self._held - beats * self._cost) // self._gain

    def grant(self, u: int, read: bool, write: bool) -> tuple[bool, bool]:
        """What wants a beat in cycle u, and at least one fits: who gets it."""
        held = min(self._held + self._gain * (u - self._now), self._cap)
        if read and write and held < 2 * self._cost:
            read, write = self._write_last, not self._write_last
        if read != write:
            self._write_last = write
        self._now = u + 1
        self._held = min(held - self._cost * (read + write) + self._gain, self._cap)
        return read, write
