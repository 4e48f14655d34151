"""Which word of the arena holds a part that somebody else reads.

Parts that the same input reads share a word where they fit: a chunk then loads and stores a few words and not one for
each field of a struct. All classes that can drive an input must lay it out alike, so that a chunk reads the same bits
wherever its neighbour's come from; what is read in several places, or driven in pieces that differ, has a row alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from makalu.sw.rtl.lanes.design import OUTSIDE, Design
from makalu.sw.rtl.lanes.nets import WORD, Net
from makalu.sw.rtl.lanes.schedule import Schedule

__all__ = ["Export", "Row", "exported", "packed_rows"]


@dataclass(frozen=True)
class Export:
    """A part of a net, before (NOW) or after (NEXT) its class's edge, that is in the arena."""

    module: str
    net: Net
    part: int
    when: int

    @property
    def bits(self) -> int:
        return self.net.parts[self.part][1]


Row = list[tuple[Export, int]]
"""Exports of one class in one word, each with its lowest bit."""
_Reader = tuple[str, Any]
"""A class and its input; of a box's output the port alone, since the boxes of one class are alike."""


def exported(design: Design, schedule: Schedule) -> dict[Export, dict[_Reader, set[int]]]:
    """What is read by another class, a neighbour or outside: the readers, and at which of their bits it begins."""
    out: dict[Export, dict[_Reader, set[int]]] = {}
    for (name, port), instances in design.sources.items():
        reader = name, port[1] if isinstance(port, tuple) else port
        net = None if name == OUTSIDE else design.net(name, port)
        used = None if net is None else design.netlists[name].used.get(net, set())
        seen: set[tuple[Any, ...]] = set()
        for runs in instances:
            for s in runs:
                if s.net is None or (key := (s.at, s.width, s.module, s.net, s.low)) in seen:
                    continue
                seen.add(key)
                when = schedule.when(name, s.module, s.net)
                for part in range(s.net.part(s.low), s.net.part(s.low + s.width - 1) + 1):
                    low, bits = s.net.parts[part]
                    at = s.at + low - s.low
                    if used is not None and used.isdisjoint(range(at, at + bits)):
                        continue
                    out.setdefault(Export(s.module, s.net, part, when), {}).setdefault(reader, set()).add(at)
    for outer in design.outside.values():
        for part in range(len(outer.parts)):
            out.setdefault(Export(OUTSIDE, outer, part, 0), {})
    return out


def packed_rows(design: Design, schedule: Schedule, single: Callable[[str], bool]) -> list[Row]:
    """The rows of all exports."""
    exports = exported(design, schedule)
    ahead = {(name, net): k for name in design.order for k, nets in enumerate(schedule.ahead_of(name)) for net in nets}
    alone: list[Export] = []
    by_reader: dict[_Reader, dict[tuple[str, int, int], dict[Export, int]]] = {}
    for export, readers in exports.items():
        places = [at for found in readers.values() for at in found]
        if len(places) != 1 or export.module == OUTSIDE or single(export.module) or OUTSIDE in dict(readers):
            alone.append(export)
            continue
        producer = export.module, export.when, ahead.get((export.module, export.net), -1)
        by_reader.setdefault(next(iter(readers)), {}).setdefault(producer, {})[export] = places[0]
    rows: list[Row] = [[(export, 0)] for export in alone]
    for producers in by_reader.values():
        rows += _packed(producers)
    return rows


def _packed(producers: dict[tuple[str, int, int], dict[Export, int]]) -> list[Row]:
    """Rows of all classes that drive one input: cut where all of them are cut, filled from the lowest bit on."""
    edges = [{at for export, low in found.items() for at in (low, low + export.bits)} for found in producers.values()]
    common = sorted(set.intersection(*edges))
    word_of: dict[int, tuple[int, int]] = {}
    word, used = -1, WORD
    for low, high in zip(common, common[1:], strict=False):
        if high - low > WORD:
            used = WORD
            continue
        if used + high - low > WORD:
            word, used = word + 1, 0
        word_of[low] = word, used
        used += high - low
    rows: list[Row] = []
    for found in producers.values():
        words: dict[tuple[int, int], Row] = {}
        ranks: dict[int, int] = {}
        for export, low in sorted(found.items(), key=lambda item: item[1]):
            # a class may drive the same bits of different instances from several of its nets
            rank = ranks[low] = ranks.get(low, -1) + 1
            begin = max((c for c in word_of if c <= low), default=None)
            end = min((c for c in common if begin is not None and c > begin), default=0)
            if begin is None or low + export.bits > end:
                rows.append([(export, 0)])
                continue
            number, shift = word_of[begin]
            words.setdefault((number, rank), []).append((export, shift + low - begin))
        rows += words.values()
    return rows
