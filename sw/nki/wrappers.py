"""Functions of tiles: each makes a tile for its result and records the instructions that fill it."""

from typing import Any

import numpy as np

from makalu.spec.formats import FP32, Format

from . import isa
from .arguments import call, checked_tensor
from .dtypes import checked_dtype
from .errors import KernelError, shown
from .operators import OPERATORS, Operator
from .recording import current
from .staging import fresh
from .storage import Buffer
from .tensor import Tensor

__all__ = ["broadcast_to", "load", "load_transpose2d", "matmul", "store", "transpose"]


@call("nl")
def load(src: Tensor, dtype: Any = None) -> Tensor:
    """A new SBUF tile with the values of `src`, whose first dimension is the partition."""
    checked_tensor("src", src, Buffer.HBM, Buffer.SHARED_HBM, Buffer.PRIVATE_HBM)
    kind = src.dtype if dtype is None else checked_dtype("dtype", dtype)
    shape = src.shape if src.ndim > 1 else (src.shape[0], 1)
    tile = _tile(shape, kind, src.name)
    isa.dma_copy(tile, src)
    return tile


@call("nl")
def store(dst: Tensor, value: Tensor) -> None:
    """dst in memory = a tile of SBUF or PSUM."""
    checked_tensor("dst", dst, Buffer.HBM, Buffer.SHARED_HBM, Buffer.PRIVATE_HBM)
    isa.dma_copy(dst, checked_tensor("value", value, Buffer.SBUF, Buffer.PSUM))


@call("nl")
def load_transpose2d(src: Tensor, dtype: Any = None) -> Tensor:
    """A new SBUF tile with the transpose of `src` [rows, columns]: a load whose every element is a burst of its own."""
    checked_tensor("src", src, Buffer.HBM, Buffer.SHARED_HBM, Buffer.PRIVATE_HBM)
    if src.ndim != 2:
        raise KernelError(f"src {src} must have two dimensions")
    kind = src.dtype if dtype is None else checked_dtype("dtype", dtype)
    tile = _tile(tuple(reversed(src.shape)), kind, src.name)
    isa.dma_copy(tile, src.permute((1, 0)))
    return tile


@call("nl")
def broadcast_to(x: Tensor, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
    """A view of `x` in which dimensions of size 1 repeat; also the partition, whose row is copied where it is used."""
    shape = tuple(shape)
    if len(shape) != x.ndim or any(old not in (1, new) for old, new in zip(x.shape, shape, strict=True)):
        raise KernelError(f"{x} cannot be broadcast to {list(shape)}")
    view = x
    for dim, (old, new) in enumerate(zip(x.shape, shape, strict=True)):
        view = view.broadcast(dim, new) if old != new else view
    kind = x.dtype if dtype is None else checked_dtype("dtype", dtype)
    return view if kind == x.dtype else _copied(view, kind)


@call("nl")
def transpose(x: Tensor, dtype: Any = None) -> Tensor:
    """A new PSUM tile with partition and free dimension of `x` swapped, by `nisa.nc_transpose`."""
    checked_tensor("x", x, Buffer.SBUF, Buffer.PSUM)
    kind = x.dtype if dtype is None else checked_dtype("dtype", dtype)
    tile = current().allocate((x.size // x.shape[0], x.shape[0]), kind, Buffer.PSUM, "transposed")
    isa.nc_transpose(tile, x)
    return tile


@call("nl")
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False) -> Tensor:
    """x @ y, or x.T @ y with `transpose_x`, as a new fp32 PSUM tile; without it x goes through a transpose first."""
    checked_tensor("x", x, Buffer.SBUF)
    checked_tensor("y", y, Buffer.SBUF)
    if not transpose_x:
        x = _copied(transpose(x), x.dtype)
    tile = current().allocate((x.size // x.shape[0], y.size // y.shape[0]), FP32, Buffer.PSUM, "product")
    isa.nc_matmul(tile, x, y)
    return tile


def _tile(shape: tuple[int, ...], dtype: Format, name: str) -> Tensor:
    """Errors: more rows than the core has partitions."""
    partitions = current().config.partitions
    if shape[0] > partitions:
        raise KernelError(f"{name}{list(shape)}: a tile has at most {partitions} partitions, not {shape[0]}")
    return fresh(shape, dtype, name)


def _copied(x: Tensor, dtype: Format) -> Tensor:
    tile = _tile(x.shape, dtype, "copy")
    isa.tensor_copy(tile, x)
    return tile


def _two(name: str) -> None:
    """An arithmetic operator as a function of tiles and numbers, shapes broadcast as numpy does."""
    operator: Operator = OPERATORS[name]

    def apply(x: Any, y: Any, dtype: Any = None) -> Tensor:
        tiles = [operand for operand in (x, y) if isinstance(operand, Tensor)]
        if not tiles:
            raise KernelError(f"one of x and y must be a tile, not {shown(x)} and {shown(y)}")
        kind = _result_type(tiles, dtype)
        if len(tiles) == 1:
            number = y if tiles[0] is x else x
            out = _tile(tiles[0].shape, kind, name)
            isa.tensor_scalar(out, tiles[0], operator, number, reverse0=tiles[0] is not x)
            return out
        left, right = tiles
        try:
            shape = np.broadcast_shapes(left.shape, right.shape)
        except ValueError:
            raise KernelError(f"{left} and {right} do not broadcast to one shape") from None
        left, right = (_spread(tile, shape) for tile in tiles)
        if left.buffer is Buffer.PSUM and right.buffer is Buffer.PSUM:
            right = _copied(right, right.dtype)
        out = _tile(shape, kind, name)
        isa.tensor_tensor(out, left, right, operator)
        return out

    apply.__name__ = name
    operator.apply = call("nl")(apply)


def _spread(tile: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tile.ndim != len(shape):
        raise KernelError(f"{tile} has {tile.ndim} dimensions, the other operand {len(shape)}; give both as many")
    return broadcast_to(tile, shape)


def _one(name: str, record: Any) -> None:
    """A function of one tile."""

    def apply(x: Tensor, dtype: Any = None) -> Tensor:
        checked_tensor("x", x, Buffer.SBUF, Buffer.PSUM)
        out = _tile(x.shape, _result_type([x], dtype), name)
        record(out, x)
        return out

    apply.__name__ = name
    OPERATORS[name].apply = call("nl")(apply)


def _squared(out: Tensor, x: Tensor) -> None:
    x = x if x.buffer is Buffer.SBUF else _copied(x, x.dtype)
    isa.tensor_tensor(out, x, x, OPERATORS["multiply"])


def _result_type(tiles: list[Tensor], dtype: Any) -> Format:
    """`dtype`, else the wider of the operands' types."""
    return checked_dtype("dtype", dtype) if dtype is not None else max((t.dtype for t in tiles), key=lambda f: f.bytes)


for _name in ("add", "subtract", "multiply", "maximum", "minimum"):
    _two(_name)
_one("copy", lambda out, x: isa.tensor_copy(out, x))
_one("relu", lambda out, x: isa.activation(out, OPERATORS["relu"], x))
_one("square", _squared)
_one("negative", lambda out, x: isa.tensor_scalar(out, x, OPERATORS["multiply"], -1.0))
