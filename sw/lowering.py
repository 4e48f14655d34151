"""Recorded operations to instructions with addresses, and what each of them reads and writes.

The hazard unit of SBUF is the word: of a 32-bit granule that is written in part the rest is read and written back, and
a word that one port writes must not be read or written on the other in the same cycle. So regions of SBUF are whole
words. PSUM and memory are written byte by byte.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.isa import AP_DIMS, INSTRUCTIONS, Opcode, Queue, Space
from makalu.hw.spec.sequencer import CHANNEL_OF, Channel

from .nki.recording import Operation, Recording
from .nki.tensor import Buffer, Storage, Tensor
from .patterns import CommonPattern, common_patterns

__all__ = ["Lowered", "Region", "lower"]

_SPACES = {Buffer.SBUF: Space.SBUF, Buffer.PSUM: Space.PSUM}


@dataclass(frozen=True)
class Region:
    """A box that an instruction touches: bytes low..high-1 of partitions first..last-1; memory is one partition.

    In SBUF low and high lie on words: two instructions touch when they share a word.
    """

    memory: str
    first: int
    last: int
    low: int
    high: int

    def touches(self, other: "Region") -> bool:
        return (
            self.memory == other.memory
            and self.first < other.last
            and other.first < self.last
            and self.low < other.high
            and other.low < self.high
        )

    def covers(self, other: "Region") -> bool:
        return (
            self.memory == other.memory
            and self.first <= other.first
            and other.last <= self.last
            and self.low <= other.low
            and other.high <= self.high
        )


@dataclass(kw_only=True)
class Lowered:
    """An instruction before its waits and signals."""

    opcode: Opcode
    values: dict[str, int]
    reads: list[Region] = field(default_factory=list)
    writes: list[Region] = field(default_factory=list)
    origin: Operation | None = None

    @property
    def queue(self) -> Queue:
        return INSTRUCTIONS[self.opcode].queues[0]

    @property
    def channel(self) -> Channel:
        return CHANNEL_OF[self.opcode]


def lower(recording: Recording, addresses: Mapping[Storage, int]) -> list[Lowered]:
    """Instructions in program order; `addresses` holds tiles (bytes in a partition) and memory tensors (bytes)."""
    config = recording.config
    return [i for operation in recording.operations for i in _operation(operation, addresses, config)]


def _operation(operation: Operation, addresses: Mapping[Storage, int], config: CoreConfig) -> Iterator[Lowered]:
    slots = [slot for slot, allowed in INSTRUCTIONS[operation.opcode].operands.items() if not allowed.scalar]
    names = [*slots, "memory"] if "memory" in operation.tensors else slots
    tensors = [operation.tensors[name] for name in names]
    for pattern in common_patterns([tensor.free for tensor in tensors]):
        lowered = Lowered(opcode=operation.opcode, values=dict(operation.fields), origin=operation)
        for i, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
            place = _memory if name == "memory" else _slot
            region = _hazard(place(lowered.values, name, tensor, pattern, i, addresses[tensor.storage]), config)
            writes = name == "dst" or (name == "memory" and operation.opcode == Opcode.DMA_STORE)
            (lowered.writes if writes else lowered.reads).append(region)
            if name == "dst" and operation.fields.get("accumulate"):
                lowered.reads.append(region)
        if "src1" in operation.tensors and "src1" not in slots:
            scalar = operation.tensors["src1"]
            one = CommonPattern((1,) * AP_DIMS, (0,), ((1, 0, 0, 0),))
            region = _slot(lowered.values, "src1", scalar, one, 0, addresses[scalar.storage])
            lowered.reads.append(_hazard(region, config))
        yield lowered


def _hazard(region: Region, config: CoreConfig) -> Region:
    """What other instructions must keep away from: in SBUF the words that hold the bytes."""
    if region.memory != Buffer.SBUF.value:
        return region
    word = config.sbuf.word_bytes
    return replace(region, low=region.low // word * word, high=-(-region.high // word) * word)


def _span(pattern: CommonPattern, operand: int) -> tuple[int, int]:
    """Lowest and highest element of an operand, relative to the view's first element."""
    steps = [(size - 1) * stride for size, stride in zip(pattern.sizes, pattern.strides[operand], strict=True)]
    base = pattern.offsets[operand]
    return base + sum(min(0, s) for s in steps), base + sum(max(0, s) for s in steps)


def _slot(
    values: dict[str, int], slot: str, tensor: Tensor, pattern: CommonPattern, operand: int, address: int
) -> Region:
    size = tensor.dtype.bytes
    start = address + tensor.offset * size
    values |= {
        f"{slot}_space": int(_SPACES[tensor.buffer]),
        f"{slot}_dtype": tensor.dtype.code,
        f"{slot}_partition": tensor.partition,
        f"{slot}_offset": start + pattern.offsets[operand] * size,
    }
    for d in range(AP_DIMS):
        values |= {f"{slot}_size{d}": pattern.sizes[d], f"{slot}_stride{d}": pattern.strides[operand][d]}
    low, high = _span(pattern, operand)
    last = tensor.partition + tensor.shape[0]
    return Region(tensor.buffer.value, tensor.partition, last, start + low * size, start + (high + 1) * size)


def _memory(
    values: dict[str, int], name: str, tensor: Tensor, pattern: CommonPattern, operand: int, address: int
) -> Region:
    size = tensor.dtype.bytes
    start = address + tensor.offset * size
    rows = tensor.strides[0] * (tensor.shape[0] - 1)
    values["address"] = start + pattern.offsets[operand] * size
    for d in range(AP_DIMS):
        values[f"{name}_stride{d}"] = pattern.strides[operand][d] * size
    values[f"{name}_stride{AP_DIMS}"] = tensor.strides[0] * size
    low, high = _span(pattern, operand)
    return Region(name, 0, 1, start + low * size, start + (high + rows + 1) * size)
