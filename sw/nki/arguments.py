"""What a call of the kernel language may be given: shapes, memories, numbers, names of arguments."""

import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .checks import checked_choice, checked_flag, checked_integer, checked_integers, checked_text
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
    sizes = checked_integers(f"{place}: shape", shape)
    if not sizes or any(size < 1 for size in sizes):
        raise KernelError(f"{place}: every size must be at least 1, not {shown(list(sizes))}")
    return sizes


def checked_buffer(place: str, buffer: Any) -> Buffer:
    """A memory of `nl`, also by its name."""
    if isinstance(buffer, Buffer):
        return buffer
    for each in Buffer:
        if isinstance(buffer, str) and buffer == each.value:
            return each
    raise KernelError(f"{place}: buffer must be one of {_BUFFERS}, not {shown(buffer)}")


def checked_tensor(place: str, tensor: Any, *buffers: Buffer) -> Tensor:
    """A tensor, in one of `buffers` if there are any."""
    if not isinstance(tensor, Tensor):
        raise KernelError(f"{place} must be a tensor, not {shown(tensor)}")
    if buffers and tensor.buffer not in buffers:
        raise KernelError(f"{place} must be in {' or '.join(b.value for b in buffers)}, not {tensor}")
    return tensor


def fp32_bits(place: str, value: Any) -> int:
    """Bits of a real number, rounded to fp32 once; infinities and NaN are numbers too."""
    wide = _real(value)
    if wide is None:
        raise KernelError(f"{place} must be a number, not {shown(value)}")
    with np.errstate(over="ignore"):
        narrow = np.float32(wide)
    if np.isinf(narrow) and (not np.isinf(wide) or isinstance(value, numbers.Rational)):
        raise KernelError(f"{place} must be within fp32's {np.finfo(np.float32).max:.8g}, not {shown(value)}")
    return int(narrow.view(np.uint32))


def _real(value: Any) -> float | None:
    """A real number of Python, numpy or ml_dtypes (an array without dimensions too); None for anything else."""
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):
        if np.ndim(value) or not (dtype.kind in "iuf" or dtype.name.startswith(("bfloat16", "float"))):
            return None
        return float(np.asarray(value).astype(np.float64))
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def unbuilt(**arguments: tuple[Any, Any]) -> None:
    """(value, the value that means nothing): an argument of NKI with any other value is refused by name."""
    for name, (value, nothing) in arguments.items():
        if value is not nothing:
            raise NotBuiltError(f"{name}={shown(value)}")


def _checks(signature: inspect.Signature) -> Mapping[str, Callable[[str, Any], Any]]:
    """What the annotations of a call say about its arguments; those that say more than one kind the call checks."""
    kinds: dict[Any, Callable[[str, Any], Any]] = {
        Tensor: checked_tensor,
        bool: checked_flag,
        bool | None: lambda place, value: None if value is None else checked_flag(place, value),
        int: checked_integer,
        str: checked_text,
        str | None: checked_text,
        tuple[int, ...]: checked_integers,
        tuple[int, ...] | None: lambda place, value: None if value is None else checked_integers(place, value),
    }
    out = {}
    for name, parameter in signature.parameters.items():
        if parameter.annotation in kinds:
            out[name] = kinds[parameter.annotation]
        elif isinstance(parameter.default, Enum) and not isinstance(parameter.default, Buffer):
            out[name] = functools.partial(checked_choice, choices=[*type(parameter.default)])
    return out


def call(module: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A function of the language: its operations carry its name, its errors too; unknown arguments are refused.

    Arguments are what the annotations say: tensors of the running kernel, integers, flags, texts, choices.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        signature = inspect.signature(function)
        name = f"{module}.{function.__name__.rstrip('_')}"
        checks = _checks(signature)

        @functools.wraps(function)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                unknown = [key for key in kwargs if key not in signature.parameters]
                if "mask" in unknown:
                    raise NotInNkiError(f"{name}: mask=; Beta 1 had masks, AWS removed them") from None
                if unknown:
                    raise NotInNkiError(f"{name}: {unknown[0]}=; it has {', '.join(signature.parameters)}") from None
                raise KernelError(f"{name}: {error}") from None
            with current().calling(name):
                try:
                    for key, check in checks.items():
                        if key in bound.arguments:
                            bound.arguments[key] = check(key, bound.arguments[key])
                    return function(*bound.args, **bound.kwargs)
                except (KernelError, NotBuiltError) as error:
                    if not error.text.startswith(name):
                        error.text = f"{name}: {error.text}"
                    raise

        return checked

    return decorate
