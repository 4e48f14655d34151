"""Transposes beside matmuls (`spec/background.py`): which of them go there, and what is recorded."""

from math import prod

from makalu.spec.isa import Opcode
from makalu.spec.tensor_types import TRANSPOSES, Part

from .fill import halves, identity
from .matmul import inside_a_bank
from .pe_tiles import check_columns
from .recording import current
from .staging import aligned_stationary, in_rows, read, relocated
from .storage import Written
from .tensor import Tensor

__all__ = ["may_be_beside", "transposed"]


def may_be_beside(dst: Tensor, data: Tensor) -> bool:
    """dst[M, K] = data[K, M] bit for bit, on a core that has it, into a line of PSUM: of any other pattern matmuls
    transpose.
    """
    lines = [size for size, _ in dst.free if size != 1]
    return bool(current().config.tensor.background) and dst.dtype == data.dtype and len(lines) <= 1


def transposed(dst: Tensor, data: Tensor) -> None:
    """An instruction for every 16 bits of an element: one beside matmuls, or, right behind such a one, which the next
    would wait for, a matmul with the identity that runs beside it.
    """
    check_columns(dst)
    inside_a_bank(dst)
    dst.check_distinct("dst")
    data = aligned_stationary(in_rows(data))
    read("data", data)
    if dst.size == prod(dst.storage.shape):
        dst.storage.zeros = None  # none of them is left
    for part, piece in zip(TRANSPOSES, halves(dst), strict=False):
        if current().last_of_tensor is not Opcode.TRANSPOSE:
            current().append(Opcode.TRANSPOSE, {"dst": piece, "src": data}, {"part": int(part)})
            continue
        ones = identity(data.shape[0], data.dtype)
        stationary = data if data.partition == ones.partition else relocated(data, ones.partition)
        current().append(
            Opcode.LOAD_STATIONARY, {"stationary": stationary}, {"part": int(part), "column": dst.partition}
        )
        moved = {"part": int(Part.UPPER), "accumulate": 0}
        current().append(Opcode.MATMUL, {"dst": piece, "moving": ones}, moved)
    dst.storage.mark(dst, Written.VALUE)
