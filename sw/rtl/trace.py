"""What the harness sampled from the core's `observe` port, as numpy arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.engines import Channel
from makalu.spec.isa import QUEUES, Queue
from makalu.spec.observe import ObservedField, observe_layout

__all__ = ["Event", "Trace", "read_trace"]

_LIMB = 64


@dataclass(frozen=True)
class Event:
    """An issue or a finish: cycle since the first sample, queue or channel, trace tag."""

    cycle: int
    where: Queue | Channel
    tag: int


@dataclass(frozen=True)
class Trace:
    """One row a cycle: `raw[cycle, byte]`, bit i of the port is bit i % 8 of byte i // 8."""

    fields: tuple[ObservedField, ...]
    raw: NDArray[np.uint8]

    @property
    def cycles(self) -> int:
        return len(self.raw)

    def member(self, field: str, member: str) -> NDArray[np.uint64]:
        """[cycles, count] or, for members wider than 64 bits, [cycles, count, limbs], limb 0 lowest."""
        lsb = 0
        for f in self.fields:
            if f.name == field:
                break
            lsb += f.bits * f.count
        else:
            raise KeyError(f"{field} is not observed; there are {[f.name for f in self.fields]}")
        offset = 0
        for name, bits in f.members:
            if name == member:
                columns = [self._bits(lsb + i * f.bits + offset, bits) for i in range(f.count)]
                return np.stack(columns, axis=1)
            offset += bits
        raise KeyError(f"{field} has no member {member}; there are {[name for name, _ in f.members]}")

    def _bits(self, lsb: int, bits: int) -> NDArray[np.uint64]:
        first, last = lsb // 8, (lsb + bits + 7) // 8
        unpacked = np.unpackbits(self.raw[:, first:last], axis=1, bitorder="little")[:, lsb % 8 : lsb % 8 + bits]
        limbs = -(-bits // _LIMB)
        padded = np.zeros((len(self.raw), limbs * _LIMB), np.uint8)
        padded[:, :bits] = unpacked
        words = np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)
        return words[:, 0] if limbs == 1 else words

    def issues(self) -> list[Event]:
        """Every issue, by cycle, then by queue."""
        return self._events("issue", QUEUES)

    def finishes(self) -> list[Event]:
        """Every finish, by cycle, then by channel."""
        return self._events("finish", tuple(Channel))

    def last_commit(self) -> int:
        """Cycle of the last PSUM commit of any partition."""
        return int(np.flatnonzero(self.member("committed", "valid")[:, 0])[-1])

    def _events(self, field: str, names: tuple[Queue, ...] | tuple[Channel, ...]) -> list[Event]:
        valid, tag = self.member(field, "valid"), self.member(field, "tag")
        return [Event(int(t), names[i], int(tag[t, i])) for t, i in zip(*np.nonzero(valid), strict=True)]


def read_trace(path: Path, config: CoreConfig, level: str) -> Trace:
    """The harness's file: one sample of the port a cycle, each padded to whole bytes."""
    fields = observe_layout(config, level)
    width = -(-sum(f.bits * f.count for f in fields) // 8)
    return Trace(fields, np.fromfile(path, np.uint8).reshape(-1, width))
