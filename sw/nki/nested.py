"""Arguments of a kernel may hold others: tuples, lists, dicts, dataclasses, objects of `nl.NKIObject`."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from .nki_object import NKIObject

__all__ = ["mapped"]


def mapped(value: Any, name: str, change: Callable[[str, Any], Any]) -> Any:
    """`value` with everything in it as `change(name, item)` says; names are paths, joined by `_`.

    `change` returns an item that it leaves alone as it is; only then is the inside of the item looked at. A dataclass
    is made anew where something in it changed, an `NKIObject` keeps its identity.
    """
    changed = change(name, value)
    if changed is not value:
        return changed
    if type(value) in (tuple, list):
        return type(value)(mapped(each, f"{name}_{i}", change) for i, each in enumerate(value))
    if isinstance(value, dict):
        return {key: mapped(each, f"{name}_{key}", change) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        made = {key: mapped(each, f"{name}_{key}", change) for key, each in inner.items()}
        return replace(value, **made) if any(made[key] is not inner[key] for key in inner) else value
    if isinstance(value, NKIObject):
        for key, each in list(vars(value).items()):
            setattr(value, key, mapped(each, f"{name}_{key}", change))
    return value
