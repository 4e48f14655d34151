"""`nisa.dma_copy` between any two memories: the one step that the core has, or the steps that it takes.

| from | to | becomes |
|---|---|---|
| memory | SBUF | one load |
| SBUF | memory | one store |
| PSUM | memory, SBUF | a copy to SBUF first |
| SBUF | SBUF | a store and a load through scratch memory |
| memory | memory | loads and stores through SBUF, tile by tile |

With two element types a Vector copy in SBUF casts in between (source to fp32, rounded once to the destination).
"""

from makalu.spec.isa import Opcode

from .errors import KernelError, NotBuiltError
from .pieces import in_rows_of, pieces
from .recording import current
from .staging import cast, copied, fresh, in_rows, record
from .storage import Buffer
from .tensor import Tensor

__all__ = ["transfer"]


def transfer(dst: Tensor, src: Tensor) -> None:
    """dst = cast(src), element by element in row-major order of both."""
    if dst.size != src.size:
        raise KernelError(f"dst {dst} has {dst.size} elements, src {src} has {src.size}; they must be equal")
    dst.check_distinct("dst")
    if dst.buffer is Buffer.PSUM:
        raise NotBuiltError(f"a copy into PSUM: {dst}; matmuls write it")
    if src.buffer is Buffer.PSUM:
        src = copied(src, dst.dtype, "evicted")
    if src.buffer.on_chip:
        src = in_rows(src)
    if src.buffer is Buffer.SBUF and dst.buffer is Buffer.SBUF:
        _on_chip(dst, src)
    elif src.buffer is Buffer.SBUF:
        record(Opcode.DMA_STORE, dst, {"src": cast(src, dst.dtype)})
    elif dst.buffer is Buffer.SBUF:
        _load(dst, src)
    else:
        _in_memory(dst, src)


def _load(dst: Tensor, src: Tensor) -> None:
    if src.dtype == dst.dtype:
        record(Opcode.DMA_LOAD, dst, {"src": src})
        return
    raw = fresh(dst.shape, src.dtype, "raw", partition=dst.partition)
    record(Opcode.DMA_LOAD, raw, {"src": src})
    record(Opcode.TENSOR_COPY, dst, {"src": raw})


def _on_chip(dst: Tensor, src: Tensor) -> None:
    """A store and a load; a cast between equal rows is a copy alone."""
    same_rows = (src.partition, src.shape[0]) == (dst.partition, dst.shape[0])
    if src.dtype != dst.dtype and same_rows:
        record(Opcode.TENSOR_COPY, dst, {"src": src})
        return
    src = cast(src, dst.dtype)
    scratch = current().allocate(src.shape, src.dtype, Buffer.PRIVATE_HBM, "scratch")
    record(Opcode.DMA_STORE, scratch, {"src": src})
    record(Opcode.DMA_LOAD, dst, {"src": scratch})


def _in_memory(dst: Tensor, src: Tensor) -> None:
    """Tile by tile. Through scratch memory where the sides overlap, or where no view has the shape of the other."""
    config = current().config
    limit = config.sbuf.partition_bytes // 4 // max(src.dtype.bytes, dst.dtype.bytes)
    if not dst.same_elements(src) and dst.overlaps(src):
        src = _scratch(src)
    if dst.is_contiguous() and src.is_contiguous():
        groups = in_rows_of([dst, src], config.partitions)
    elif dst.shape == src.shape:
        groups = [[dst, src]]
    elif dst.is_contiguous():
        groups = [[dst.reshape(src.shape), src]]
    else:
        groups = [[dst, (src if src.is_contiguous() else _scratch(src)).reshape(dst.shape)]]
    for group in groups:
        for to, part in pieces(group, config.partitions, limit):
            tile = fresh(part.shape, part.dtype, "passing")
            record(Opcode.DMA_LOAD, tile, {"src": part})
            record(Opcode.DMA_STORE, to, {"src": cast(tile, to.dtype)})


def _scratch(src: Tensor) -> Tensor:
    """A contiguous copy in memory."""
    scratch = current().allocate(src.shape, src.dtype, Buffer.PRIVATE_HBM, "scratch")
    _in_memory(scratch, src)
    return scratch
