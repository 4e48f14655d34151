"""Timing of one instruction in the Vector or Scalar engine: which element is where, without data."""

from dataclasses import dataclass

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.isa import AP_DIMS, Instruction
from makalu.hw.spec.lanes import ELEMENT_BUFFER, LANE_STAGES
from makalu.hw.spec.memory_map import GRANULE_BYTES

from ..lockstep.lane_plan import SourcePlan, lane_plan

__all__ = ["Asks", "LaneRun", "LaneShape", "lane_shape", "shape_key"]

Asks = tuple[int, int, bool, int, int]
"""Who asks the SBUF (0 src0, 1 src1, 2 write, -1 nobody), its bank, whether it merges; who asks the PSUM, its bank."""

_WRITE = 2
_NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class LaneShape:
    """All of an instruction that decides its cycles; `banks[s][i]` is -1 where element i of source s needs no read."""

    psum: tuple[bool, bool]
    banks: tuple[tuple[int, ...], tuple[int, ...]]
    uses_src1: bool
    once: bool
    write_of: tuple[int, ...]
    write_banks: tuple[int, ...]
    merges: tuple[bool, ...]
    psum_banks: int
    """Bit mask of all PSUM banks that are read."""


def shape_key(instruction: Instruction) -> tuple[int, ...]:
    """Two instructions with the same key have the same shape."""
    names = ["opcode", "operand0_tensor"]
    for slot in ("dst", "src0", "src1"):
        names += [f"{slot}_space", f"{slot}_dtype", f"{slot}_offset"]
        names += [f"{slot}_{part}{d}" for part in ("size", "stride") for d in range(AP_DIMS)]
    return tuple(instruction[name] for name in names)


def lane_shape(instruction: Instruction, config: CoreConfig) -> LaneShape:
    plan = lane_plan(instruction, config)
    words, elems = config.sbuf.bank_words, config.psum.bank_elems

    def banks(source: SourcePlan | None) -> tuple[int, ...]:
        if source is None:
            return ()
        size = elems if source.psum else words
        return tuple(_NOBODY if read is None else read // size for read in source.reads)

    whole = (1 << GRANULE_BYTES) - 1
    places = range(0, config.sbuf.word_bytes, GRANULE_BYTES)
    granules = [[mask >> i & whole for i in places] for mask in plan.destination.masks]
    sources = (plan.source0, plan.source1)
    both = (banks(plan.source0), banks(plan.source1))
    psum = tuple(source is not None and source.psum for source in sources)
    return LaneShape(
        psum=(psum[0], psum[1]),
        banks=both,
        uses_src1=plan.source1 is not None,
        once=plan.once,
        write_of=plan.destination.write_of,
        write_banks=tuple(word // words for word in plan.destination.words),
        merges=tuple(any(g not in (0, whole) for g in row) for row in granules),
        psum_banks=sum(1 << b for b in {b for p, row in zip(psum, both, strict=True) if p for b in row}),
    )


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
        self.stepped, self.arrived, self.popped, self.way = [0, 0], [0, 0], [0, 0], [0, 0]
        self.pipeline = 0
        self.placed = 0
        self.combining = self.waiting = self.held = self.psum_held = _NOBODY

    def clone(self) -> "LaneRun":
        other = LaneRun(self.shape)
        for name in self.__slots__:
            value = getattr(self, name)
            setattr(other, name, list(value) if isinstance(value, list) else value)
        return other

    def asks(self) -> Asks:
        shape = self.shape
        sbuf = psum = sbuf_bank = psum_bank = _NOBODY
        for s in (1, 0):
            element = self.stepped[s]
            if element < len(shape.banks[s]) and element - self.popped[s] < ELEMENT_BUFFER:
                bank = shape.banks[s][element]
                if shape.psum[s] and self.psum_held in (_NOBODY, s):
                    psum, psum_bank = s, bank
                elif not shape.psum[s] and bank >= 0 and self.held in (_NOBODY, s):
                    sbuf, sbuf_bank = s, bank
        merges = False
        if self.held == _WRITE or (sbuf == _NOBODY and self.waiting >= 0):
            sbuf, sbuf_bank, merges = _WRITE, shape.write_banks[self.waiting], shape.merges[self.waiting]
        return sbuf, sbuf_bank, merges, psum, psum_bank

    def tick(self, asks: Asks, engine_cycle: bool, granted: bool, psum_granted: bool) -> bool:
        """The edge of one cycle; true when the last write is granted in it."""
        shape = self.shape
        sbuf, psum = asks[0], asks[3]
        self.held = _NOBODY if granted else sbuf
        self.psum_held = _NOBODY if psum_granted else psum
        written = granted and sbuf == _WRITE

        leaving = self.pipeline >> (LANE_STAGES - 1)
        free = self.waiting < 0 or written
        ended = self.placed == len(shape.write_of)
        done = ended and self.combining < 0 and written
        other = bool(leaving) and self.combining not in (_NOBODY, shape.write_of[self.placed])
        advance = engine_cycle and (free or not other)
        if written:
            self.waiting = _NOBODY
        if (ended and self.combining >= 0 and free) or (advance and other):
            self.waiting, self.combining = self.combining, _NOBODY
        pop = advance and self.arrived[0] > self.popped[0]
        pop = pop and (not shape.uses_src1 or self.arrived[1] > self.popped[1])
        if advance:
            if leaving:
                self.combining = shape.write_of[self.placed]
                self.placed += 1
            self.pipeline = (self.pipeline << 1 | pop) & ((1 << LANE_STAGES) - 1)

        for s in (0, 1):
            element, step = self.stepped[s], 0
            if element < len(shape.banks[s]) and element - self.popped[s] < ELEMENT_BUFFER:
                served = (granted and sbuf == s) or (psum_granted and psum == s)
                step = int(served or (not shape.psum[s] and shape.banks[s][element] < 0))
            self.arrived[s] += self.way[s]
            self.way[s] = step
            self.stepped[s] += step
        if pop:
            self.popped[0] += 1
            self.popped[1] += not shape.once
        return done
