"""The small kernels that the drawings show; each has one input `x` [P, N]."""

from makalu.spec.engines import Queue
from makalu.spec.isa import Opcode
from makalu.sw.compile.compiler import Queues
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["WIDE", "chain", "copied", "one_bank", "one_stationary", "short_sums", "sum_of_two", "swap"]

WIDE = 96
"""Columns of an input whose load takes so long that all instructions have arrived before it ends."""


def swap(x: Tensor) -> Tensor:
    """Two matmuls with a stationary tile each; everything has arrived before the first."""
    tile, size = nl.load(x), x.shape[0]
    out = nl.ndarray((size, 2 * size), nl.float32, buffer=nl.shared_hbm)
    sums = [nl.ndarray((size, 2 * size), nl.float32, buffer=nl.psum) for _ in range(2)]
    for i, target in enumerate(sums):
        moving = tile[:, 2 * size * (1 + i) : 2 * size * (2 + i)]
        nisa.nc_matmul(target, tile[:, size * i : size * (1 + i)], moving)
    total = nl.ndarray(out.shape, nl.float32)
    nisa.tensor_copy(total, sums[0])
    nisa.tensor_tensor(total, total, sums[1], op=nl.add)
    nl.store(out, total)
    return out


def short_sums(x: Tensor) -> Tensor:
    """Three matmuls of two columns that add up in the same two elements."""
    tile, size = nl.load(x), x.shape[0]
    out = nl.ndarray((size, 2), nl.float32, buffer=nl.shared_hbm)
    sums = nl.ndarray((size, 2), nl.float32, buffer=nl.psum)
    for i in range(3):
        nisa.nc_matmul(sums, tile[:, 0:size], tile[:, size + 2 * i : size + 2 * i + 2])
    total = nl.ndarray(out.shape, nl.float32)
    nisa.tensor_copy(total, sums)
    nl.store(out, total)
    return out


def one_stationary(queues: Queues) -> Queues:
    """The first load_stationary serves all matmuls: the compiler loads again for each call."""
    loads = [i for i in queues[Queue.TENSOR] if i.opcode == Opcode.LOAD_STATIONARY]
    return {queue: [i for i in stream if i not in loads[1:]] for queue, stream in queues.items()}


def one_bank(x: Tensor) -> Tensor:
    """Vector and Scalar read and write the same bank, while a third tile is loaded."""
    tile = nl.load(x)
    late = nl.load(x[:, 0:24])
    out = nl.ndarray((x.shape[0], 40), nl.float32, buffer=nl.shared_hbm)
    total = nl.ndarray((x.shape[0], 40), nl.float32)
    nisa.tensor_tensor(total[:, 0:4], tile[:, 0:4], tile[:, 4:8], op=nl.add)
    nisa.activation(total[:, 8:16], op=nl.relu, data=tile[:, 0:8])
    nisa.tensor_copy(total[:, 4:8], tile[:, 0:4])
    nisa.tensor_copy(total[:, 16:40], late)
    nl.store(out, total)
    return out


def sum_of_two(x: Tensor) -> Tensor:
    """One tensor_tensor of six elements, alone."""
    tile = nl.load(x)
    out = nl.ndarray((x.shape[0], 6), nl.bfloat16, buffer=nl.shared_hbm)
    total = nl.ndarray(out.shape, nl.bfloat16)
    nisa.tensor_tensor(total, tile[:, 0:6], tile[:, 8:14], op=nl.add)
    nl.store(out, total)
    return out


def copied(x: Tensor) -> Tensor:
    """A load of two words a partition, and its store."""
    out = nl.ndarray(x.shape, nl.float32, buffer=nl.shared_hbm)
    nl.store(out, nl.load(x))
    return out


def chain(x: Tensor) -> Tensor:
    """A load, an activation that waits for it, and a store that waits for that."""
    tile = nl.load(x)
    out = nl.ndarray((x.shape[0], 4), nl.float32, buffer=nl.shared_hbm)
    result = nl.ndarray((x.shape[0], 4), nl.float32)
    nisa.activation(result, op=nl.relu, data=tile[:, 0:4])
    nl.store(out, result)
    return out
