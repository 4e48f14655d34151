"""Small matmuls that share neither rows nor columns of the array: recorded as one, which runs all of them at once.

A row of PEs takes one moving element a cycle and a column makes one sum a cycle, so matmuls in disjoint rows and
columns need nothing of each other. One instruction sends them when their elements come at the same time: each load says
that other rows add nothing to its columns (`apart`), and the matmul behind has the rows and columns of all.

Does not: join what is not recorded directly one after the other, or lies in other storages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from makalu.spec.isa import Opcode

from .cfp8 import offset_number
from .recording import Block, current
from .tensor import Tensor

__all__ = ["Small", "Together", "record_matmul"]


@dataclass(frozen=True)
class Small:
    """A matmul in a tile of the array; `passes`: parts of stationary and moving, in their order."""

    dst: Tensor
    stationary: Tensor
    moving: Tensor
    adds: bool
    passes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]

    def rows_of(self) -> Tensor:
        """Whose partitions are its rows of the array."""
        return self.moving

    def columns_of(self) -> Tensor:
        """Whose partitions are its columns."""
        return self.dst

    def like(self, other: "Small") -> bool:
        """The same instructions, elements at the same places of other partitions."""
        kinds = [(s.stationary.dtype, s.adds, s.passes, s.offsets) for s in (self, other)]
        sides = ((self.dst, other.dst), (self.moving, other.moving))
        return kinds[0] == kinds[1] and all(_place(one) == _place(two) for one, two in sides)


@dataclass(frozen=True)
class Together:
    """Those that one matmul sends, and where in its block it was recorded."""

    members: tuple[Small, ...]
    block: Block
    first: int
    end: int
    count: int
    """Of the recording, behind them."""

    def takes(self, small: Small) -> bool:
        """Nothing was recorded since, and rows and columns go on where those of the others end or begin."""
        recording = current()
        here = recording.count == self.count and recording.block is self.block and len(self.block.items) == self.end
        if not here or not small.like(self.members[0]):
            return False
        return all(
            _adjoins([side(each) for each in self.members], side(small)) for side in (Small.rows_of, Small.columns_of)
        )


def record_matmul(small: Small, *, alone: bool) -> None:
    """Its loads and matmuls, or those of all that run with it in place of what was recorded for the others; `alone`:
    nothing runs with it.
    """
    recording = current()
    members: tuple[Small, ...] = (small,)
    last, first = recording.together, len(recording.block.items)
    if isinstance(last, Together) and not alone and last.takes(small):
        recording.take_back(last.end - last.first)
        members, first = (*last.members, small), last.first
    _record(members)
    block = recording.block
    recording.together = None if alone else Together(members, block, first, len(block.items), recording.count)


def _record(members: Sequence[Small]) -> None:
    """Loads where the stationary part changes, and a matmul a pass."""
    recording, one = current(), members[0]
    apart = {"apart": 1} if len(members) > 1 else {}
    moving, dst = (_all([side(each) for each in members]) for side in (Small.rows_of, Small.columns_of))
    loaded: int | None = None
    for step, (part, other) in enumerate(one.passes):
        if part != loaded:
            for each in members:
                numbers = {"part": part, "column": each.dst.partition, **apart, **offset_number(one.offsets[0])}
                recording.append(Opcode.LOAD_STATIONARY, {"stationary": each.stationary}, numbers)
            loaded = part
        numbers = {"part": other, "accumulate": int(one.adds or step > 0), **offset_number(one.offsets[1])}
        recording.append(Opcode.MATMUL, {"dst": dst, "moving": moving}, numbers)


def _place(tensor: Tensor) -> tuple[object, ...]:
    return tensor.storage, tensor.dtype, tensor.shape[1:], tensor.steps[1:], tensor.start


def _adjoins(others: Sequence[Tensor], tensor: Tensor) -> bool:
    first, last = _ends(others)
    return tensor.partition == last or tensor.partition + tensor.shape[0] == first


def _ends(tensors: Sequence[Tensor]) -> tuple[int, int]:
    return min(each.partition for each in tensors), max(each.partition + each.shape[0] for each in tensors)


def _all(tensors: Sequence[Tensor]) -> Tensor:
    """One view of all their partitions."""
    one, (first, last) = tensors[0], _ends(tensors)
    return replace(one, shape=(last - first, *one.shape[1:]), steps=(1, *one.steps[1:]), partition=first)
