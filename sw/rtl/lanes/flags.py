"""A byte for each chunk, piece and set of copies that is to run, and what sets which of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from makalu.sw.rtl.lanes.block import Block
from makalu.sw.rtl.lanes.layout import Layout
from makalu.sw.rtl.lanes.pieces import Pieces
from makalu.sw.rtl.lanes.rows import Export

__all__ = ["Flags", "Lists", "numbers"]


def numbers(values: Iterable[int]) -> str:
    """Elements of a C++ array."""
    return ",".join(map(str, values))


@dataclass
class Lists:
    """Lists of flags in one array, each once: number of flags, then the flags. List 0 is empty."""

    words: list[int] = field(default_factory=lambda: [0])
    _known: dict[tuple[int, ...], int] = field(default_factory=lambda: {(): 0})

    def at(self, flags: Iterable[int]) -> int:
        key = tuple(sorted(set(flags)))
        if key not in self._known:
            self._known[key] = len(self.words)
            self.words += [len(key), *key]
        return self._known[key]


class Flags:
    """Numbers of the flags of all classes."""

    def __init__(self, layout: Layout, blocks: dict[str, Block]) -> None:
        self._layout, self._blocks = layout, blocks
        self.first: dict[tuple[str, str], int] = {}
        """First flag of each function of each class, of its copies and of its pieces."""
        count = 0
        for name, block in self._blocks.items():
            chunks = block.place.chunks
            for function in block.functions:
                if isinstance(block, Pieces):
                    if function.steps:
                        self.first[name, "step"] = count
                        count += len(block.pieces)
                else:
                    self.first[name, function.name] = count
                    count += chunks
            self.first[name, "copy"] = count
            count += chunks
        self.count = count

    def reading(self, name: str, key: Any, chunk: int) -> set[int]:
        """Flags of what reads an input of a chunk."""
        block = self._blocks[name]
        _, port, part = key
        net = self._layout.design.net(name, port)
        if isinstance(block, Pieces):
            return {self.first[name, "step"] + p for p in block.listeners.get((net, part), set())}
        return {self.first[name, f.name] + chunk for f in block.functions if (net, part) in f.inputs}

    def woken(self, export: Export, chunk: int) -> set[int]:
        """Flags to set when a chunk has stored another value in the row of an export."""
        return self.woken_by(self._layout.exports[export][0], chunk)

    def woken_by(self, row: int, chunk: int) -> set[int]:
        """The same for a row."""
        out: set[int] = set()
        for what in self._layout.wakes.get((row, chunk), set()):
            if what[0] == "copy":
                out.add(self.first[what[1], "copy"] + what[2])
            else:
                out |= self.reading(what[1], what[3], what[2])
        return out
