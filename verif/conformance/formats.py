"""Cases of single formats: what every code is, and fp32 numbers rounded to it; integers."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.formats import narrow, storage, widen
from makalu.spec.formats import BF16, FP32, SINGLES, Format
from verif.conformance.case import Case, element_bits
from verif.conformance.oracles import decoded, integer_as_fp32, rounded, rounded_to_integer
from verif.lib.lane_programs import corner_values

__all__ = ["NARROW", "decoding", "integer_decoding", "integer_rounding", "rounding"]

NARROW: tuple[Format, ...] = tuple(form for form in SINGLES if form != FP32)


def _operation(name: str, form: Format) -> str:
    """The judge's first type has no name."""
    return name if form == BF16 else f"{name}-{form.name}"


def _fp32(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(np.float32).view(np.uint32)


def decoding(form: Format, *, step: int = 1) -> Case:
    """fp32 of every code, or of one in `step`."""
    codes = np.arange(0, 1 << form.bits, step)
    wants = {name: _fp32(values) for name, values in decoded(form, codes).items()}
    return Case(_operation("widen", form), (codes << form.padding,), wants, partial(_widened, form), FP32)


def _widened(form: Format, elements: NDArray[np.int64]) -> NDArray[np.uint32]:
    return widen(form, elements.astype(storage(form)))


def rounding(form: Format, vectors: int, *, seed: int = 1) -> Case:
    """The format's element of fp32 numbers: of all kinds, and around each tie and end."""
    bits = corner_values(np.random.default_rng(seed), (vectors,))
    magnitudes = np.arange(1 << form.bits - 1)
    tables = decoded(form, magnitudes)
    wants = {name: element_bits(form, values, tables[name]) for name, values in rounded(form, bits).items()}
    return Case(_operation("narrow", form), (bits,), wants, partial(narrow, form), form)


def integer_rounding(form: Format, vectors: int, *, seed: int = 1) -> Case:
    """The nearest integer that there is."""
    bits = corner_values(np.random.default_rng(seed), (vectors,))
    mask = (1 << form.bits) - 1
    wants = {name: values & mask for name, values in rounded_to_integer(form, bits).items()}
    return Case(_operation("narrow", form), (bits,), wants, partial(narrow, form), form)


def integer_decoding(form: Format, vectors: int, *, seed: int = 1) -> Case:
    """fp32 of integers: every one where there are no more than `vectors`, else of all sizes."""
    if 1 << form.bits <= vectors:
        values = np.arange(form.lowest, form.largest + 1)
    else:
        rng = np.random.default_rng(seed)
        values = rng.integers(form.lowest, form.largest, vectors, endpoint=True) >> rng.integers(0, form.bits, vectors)
    elements = values & (1 << form.bits) - 1
    return Case(_operation("widen", form), (elements,), integer_as_fp32(form, values), partial(_widened, form), FP32)
