"""Two instructions in flight that share a word of SBUF: what the hardware does then is left open."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.isa import INSTRUCTIONS, Space

from .memory import byte_set
from .operand import OperandPattern, operand, scale_rows

__all__ = ["SbufAccess", "sbuf_accesses", "shared_word"]


@dataclass(frozen=True)
class SbufAccess:
    """What one operand touches: `words` (sorted word numbers) of the partitions of `pattern`."""

    slot: str
    writes: bool
    pattern: OperandPattern
    words: NDArray[np.int64]


def sbuf_accesses(instruction: Instruction, config: CoreConfig) -> list[SbufAccess]:
    """The operands of a legal instruction that lie in SBUF."""
    out = []
    spec = INSTRUCTIONS[instruction.opcode]
    for slot, allowed in spec.operands.items():
        if instruction[f"{slot}_space"] == Space.SBUF:
            whole = [operand(instruction, slot, count=instruction["partitions"])]
            patterns = scale_rows(instruction, slot, config) if allowed.among == "scales" else whole
            words = np.unique(byte_set(whole[0]) // config.sbuf.word_bytes)
            out += [SbufAccess(slot, spec.writes(slot), pattern, words) for pattern in patterns]
    return out


def shared_word(one: list[SbufAccess], other: list[SbufAccess]) -> tuple[SbufAccess, SbufAccess, int] | None:
    """The first pair of accesses, one of them a write, to one word of one partition; and that word."""
    for a in one:
        for b in other:
            rows = a.pattern.partition < b.pattern.partition + b.pattern.count
            rows = rows and b.pattern.partition < a.pattern.partition + a.pattern.count
            if (a.writes or b.writes) and rows:
                both = np.intersect1d(a.words, b.words, assume_unique=True)
                if both.size:
                    return a, b, int(both[0])
    return None
