"""Timing of one instruction in the Vector or Scalar engine: which element is where, without data."""

from makalu.spec.lanes import ELEMENT_BUFFER, LANE_STAGES, SOURCES
from makalu.spec.quantize import GROUP_ELEMENTS

from .lane_shape import NOBODY, LaneShape, WriteShape

__all__ = ["Asks", "LaneRun"]

Asks = tuple[int, int, bool, int, int]
"""Who asks the SBUF, its bank, whether it merges; who asks the PSUM, its bank. Who: a source's number, `_WRITE`,
`_SCALES`, `NOBODY`."""

_WRITE = len(SOURCES)
_SCALES = _WRITE + 1
_FIRST_LAST = tuple(reversed(range(len(SOURCES))))
"""So that of several sources that ask the first one stays."""


class _Combiner:
    """One destination: the write that is being combined, the one that waits for its grant."""

    __slots__ = ("combining", "placed", "shape", "waiting")

    def __init__(self, shape: WriteShape) -> None:
        self.shape = shape
        self.placed = 0
        self.combining = self.waiting = NOBODY

    def clone(self) -> "_Combiner":
        other = _Combiner(self.shape)
        other.placed, other.combining, other.waiting = self.placed, self.combining, self.waiting
        return other

    def idle(self) -> bool:
        return self.placed == len(self.shape.of) and self.combining < 0 and self.waiting < 0

    def other(self) -> bool:
        """The next element begins another write than the one that is combined."""
        return self.combining not in (NOBODY, self.shape.of[self.placed])

    def tick(self, place: bool, written: bool) -> bool:
        """The edge of one cycle; true when the last write is granted in it."""
        ended = self.placed == len(self.shape.of)
        done = ended and self.combining < 0 and written
        moves = (place and self.other()) or (ended and self.combining >= 0 and (self.waiting < 0 or written))
        if written:
            self.waiting = NOBODY
        if moves:
            self.waiting, self.combining = self.combining, NOBODY
        if place:
            self.combining = self.shape.of[self.placed]
            self.placed += 1
        return done


class LaneRun:
    """One instruction from the cycle after its issue to the grant of its last write, one cycle a `tick`."""

    __slots__ = (
        "arrived",
        "dst",
        "entered",
        "held",
        "pipeline",
        "popped",
        "psum_held",
        "scales",
        "shape",
        "stepped",
        "way",
    )

    def __init__(self, shape: LaneShape) -> None:
        self.shape = shape
        self.stepped, self.arrived, self.popped, self.way = ([0] * len(SOURCES) for _ in range(4))
        self.pipeline = self.entered = 0
        self.dst = _Combiner(shape.writes)
        self.scales = None if shape.scales is None else _Combiner(shape.scales)
        self.held = self.psum_held = NOBODY

    def clone(self) -> "LaneRun":
        other = LaneRun(self.shape)
        for name in self.__slots__:
            value = getattr(self, name)
            setattr(other, name, value.clone() if isinstance(value, _Combiner) else value)
            if isinstance(value, list):
                setattr(other, name, list(value))
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
        merges, dst, scales = False, self.dst, self.scales
        if self.held == _WRITE or (sbuf == NOBODY and self.held != _SCALES and dst.waiting >= 0):
            sbuf, sbuf_bank, merges = _WRITE, dst.shape.banks[dst.waiting], dst.shape.merges[dst.waiting]
        elif scales is not None and (self.held == _SCALES or (sbuf == NOBODY and scales.waiting >= 0)):
            sbuf, sbuf_bank = _SCALES, scales.shape.banks[scales.waiting]
            merges = scales.shape.merges[scales.waiting]
        return sbuf, sbuf_bank, merges, psum, psum_bank

    def tick(self, asks: Asks, engine_cycle: bool, granted: bool, psum_granted: bool) -> bool:
        """The edge of one cycle; true when the last write is granted in it."""
        shape = self.shape
        sbuf, psum = asks[0], asks[3]
        self.held = NOBODY if granted else sbuf
        self.psum_held = NOBODY if psum_granted else psum
        written, dst, scales = granted and sbuf == _WRITE, self.dst, self.scales
        ended = dst.placed == len(dst.shape.of)
        leaving = not ended and bool(self.pipeline >> (LANE_STAGES - 1))
        available = True  # where nothing is read, elements enter until the last one has been placed
        for s in shape.used:
            available = available and self.arrived[s] > self.popped[s]
        advance = engine_cycle and (dst.waiting < 0 or written or not (leaving and dst.other()))
        if scales is None:
            done = dst.tick(leaving and advance, written)
        else:
            scale_written = granted and sbuf == _SCALES
            scale_leaving = leaving and dst.placed % GROUP_ELEMENTS == 0
            free = scales.waiting < 0 or scale_written or not (scale_leaving and scales.other())
            advance = advance and free and (available or self.entered % GROUP_ELEMENTS == 0)
            place = scale_leaving and advance
            idle = dst.idle(), scales.idle()
            ends = dst.tick(leaving and advance, written), scales.tick(place, scale_written)
            done = (ends[0] and idle[1]) or (ends[1] and idle[0])
        pop = advance and not ended and available
        self.entered += pop
        if advance:
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
