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

from makalu.hw.spec.isa import Opcode

from .errors import KernelError, NotBuiltError
from .recording import current
from .staging import cast, copied, fresh, in_rows, record
from .storage import Buffer
from .tensor import Tensor

__all__ = ["transfer"]


def transfer(dst: Tensor, src: Tensor) -> None:
    """dst = cast(src), element by element in row-major order of both."""
    if dst.size != src.size:
        raise KernelError(f"dst {dst} has {dst.size} elements, src {src} has {src.size}; they must be equal")
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
    """Rows of at most a tile; both sides are cut alike, along the first dimension that is too large."""
    if dst.shape != src.shape:
        if dst.is_contiguous():
            dst = dst.reshape(src.shape)
        elif src.is_contiguous():
            src = src.reshape(dst.shape)
        else:
            raise NotBuiltError(f"a copy in memory between {src} and {dst}, strided both and of two shapes")
    if src.ndim == 1:
        dst, src = dst.reshape((1, dst.size)), src.reshape((1, src.size))
    config = current().config
    limit = config.sbuf.partition_bytes // 4 // max(src.dtype.bytes, dst.dtype.bytes)
    if src.shape[0] > config.partitions:
        for row in range(0, src.shape[0], config.partitions):
            rows = slice(row, min(row + config.partitions, src.shape[0]))
            _in_memory(dst[rows], src[rows])
    elif src.size // src.shape[0] > limit:
        axis = next(axis for axis in range(1, src.ndim) if src.shape[axis] > 1)
        inner = src.size // (src.shape[0] * src.shape[axis])
        step = max(1, limit // inner)
        for at in range(0, src.shape[axis], step):
            keys = (*[slice(None)] * axis, slice(at, min(at + step, src.shape[axis])))
            _in_memory(dst[keys], src[keys])
    else:
        tile = fresh(src.shape, src.dtype, "passing")
        record(Opcode.DMA_LOAD, tile, {"src": src})
        record(Opcode.DMA_STORE, dst, {"src": cast(tile, dst.dtype)})
