"""Values of packed ports: a struct or array layout to and from the one vector that Verilog shows, and which bits of it
mean something (`GatedLayout`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data
from numpy.typing import NDArray

from makalu.hw.lib.gated import GatedLayout

__all__ = ["bytes_to_word", "field_at", "meaning", "pack", "size_of", "unpack", "word_to_bytes"]


def pack(layout: Any, value: Any) -> int:
    """The bits of `value`: a mapping for a struct, a sequence for an array, else an integer (or a row of uint8).

    A struct with a `go` bit is 0 for None, and `go` is 1 where the mapping does not have it. An array of structs may be
    a mapping of sequences. An integer is taken as bits. Raises `ValueError` for a value that does not fit or for wrong
    names or lengths.
    """
    return _codec(layout).pack(value)


def meaning(layout: Any, bits: int) -> int:
    """Mask of the bits that mean something beside the gates in `bits`."""
    return _codec(layout).meaning(bits)


def field_at(layout: Any, bit: int) -> tuple[str, int, int]:
    """The innermost field that has the bit `bit`: its path, lowest bit and width."""
    return _codec(layout).field_at(bit)


def unpack(layout: Any, bits: int) -> Any:
    """The inverse of `pack`: dicts, lists and integers."""
    return _codec(layout).unpack(bits)


def size_of(layout: Any) -> int:
    """Bits of a layout; Amaranth adds them up anew for each use."""
    return _codec(layout).size


def bytes_to_word(row: NDArray[np.uint8]) -> int:
    """Byte 0 lowest."""
    return int.from_bytes(row.astype(np.uint8).tobytes(), "little")


def word_to_bytes(word: int, count: int) -> NDArray[np.uint8]:
    return np.frombuffer(word.to_bytes(count, "little"), np.uint8)


@dataclass(frozen=True)
class _Integer:
    width: int
    signed: bool

    gated = False

    @property
    def size(self) -> int:
        return self.width

    def pack(self, value: Any) -> int:
        if type(value) is int and not self.signed and not value >> self.width:  # nearly always; a negative one stays -1
            return value
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = bytes_to_word(value)
        value, low = int(value), -(1 << (self.width - 1)) if self.signed else 0
        if not low <= value < low + (1 << self.width):
            raise ValueError(f"{value} does not fit into {'signed' if self.signed else 'unsigned'}({self.width})")
        return value & ((1 << self.width) - 1)

    def unpack(self, bits: int) -> int:
        return bits - (1 << self.width) if self.signed and bits >> (self.width - 1) else bits

    def meaning(self, bits: int) -> int:
        return (1 << self.width) - 1

    def field_at(self, bit: int) -> tuple[str, int, int]:
        return "", 0, self.width


@dataclass(frozen=True)
class _Array:
    element: Any
    width: int
    length: int

    @property
    def gated(self) -> bool:
        """Something of it may mean nothing."""
        gated: bool = self.element.gated
        return gated

    @property
    def size(self) -> int:
        return self.width * self.length

    def pack(self, value: Any) -> int:
        if isinstance(value, int):
            return value
        if isinstance(value, Mapping):
            value = [{name: rows[i] for name, rows in value.items()} for i in range(self.length)]
        if len(value) != self.length:
            raise ValueError(f"an array of {self.length} cannot take {len(value)} values")
        out = 0
        for i, item in enumerate(value):
            out |= self.element.pack(item) << self.width * i
        return out

    def unpack(self, bits: int) -> list[Any]:
        part = (1 << self.width) - 1
        return [self.element.unpack((bits >> (self.width * i)) & part) for i in range(self.length)]

    def meaning(self, bits: int) -> int:
        if not self.gated:
            return (1 << self.size) - 1
        part, out = (1 << self.width) - 1, 0
        for i in range(self.length):
            out |= self.element.meaning((bits >> (self.width * i)) & part) << self.width * i
        return out

    def field_at(self, bit: int) -> tuple[str, int, int]:
        path, low, width = self.element.field_at(bit % self.width)
        index = bit // self.width
        return f"[{index}]{path}", index * self.width + low, width


@dataclass(frozen=True)
class _Struct:
    fields: dict[str, tuple[Any, int, int]]
    """Codec, offset and mask of each."""
    size: int
    go: str | None = None
    gates: tuple[tuple[int, int, tuple[tuple[int, int, bool], ...]], ...] = ()
    """Offset and width of each gated field, then its gates."""

    @cached_property
    def gated(self) -> bool:
        """Something of it may mean nothing."""
        return bool(self.gates) or any(codec.gated for codec, _, _ in self.fields.values())

    @cached_property
    def _inner(self) -> tuple[int, list[tuple[Any, int, int]]]:
        """Mask of the fields that mean something as a whole, and the others."""
        whole = 0
        for codec, offset, mask in self.fields.values():
            whole |= 0 if codec.gated else mask << offset
        return whole, [field for field in self.fields.values() if field[0].gated]

    def pack(self, value: Any) -> int:
        if isinstance(value, int):
            return value
        if self.go is not None and (value is None or self.go not in value):
            if value is None:
                return 0
            value = {self.go: 1, **value}
        if not isinstance(value, Mapping) or value.keys() != self.fields.keys():
            raise ValueError(f"a struct of {list(self.fields)} cannot take {value!r}")
        out = 0
        for name, (codec, offset, _) in self.fields.items():
            out |= codec.pack(value[name]) << offset
        return out

    def unpack(self, bits: int) -> dict[str, Any]:
        return {name: codec.unpack(bits >> offset & mask) for name, (codec, offset, mask) in self.fields.items()}

    def meaning(self, bits: int) -> int:
        out, inner = self._inner
        for codec, offset, mask in inner:
            out |= codec.meaning(bits >> offset & mask) << offset
        for offset, width, gates in self.gates:
            for low, count, inverted in gates:
                part = (1 << (width // count)) - 1
                shut = sum(part << (width // count * i) for i in range(count) if (bits >> (low + i) & 1) == inverted)
                out &= ~(shut << offset)
        return out

    def field_at(self, bit: int) -> tuple[str, int, int]:
        for name, (codec, offset, mask) in self.fields.items():
            if offset <= bit < offset + mask.bit_length():
                path, low, width = codec.field_at(bit - offset)
                return f".{name}{path}", offset + low, width
        raise IndexError(bit)


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
        if not isinstance(layout, GatedLayout):
            return _Struct(parts, layout.size)
        gates = tuple(
            (layout[name].offset, layout[name].width, tuple(layout.gate(path) for path in by))
            for name, by in layout.gates.items()
        )
        return _Struct(parts, layout.size, layout.go, gates)
    shape = Shape.cast(layout)
    return _Integer(shape.width, shape.signed)
