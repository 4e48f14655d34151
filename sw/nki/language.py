"""`nl`: tensors, element types, sizes, loops and operators of the kernel language."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from makalu.spec.formats import FP32
from makalu.sw.elements import ElementError, to_bits

from .api import LANGUAGE_NAMES, refuse_names
from .arguments import call, checked_buffer, checked_shape, checked_tensor, fp32_bits
from .checks import checked_integer, checked_integers
from .dtypes import OTHER_TYPES, TYPES, checked_dtype, format_of
from .errors import KernelError, NotInNkiError, shown
from .fill import fill, identity
from .nki_object import NKIObject
from .operators import OPERATORS
from .recording import current
from .storage import Buffer
from .tensor import DynamicSlice, Tensor
from .tile_size import tile_size
from .transfer import transfer
from .wrappers import broadcast_to, load, load_transpose2d, matmul, store, transpose

globals().update(TYPES)

sbuf, psum, hbm = Buffer.SBUF, Buffer.PSUM, Buffer.HBM
private_hbm, shared_hbm = Buffer.PRIVATE_HBM, Buffer.SHARED_HBM
MemoryRegion, NkiTensor = Buffer, Tensor

ds = DynamicSlice

# names of this module that others define
_NAMED = (NKIObject, broadcast_to, load, load_transpose2d, matmul, store, tile_size, transpose)

globals().update(OTHER_TYPES)
globals().update(OPERATORS)

_FUNCTIONS = (
    "affine_range broadcast_to ds empty_like expand_dims full is_hbm is_on_chip is_psum is_sbuf load load_transpose2d"
    " matmul ndarray no_reorder num_programs ones program_id program_ndim sequential_range shared_constant"
    " shared_identity_matrix static_range store transpose zeros zeros_like"
).split()
_TYPES = tuple(name for name in TYPES if name in LANGUAGE_NAMES)
_VALUES = (
    *_TYPES,
    *"sbuf psum hbm private_hbm shared_hbm MemoryRegion NkiTensor NKIObject tile_size".split(),
)
BUILT = (*_VALUES, *_FUNCTIONS, *(o.name for o in OPERATORS.values() if o.alu is not None or o.function or o.apply))
"""Names that compute, or that a kernel may name."""

__all__ = [*_VALUES, *_FUNCTIONS, *OPERATORS, *OTHER_TYPES]


@call("nl")
def ndarray(
    shape: tuple[int, ...],
    dtype: Any,
    buffer: Any = Buffer.SBUF,
    name: str = "",
    address: tuple[int, int] | None = None,
) -> Tensor:
    """A new tensor without values. On the chip dimension 0 is the partition.

    `address` (partition, byte) is honoured in the compiler's mode `keep_addresses`, otherwise tiles are placed by
    their lifetimes. Errors: fewer than two dimensions, too many partitions or bytes on the chip; a size below 1.
    """
    return _new(shape, dtype, buffer, name, address)


def _new(shape: Any, dtype: Any, buffer: Any, name: str, address: Any = None) -> Tensor:
    config = current().config
    if address is not None:
        place = checked_integers("address", address)
        if len(place) != 2 or min(place) < 0:
            raise KernelError(f"address must be (partition, byte), both from 0 on, not {list(place)}")
    memory = checked_buffer(name or "tensor", buffer)
    name = name or ("output" if memory is Buffer.SHARED_HBM else "tensor")
    shape, kind = checked_shape(name, shape), checked_dtype(name, dtype)
    if memory.on_chip:
        if len(shape) < 2:
            raise KernelError(f"{name}: a tensor on the chip has a partition and a free dimension, not {list(shape)}")
        if shape[0] > config.partitions:
            raise KernelError(f"{name}{list(shape)}: the core has {config.partitions} partitions, not {shape[0]}")
    # here and not where tiles are placed: a tile that no operation uses is never placed
    least = config.tensor.smallest_result
    rooms = {
        Buffer.SBUF: ("a partition of SBUF", config.sbuf.partition_bytes, kind.bytes),
        Buffer.PSUM: ("a partition of PSUM", config.psum.partition_bytes, max(kind.bytes, least)),
    }
    if memory in rooms:
        where, limit, item = rooms[memory]
        size = prod(shape[1:]) * item
        if size > limit:
            raise KernelError(
                f"{name}{list(shape)} {kind.name} needs {size} bytes, {where} has {limit}: {size - limit} too many"
            )
    limit = 1 << config.bus.address_bits
    if not memory.on_chip and prod(shape) * kind.bytes > limit:
        size = prod(shape) * kind.bytes
        raise KernelError(f"{name}{list(shape)} {kind.name} needs {size} bytes, the bus has {limit}")
    return current().allocate(shape, kind, memory, name, address=address)


def _filled(shape: Any, value: float, dtype: Any, buffer: Any, name: str) -> Tensor:
    tensor = _new(shape, dtype, buffer, name)
    fill(tensor, value)
    return tensor


@call("nl")
def full(shape: tuple[int, ...], fill_value: float, dtype: Any, buffer: Any = Buffer.SBUF, name: str = "") -> Tensor:
    """A new tensor, every element `fill_value`; costs as `nisa.memset`."""
    fp32_bits("fill_value", fill_value)
    return _filled(shape, float(fill_value), dtype, buffer, name)


@call("nl")
def zeros(shape: tuple[int, ...], dtype: Any, buffer: Any = Buffer.SBUF, name: str = "") -> Tensor:
    """`full` of 0."""
    return _filled(shape, 0.0, dtype, buffer, name)


@call("nl")
def ones(shape: tuple[int, ...], dtype: Any, buffer: Any = Buffer.SBUF, name: str = "") -> Tensor:
    """`full` of 1."""
    return _filled(shape, 1.0, dtype, buffer, name)


@call("nl")
def empty_like(x: Tensor, dtype: Any = None, buffer: Any = None, name: str = "") -> Tensor:
    """A new tensor of the shape, type and memory of `x`."""
    return _new(x.shape, x.dtype if dtype is None else dtype, x.buffer if buffer is None else buffer, name)


@call("nl")
def zeros_like(x: Tensor, dtype: Any = None, buffer: Any = None, name: str = "") -> Tensor:
    """`empty_like` filled with 0."""
    kind, memory = x.dtype if dtype is None else dtype, x.buffer if buffer is None else buffer
    return _filled(x.shape, 0.0, kind, memory, name)


@call("nl")
def expand_dims(x: Tensor, axis: int) -> Tensor:
    """A view of `x` with a new dimension of size 1."""
    return x.expand_dim(axis)


@call("nl")
def shared_constant(constant: Any) -> Tensor:
    """A tensor in memory with the values of a numpy array or a `.npy` file; the program brings them along."""
    try:
        array = np.load(constant, allow_pickle=False) if isinstance(constant, str) else np.asarray(constant)
    except Exception as error:  # of numpy and zipfile, each with kinds of its own for damaged bytes
        raise KernelError(f"constant {shown(constant)} is no array: {error}") from None
    if not isinstance(array, np.ndarray) or array.ndim == 0 or array.size == 0:
        raise KernelError(f"constant must be an array with a dimension and an element, not {shown(constant)}")
    kind = FP32 if array.dtype == np.float64 else format_of(array.dtype)
    try:
        form = checked_dtype("constant", array.dtype if kind is None else kind)
        return current().constant(to_bits(array, form), form, "constant")
    except ElementError as error:
        raise KernelError(str(error)) from None


@call("nl")
def shared_identity_matrix(n: int, dtype: Any = TYPES["uint8"], dst: Tensor | None = None) -> Tensor:
    """[n, n] in SBUF, ones on the diagonal; loaded once."""
    kind = checked_dtype("dtype", dtype)
    if not 1 <= n <= current().config.partitions:
        raise KernelError(f"n must be from 1 to {current().config.partitions}, not {n}")
    found = identity(n)
    if kind != found.dtype or dst is not None:
        target = dst if dst is not None else ndarray((n, n), kind)
        transfer(checked_tensor("dst", target), found)
        return target
    return found


def program_id(axis: int = 0) -> int:
    """0: one core runs a kernel."""
    checked_integer("nl.program_id: axis", axis)
    return 0


def num_programs(axes: Any = 0) -> int:
    """1: one core runs a kernel."""
    if isinstance(axes, tuple | list):
        checked_integers("nl.num_programs: axes", axes)
    else:
        checked_integer("nl.num_programs: axes", axes)
    return 1


def program_ndim() -> int:
    """0: there is no grid."""
    return 0


def is_hbm(buffer: Any) -> bool:
    return not checked_buffer("is_hbm", buffer).on_chip


def is_on_chip(buffer: Any) -> bool:
    return checked_buffer("is_on_chip", buffer).on_chip


def is_psum(buffer: Any) -> bool:
    return checked_buffer("is_psum", buffer) is Buffer.PSUM


def is_sbuf(buffer: Any) -> bool:
    return checked_buffer("is_sbuf", buffer) is Buffer.SBUF


@contextmanager
def no_reorder() -> Iterator[None]:
    """Operations inside keep their order. They do anyway as far as anybody can see: nothing is ever reordered."""
    block = current().enter("no_reorder")
    try:
        yield
    finally:
        current().leave()
        del block


def affine_range(start: int, stop: int | None = None, step: int = 1) -> range:
    """`range`: every loop is unrolled while the kernel is traced."""
    first, last = (0, start) if stop is None else (start, stop)
    first, last, by = (checked_integer("a bound or step of a range", bound) for bound in (first, last, step))
    if by == 0:
        raise KernelError("the step of a range must not be 0")
    return range(first, last, by)


sequential_range = affine_range
static_range = affine_range

_refuse = refuse_names("nl", LANGUAGE_NAMES)
_BETA_1 = ("mgrid", "arange", "par_dim", "spmd_dim", "nc", "loop_reduce", "mask")


def __getattr__(name: str) -> Any:
    if name in _BETA_1:
        raise NotInNkiError(f"nl.{name}; it is of Beta 1 (neuronxcc), which AWS removed")
    return _refuse(name)
