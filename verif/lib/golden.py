"""SBUF and PSUM of the golden machine, with what lockstep memories hold."""

from collections.abc import Callable

import numpy as np

from makalu.sim_models.golden.memory import PartitionedMemory
from makalu.sim_models.lockstep.psum import PsumModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.isa import Space

__all__ = ["golden_memories"]


def golden_memories(
    sbuf: SbufModel, psum: PsumModel, *, report: Callable[[str], None]
) -> dict[Space, PartitionedMemory]:
    """Copies in which every byte counts as written; `report` is told what an engine must not do."""
    out = {}
    for space, words in ((Space.SBUF, sbuf.memory), (Space.PSUM, psum.memory)):
        raw = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)
        memory = PartitionedMemory(space=space, partitions=len(raw), partition_bytes=raw.shape[1], report=report)
        memory.data[:], memory.written[:] = raw, True
        out[space] = memory
    return out
