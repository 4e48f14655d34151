"""`nl`: tensors, element types, sizes and operators of the kernel language."""

from collections.abc import Iterator
from math import prod

from makalu.hw.spec.formats import BF16, FP32, Format
from makalu.hw.spec.isa import AluOp, Function

from .arguments import call, checked_buffer, checked_dtype, checked_shape
from .names import refuse_names
from .recording import current
from .tensor import Buffer, KernelError, Tensor

__all__ = [
    "add",
    "affine_range",
    "bfloat16",
    "broadcast_to",
    "copy",
    "float32",
    "hbm",
    "maximum",
    "minimum",
    "multiply",
    "ndarray",
    "psum",
    "relu",
    "sbuf",
    "sequential_range",
    "shared_hbm",
    "static_range",
    "subtract",
    "tile_size",
]

float32: Format = FP32
bfloat16: Format = BF16

sbuf = Buffer.SBUF
psum = Buffer.PSUM
hbm = Buffer.HBM
shared_hbm = Buffer.SHARED_HBM

add = AluOp.ADD
subtract = AluOp.SUBTRACT
multiply = AluOp.MULTIPLY
maximum = AluOp.MAX
minimum = AluOp.MIN

copy = Function.IDENTITY
relu = Function.RELU


class _TileSize:
    """Sizes of the core that the kernel is traced for."""

    @property
    def pmax(self) -> int:
        """Partitions of SBUF and PSUM; contraction rows of a matmul."""
        return current().config.partitions

    @property
    def gemm_stationary_fmax(self) -> int:
        """Columns of a stationary tile."""
        return current().config.tensor.columns

    @property
    def gemm_moving_fmax(self) -> int:
        """Columns of a moving tile: what one PSUM bank holds."""
        return current().config.psum.bank_elems

    @property
    def psum_fmax(self) -> int:
        """fp32 elements of a PSUM bank."""
        return current().config.psum.bank_elems


tile_size = _TileSize()


@call
def ndarray(shape: tuple[int, ...], dtype: Format, *, buffer: Buffer = Buffer.SBUF, name: str = "tensor") -> Tensor:
    """A new tensor. On the chip dimension 0 is the partition.

    Errors: fewer than two dimensions, too many partitions or bytes on the chip; a size below 1; PSUM other than float32
    or more than a bank of it.
    """
    config = current().config
    shape = checked_shape(name, shape)
    dtype, buffer = checked_dtype(name, dtype), checked_buffer(name, buffer)
    if buffer.on_chip:
        if len(shape) < 2:
            raise KernelError(f"{name}: a tensor on the chip has a partition and a free dimension, not {list(shape)}")
        if shape[0] > config.partitions:
            raise KernelError(f"{name}{list(shape)}: the core has {config.partitions} partitions, not {shape[0]}")
    if buffer is Buffer.PSUM and dtype != FP32:
        raise KernelError(f"{name}{list(shape)}: PSUM holds float32, not {dtype.name}")
    # here and not where tiles are placed: a tile that no operation uses is never placed
    rooms = {
        Buffer.SBUF: ("a partition of SBUF", config.sbuf.partition_bytes),
        Buffer.PSUM: ("a PSUM bank", config.psum.bank_bytes),
    }
    if buffer in rooms:
        where, limit = rooms[buffer]
        size = prod(shape[1:]) * dtype.bytes
        if size > limit:
            raise KernelError(
                f"{name}{list(shape)} {dtype.name} needs {size} bytes, {where} has {limit}: {size - limit} too many"
            )
    return current().allocate(shape, dtype, buffer, name)


def broadcast_to(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A view of `tensor` in which dimensions of size 1 repeat."""
    return tensor.broadcast_to(*shape)


def affine_range(*bounds: int) -> Iterator[int]:
    """A loop over `range(*bounds)`: stop; start and stop; or start, stop and step.

    Every loop is unrolled while the kernel is traced.
    """
    try:
        return iter(range(*bounds))
    except (TypeError, ValueError) as error:
        rule = "stop, start and stop, or start, stop and step"
        raise KernelError(f"a range takes {rule}, not {bounds}: {error}") from error


sequential_range = affine_range
static_range = affine_range

__getattr__ = refuse_names("nl", __all__)
