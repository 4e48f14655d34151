"""Steps: the instructions of a program in its order, before waits and signals; and where each kind of them runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from makalu.spec.engines import CHANNELS, Channel
from makalu.spec.isa import Opcode, Queue
from makalu.spec.sequencer import CHANNEL_OF

from .regions import Region

__all__ = ["Step", "in_order"]

_TENSOR = frozenset({Channel.TENSOR_LOAD, Channel.MATMUL})


@dataclass(frozen=True)
class Step:
    """An instruction, and the regions that it reads and writes. Not a `nop` or `halt`, which the scheduler adds."""

    opcode: Opcode
    values: Mapping[str, int]
    """Fields of the instruction without tag, waits and signals."""
    reads: tuple[Region, ...] = ()
    writes: tuple[Region, ...] = ()

    @property
    def channel(self) -> Channel:
        return CHANNEL_OF[self.opcode]

    @property
    def queue(self) -> Queue:
        return CHANNELS[self.channel].queue


def in_order(one: Channel, other: Channel) -> bool:
    """The hardware keeps instructions of these channels in program order without a semaphore.

    A finish channel finishes in order: Vector and Scalar run one instruction at a time, a DMA direction moves its
    descriptors one behind the other. Tensor's two channels issue from one queue, and its head keeps the order of PSUM
    writes and of stationary tiles; beside that they only read (docs/blocks/tensor.md, Order).
    """
    return one == other or {one, other} == _TENSOR
