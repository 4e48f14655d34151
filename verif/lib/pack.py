"""Values of packed ports: a struct or array layout to and from the one vector that Verilog shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data
from numpy.typing import NDArray

__all__ = ["bytes_to_word", "offset_of", "pack", "size_of", "unpack", "word_to_bytes"]


def pack(layout: Any, value: Any) -> int:
    """The bits of `value`: a mapping for a struct, a sequence for an array, else an integer (or a row of uint8).

    Raises `ValueError` for a value that does not fit or for wrong names or lengths.
    """
    return _codec(layout).pack(value)


def unpack(layout: Any, bits: int) -> Any:
    """The inverse of `pack`: dicts, lists and integers."""
    return _codec(layout).unpack(bits)


def size_of(layout: Any) -> int:
    """Bits of a layout; Amaranth adds them up anew for each use."""
    return _codec(layout).size


def offset_of(layout: Any, name: str) -> int:
    """The lowest bit of a struct's field."""
    codec = _codec(layout)
    assert isinstance(codec, _Struct)
    return codec.fields[name][1]


def bytes_to_word(row: NDArray[np.uint8]) -> int:
    """Byte 0 lowest."""
    return int.from_bytes(row.astype(np.uint8).tobytes(), "little")


def word_to_bytes(word: int, count: int) -> NDArray[np.uint8]:
    return np.frombuffer(word.to_bytes(count, "little"), np.uint8)


@dataclass(frozen=True)
class _Integer:
    width: int
    signed: bool

    @property
    def size(self) -> int:
        return self.width

    def pack(self, value: Any) -> int:
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = bytes_to_word(value)
        value, low = int(value), -(1 << (self.width - 1)) if self.signed else 0
        if not low <= value < low + (1 << self.width):
            raise ValueError(f"{value} does not fit into {'signed' if self.signed else 'unsigned'}({self.width})")
        return value & ((1 << self.width) - 1)

    def unpack(self, bits: int) -> int:
        return bits - (1 << self.width) if self.signed and bits >> (self.width - 1) else bits


@dataclass(frozen=True)
class _Array:
    element: Any
    width: int
    length: int

    @property
    def size(self) -> int:
        return self.width * self.length

    def pack(self, value: Any) -> int:
        if len(value) != self.length:
            raise ValueError(f"an array of {self.length} cannot take {len(value)} values")
        return sum(self.element.pack(item) << (self.width * i) for i, item in enumerate(value))

    def unpack(self, bits: int) -> list[Any]:
        part = (1 << self.width) - 1
        return [self.element.unpack((bits >> (self.width * i)) & part) for i in range(self.length)]


@dataclass(frozen=True)
class _Struct:
    fields: dict[str, tuple[Any, int, int]]
    """Codec, offset and mask of each."""
    size: int

    def pack(self, value: Any) -> int:
        if not isinstance(value, Mapping) or value.keys() != self.fields.keys():
            raise ValueError(f"a struct of {list(self.fields)} cannot take {value!r}")
        return sum(codec.pack(value[name]) << offset for name, (codec, offset, _) in self.fields.items())

    def unpack(self, bits: int) -> dict[str, Any]:
        return {name: codec.unpack(bits >> offset & mask) for name, (codec, offset, mask) in self.fields.items()}


_CODECS: dict[int, tuple[Any, _Integer | _Array | _Struct]] = {}
"""By the layout's identity, which the layout beside its codec keeps from being used again; layouts have no hash."""


def _codec(layout: Any) -> _Integer | _Array | _Struct:
    """Made once: Amaranth casts a shape anew for each use, and a bench packs every port in every cycle."""
    found = _CODECS.get(id(layout))
    if found is None:
        found = _CODECS[id(layout)] = layout, _compile(layout)
    return found[1]


def _compile(layout: Any) -> _Integer | _Array | _Struct:
    if isinstance(layout, data.ArrayLayout):
        return _Array(_compile(layout.elem_shape), Shape.cast(layout.elem_shape).width, layout.length)
    if isinstance(layout, data.Layout):
        parts = {name: (_compile(f.shape), f.offset, (1 << f.width) - 1) for name, f in layout}
        return _Struct(parts, layout.size)
    shape = Shape.cast(layout)
    return _Integer(shape.width, shape.signed)
