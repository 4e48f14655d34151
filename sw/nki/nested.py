"""Arguments of a kernel may hold others: tuples, lists, dicts, dataclasses, objects of `nl.NKIObject`."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from .errors import KernelError
from .nki_object import NKIObject

__all__ = ["mapped", "remade"]


def mapped(value: Any, name: str, change: Callable[[str, Any], Any], around: tuple[int, ...] = ()) -> Any:
    """`value` with everything in it as `change(name, item)` says; names are paths, joined by `_`.

    `change` returns an item that it leaves alone as it is; only then is the inside of the item looked at. Where
    something in a dataclass or an `NKIObject` changed it is made anew: the caller's own stays as it was.
    Errors: what holds itself.
    """
    changed = change(name, value)
    if changed is not value:
        return changed
    if id(value) in around:
        raise KernelError(f"argument {name}: {type(value).__name__} holds itself")

    def inside(items: Any) -> dict[Any, Any]:
        return {key: mapped(each, f"{name}_{key}", change, (*around, id(value))) for key, each in items}

    if isinstance(value, tuple | list) and (type(value) in (tuple, list) or hasattr(value, "_fields")):
        return remade(value, [*inside(enumerate(value)).values()])
    if isinstance(value, dict):
        return inside(value.items())
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        made = inside(inner.items())
        return replace(value, **made) if any(made[key] is not inner[key] for key in inner) else value
    if isinstance(value, NKIObject):
        made = inside(vars(value).items())
        if any(made[key] is not each for key, each in vars(value).items()):
            value = copy.copy(value)
            vars(value).update(made)
    return value


def remade(value: Sequence[Any], items: Sequence[Any]) -> Any:
    """A tuple, named or not, or a list of the kind of `value`."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)  # type: ignore[call-arg]
