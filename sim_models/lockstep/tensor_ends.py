"""Lockstep model of which ends the tensor engine's head tells, and when: matmuls and transposes in their order."""

from collections import deque

from .background import BackgroundTimes

__all__ = ["Ends"]

_ENDS = ("finish_matmul", "error_matmul", "transposed")


class Ends:
    """An end that comes before its turn waits; loads are told as they end."""

    def __init__(self, background: BackgroundTimes | None) -> None:
        self._background = background
        self.cycles: dict[str, set[int]] = {name: set() for name in ("load", "finish_matmul", "error_matmul")}
        self._order: deque[str] = deque()
        """Of matmuls and transposes that were not told to have finished: the names of their ends."""
        self._waiting = dict.fromkeys(_ENDS, 0)

    @property
    def under_way(self) -> int:
        """Matmuls and transposes that were accepted and not told to have finished."""
        return len(self._order)

    @property
    def late(self) -> bool:
        """Some end waits for its turn."""
        return any(self._waiting.values())

    def begin(self, end: str) -> None:
        """One is accepted that is to have this end: "finish_matmul", perhaps an error in its place, or "transposed"."""
        self._order.append(end)

    def told(self, t: int) -> str | None:
        """The end that is told in cycle t: of the oldest, if it is there. Behind a matmul that failed, all do."""
        there = [end for end in _ENDS if self._waiting[end] or self._ended(t, end)]
        moves = bool(self._order) and self._order[0] == "transposed"
        return next((end for end in there if (end == "transposed") == moves), None) if self._order else None

    def _ended(self, t: int, end: str) -> bool:
        """One has this end in cycle t."""
        if end == "transposed":
            return self._background is not None and t in self._background.ends
        return t in self.cycles[end]

    def step(self, t: int) -> None:
        """Cycle t is over."""
        told = self.told(t)
        if told is not None:
            self._order.popleft()
        for end in _ENDS:
            self._waiting[end] += self._ended(t, end) - (told == end)

    def forget(self, t: int) -> None:
        for cycles in self.cycles.values():
            cycles.discard(t)
