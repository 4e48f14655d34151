"""`nl.NKIObject`: classes of a kernel whose annotated or assigned names are fields, given by keyword."""

from typing import Any

__all__ = ["NKIObject"]


class NKIObject:
    """Subclasses get a constructor of their fields: annotations and plain class attributes, in order, with defaults.

    Errors: `TypeError` for an unknown field or one without a value.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fields: dict[str, None] = {}
        for base in reversed(cls.__mro__):
            if base in (object, NKIObject):
                continue
            names = [*vars(base).get("__annotations__", {}), *vars(base)]
            fields |= {n: None for n in names if not n.startswith("__") and not _is_method(vars(base).get(n))}
        cls._fields = tuple(fields)  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields: tuple[str, ...] = getattr(type(self), "_fields", ())
        fields = tuple(name for name in fields if name != "_fields")
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} has {len(fields)} fields, not {len(args)}")
        given = dict(zip(fields, args, strict=False)) | kwargs
        for name in given:
            if name not in fields:
                raise TypeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(fields)}")
        for name in fields:
            if name in given:
                setattr(self, name, given[name])
            elif not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs a value for {name!r}")
        post = getattr(self, "__post_init__", None)
        if post is not None:
            post()


def _is_method(value: Any) -> bool:
    return callable(value) or isinstance(value, property | staticmethod | classmethod)
