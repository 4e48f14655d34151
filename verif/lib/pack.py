"""Values of packed ports: a struct or array layout to and from the one vector that Verilog shows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data
from numpy.typing import NDArray

__all__ = ["bytes_to_word", "pack", "unpack", "word_to_bytes"]


def pack(layout: Any, value: Any) -> int:
    """The bits of `value`: a mapping for a struct, a sequence for an array, else an integer (or a row of uint8).

    Raises `ValueError` for a value that does not fit or for wrong names or lengths.
    """
    if isinstance(layout, data.ArrayLayout):
        if len(value) != layout.length:
            raise ValueError(f"an array of {layout.length} cannot take {len(value)} values")
        width = Shape.cast(layout.elem_shape).width
        return sum(pack(layout.elem_shape, item) << (width * i) for i, item in enumerate(value))
    if isinstance(layout, data.Layout):
        if not isinstance(value, Mapping) or set(value) != {name for name, _ in layout}:
            raise ValueError(f"a struct of {[name for name, _ in layout]} cannot take {value!r}")
        return sum(pack(field.shape, value[name]) << field.offset for name, field in layout)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = bytes_to_word(value)
    shape = Shape.cast(layout)
    low, high = (-(1 << (shape.width - 1)), 1 << (shape.width - 1)) if shape.signed else (0, 1 << shape.width)
    if not low <= int(value) < high:
        raise ValueError(f"{value} does not fit into {shape}")
    return int(value) & ((1 << shape.width) - 1)


def unpack(layout: Any, bits: int) -> Any:
    """The inverse of `pack`: dicts, lists and integers."""
    if isinstance(layout, data.ArrayLayout):
        width = Shape.cast(layout.elem_shape).width
        part = (1 << width) - 1
        return [unpack(layout.elem_shape, (bits >> (width * i)) & part) for i in range(layout.length)]
    if isinstance(layout, data.Layout):
        return {
            name: unpack(field.shape, (bits >> field.offset) & ((1 << field.width) - 1)) for name, field in layout
        }
    shape = Shape.cast(layout)
    return bits - (1 << shape.width) if shape.signed and bits >> (shape.width - 1) else bits


def bytes_to_word(row: NDArray[np.uint8]) -> int:
    """Byte 0 lowest."""
    return int.from_bytes(row.astype(np.uint8).tobytes(), "little")


def word_to_bytes(word: int, count: int) -> NDArray[np.uint8]:
    return np.frombuffer(word.to_bytes(count, "little"), np.uint8)
