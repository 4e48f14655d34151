"""Constants: tiles of one value, the identity, arrays of the kernel; in memory once a program, loaded once.

A fill of SBUF is one memset of Vector. A fill of PSUM, which only a matmul can write,
is one: the value's parts, operands of the array (three at most, exact), times ones. Zeros of a whole PSUM tile are
written where the kernel asked for them, but only if something reads one later: matmuls that overwrite need none.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from makalu.sim_models.golden.formats import widen
from makalu.spec.formats import ACCUMULATOR, CARRIED, SINGLES, Format
from makalu.spec.isa import Opcode
from makalu.spec.tensor_types import Part, mixable
from makalu.sw.elements import from_bits, to_bits

from .errors import KernelError
from .pe_tiles import check_columns
from .pieces import in_rows_of, pieces
from .recording import current
from .storage import Buffer, Written
from .tensor import Tensor
from .views import extent

__all__ = ["fill", "halves", "identity", "materialised"]

_OPERAND = SINGLES[0]
_PARTS = -(-(ACCUMULATOR.fraction_bits + 1) // (_OPERAND.fraction_bits + 1))
"""Operands whose sum any fp32 is: each has some bits of the significand."""
_KEPT = ~np.uint32((1 << ACCUMULATOR.fraction_bits - _OPERAND.fraction_bits) - 1)
"""The bits of an fp32 that an operand has."""


def fill(dst: Tensor, value: float) -> None:
    """Every element of `dst` becomes `value`, rounded to its type."""
    dst.check_distinct("dst")
    if dst.buffer is Buffer.PSUM:
        whole = dst.size == dst.storage.shape[0] * dst.storage.row_elements
        if value == 0 and not np.signbit(value) and whole:
            current().check_own("dst", dst)
            dst.storage.zeros = current().reserve("zeros")
        else:
            _fill_psum(dst, value)
            if whole:
                dst.storage.zeros = None
        dst.storage.mark(dst, Written.VALUE)
        return
    if dst.buffer is Buffer.SBUF:
        # a number of dst's type, so that the instruction's cast rounds nothing
        (bits,) = widen(dst.dtype, to_bits(np.array([value], np.float64), dst.dtype))
        current().append(Opcode.MEMSET, {"dst": dst}, {"value": int(bits)})
        dst.storage.mark(dst, Written.VALUE)
        return
    _fill_memory(dst, value)


def materialised(source: Tensor) -> None:
    """Writes the zeros of a PSUM tile that are about to be read, where the kernel asked for them."""
    storage = source.storage
    if storage.zeros is None or storage.state() == Written.MATMUL or (storage.marks(source) == Written.MATMUL).all():
        return
    with current().resumed(storage.zeros):
        _fill_psum(Tensor.whole(storage), 0.0)
    storage.zeros = None


def identity(size: int, beside: Format = _OPERAND) -> Tensor:
    """[size, size] operands in SBUF that may be multiplied with elements of `beside`, ones on the diagonal."""
    form = _OPERAND if mixable(beside, _OPERAND) else beside

    def load() -> Tensor:
        count = current().config.partitions
        bits = to_bits(np.eye(count, dtype=np.float32), form)
        return _loaded(current().constant(bits, form, "identity"), (count, count), "identity")

    return current().once(f"identity {form.name}", load)[:size, :size]


def _loaded(source: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    tile = current().allocate(shape, source.dtype, Buffer.SBUF, f"{name}_tile")
    current().append(Opcode.DMA_LOAD, {"dst": tile, "src": source}, {})
    tile.storage.mark(tile, Written.VALUE)
    current().fix(tile)
    return tile


def halves(dst: Tensor) -> list[Tensor]:
    """A PSUM view as elements of 16 bits: itself, or the low and the high half of each of its words."""
    count = dst.item // CARRIED.bytes
    return [replace(dst, dtype=CARRIED, start=dst.start + CARRIED.bytes * half) for half in range(count)]


def _fill_psum(dst: Tensor, value: float) -> None:
    check_columns(dst)
    bits = to_bits(np.array([value], np.float64), dst.dtype)
    rest = from_bits(bits, dst.dtype)[0]
    sums = dst.dtype == ACCUMULATOR and np.isfinite(rest) and (rest != 0 or not np.signbit(rest))
    if current().config.tensor.carries and not sums:
        _fill_bits(dst, int(bits[0]))
    else:
        _fill_sums(dst, np.float32(rest))


def _fill_bits(dst: Tensor, bits: int) -> None:
    """A matmul for each half: one row of stationary carries its bits, times ones."""
    config = current().config
    for number, half in enumerate(halves(dst)):
        low = bits >> CARRIED.bits * number & CARRIED.magnitude_mask

        def stationary(low: int = low) -> Tensor:
            shape = (1, config.tensor.columns)
            return _loaded(current().constant(np.full(shape, low, np.uint16), _OPERAND, "bits"), shape, "bits")

        left = current().once(("bits", low), stationary)[:, : dst.shape[0]]
        for piece in _banks(half):
            its = {"part": int(Part.BITS), "column": dst.partition}
            current().append(Opcode.LOAD_STATIONARY, {"stationary": left}, its)
            moving = _ones()[:1, : piece.size // piece.shape[0]]
            numbers = {"part": int(Part.UPPER), "accumulate": 0}
            current().append(Opcode.MATMUL, {"dst": piece, "moving": moving}, numbers)


def _ones() -> Tensor:
    """As many rows as a number has parts, as many columns as a matmul may have."""

    def load() -> Tensor:
        shape = (_PARTS, current().config.psum.bank_elems)
        bits = to_bits(np.ones(shape, np.float32), _OPERAND)
        return _loaded(current().constant(bits, _OPERAND, "ones"), shape, "ones")

    return current().once("ones", load)


def _fill_sums(dst: Tensor, rest: np.float32) -> None:
    config, value, parts = current().config, rest, []
    if not np.isfinite(rest):
        raise KernelError(f"a fill of PSUM with {value}: the array makes it of products, so it must be finite")
    for _ in range(_PARTS):
        # cut, not rounded: the largest number would round to infinity, and every rest is exact
        part = (rest.view(np.uint32) & _KEPT).view(np.float32)
        parts.append(part)
        rest = rest - part

    def stationary() -> Tensor:
        shape = (_PARTS, config.tensor.columns)
        bits = to_bits(np.broadcast_to(np.array(parts, np.float32)[:, None], shape), _OPERAND)
        return _loaded(current().constant(bits, _OPERAND, "parts"), shape, "parts")

    key = ("parts", *(float(part) for part in parts))
    left = current().once(key, stationary)[:, : dst.shape[0]]
    right = _ones()
    for piece in _banks(dst):
        its = {"part": int(Part.UPPER), "column": dst.partition}
        current().append(Opcode.LOAD_STATIONARY, {"stationary": left}, its)
        numbers = {"part": int(Part.UPPER), "accumulate": 0}
        moving = right[:, : piece.size // piece.shape[0]]
        current().append(Opcode.MATMUL, {"dst": piece, "moving": moving}, numbers)


def _banks(dst: Tensor) -> Iterator[Tensor]:
    """Pieces of a PSUM view that lie in a bank each: cut along the outermost dimension, at the bank's end."""
    psum = current().config.psum
    low, high = extent(dst.free)
    first, last = dst.start + low, dst.start + high
    crosses = dst.storage.row_bytes > psum.bank_bytes and first // psum.bank_bytes != last // psum.bank_bytes
    if not crosses and dst.size // dst.shape[0] <= psum.bank_elems:
        yield dst
        return
    axis = next(axis for axis in range(1, dst.ndim) if dst.shape[axis] > 1)
    size, step = dst.dims[axis]
    inside = (psum.bank_bytes - first % psum.bank_bytes) // abs(step)
    cut = max(1, min(size - 1, inside))
    for part in (slice(0, cut), slice(cut, size)):
        yield from _banks(dst[(*[slice(None)] * axis, part)])


def _fill_memory(dst: Tensor, value: float) -> None:
    """Through one tile of the value that is stored as often as it takes."""
    config = current().config
    limit = config.sbuf.partition_bytes // 4 // dst.dtype.bytes
    groups = in_rows_of([dst], config.partitions) if dst.is_contiguous() else [[dst]]
    parts = [part for group in groups for (part,) in pieces(group, config.partitions, limit)]
    height, width = max(part.shape[0] for part in parts), max(part.size // part.shape[0] for part in parts)
    tile = current().allocate((height, width), dst.dtype, Buffer.SBUF, "filled")
    fill(tile, value)
    for part in parts:
        source = tile[: part.shape[0], : part.size // part.shape[0]]
        current().append(Opcode.DMA_STORE, {"dst": part, "src": source}, {})
    dst.storage.mark(dst, Written.VALUE)
