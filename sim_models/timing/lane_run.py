"""Timing of one instruction in the Vector or Scalar engine: which element is where, without data."""

from makalu.spec.lanes import ELEMENT_BUFFER, LANE_STAGES, SOURCES

from .lane_shape import NOBODY, LaneShape

__all__ = ["Asks", "LaneRun"]

Asks = tuple[int, int, bool, int, int]
"""Who asks the SBUF, its bank, whether it merges; who asks the PSUM, its bank. Who: a source's number, `_WRITE`,
`NOBODY`."""

_WRITE = len(SOURCES)
_FIRST_LAST = tuple(reversed(range(len(SOURCES))))
"""So that of several sources that ask the first one stays."""


class LaneRun:
    """One instruction from the cycle after its issue to the grant of its last write, one cycle a `tick`."""

    __slots__ = (
        "arrived",
        "combining",
        "held",
        "pipeline",
        "placed",
        "popped",
        "psum_held",
        "shape",
        "stepped",
        "waiting",
        "way",
    )

    def __init__(self, shape: LaneShape) -> None:
        self.shape = shape
        self.stepped, self.arrived, self.popped, self.way = ([0] * len(SOURCES) for _ in range(4))
        self.pipeline = 0
        self.placed = 0
        self.combining = self.waiting = self.held = self.psum_held = NOBODY

    def clone(self) -> "LaneRun":
        other = LaneRun(self.shape)
        for name in self.__slots__:
            value = getattr(self, name)
            setattr(other, name, list(value) if isinstance(value, list) else value)
        return other

    def asks(self) -> Asks:
        shape = self.shape
        sbuf = psum = sbuf_bank = psum_bank = NOBODY
        for s in _FIRST_LAST:
            element = self.stepped[s]
            if element < len(shape.banks[s]) and element - self.popped[s] < ELEMENT_BUFFER:
                bank = shape.banks[s][element]
                if shape.psum[s] and self.psum_held in (NOBODY, s):
                    psum, psum_bank = s, bank
                elif not shape.psum[s] and bank >= 0 and self.held in (NOBODY, s):
                    sbuf, sbuf_bank = s, bank
        merges = False
        if self.held == _WRITE or (sbuf == NOBODY and self.waiting >= 0):
            sbuf, sbuf_bank, merges = _WRITE, shape.write_banks[self.waiting], shape.merges[self.waiting]
        return sbuf, sbuf_bank, merges, psum, psum_bank

    def tick(self, asks: Asks, engine_cycle: bool, granted: bool, psum_granted: bool) -> bool:
        """The edge of one cycle; true when the last write is granted in it."""
        shape = self.shape
        sbuf, psum = asks[0], asks[3]
        self.held = NOBODY if granted else sbuf
        self.psum_held = NOBODY if psum_granted else psum
        written = granted and sbuf == _WRITE

        ended = self.placed == len(shape.write_of)
        leaving = not ended and self.pipeline >> (LANE_STAGES - 1)
        free = self.waiting < 0 or written
        done = ended and self.combining < 0 and written
        other = bool(leaving) and self.combining not in (NOBODY, shape.write_of[self.placed])
        advance = engine_cycle and (free or not other)
        if written:
            self.waiting = NOBODY
        if (ended and self.combining >= 0 and free) or (advance and other):
            self.waiting, self.combining = self.combining, NOBODY
        pop = advance and not ended  # where nothing is read, elements enter until the last one has been placed
        for s in shape.used:
            pop = pop and self.arrived[s] > self.popped[s]
        if advance:
            if leaving:
                self.combining = shape.write_of[self.placed]
                self.placed += 1
            self.pipeline = (self.pipeline << 1 | pop) & ((1 << LANE_STAGES) - 1)

        for s in shape.used:
            element, step = self.stepped[s], 0
            if element < len(shape.banks[s]) and element - self.popped[s] < ELEMENT_BUFFER:
                served = (granted and sbuf == s) or (psum_granted and psum == s)
                step = int(served or (not shape.psum[s] and shape.banks[s][element] < 0))
            self.arrived[s] += self.way[s]
            self.way[s] = step
            self.stepped[s] += step
        if pop:
            for s in shape.streamed:
                self.popped[s] += 1
        return done
