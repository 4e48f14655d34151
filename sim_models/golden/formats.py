"""Elements of every format to the accumulator's numbers (fp32) and back, on arrays of bits: the one definition.

Golden, lockstep and the software convert by these functions only. All of it follows from a format's row in
`spec/formats.py`: no format has a branch of its own.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.formats import ACCUMULATOR, CARRIED, SIGNIFICAND_BITS, Format, FormatKind
from makalu.spec.random_bits import RANDOM_BITS
from makalu.spec.tensor_types import CARRIED_EXPONENT, CARRIED_PLACES, TRANSPOSES, Part

__all__ = ["carried_by", "carrying", "narrow", "storage", "tensor_operand", "widen"]

Bits32 = NDArray[np.uint32]

_SIGN = np.uint32(1 << (ACCUMULATOR.bits - 1))
_MAGNITUDE = np.uint32(ACCUMULATOR.magnitude_mask)
_INFINITY = np.uint32(ACCUMULATOR.infinity)
_FRACTION = ACCUMULATOR.fraction_bits
_LOWER = np.uint32((1 << (_FRACTION + 1 - SIGNIFICAND_BITS)) - 1)
"""Bits of an fp32's fraction that its upper part does not have."""
_TOP, _BELOW = np.uint32(CARRIED.bits - 1), np.uint32((1 << CARRIED.bits - 1) - 1)
_PLACES = np.uint32(_FRACTION - CARRIED_PLACES)
_CARRYING = np.uint32(ACCUMULATOR.bias + CARRIED_EXPONENT << _FRACTION)


def storage(form: Format) -> np.dtype[np.unsignedinteger]:
    """Unsigned numbers as wide as a container of the format, little-endian as in memory."""
    return np.dtype(f"<u{form.bytes}")


def _check(form: Format) -> None:
    if form.kind is FormatKind.SCALE or form.elements > 1:
        raise ValueError(f"{form.name} has no conversion: it is packed or a scale")


def widen(form: Format, bits: ArrayLike) -> Bits32:
    """The same values as fp32 bits. Exact; a NaN keeps its sign, and its payload at the top of the fraction.

    Integers beyond 2^24 are rounded to nearest even. The only NaN of a format without infinities becomes the canonical
    one, with its sign. Raises `ValueError` for a format without arithmetic here.
    """
    _check(form)
    if form.kind is FormatKind.INTEGER:
        return np.asarray(np.asarray(bits, storage(form)).view(_integer(form)).astype(np.float32).view(np.uint32))
    values = np.asarray(bits, storage(form)).astype(np.uint32, copy=False) >> np.uint32(form.padding)
    dropped = np.uint32(_FRACTION - form.fraction_bits)
    if form.exponent_bits == ACCUMULATOR.exponent_bits:
        return values << dropped if dropped else values
    magnitude = values & np.uint32(form.magnitude_mask)
    exponent = (magnitude >> np.uint32(form.fraction_bits)).astype(np.int32)
    fraction = magnitude & np.uint32((1 << form.fraction_bits) - 1)
    significand = fraction + ((exponent > 0).astype(np.uint32) << np.uint32(form.fraction_bits))
    places = np.maximum(exponent, 1) - (form.bias + form.fraction_bits)
    wide = np.ldexp(significand.astype(np.float32), places).view(np.uint32)
    if form.has_infinity:
        wide = np.where(magnitude >= form.infinity, _INFINITY | fraction << dropped, wide)
    elif form.has_nan:
        wide = np.where(magnitude == form.canonical_nan, np.uint32(ACCUMULATOR.canonical_nan), wide)
    return np.asarray(wide | values >> np.uint32(form.bits - 1) << np.uint32(ACCUMULATOR.bits - 1))


def narrow(form: Format, bits: ArrayLike, random: ArrayLike | None = None) -> NDArray[np.unsignedinteger]:
    """Elements of fp32 bits, in `storage(form)`: nearest even, too large as the format's row says, a NaN canonical.

    With `random`, RANDOM_BITS bits an element, rounded stochastically (`spec/random_bits.py`); fp32 and integers are
    not. fp32 keeps its bits, a NaN's payload included. As an integer a NaN is 0. Raises `ValueError` for a format
    without arithmetic here.
    """
    _check(form)
    values = np.asarray(bits, np.uint32)
    if form == ACCUMULATOR:
        return values
    if form.kind is FormatKind.INTEGER:
        return _narrow_integer(form, values)
    if form.exponent_bits == ACCUMULATOR.exponent_bits:
        return _narrow_fraction(form, values, random)
    magnitude = values & _MAGNITUDE
    exponent = np.maximum((magnitude >> np.uint32(_FRACTION)).astype(np.int64), 1)
    normal = (magnitude >> np.uint32(_FRACTION) > 0).astype(np.int64)
    significand = (magnitude & np.uint32((1 << _FRACTION) - 1)).astype(np.int64) + (normal << _FRACTION)
    # the exponent in the format; below its smallest the significand goes down, two places more than there are at most
    target = exponent - ACCUMULATOR.bias + form.bias
    places = np.maximum(1 - target, 0)
    if random is None:
        shift = _FRACTION - form.fraction_bits + np.minimum(places, form.fraction_bits + 2)
        half = np.int64(1) << shift >> 1
        kept = significand >> shift
        rest = significand - (kept << shift)
        kept += (rest > half) | ((rest == half) & (half > 0) & (kept & 1 == 1))
    else:
        # in 2^-RANDOM_BITS of a last place; 48 places down nothing is left
        shift = np.minimum(_FRACTION - form.fraction_bits + places, _FRACTION + 1 + RANDOM_BITS)
        kept = ((significand << RANDOM_BITS) >> shift) + np.asarray(random, np.int64) >> RANDOM_BITS
    # the leading bit of a normal number is the last step of its exponent; so is a carry out of the fraction
    code = (np.maximum(target, 1) - 1 << form.fraction_bits) + kept
    code = np.where(code > form.largest, form.beyond, code)
    if form.has_nan:
        code = np.where(magnitude > _INFINITY, form.canonical_nan, code)
        negative = (values & _SIGN != 0) & (magnitude <= _INFINITY) & (code != form.canonical_nan)
    else:
        negative = values & _SIGN != 0
    elements = (code | negative.astype(np.int64) << form.bits - 1) << form.padding
    return np.asarray(elements.astype(storage(form)))


def _integer(form: Format) -> np.dtype[Any]:
    """numpy's integers of the format."""
    return np.dtype(f"<{'i' if form.signed else 'u'}{form.bytes}")


def _narrow_integer(form: Format, values: Bits32) -> NDArray[np.unsignedinteger]:
    """Nearest even, then the nearest that there is; doubles have all of these numbers."""
    with np.errstate(invalid="ignore"):
        nearest = np.rint(values.view(np.float32).astype(np.float64))
    inside = np.clip(np.where(np.isnan(nearest), 0, nearest), form.lowest, form.largest)
    return np.asarray(inside.astype(np.int64).astype(_integer(form)).view(storage(form)))


def _narrow_fraction(form: Format, values: Bits32, random: ArrayLike | None) -> NDArray[np.unsignedinteger]:
    """`narrow` to a format with fp32's exponent, in a fifth of the time."""
    dropped = _FRACTION - form.fraction_bits
    shift, half = np.uint32(dropped), np.uint32((1 << (dropped - 1)) - 1)
    if random is None:
        # one half, minus one if the kept part is even, carries into the exponent where it must
        added = half + ((values >> shift) & np.uint32(1))
    else:
        added = np.asarray(random, np.uint32) >> np.uint32(RANDOM_BITS - dropped)
    rounded = (values + added) >> shift
    nan = (values & _MAGNITUDE) > _INFINITY
    elements = np.where(nan, np.uint32(form.canonical_nan), rounded) << np.uint32(form.padding)
    return elements.astype(storage(form))


def carrying(bits: Bits32) -> Bits32:
    """fp32 bits of the numbers that carry 16 bits each."""
    below = (bits & _BELOW) << _PLACES
    return np.asarray((bits >> _TOP) << np.uint32(ACCUMULATOR.bits - 1) | _CARRYING | below, np.uint32)


def carried_by(sums: ArrayLike) -> NDArray[np.uint16]:
    """The 16 bits that fp32 sums carry: of any number its sign, four bits of its exponent, eleven of its fraction."""
    values = np.asarray(sums, np.uint32)
    sign = values >> np.uint32(ACCUMULATOR.bits - 1) << _TOP
    return np.asarray(sign | values >> _PLACES & _BELOW).astype(np.uint16)


def _moved(bits: Bits32, offset: int) -> Bits32:
    """fp32 bits of numbers times 2^offset, which must be normal ones or 0, before and after; specials stay."""
    magnitude = bits & _MAGNITUDE
    number = (magnitude > 0) & (magnitude < _INFINITY)
    return np.asarray(np.where(number, bits + np.uint32((offset << _FRACTION) % (1 << ACCUMULATOR.bits)), bits))


def tensor_operand(form: Format, part: int, bits: ArrayLike, *, subnormals: str = "keep", offset: int = 0) -> Bits32:
    """fp32 bits of operands of the array: `part` of each element. UPPER + LOWER is the element, exactly; BITS and
    UPPER_BITS carry its bits.

    `subnormals="flush"`: a subnormal of its format counts as the zero of its sign. `offset`: times 2^offset, of types
    and parts that may have one (`spec/cfp8.py`).
    """
    if part in TRANSPOSES:
        first = CARRIED.bits * TRANSPOSES.index(Part(part))
        return carrying(np.asarray(bits, np.uint32) >> np.uint32(first) & np.uint32(CARRIED.magnitude_mask))
    values = widen(form, bits)
    if subnormals == "flush":
        tiny = (values & _MAGNITUDE).view(np.float32) < np.float32(2.0**form.emin)
        values = np.where(tiny, values & _SIGN, values)
    if part == Part.UPPER and not form.splits:
        return _moved(values, offset) if offset else values
    special = values & _MAGNITUDE >= _INFINITY
    upper = values & ~_LOWER if form.splits else values
    if part == Part.UPPER:
        return np.where(special, values, upper)
    if part == Part.LOWER:
        # both numbers have the same exponent, so the difference is exact
        with np.errstate(invalid="ignore"):
            upper = np.abs(values.view(np.float32) - upper.view(np.float32)).view(np.uint32) | values & _SIGN
    return np.where(special, values & _SIGN, upper)
