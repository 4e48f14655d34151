"""What an argument of a call or of a view's method may be, whoever calls: the base of all checks, without tensors."""

import operator
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from .errors import KernelError, shown

__all__ = ["checked_choice", "checked_flag", "checked_integer", "checked_integers", "checked_text"]

_BITS = 63
"""No size, index or stride needs more; messages and numpy can hold these."""


def checked_integer(place: str, value: Any, what: str = "an integer") -> int:
    """An integer of Python or numpy; a truth value is none. `what`: all that would be legal there, for the message."""
    try:
        if isinstance(value, bool | np.bool_) or getattr(value, "shape", ()) != ():
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise KernelError(f"{place} must be {what}, not {shown(value)}") from None
    if abs(number) >> _BITS:
        raise KernelError(f"{place} must be below 2^{_BITS}, not {shown(value)}")
    return number


def checked_integers(place: str, value: Any) -> tuple[int, ...]:
    """A tuple or list of integers."""
    try:
        if not isinstance(value, tuple | list):
            raise KernelError("no tuple")
        return tuple(checked_integer(place, each) for each in value)
    except KernelError:
        raise KernelError(f"{place} must be a tuple of integers, not {shown(value)}") from None


def checked_flag(place: str, value: Any) -> bool:
    """True or False, also as 1 or 0 and as numpy has them."""
    if isinstance(value, bool | np.bool_) or (isinstance(value, int | np.integer) and value in (0, 1)):
        return bool(value)
    raise KernelError(f"{place} must be True or False, not {shown(value)}")


def checked_text(place: str, value: Any) -> str:
    """A string; None for an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise KernelError(f"{place} must be a string, not {shown(value)}")
    return value


def checked_choice(place: str, value: Any, choices: Sequence[Enum]) -> Enum:
    """One of `choices`, also by its value where that is a string."""
    for choice in choices:
        if value is choice or (isinstance(value, str) and value == choice.value):
            return choice
    listed = ", ".join(f"nisa.{choice}" for choice in choices)
    raise KernelError(f"{place} must be one of {listed}, not {shown(value)}")
