"""What a call of the kernel language may be given: shapes, memories, numbers, names of arguments."""

import functools
import inspect
import numbers
import operator
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .errors import KernelError, NotBuiltError, NotInNkiError, shown
from .recording import current
from .storage import Buffer
from .tensor import Tensor

__all__ = ["call", "checked_buffer", "checked_shape", "checked_tensor", "fp32_bits", "unbuilt"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_BUFFERS = ", ".join(f"nl.{buffer}" for buffer in Buffer)


def checked_shape(place: str, shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of integers from 1."""
    if not isinstance(shape, tuple | list):
        raise KernelError(f"{place}: shape must be a tuple of integers, not {shape!r}")
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        raise KernelError(f"{place}: every size must be an integer, not {list(shape)}") from None
    if not sizes or any(size < 1 for size in sizes):
        raise KernelError(f"{place}: every size must be at least 1, not {list(sizes)}")
    return sizes


def checked_buffer(place: str, buffer: Any) -> Buffer:
    """A memory of `nl`, also by its name."""
    if isinstance(buffer, Buffer):
        return buffer
    for each in Buffer:
        if buffer == each.value:
            return each
    raise KernelError(f"{place}: buffer must be one of {_BUFFERS}, not {buffer!r}")


def checked_tensor(place: str, tensor: Any, *buffers: Buffer) -> Tensor:
    """A tensor, in one of `buffers` if there are any."""
    if not isinstance(tensor, Tensor):
        raise KernelError(f"{place} must be a tensor, not {shown(tensor)}")
    if buffers and tensor.buffer not in buffers:
        raise KernelError(f"{place} must be in {' or '.join(b.value for b in buffers)}, not {tensor}")
    return tensor


def fp32_bits(place: str, value: Any) -> int:
    """Bits of a real number, rounded to fp32 once; infinities and NaN are numbers too."""
    if not isinstance(value, numbers.Real) and np.ndim(value) == 0 and hasattr(value, "dtype"):
        value = np.float32(value)  # a scalar of ml_dtypes
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise KernelError(f"{place} must be a number, not {shown(value)}")
    try:
        wide = float(value)
    except OverflowError:
        wide = np.inf
    with np.errstate(over="ignore"):
        narrow = np.float32(wide)
    if np.isinf(narrow) and value not in (np.inf, -np.inf):
        raise KernelError(f"{place} must be within fp32's {np.finfo(np.float32).max:.8g}, not {value!r}")
    return int(narrow.view(np.uint32))


def unbuilt(**arguments: tuple[Any, Any]) -> None:
    """(value, the value that means nothing): an argument of NKI with any other value is refused by name."""
    for name, (value, nothing) in arguments.items():
        if value is not nothing and value != nothing:
            raise NotBuiltError(f"{name}={value!r}")


def call(module: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A function of the language: its operations carry its name, its errors too; unknown arguments are refused."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        signature = inspect.signature(function)
        name = f"{module}.{function.__name__.rstrip('_')}"

        @functools.wraps(function)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                unknown = [key for key in kwargs if key not in signature.parameters]
                if "mask" in unknown:
                    raise NotInNkiError(f"{name}: mask=; Beta 1 had masks, AWS removed them") from None
                if unknown:
                    raise NotInNkiError(f"{name}: {unknown[0]}=; it has {', '.join(signature.parameters)}") from None
                raise KernelError(f"{name}: {error}") from None
            with current().calling(name):
                try:
                    return function(*args, **kwargs)
                except (KernelError, NotBuiltError) as error:
                    if not error.text.startswith(name):
                        error.text = f"{name}: {error.text}"
                    raise

        return checked

    return decorate
