"""Values inside values: tuples, named tuples, lists, dicts, dataclasses and a kernel's objects, walked alike."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from .errors import KernelError
from .nki_object import NKIObject

__all__ = ["mapped", "rebuilt"]


def mapped(value: Any, name: str, leaf: Callable[[Any, str], Any], around: tuple[int, ...] = ()) -> Any:
    """`value` with `leaf(part, its name)` in place of each part; what holds a new part is copied, never changed.

    Names tell the way: part 2 of `x` is `x_2`, field `bias` of it `x_2_bias`. Errors: what holds itself.
    """
    made = leaf(value, name)
    if made is not value:
        return made
    inner, build = _opened(value)
    if id(value) in around:
        raise KernelError(f"argument {name}: {type(value).__name__} holds itself")
    parts = {key: mapped(part, f"{name}_{key}", leaf, (*around, id(value))) for key, part in inner.items()}
    return build(parts) if any(parts[key] is not inner[key] for key in inner) else value


def rebuilt(value: Any, items: Iterable[Any]) -> Any:
    """Other items in a tuple or list of the same type; a named tuple takes them one by one."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _opened(value: Any) -> tuple[dict[Any, Any], Callable[[dict[Any, Any]], Any]]:
    """Parts by key, and how the value is made of others."""
    if isinstance(value, tuple | list) and (type(value) in (tuple, list) or hasattr(value, "_fields")):
        keys = getattr(value, "_fields", range(len(value)))
        return dict(zip(keys, value, strict=True)), lambda parts: rebuilt(value, parts.values())
    if isinstance(value, dict):
        return value, dict
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value) if f.init}, lambda parts: replace(value, **parts)
    if isinstance(value, NKIObject):
        return vars(value), lambda parts: _copied(value, parts)
    return {}, lambda _: value


def _copied(value: NKIObject, parts: dict[str, Any]) -> NKIObject:
    """Without its constructor, which may check or compute."""
    out = copy.copy(value)
    vars(out).update(parts)
    return out
