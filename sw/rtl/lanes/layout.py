"""Where everything lies: chunks of a class, words in the arena, what wakes what.

The *arena* is one array of words. A net's part that somebody else reads has a row in it with a *slot* for each
instance; instances that feed each other have neighbouring slots, so a chunk loads its inputs from where its neighbours
stored them. What does not lie that way is copied into place before the chunk runs. A *flag* of a chunk (or piece) says
that something it reads has changed; whoever stores a value that differs sets the flags of all who read it.
"""

from dataclasses import dataclass, field
from typing import Any

from makalu.sw.rtl.lanes.design import OUTSIDE, Design
from makalu.sw.rtl.lanes.netlist import Net
from makalu.sw.rtl.lanes.schedule import Schedule

__all__ = ["Copy", "Export", "Input", "Layout", "Place"]

LEAD = 16
"""Free slots before a row of a chained class: the last of them takes what feeds the row's first instance."""


@dataclass(frozen=True)
class Export:
    """A row of the arena: a part of a net, before (NOW) or after (NEXT) its class's edge."""

    module: str
    net: Net
    part: int
    when: int


class Place:
    """Slots and chunks of a class: `lanes` instances of one row make a chunk."""

    def __init__(self, design: Design, module: str, lanes: int) -> None:
        grid = None if module == OUTSIDE else design.grids[module]
        count = design.count(module)
        self.lanes = lanes
        rows, length = (1, count) if grid is None else (grid.rows, grid.length)
        self.lead = LEAD if grid is not None and grid.chained else 0
        per_row = -(-length // lanes)
        self.stride = self.lead + per_row * lanes
        self.slots = rows * self.stride
        where = tuple((0, i) for i in range(count)) if grid is None else grid.place
        self.slot = [r * self.stride + self.lead + k for r, k in where]
        self.chunk = [r * per_row + k // lanes for r, k in where]
        self.chunks = rows * per_row
        self.first = [r * self.stride + self.lead + c * lanes for r in range(rows) for c in range(per_row)]
        """Slot of a chunk's first lane."""
        self.members: list[list[int | None]] = [[None] * lanes for _ in range(self.chunks)]
        """Instance in each lane of each chunk."""
        for i, (_, k) in enumerate(where):
            self.members[self.chunk[i]][k % lanes] = i


@dataclass
class Input:
    """How a class reads a part of one of its inputs: `(word >> shift) & mask`."""

    module: str
    name: Any
    part: int
    shift: int
    mask: int | None
    """None where all of the word is taken."""
    bits: int
    broadcast: int | None = None
    """Arena word that all instances read."""
    offsets: list[int] = field(default_factory=list)
    """For each chunk the arena word of its first lane."""
    functions: set[int] = field(default_factory=set)
    """Numbers of the class's functions that read it."""


@dataclass(frozen=True)
class Copy:
    """arena[to] takes bits `mask << up` from arena[of] >> down."""

    to: int
    of: int
    down: int
    mask: int
    up: int


class Layout:
    """Arena, inputs, copies and flags of a whole design.

    `lanes(module)`: lanes of a class. `functions[module]` are numbered: one for each time it is evaluated in a cycle.
    """

    def __init__(self, design: Design, schedule: Schedule, lanes: dict[str, int]) -> None:
        self.design, self.schedule = design, schedule
        self.places = {name: Place(design, name, lanes[name]) for name in [*design.order, OUTSIDE]}
        self.words = 64  # the first ones are never written
        self.exports: dict[Export, int] = {}
        """Arena word of slot 0 of each row."""
        self.initial: list[tuple[int, int]] = []
        """Arena words that are constant."""
        self.inputs: dict[tuple[str, Any, int], Input] = {}
        self.copies: dict[tuple[str, int], list[Copy]] = {}
        """For (class, chunk)."""
        self.wakes: dict[tuple[Export, int], set[tuple[Any, ...]]] = {}
        """For a row and a chunk of its class what reads it: ("chunk", class, chunk, input), ("copy", class, chunk)."""
        self.copied: dict[tuple[str, int], set[tuple[str, Any, int]]] = {}
        """Inputs that a chunk's copies go into."""
        self._rows()
        for name in [*design.order]:
            for net in design.netlists[name].used:
                for part in self.live(name, net):
                    self.inputs[name, net.name, part] = self._input(name, net, part)
        self._outputs()

    def live(self, module: str, net: Net) -> list[int]:
        """Parts of an input that somebody reads."""
        used = self.design.netlists[module].used.get(net, set())
        return sorted({net.part(bit) for bit in used})

    def allocate(self, words: int) -> int:
        """Arena words on a boundary of 16."""
        start = self.words
        self.words += -(-words // LEAD) * LEAD
        return start

    # ---- rows

    def _rows(self) -> None:
        for name in self.design.order:
            for net in self.design.netlists[name].used:
                for part in self.live(name, net):
                    low, bits = net.parts[part]
                    for i in range(self.design.count(name)):
                        found = self._find(name, net.name, i, low, bits)
                        if found is not None:
                            self._row(self._export(name, *found[:2]))
        for (name, _), instances in self.design.sources.items():
            if name == OUTSIDE:
                for runs in instances:
                    for s in runs:
                        if s.net is not None:
                            for part in range(s.net.part(s.low), s.net.part(s.low + s.width - 1) + 1):
                                self._row(Export(s.module, s.net, part, self.schedule.when(OUTSIDE, s.module, s.net)))
        for net in self.design.outside.values():
            for part in range(len(net.parts)):
                self._row(Export(OUTSIDE, net, part, 0))

    def _row(self, export: Export) -> int:
        if export not in self.exports:
            place = self.places[export.module]
            self.exports[export] = self.allocate(place.slots + place.lanes)
        return self.exports[export]

    def _export(self, consumer: str, module: str, at: tuple[Net, int]) -> Export:
        net, part = at
        return Export(module, net, part, self.schedule.when(consumer, module, net))

    def _find(
        self, module: str, name: Any, instance: int, low: int, bits: int
    ) -> tuple[str, tuple[Net, int], int, int] | None:
        """(class, (net, part), shift, instance) of what drives bits of an input; None for a constant."""
        for s in self.design.sources[module, name][instance]:
            if s.at <= low < s.at + s.width:
                if s.net is None:
                    return None
                bit = s.low + low - s.at
                part = s.net.part(bit)
                return s.module, (s.net, part), bit - s.net.parts[part][0], s.instance
        raise AssertionError(f"{module}.{name}[{low}] has no source")

    def _constant(self, module: str, name: Any, instance: int, low: int, bits: int) -> int:
        for s in self.design.sources[module, name][instance]:
            if s.at <= low < s.at + s.width:
                return s.low >> (low - s.at) & ((1 << bits) - 1)
        raise AssertionError(f"{module}.{name}[{low}] has no source")

    # ---- inputs

    def _input(self, module: str, net: Net, part: int) -> Input:
        low, bits = net.parts[part]
        place = self.places[module]
        found: list[tuple[int, int, Export, int] | None] = []
        for i in range(self.design.count(module)):
            source = self._find(module, net.name, i, low, bits)
            if source is None:
                found.append(None)
                continue
            export = self._export(module, source[0], source[1])
            word = self.exports[export] + self.places[source[0]].slot[source[3]]
            found.append((word, source[2], export, self.places[source[0]].chunk[source[3]]))
        shifts = [f[1] for f in found if f is not None]
        shift = max(set(shifts), key=shifts.count) if shifts else 0
        widths = {f[2].net.parts[f[2].part][1] for f in found if f is not None}
        mask = None if shift == 0 and widths <= {bits} else (1 << bits) - 1
        entry = Input(module, net.name, part, shift, mask, bits)
        key = module, net.name, part
        alike = len(set(found)) == 1 and found[0] is not None and (len(found) > 1 or place.lanes == 1)
        if alike and place.lanes >= 1 and self.design.count(module) >= 1:
            word, _, export, chunk = found[0]  # type: ignore[misc]
            entry.broadcast = word
            for c in range(place.chunks):
                self._wake(export, chunk, ("chunk", module, c, key))
            return entry
        for c in range(place.chunks):
            entry.offsets.append(
                self._chunk(entry, key, c, [None if i is None else (i, found[i]) for i in place.members[c]], low)
            )
        return entry

    def _chunk(self, entry: Input, key: tuple[str, Any, int], c: int, lanes: list[Any], low: int) -> int:
        """The arena word from which a chunk loads its lanes; what does not lie there is copied."""
        real = [(k, lane) for k, lane in enumerate(lanes) if lane is not None]
        direct = [(k, f) for k, (_, f) in real if f is not None and f[1] == entry.shift]
        starts = {f[0] - k for k, f in direct}
        module = entry.module
        if len(direct) == len(real) and len(starts) == 1:
            for _, f in direct:
                self._wake(f[2], f[3], ("chunk", module, c, key))
            return starts.pop()
        first = real[0]
        rest = [item for item in direct if item[0] != 0]
        starts = {f[0] - k for k, f in rest}
        place = self.places[module]
        # all but the row's first lane lie together, and the slot before them is free
        lead = (
            first[0] == 0
            and len(rest) == len(real) - 1
            and len(starts) == 1
            and all(f[2].module == module for _, f in rest)
            and place.lead > 0
            and (next(iter(starts)) - self.exports[rest[0][1][2]]) % place.stride == place.lead - 1
        )
        if lead:
            start = starts.pop()
            for _, f in rest:
                self._wake(f[2], f[3], ("chunk", module, c, key))
            copied = [first]
        else:
            start, copied = self.allocate(place.lanes), real
        mask = (1 << entry.bits) - 1
        for k, (i, f) in copied:
            if f is None:
                value = self._constant(module, entry.name, i, low, entry.bits)
                self.initial.append((start + k, value << entry.shift))
                continue
            self.copies.setdefault((module, c), []).append(Copy(start + k, f[0], f[1], mask, entry.shift))
            self.copied.setdefault((module, c), set()).add(key)
            self._wake(f[2], f[3], ("copy", module, c))
        return start

    def _wake(self, export: Export, chunk: int, what: tuple[Any, ...]) -> None:
        self.wakes.setdefault((export, chunk), set()).add(what)

    # ---- outputs of the top

    def _outputs(self) -> None:
        self.outputs: dict[str, list[list[tuple[int, int, int, int]]]] = {}
        """For each output of the top and each core its pieces: (first bit, arena word, shift, bits)."""
        for (name, port), instances in self.design.sources.items():
            if name != OUTSIDE:
                continue
            self.outputs[port] = []
            for runs in instances:
                pieces = []
                for s in runs:
                    done = 0
                    while done < s.width:
                        if s.net is None:
                            bits = min(32, s.width - done)
                            word = self._constant_word(s.low >> done & ((1 << bits) - 1))
                            pieces.append((s.at + done, word, 0, bits))
                        else:
                            part = s.net.part(s.low + done)
                            start, width = s.net.parts[part]
                            shift = s.low + done - start
                            bits = min(width - shift, s.width - done)
                            export = Export(s.module, s.net, part, self.schedule.when(OUTSIDE, s.module, s.net))
                            word = self.exports[export] + self.places[s.module].slot[s.instance]
                            pieces.append((s.at + done, word, shift, bits))
                        done += bits
                self.outputs[port].append(pieces)

    def _constant_word(self, value: int) -> int:
        word = self.allocate(1)
        self.initial.append((word, value))
        return word
