"""One measured row: a kernel with a kind of operands on a preset, what bounds it, and how it stands among figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.sw.cli.scaling.kinds import KINDS
from makalu.sw.cli.scaling.suite import SUITE
from makalu.sw.results import Figure, at_most

__all__ = ["BY", "LIMITS", "MOST_CYCLES", "Run", "figures_of", "found", "runs_of"]

BY = ("RTL", "timing model")
"""What the cycles come from; the second is the first to the cycle (`makalu bench --part timing`)."""
MOST_CYCLES = 400_000
"""Of a run on the RTL; the timing model counts those that are predicted to be longer."""
LIMITS = ("array", "memory", "port")
"""What cannot be faster: all PEs in every cycle; the memory's bytes; the core's one data port, in one direction."""

_preset = cache(load_preset)


@dataclass(frozen=True, kw_only=True)
class Run:
    """`mismatched` of `compared` values are not golden's, and `difference` cycles lie between an event of the RTL and
    the timing model's; nothing was compared where the timing model alone counted.
    """

    preset: str
    kernel: str
    kind: str
    by: str
    cycles: int
    """What the kernel's row in the suite says that is measured."""
    total_cycles: int
    """From start to end, memory included."""
    macs: int
    bytes_read: int
    bytes_written: int
    mismatched: int = 0
    compared: int = 0
    difference: float = 0

    @property
    def config(self) -> CoreConfig:
        return _preset(self.preset)

    @property
    def whole(self) -> bool:
        return SUITE[self.kernel].whole

    @property
    def short(self) -> bool:
        """The RTL may run it."""
        return self.total_cycles <= MOST_CYCLES

    @property
    def bytes(self) -> int:
        """Moved from and to memory."""
        return self.bytes_read + self.bytes_written

    @property
    def macs_per_cycle(self) -> float:
        return self.macs / self.cycles

    @property
    def bytes_per_cycle(self) -> float:
        """From start to end."""
        return self.bytes / self.total_cycles

    @property
    def ceiling(self) -> float:
        """MACs a cycle."""
        return KINDS[self.kind].ceiling(self.config)

    @property
    def utilisation(self) -> float:
        """Of the array, of its ceiling for this kind."""
        return self.macs_per_cycle / self.ceiling

    def least_cycles(self) -> dict[str, float]:
        """Cycles that each limit allows; of a kernel that counts the array's cycles only the array is one."""
        config = self.config
        array = self.macs / self.ceiling
        if not self.whole:
            return {"array": array}
        port = max(self.bytes_read, self.bytes_written) / config.bus.data_bytes
        return {"array": array, "memory": self.bytes / float(config.memory.rate), "port": port}

    @property
    def limit(self) -> str:
        """The one that allows no fewer cycles than any other."""
        least = self.least_cycles()
        return max(least, key=lambda name: least[name])

    @property
    def of_limit(self) -> float:
        """Share of what the limit allows."""
        return self.least_cycles()[self.limit] / self.cycles


_KEYS = ("preset", "kernel", "kind")
_GIVEN = {"by": "name", "cycles": "cycles", "total_cycles": "cycles", "macs": "MAC"}
_GIVEN |= {"bytes_read": "bytes", "bytes_written": "bytes", "compared": "values"}
_DERIVED = {"macs_per_cycle": "MAC/cycle", "bytes_per_cycle": "bytes/cycle", "utilisation": "share"}
_DERIVED |= {"limit": "name", "of_limit": "share"}


def figures_of(run: Run) -> list[Figure]:
    """Named `preset/kernel/kind/what`; wrong bits and cycles are musts where the RTL ran."""
    place = "/".join(getattr(run, key) for key in _KEYS)
    units = _GIVEN | _DERIVED
    figures = [Figure(name=f"{place}/{name}", value=getattr(run, name), unit=units[name]) for name in units]
    if run.compared:
        figures.append(at_most(f"{place}/mismatched", run.mismatched, "values", bar=0, kind="must"))
        figures.append(at_most(f"{place}/difference", run.difference, "cycles", bar=0, kind="must"))
    return figures


def runs_of(figures: Iterable[Mapping[str, Any]]) -> list[Run]:
    """What `figures_of` wrote, other figures left out."""
    values: dict[tuple[str, ...], dict[str, Any]] = {}
    known = {f.name for f in fields(Run)}
    for figure in figures:
        *place, name = figure["name"].split("/")
        if len(place) == len(_KEYS) and place[1] in SUITE and name in known:
            values.setdefault(tuple(place), {})[name] = figure["value"]
    return [Run(**(dict(zip(_KEYS, place, strict=True)) | given)) for place, given in values.items()]


def found(runs: Sequence[Run], preset: str, kernel: str, kind: str) -> Run | None:
    """The row, where it was measured."""
    return next((r for r in runs if (r.preset, r.kernel, r.kind) == (preset, kernel, kind)), None)
