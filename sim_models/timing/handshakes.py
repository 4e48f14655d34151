"""A record of the memory ports' handshakes: what the contract `recorded` of `spec/memory.py` replays."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from makalu.spec.memory import LOG_FIELDS

__all__ = ["NEVER", "Handshakes"]

NEVER = 1 << 60
"""The cycle of what had not happened when the record ended."""

_CHANNELS = ("aw", "w", "b", "ar", "r", "iar", "ir")


@dataclass(frozen=True)
class Handshakes:
    """Cycles of every channel's handshakes, in order, from the first cycle after reset."""

    cycles: dict[str, list[int]]
    last_instruction_beats: list[int]
    """Of `ir`, those with `last`."""

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Handshakes":
        """From a log, one handshake a line, `LOG_FIELDS`."""
        cycles: dict[str, list[int]] = defaultdict(list)
        lasts = []
        for line in lines:
            row = dict(zip(LOG_FIELDS, line.split(), strict=True))
            if row["channel"] not in _CHANNELS:
                raise ValueError(f"the log's channel must be one of {_CHANNELS}, not {row['channel']!r}")
            cycles[row["channel"]].append(int(row["cycle"]))
            if row["channel"] == "ir" and int(row["last"]):
                lasts.append(int(row["cycle"]))
        return cls({name: cycles[name] for name in _CHANNELS}, lasts)

    def instruction_bursts(self) -> list[tuple[int, int]]:
        """(AR, last R) of each fetch; a last one stands for what was asked for and not accepted any more."""
        heads = self.cycles["iar"]
        lasts = self.last_instruction_beats + [NEVER] * (len(heads) - len(self.last_instruction_beats))
        return [*zip(heads, lasts, strict=True), (NEVER, NEVER)]
