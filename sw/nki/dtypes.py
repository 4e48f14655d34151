"""Element types: those that the core has are `Format`s of the contract, NKI's others are names that are refused."""

from dataclasses import dataclass
from typing import Any

from makalu.spec.formats import FORMATS, Format

from .errors import KernelError, NotBuiltError, shown

__all__ = ["OTHER_TYPES", "TYPES", "OtherType", "checked_dtype", "format_of"]


@dataclass(frozen=True)
class OtherType:
    """An element type of NKI that no engine here has."""

    name: str

    def __str__(self) -> str:
        return self.name


TYPES: dict[str, Format] = {form.long_name: form for form in FORMATS.values()}
"""By NKI's name."""

OTHER_TYPES: dict[str, OtherType] = {
    name: OtherType(name)
    for name in (
        "bool_ int8 int16 int32 uint8 uint16 uint32 float16 tfloat32 float8_e4m3 float8_e4m3fn float8_e5m2"
        " float8_e5m2_x4 float8_e4m3fn_x4 float8_e8m0fnu float4_e2m1fn_x4"
    ).split()
    if name not in TYPES
}

_SPELLED = {**TYPES, **FORMATS}
_HAS = ", ".join(f"nl.{name}" for name in TYPES)


def format_of(dtype: Any) -> Format | OtherType | None:
    """The element type that a name, a numpy or ml_dtypes type or one of `nl` stands for; None for anything else."""
    if isinstance(dtype, Format | OtherType):
        return dtype
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", getattr(dtype, "__name__", None))
    if not isinstance(name, str):
        return None
    name = name.removeprefix("torch.")
    if name in _SPELLED:
        return _SPELLED[name]
    return OTHER_TYPES.get(name, OTHER_TYPES.get(name + "_") or (OtherType(name) if _is_numeric(name) else None))


def _is_numeric(name: str) -> bool:
    """Types of numpy that NKI does not have either, but whose name tells what was meant."""
    return name.startswith(("float", "int", "uint", "complex"))


def checked_dtype(place: str, dtype: Any) -> Format:
    """An element type that the core has. Errors: `NotBuiltError` for another of NKI, `KernelError` for no type."""
    found = format_of(dtype)
    if isinstance(found, Format):
        return found
    if found is not None and found.name in OTHER_TYPES:
        raise NotBuiltError(f"{place}: elements of nl.{found.name}; the core has {_HAS}")
    what = place if place.endswith("dtype") else f"{place}: dtype"
    raise KernelError(f"{what} must be one of {_HAS}, not {shown(dtype if found is None else found.name)}")
