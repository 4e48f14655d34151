"""The moving operand as the tensor engine's head reads it: runs of elements in a word."""

from typing import NamedTuple

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.tensor_modes import MODES, Mode

from ..golden.operand import operand
from ..golden.walker import addresses

__all__ = ["Segment", "segments_of"]


class Segment(NamedTuple):
    """A run of moving elements in one SBUF word of each row; `place` of the first, in elements."""

    addresses: tuple[int, ...]
    place: int
    length: int


def segments_of(instruction: Instruction, config: CoreConfig) -> list[Segment]:
    """The moving operand cut at words (stride 1 in dimension 0) or into single elements; rows are alike."""
    moving = operand(instruction, "src0", count=instruction["partitions"])
    width, word = moving.format.bytes, config.sbuf.word_bytes
    mode = MODES[Mode(instruction["mode"])]
    rows = moving.sizes[-1] if mode.tagged else mode.rows
    places = addresses(moving.offset, width, moving.sizes, moving.strides)
    behind = places[:: len(places) // rows] - places[0] if rows > 1 else [0]
    places = places[: len(places) // rows].tolist()
    row, unit = moving.sizes[0], moving.strides[0] == 1
    out: list[Segment] = []
    for i, place in enumerate(places):
        if unit and i % row and place % word:
            out[-1] = out[-1]._replace(length=out[-1].length + 1)
        else:
            words = tuple((place + int(step)) // word for step in behind)
            out.append(Segment(words, place % word // width, 1))
    return out
