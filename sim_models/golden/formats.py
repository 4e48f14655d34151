"""Elements of every format to the accumulator's numbers (fp32) and back, on arrays of bits: the one definition.

Golden, lockstep and the software convert by these functions only. A new format's arithmetic is written here, from its
row in `spec/formats.py`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.formats import ACCUMULATOR, Format, FormatKind

__all__ = ["narrow", "storage", "widen"]

Bits32 = NDArray[np.uint32]

_MAGNITUDE = np.uint32(ACCUMULATOR.magnitude_mask)
_INFINITY = np.uint32(ACCUMULATOR.infinity)


def storage(form: Format) -> np.dtype[np.unsignedinteger]:
    """Unsigned numbers as wide as a container of the format, little-endian as in memory."""
    return np.dtype(f"<u{form.bytes}")


def _dropped_bits(form: Format) -> int:
    if form.kind is not FormatKind.IEEE or form.exponent_bits != ACCUMULATOR.exponent_bits:
        raise ValueError(f"conversions need fp32's sign and exponent, which {form.name} does not have")
    return ACCUMULATOR.fraction_bits - form.fraction_bits


def widen(form: Format, bits: ArrayLike) -> Bits32:
    """The same values as fp32 bits. Exact; a NaN keeps sign and payload.

    Raises `ValueError` for a format without arithmetic here.
    """
    dropped, values = _dropped_bits(form), np.asarray(bits, storage(form)).astype(np.uint32, copy=False)
    return values >> np.uint32(form.padding) << np.uint32(dropped) if dropped else values


def narrow(form: Format, bits: ArrayLike) -> NDArray[np.unsignedinteger]:
    """Elements of fp32 bits, in `storage(form)`: nearest even, overflow to infinity, a NaN to the canonical one.

    fp32 keeps its bits, a NaN's payload included. Raises `ValueError` for a format without arithmetic here.
    """
    values, dropped = np.asarray(bits, np.uint32), _dropped_bits(form)
    if not dropped:
        return values
    shift, half = np.uint32(dropped), np.uint32((1 << (dropped - 1)) - 1)
    # the increment of one half, minus one if the kept part is even, carries into the exponent where it must
    rounded = (values + half + ((values >> shift) & np.uint32(1))) >> shift
    nan = (values & _MAGNITUDE) > _INFINITY
    elements = np.where(nan, np.uint32(form.canonical_nan), rounded) << np.uint32(form.padding)
    return elements.astype(storage(form))
