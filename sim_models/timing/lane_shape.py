"""What of a Vector or Scalar instruction decides its cycles: which banks it asks for, in which order."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FORMATS
from makalu.spec.isa import AP_DIMS, OPERANDS, Space
from makalu.spec.lane_programs import LANE_PROGRAMS
from makalu.spec.lanes import SCALES, SOURCES
from makalu.spec.memory_map import GRANULE_BYTES

from ..golden.walker import addresses

__all__ = ["NOBODY", "LaneShape", "WriteShape", "lane_shape", "shape_key"]

NOBODY = -1
"""Stands for a bank where nothing is asked for."""

_BYTES = {form.code: form.bytes for form in FORMATS.values()}

_WHEN = tuple(sorted({source.when for row in LANE_PROGRAMS.values() for source in row.sources if source.when}))
"""Fields that say whether a source is read."""

_Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LaneShape:
    """All of an instruction that decides its cycles; s is the number of a source in `SOURCES`.

    `banks[s][i]` is `NOBODY` where element i of s needs no read.
    """

    psum: tuple[bool, ...]
    """Whether source s lies in PSUM."""
    banks: tuple[tuple[int, ...], ...]
    used: tuple[int, ...]
    """Those s that are read; there may be none."""
    streamed: tuple[int, ...]
    """Those of them that have an element for each of dst; the others one value a partition."""
    writes: "WriteShape"
    psum_banks: int
    """Bit mask of all PSUM banks that are read."""
    scales: "WriteShape | None" = None
    """Of an instruction that scales in groups: one element for GROUP_ELEMENTS of dst."""

    @property
    def alone(self) -> "LaneShape":
        """The same with one bank for all: what decides the cycles while nobody else is at the banks."""
        banks = tuple(tuple(min(bank, 0) for bank in row) for row in self.banks)
        scales = None if self.scales is None else self.scales.alone
        return replace(self, banks=banks, writes=self.writes.alone, psum_banks=0, scales=scales)


@dataclass(frozen=True, kw_only=True)
class WriteShape:
    """One destination: elements that follow each other in one word are one write."""

    of: tuple[int, ...]
    """Number of the write that takes element i."""
    banks: tuple[int, ...]
    """Of each write."""
    merges: tuple[bool, ...]
    """Whether a write covers a granule in part: it takes two turns at the bank."""

    @property
    def alone(self) -> "WriteShape":
        return replace(self, banks=(0,) * len(self.banks))


def shape_key(instruction: Instruction) -> tuple[int, ...]:
    """Two instructions with the same key have the same shape."""
    names = ["opcode", *_WHEN]
    for slot in OPERANDS:
        names += [f"{slot}_space", f"{slot}_dtype", f"{slot}_offset"]
        names += [f"{slot}_{part}{d}" for part in ("size", "stride") for d in range(AP_DIMS)]
    return tuple(instruction[name] for name in names)


def lane_shape(instruction: Instruction, config: CoreConfig) -> LaneShape:
    """Shape of a legal instruction of the Vector or Scalar queue, from docs/blocks/lanes.md.

    An SBUF source is read a word at a time: an element in the word of the element before needs no read. A PSUM source
    is read an element at a time. Elements of dst that follow each other in one word are one write.

    Does not: check the instruction; look at partitions, operations or values, which change no cycle.
    """
    program = LANE_PROGRAMS[instruction.opcode]
    sources = program.sources
    read = {source.slot: source for source in sources if not source.when or instruction[source.when]}
    psum = tuple(slot in read and instruction[f"{slot}_space"] == Space.PSUM for slot in SOURCES)
    banks = tuple(
        _read_banks(_places(instruction, slot), in_psum, config) if slot in read else ()
        for slot, in_psum in zip(SOURCES, psum, strict=True)
    )
    return LaneShape(
        psum=psum,
        banks=banks,
        used=tuple(s for s, slot in enumerate(SOURCES) if slot in read),
        streamed=tuple(s for s, slot in enumerate(SOURCES) if slot in read and not read[slot].once),
        writes=_writes(instruction, "dst", config),
        psum_banks=sum(1 << b for b in {b for p, row in zip(psum, banks, strict=True) if p for b in row}),
        scales=_writes(instruction, SCALES, config) if program.grouped else None,
    )


def _writes(instruction: Instruction, slot: str, config: CoreConfig) -> WriteShape:
    places = _places(instruction, slot)
    new = _new_word(places, config)
    of = np.cumsum(new) - 1
    return WriteShape(
        of=tuple(of.tolist()),
        banks=tuple((places[np.flatnonzero(new)] // config.sbuf.bank_bytes).tolist()),
        merges=_merges(places, of, _BYTES[instruction[f"{slot}_dtype"]], config),
    )


def _places(instruction: Instruction, slot: str) -> _Places:
    """Byte address of each element within its partition."""
    dims = range(AP_DIMS)
    return addresses(
        instruction[f"{slot}_offset"],
        _BYTES[instruction[f"{slot}_dtype"]],
        [instruction[f"{slot}_size{d}"] for d in dims],
        [instruction[f"{slot}_stride{d}"] for d in dims],
    )


def _new_word(places: _Places, config: CoreConfig) -> NDArray[np.bool_]:
    """True where an element does not lie in the SBUF word of the element before it."""
    words = places // config.sbuf.word_bytes
    return np.append(True, words[1:] != words[:-1])


def _read_banks(places: _Places, psum: bool, config: CoreConfig) -> tuple[int, ...]:
    if psum:
        return tuple((places // config.psum.bank_bytes).tolist())
    return tuple(np.where(_new_word(places, config), places // config.sbuf.bank_bytes, NOBODY).tolist())


def _merges(places: _Places, write_of: _Places, element: int, config: CoreConfig) -> tuple[bool, ...]:
    """Of each write: whether it has a granule of which some bytes are written and some are not."""
    width = config.sbuf.word_bytes
    covered = np.zeros((int(write_of[-1]) + 1, width), np.bool_)
    covered[write_of[:, None], (places % width)[:, None] + np.arange(element)] = True
    counts = covered.reshape(-1, width // GRANULE_BYTES, GRANULE_BYTES).sum(axis=2)
    return tuple(((counts > 0) & (counts < GRANULE_BYTES)).any(axis=1).tolist())
