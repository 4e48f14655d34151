"""Where everything lies: chunks of a class, words in the arena, what wakes what.

The *arena* is one array of words. A net's part that somebody else reads has a row in it with a *slot* for each
instance; instances that feed each other have neighbouring slots, so a chunk loads its inputs from where its neighbours
stored them. What does not lie that way is copied into place before the chunk runs. A *flag* of a chunk (or piece) says
that something it reads has changed; whoever stores a value that differs sets the flags of all who read it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from makalu.sw.rtl.lanes.design import OUTSIDE, Design
from makalu.sw.rtl.lanes.nets import Net
from makalu.sw.rtl.lanes.rows import Export, Row, packed_rows
from makalu.sw.rtl.lanes.schedule import Schedule

__all__ = ["Copy", "Input", "Layout", "Place"]

LEAD = 16
"""Free slots before a row of a chained class: the last of them takes what feeds the row's first instance."""


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


@dataclass(frozen=True)
class _Found:
    """Where an instance's part of an input is: arena word, shift, row, chunk of the class that stores it."""

    word: int
    shift: int
    row: int
    chunk: int
    export: Export


class Layout:
    """Arena, inputs, copies and flags of a whole design.

    `lanes(module)`: lanes of a class. `functions[module]` are numbered: one for each time it is evaluated in a cycle.
    """

    def __init__(
        self, design: Design, schedule: Schedule, lanes: dict[str, int], single: Callable[[str], bool]
    ) -> None:
        self.design, self.schedule = design, schedule
        self.places = {name: Place(design, name, lanes[name]) for name in [*design.order, OUTSIDE]}
        self.words = 64  # the first ones are always 0
        self.exports: dict[Export, tuple[int, int]] = {}
        """Arena word of slot 0 of the row that has a part, and the part's lowest bit in it."""
        self._claimed: dict[int, list[tuple[int, _Found | int]]] = {}
        """Bits of free slots that have a source."""
        self.rows: dict[int, Row] = {}
        """Rows by the arena word of slot 0."""
        self.initial: list[tuple[int, int]] = []
        """Arena words that are constant."""
        self.inputs: dict[tuple[str, Any, int], Input] = {}
        self.copies: dict[tuple[str, int], list[Copy]] = {}
        """For (class, chunk)."""
        self.wakes: dict[tuple[int, int], set[tuple[Any, ...]]] = {}
        """For a row and a chunk of its class what reads it: ("chunk", class, chunk, input), ("copy", class, chunk)."""
        self.copied: dict[tuple[str, int], set[tuple[str, Any, int]]] = {}
        """Inputs that a chunk's copies go into."""
        self._allocate_rows(packed_rows(design, schedule, single))
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

    def _allocate_rows(self, rows: list[Row]) -> None:
        for row in rows:
            place = self.places[row[0][0].module]
            start = self.allocate(place.slots + place.lanes)
            self.rows[start] = row
            for export, shift in row:
                self.exports[export] = start, shift

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
        found: list[_Found | None] = []
        for i in range(self.design.count(module)):
            source = self._find(module, net.name, i, low, bits)
            if source is None:
                found.append(None)
                continue
            export = self._export(module, source[0], source[1])
            row, shift = self.exports[export]
            other = self.places[source[0]]
            found.append(_Found(row + other.slot[source[3]], shift + source[2], row, other.chunk[source[3]], export))
        shifts = [f.shift for f in found if f is not None]
        shift = max(set(shifts), key=shifts.count) if shifts else 0
        whole = all(f is None or (len(self.rows[f.row]) == 1 and f.export.bits == bits) for f in found)
        entry = Input(module, net.name, part, shift, None if shift == 0 and whole else (1 << bits) - 1, bits)
        key = module, net.name, part
        first = found[0]
        if first is not None and len(set(found)) == 1 and (len(found) > 1 or place.lanes == 1):
            entry.broadcast = first.word
            for c in range(place.chunks):
                self._wake(first, ("chunk", module, c, key))
            return entry
        for c in range(place.chunks):
            lanes = [(k, i, found[i]) for k, i in enumerate(place.members[c]) if i is not None]
            entry.offsets.append(self._chunk(entry, key, c, lanes, low))
        return entry

    def _chunk(
        self, entry: Input, key: tuple[str, Any, int], c: int, lanes: list[tuple[int, int, "_Found | None"]], low: int
    ) -> int:
        """The arena word from which a chunk loads its lanes; what does not lie there is copied."""
        if not lanes:
            return 0  # of a row that is shorter than others
        module, place = entry.module, self.places[entry.module]
        direct = [(k, f) for k, _, f in lanes if f is not None and f.shift == entry.shift]
        starts = {f.word - k for k, f in direct}
        if len(direct) == len(lanes) and len(starts) == 1:
            for _, f in direct:
                self._wake(f, ("chunk", module, c, key))
            return starts.pop()
        rest = [(k, f) for k, f in direct if k != 0]
        starts = {f.word - k for k, f in rest}
        # all but the row's first lane lie together, and the slot before them is free
        if (
            lanes[0][0] == 0
            and len(rest) == len(lanes) - 1
            and len(starts) == 1
            and all(f.export.module == module for _, f in rest)
            and place.lead > 0
            and (min(starts) - rest[0][1].row) % place.stride == place.lead - 1
            and self._claims(
                min(starts), entry, lanes[0][2] or self._constant(module, entry.name, lanes[0][1], low, entry.bits)
            )
        ):
            for _, f in rest:
                self._wake(f, ("chunk", module, c, key))
            start, copied = starts.pop(), lanes[:1]
        else:
            start, copied = self.allocate(place.lanes), lanes
        mask = (1 << entry.bits) - 1
        for k, i, source in copied:
            if source is None:
                value = self._constant(module, entry.name, i, low, entry.bits)
                self.initial.append((start + k, value << entry.shift))
                continue
            copy = Copy(start + k, source.word, source.shift, mask, entry.shift)
            self.copies.setdefault((module, c), []).append(copy)
            self.copied.setdefault((module, c), set()).add(key)
            self._wake(source, ("copy", module, c))
        return start

    def _claims(self, slot: int, entry: Input, source: "_Found | int") -> bool:
        """Whether an input's bits of a free slot are its own, or already have the same source."""
        bits = ((1 << entry.bits) - 1) << entry.shift
        claims = self._claimed.setdefault(slot, [])
        mine = bits, source
        if mine in claims:
            return True
        if any(bits & taken for taken, _ in claims):
            return False
        claims.append(mine)
        return True

    def _wake(self, found: "_Found", what: tuple[Any, ...]) -> None:
        self.wakes.setdefault((found.row, found.chunk), set()).add(what)

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
                            row, first = self.exports[export]
                            word = row + self.places[s.module].slot[s.instance]
                            pieces.append((s.at + done, word, first + shift, bits))
                        done += bits
                self.outputs[port].append(pieces)

    def _constant_word(self, value: int) -> int:
        word = self.allocate(self.design.cores)
        self.initial += [(word + core, value) for core in range(self.design.cores)]
        return word
