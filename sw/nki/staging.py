"""What the core does not do in one step, as several: operands are brought to where and what an instruction can read.

Each function records operations of the call that is being recorded and returns a view that the next one can use.
Copies on the chip are Vector's, exact for every number (a NaN becomes the canonical one). Rows that change partitions
go through memory: a store and a load, bit for bit.
"""

from collections.abc import Mapping
from math import prod

from makalu.spec.formats import FP32, Format
from makalu.spec.isa import Opcode

from .errors import KernelError
from .fill import materialised
from .recording import current
from .storage import Buffer, Written
from .tensor import Tensor

__all__ = [
    "aligned",
    "aligned_stationary",
    "cast",
    "column",
    "copied",
    "fresh",
    "in_rows",
    "read",
    "record",
    "relocated",
]


def record(
    opcode: Opcode, dst: Tensor, sources: Mapping[str, Tensor], numbers: Mapping[str, int] | None = None
) -> None:
    """An operation that writes `dst`. Errors: a source that was never written, a destination that repeats elements."""
    for role, source in sources.items():
        read(role, source)
    dst.check_distinct("dst")
    current().append(opcode, {"dst": dst, **sources}, numbers or {})
    dst.storage.mark(dst, Written.VALUE)


def read(role: str, source: Tensor) -> None:
    """Elements that are about to be read. Errors: some of them were never written."""
    materialised(source)
    missing = source.storage.unwritten(source)
    if missing:
        marks = source.storage.marks(source).size
        share = f"{missing / marks:.0%}"
        raise KernelError(f"{role} {source} is read, but {share} of it was never written; load or memset it")


def fresh(shape: tuple[int, ...], dtype: Format, name: str, *, partition: int = 0) -> Tensor:
    """A new SBUF tile for `shape[0]` rows from `partition` on."""
    tile = current().allocate((partition + shape[0], *shape[1:]), dtype, Buffer.SBUF, name)
    return tile[partition:]


def copied(source: Tensor, dtype: Format, name: str) -> Tensor:
    """A dense copy in the same partitions, in another type or out of PSUM."""
    tile = fresh(source.shape, dtype, name, partition=source.partition)
    record(Opcode.TENSOR_COPY, tile, {"src": in_rows(source)})
    return tile


def cast(source: Tensor, dtype: Format, name: str = "cast") -> Tensor:
    """In SBUF and of type `dtype`; itself where it is."""
    return source if source.buffer is Buffer.SBUF and source.dtype == dtype else copied(source, dtype, name)


def in_rows(source: Tensor) -> Tensor:
    """Every row in a partition of its own; one row that repeats is copied through memory."""
    if source.shape[0] == 1 or source.steps[0] == 1:
        return source
    fits = source.partition + source.shape[0] <= current().config.partitions
    return relocated(source, source.partition if fits else 0)


def relocated(source: Tensor, partition: int) -> Tensor:
    """The rows from `partition` on: stored to memory, loaded into other partitions; one row may repeat."""
    rows = source[:1] if source.steps[0] == 0 else source
    if rows.buffer is Buffer.PSUM:
        rows = copied(rows, rows.dtype, "evicted")
    scratch = current().allocate(rows.shape, source.dtype, Buffer.PRIVATE_HBM, "scratch")
    record(Opcode.DMA_STORE, scratch, {"src": rows})
    back = scratch if rows.shape == source.shape else scratch.broadcast(0, source.shape[0])
    tile = fresh(source.shape, source.dtype, "relocated", partition=partition)
    record(Opcode.DMA_LOAD, tile, {"src": back})
    return tile


def column(place: str, value: Tensor, dst: Tensor) -> Tensor:
    """A scalar operand: fp32 [P, 1] in SBUF beside `dst`. Errors: another shape."""
    if value.buffer not in (Buffer.SBUF, Buffer.PSUM):
        raise KernelError(f"{place} must be on the chip, not {value}")
    if value.shape[0] != dst.shape[0] or prod(value.shape[1:]) != 1:
        raise KernelError(f"{place} must be a number or [{dst.shape[0]}, 1], one element a partition, not {value}")
    value = value.reshape((value.shape[0], 1))
    if value.partition != dst.partition or (value.steps[0] != 1 and value.shape[0] > 1):
        value = relocated(value, dst.partition)
    return cast(value, FP32, "scalar")


def aligned(tensor: Tensor) -> bool:
    """Each partition has one run of elements, from a word of SBUF on: as a stationary tile and scales must lie."""
    columns = [(size, step) for size, step in tensor.free if size != 1]
    dense = not columns or (len(columns) == 1 and columns[0][1] == tensor.item)
    return dense and tensor.start % current().config.sbuf.word_bytes == 0


def aligned_stationary(source: Tensor) -> Tensor:
    """[K, M] contiguous from a word of SBUF; copied where it is not."""
    return source if aligned(source) else copied(source, source.dtype, "aligned")
