"""What a call of the kernel language may be given: shapes, element types, numbers, names of arguments."""

import functools
import inspect
import numbers
import operator
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from makalu.hw.spec.formats import FORMATS, Format

from .names import NotBuiltError
from .tensor import Buffer, KernelError

__all__ = ["call", "checked_buffer", "checked_dtype", "checked_shape", "fp32_bits"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_SPELLED = {"float32": "nl.float32", "fp32": "nl.float32", "bfloat16": "nl.bfloat16", "bf16": "nl.bfloat16"}
_BUFFERS = ", ".join(f"nl.{buffer.value}" for buffer in Buffer)


def checked_shape(name: str, shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of integers from 1."""
    if not isinstance(shape, tuple | list):
        raise KernelError(f"{name}: shape must be a tuple or list of integers, not {shape!r}")
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        raise KernelError(f"{name}: every size must be an integer, not {list(shape)}") from None
    if not sizes or any(size < 1 for size in sizes):
        raise KernelError(f"{name}: every size must be at least 1, not {list(sizes)}")
    return sizes


def checked_dtype(name: str, dtype: Any) -> Format:
    """An element type of `nl`; of another library's the message says what to write."""
    if isinstance(dtype, Format) and dtype in FORMATS.values():
        return dtype
    word = dtype if isinstance(dtype, str) else getattr(dtype, "name", getattr(dtype, "__name__", ""))
    hint = f"; write {_SPELLED[word]}" if word in _SPELLED else ""
    raise KernelError(f"{name}: dtype must be nl.float32 or nl.bfloat16, not {dtype!r}{hint}")


def checked_buffer(name: str, buffer: Any) -> Buffer:
    """A memory of `nl`."""
    if isinstance(buffer, Buffer):
        return buffer
    hint = f"; write nl.{buffer}" if buffer in [each.value for each in Buffer] else ""
    raise KernelError(f"{name}: buffer must be one of {_BUFFERS}, not {buffer!r}{hint}")


def fp32_bits(place: str, value: Any) -> int:
    """Bits of a real number, rounded to fp32 once; infinities and NaN are numbers too."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise KernelError(f"{place} must be a number, not {value if hasattr(value, 'storage') else repr(value)}")
    try:
        wide = float(value)
    except OverflowError:
        wide = np.inf
    with np.errstate(over="ignore"):
        narrow = np.float32(wide)
    if np.isinf(narrow) and value not in (np.inf, -np.inf):
        raise KernelError(f"{place} must be within fp32's {np.finfo(np.float32).max:.8g}, not {value!r}")
    return int(narrow.view(np.uint32))


def call(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A function of the language: an argument that it does not have is refused with those that there are."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        for name in kwargs:
            if name not in known:
                raise NotBuiltError(f"{function.__name__}: {name}= is not built; there is {', '.join(known)}")
        return function(*args, **kwargs)

    return checked
