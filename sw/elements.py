"""Values to element bits and back: the one place that says what may stand for a number of the core."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.sim_models.golden.formats import narrow, storage, widen
from makalu.spec.errors import MakaluError
from makalu.spec.formats import ACCUMULATOR, Format, FormatKind

__all__ = ["Bits", "ElementError", "bits_type", "from_bits", "packed", "random_bits", "to_bits"]


class ElementError(MakaluError, ValueError):
    """Values that are no numbers of the element type; the message says which and where."""


@dataclass(frozen=True)
class Bits:
    """Element bits as they lie in memory, unsigned integers of the element's width: `Bits(array)` instead of values."""

    array: NDArray[np.unsignedinteger]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape


def bits_type(dtype: Format) -> np.dtype[Any]:
    """The unsigned integers that hold an element's bits."""
    return storage(dtype)


def to_bits(values: ArrayLike | Bits, dtype: Format, place: str = "values") -> NDArray[np.unsignedinteger]:
    """Element bits of real numbers, rounded to nearest even once to fp32 and once to the element.

    Floating-point arrays of any width (ml_dtypes included), and integers that the element holds exactly.
    Errors: `ElementError` for what is no real number (None, text, complex), for a finite number beyond fp32, for an
    integer that would be rounded, and for `Bits` of another width.
    """
    if isinstance(values, Bits):
        if values.array.dtype != bits_type(dtype):
            raise ElementError(f"{place}: bits of {dtype.name} are {bits_type(dtype)}, not {values.array.dtype}")
        return values.array
    array = np.asarray(values)
    if _bits_alone(dtype):
        if array.dtype.name == dtype.long_name:
            array = array.view(bits_type(dtype))
        if array.dtype != bits_type(dtype):
            raise ElementError(f"{place}: {dtype.name} is given as {bits_type(dtype)}, its bits, not {array.dtype}")
        return array
    if dtype.kind is FormatKind.INTEGER and array.dtype.kind in "iub":
        wide = array.astype(object)
        outside = np.array((wide < dtype.lowest) | (wide > dtype.largest), np.bool_)
        _refuse(place, array, outside, f"is no number of {dtype.name}, which has {dtype.lowest} to {dtype.largest}")
        return array.astype(np.int64).astype(bits_type(dtype))
    floating = array.dtype.kind == "f" or array.dtype.name.startswith(("bfloat16", "float"))
    if not floating and array.dtype.kind not in "iub":
        raise ElementError(f"{place} must be real numbers, not {array.dtype.name} ({_first(array)})")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if array.dtype.itemsize > ACCUMULATOR.bytes or not floating:
        lost = np.isinf(single) & np.isfinite(array.astype(np.float64))
        _refuse(place, array, lost, f"lies beyond fp32's {np.finfo(np.float32).max:.8g}")
    out = narrow(dtype, single.view(np.uint32))
    if not floating:
        back = from_bits(out, dtype).astype(np.float64)
        _refuse(place, array, back != array.astype(np.float64), f"is no number of {dtype.name}; give floats to round")
    return out


def _bits_alone(dtype: Format) -> bool:
    """Nothing rounds to it: packed elements and scales are given as their bits."""
    return dtype.elements > 1 or dtype.kind is FormatKind.SCALE


def random_bits(random: np.random.Generator, dtype: Format, shape: tuple[int, ...]) -> NDArray[np.unsignedinteger]:
    """Elements of packed formats, any numbers; scales around 1; of other types normal numbers."""
    if dtype.kind is FormatKind.SCALE:
        return (dtype.bias + random.integers(-8, 9, shape)).astype(bits_type(dtype))
    if dtype.elements == 1:
        return to_bits(random.standard_normal(shape, np.float32), dtype)
    codes = random.integers(0, dtype.largest + 1, (dtype.elements, *shape))
    codes |= random.integers(0, 2, codes.shape) << dtype.bits - 1
    return packed(codes, dtype)


def packed(codes: NDArray[np.integer], dtype: Format) -> NDArray[np.unsignedinteger]:
    """Containers of codes [elements, ...], the first in the lowest bits."""
    places = np.arange(dtype.elements).reshape(-1, *[1] * (codes.ndim - 1)) * dtype.bits
    return np.asarray((codes.astype(np.int64) << places).sum(axis=0)).astype(bits_type(dtype))


def from_bits(bits: NDArray[np.unsignedinteger], dtype: Format) -> NDArray[Any]:
    """The values as float32: exact, but for integers beyond 2^24. Packed elements and scales as their bits."""
    return bits.copy() if _bits_alone(dtype) else widen(dtype, bits).view(np.float32)


def _first(array: NDArray[Any]) -> str:
    return repr(array.reshape(-1)[0]) if array.size else "empty"


def _refuse(place: str, array: NDArray[Any], wrong: NDArray[np.bool_], text: str) -> None:
    if np.any(wrong):
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ElementError(f"{place}: {array[index]!r} at {list(index)} {text}")
