"""Numbers to MX, on whole tiles: the definition of `spec/quantize.py` in numpy, by exponents in float64."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.formats import ACCUMULATOR, E8M0, Format
from makalu.spec.quantize import GROUP_ELEMENTS, ScaleRule, dropped
from makalu.spec.scales import GROUP_PARTITIONS

from .formats import narrow, widen

__all__ = ["quantize", "scale_codes", "scaled"]

_GROUP = GROUP_PARTITIONS * GROUP_ELEMENTS


def quantize(form: Format, rule: ScaleRule, bits: ArrayLike) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """fp32 bits [P, N] to elements [P, N] of `form` and codes of scales [P / 8, N / 4].

    Errors: `ValueError` where P or N is not whole groups.
    """
    values = np.asarray(bits, np.uint32)
    rows, columns = values.shape
    if rows % GROUP_PARTITIONS or columns % GROUP_ELEMENTS:
        raise ValueError(f"{rows} x {columns} are not groups of {GROUP_PARTITIONS} x {GROUP_ELEMENTS}")
    groups = values.reshape(rows // GROUP_PARTITIONS, GROUP_PARTITIONS, columns // GROUP_ELEMENTS, GROUP_ELEMENTS)
    codes = scale_codes(groups.swapaxes(1, 2).reshape(rows // GROUP_PARTITIONS, -1, _GROUP), dropped(form, rule))
    each = np.repeat(np.repeat(codes, GROUP_PARTITIONS, axis=0), GROUP_ELEMENTS, axis=1)
    return scaled(form, values, each), codes.astype(np.uint8)


def scale_codes(groups: NDArray[np.uint32], below: int) -> NDArray[np.int64]:
    """Of groups [..., elements] of fp32 bits; `below`: `dropped` of the type and rule."""
    exponents = groups >> np.uint32(ACCUMULATOR.fraction_bits) & np.uint32(ACCUMULATOR.exponent_mask)
    largest = exponents.max(axis=-1).astype(np.int64)
    return np.where(largest == ACCUMULATOR.exponent_mask, E8M0.canonical_nan, np.maximum(largest - below, 0))


def scaled(form: Format, bits: NDArray[np.uint32], codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Elements: fp32 bits over the scales that have the codes, rounded to nearest even, cut to the largest number."""
    most = float(widen(form, np.uint32(form.largest)).view(np.float32))
    nan = codes == E8M0.canonical_nan
    with np.errstate(invalid="ignore"):
        numbers = np.ldexp(bits.view(np.float32).astype(np.float64), E8M0.bias - codes)
        cut = np.clip(np.where(nan, 0.0, numbers), -most, most)
    # what is too small for fp32 is far too small for an element: the second rounding has nothing left to round
    elements = narrow(form, np.where(nan, np.uint32(ACCUMULATOR.canonical_nan), cut.astype(np.float32).view(np.uint32)))
    return np.asarray(elements, np.uint8)
