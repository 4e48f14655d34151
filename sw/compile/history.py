"""Who read and wrote each place last: dense arrays of instruction numbers, looked up by place.

A place is a granule (a word of SBUF, an element of PSUM, in a memory tensor what all its accesses are multiples of) of
a band of partitions. Partitions that all regions of the program hold together are one band, so a program of full tiles
costs words, not words times partitions. Numbers are never taken back: the writer of a place waited for those before it,
so an old reader beside a newer writer adds nothing but a wait that the newer one implies.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.engines import Channel
from makalu.spec.formats import FP32

from .regions import Granules, Region, granules
from .steps import Step, in_order

__all__ = ["History", "histories"]

_MOST_UNITS = 1 << 24
"""Of a memory tensor: 64 MiB a channel, where all of them are touched. Beyond, granules are several units, and accesses
that share one count as touching."""


class History:
    """Last readers and writers of one memory.

    Parameters
    ----------
    granule : bytes.
    size : bytes a partition that any region touches, from 0.
    borders : sorted partitions at which regions begin and end.
    writers, readers : channels that write and read.
    """

    def __init__(
        self, *, granule: int, size: int, borders: Sequence[int], writers: Sequence[Channel], readers: Sequence[Channel]
    ) -> None:
        self._granule, self._borders = granule, borders
        self._writers, self._readers = tuple(writers), tuple(readers)
        self._planes = {channel: i for i, channel in enumerate(writers)}
        self._read_planes = {channel: len(writers) + i for i, channel in enumerate(readers)}
        shape = len(writers) + len(readers), max(1, len(borders) - 1), -(-size // granule)
        self._last: NDArray[np.int32] = np.zeros(shape, np.int32)

    def before_read(self, region: Region) -> Iterable[tuple[Channel, int]]:
        """(channel, its last instruction that wrote a place of `region`), where there is one."""
        return self._latest(region, self._writers)

    def before_write(self, region: Region) -> Iterable[tuple[Channel, int]]:
        """The same of those that wrote or read; a channel may come twice."""
        return self._latest(region, (*self._writers, *self._readers))

    def read(self, region: Region, channel: Channel, number: int) -> None:
        """Instruction `number` of `channel` reads `region`; numbers rise from 1."""
        self._view(region, slice(self._read_planes[channel], self._read_planes[channel] + 1))[...] = number

    def written(self, region: Region, channel: Channel, number: int) -> None:
        """It writes `region`."""
        self._view(region, slice(self._planes[channel], self._planes[channel] + 1))[...] = number

    def _latest(self, region: Region, channels: Sequence[Channel]) -> Iterable[tuple[Channel, int]]:
        view = self._view(region, slice(0, len(channels)))
        numbers = np.maximum.reduce(view, axis=_INNER[view.ndim])
        return [(channel, n) for channel, n in zip(channels, numbers.tolist(), strict=True) if n]

    def _view(self, region: Region, planes: slice) -> NDArray[np.int32]:
        """[planes, bands, granules...] of the places of `region`."""
        places: Granules = granules(region, self._granule)
        bands = slice(bisect_left(self._borders, region.first), bisect_left(self._borders, region.last))
        if len(places.sizes) == 1:
            return self._last[planes, bands, places.start : places.start + places.sizes[0]]
        plane, band, word = self._last.strides
        return np.ndarray(
            (planes.stop - planes.start, bands.stop - bands.start, *places.sizes),
            np.int32,
            self._last,
            planes.start * plane + bands.start * band + places.start * word,
            (plane, band, *(stride * word for stride in places.strides)),
        )


_INNER = {ndim: tuple(range(1, ndim)) for ndim in range(2, 16)}


def histories(steps: Sequence[Step], config: CoreConfig) -> Mapping[str, History]:
    """An empty history for each memory in which the order of two steps can matter: one channel writes and another,
    which the hardware does not keep in order with it, reads or writes. A tensor that is only read has none.
    """
    seen: dict[str, _Survey] = {}
    for step in steps:
        for region in step.reads:
            seen.setdefault(region.memory, _Survey()).add(region, step.channel, writes=False)
        for region in step.writes:
            seen.setdefault(region.memory, _Survey()).add(region, step.channel, writes=True)
    on_chip = {"sbuf": config.sbuf.word_bytes, "psum": FP32.bytes}
    return {memory: survey.history(on_chip.get(memory)) for memory, survey in seen.items() if survey.matters}


class _Survey:
    """What a program does to one memory: channels, borders of partitions, size, what all addresses have in common."""

    def __init__(self) -> None:
        self._writers: set[Channel] = set()
        self._readers: set[Channel] = set()
        self._borders: set[int] = set()
        self._size = self._unit = 0

    def add(self, region: Region, channel: Channel, *, writes: bool) -> None:
        (self._writers if writes else self._readers).add(channel)
        self._borders |= {region.first, region.last}
        self._size = max(self._size, region.high)
        self._unit = gcd(self._unit, region.low, region.run, *(stride for _, stride in region.dims))

    @property
    def matters(self) -> bool:
        return any(not in_order(w, other) for w in self._writers for other in self._writers | self._readers)

    def history(self, granule: int | None) -> History:
        """Of granules of the given bytes; None: a memory tensor, by the unit of its addresses, so exactly."""
        if granule is None:
            granule = self._unit
            while self._size // granule > _MOST_UNITS:
                granule *= 2
        return History(
            granule=granule,
            size=self._size,
            borders=sorted(self._borders),
            writers=sorted(self._writers),
            readers=sorted(self._readers),
        )
