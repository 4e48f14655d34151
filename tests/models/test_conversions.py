"""Elements of every format to fp32 and back: golden against outside libraries, which have tables of their own."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from makalu.sim_models.golden import formats
from makalu.sim_models.golden.formats import narrow, storage, tensor_operand, widen
from makalu.spec.formats import E5M2, FP32, INTEGERS, LANE_ELEMENTS, TF32
from makalu.spec.tensor_types import Part
from verif.conformance.case import wrong_on_model
from verif.conformance.formats import NARROW, decoding, integer_decoding, integer_rounding, rounding
from verif.lib.lane_programs import corner_values

VALUES = corner_values(np.random.default_rng(1), (200_000,))


def numbers(bits):
    """fp32 bits as doubles."""
    with np.errstate(invalid="ignore"):
        return bits.view(np.float32).astype(np.float64)


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_every_code_widens_as_two_libraries_say(form):
    case = decoding(form)
    assert len(case.wants) == 2 and case.vectors == 1 << form.bits and wrong_on_model(case) == 0


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_fp32_narrows_as_two_libraries_say(form):
    case = rounding(form, 200_000)
    assert len(case.wants) == 2 and wrong_on_model(case) == 0


def test_padding_of_tf32_is_not_looked_at_and_written_as_0():
    assert not (narrow(TF32, VALUES) & ((1 << TF32.padding) - 1)).any()
    assert widen(TF32, np.uint32(0x3F801FFF)) == 0x3F800000


@pytest.mark.parametrize("form", INTEGERS, ids=lambda f: f.name)
def test_integers_round_to_even_and_saturate(form):
    """By Python's own integers and SoftFloat: the nearest even, then the limit that it passes; a NaN is 0."""
    info = np.iinfo(form.name)
    assert (form.lowest, form.largest) == (info.min, info.max)
    assert wrong_on_model(integer_rounding(form, 28_000)) == 0


@pytest.mark.parametrize("form", INTEGERS, ids=lambda f: f.name)
def test_integers_widen_as_two_libraries_say(form):
    assert wrong_on_model(integer_decoding(form, 50_000)) == 0


@pytest.mark.parametrize("form", [f for f in LANE_ELEMENTS if f not in INTEGERS], ids=lambda f: f.name)
def test_a_number_of_the_format_comes_back(form):
    codes = np.arange(1 << min(form.bits, 16)).astype(np.int64) << max(0, form.bits - 16)
    elements = (codes << form.padding).astype(storage(form))
    wide = widen(form, elements)
    nan = np.isnan(wide.view(np.float32))
    back = narrow(form, wide)
    assert (back[~nan] == elements[~nan]).all()
    if form != FP32:
        assert (back[nan] == form.canonical_nan << form.padding).all(), "every NaN becomes the one that is written"


def test_the_parts_of_fp32_are_the_number():
    upper, lower = (numbers(tensor_operand(FP32, part, VALUES)) for part in (Part.UPPER, Part.LOWER))
    whole, value = np.where(np.isfinite(upper), upper + lower, upper), numbers(VALUES)
    assert np.array_equal(whole, value, equal_nan=True)
    assert (np.signbit(whole) == np.signbit(value))[~np.isnan(value)].all()
    for part in (upper[np.isfinite(upper)], lower):
        mantissa = np.abs(np.frexp(part)[0]) * 2.0**12
        assert (mantissa == np.rint(mantissa)).all(), "more than 12 significant bits"
    special = ~np.isfinite(numbers(VALUES))
    assert special.any() and not numbers(tensor_operand(FP32, Part.FINITE, VALUES))[special].any()
    assert not lower[special].any()


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("(rest > half)", "(rest >= half)", "narrow"),
        ("np.maximum(1 - target, 0)", "np.maximum(-target, 0)", "narrow"),
        ("code > form.largest, form.beyond", "code > form.largest, form.largest", "narrow"),
        ("np.maximum(exponent, 1) - (form.bias", "exponent - (form.bias", "widen"),
    ],
)
def test_a_planted_fault_is_seen(old, new, name):
    source = Path(formats.__file__).read_text()
    assert source.count(old) == 1
    names = {"__name__": formats.__name__, "__package__": formats.__package__}
    exec(compile(source.replace(old, new), formats.__file__, "exec"), names)
    case = rounding(E5M2, 20_000) if name == "narrow" else decoding(E5M2)
    assert wrong_on_model(case) == 0 < wrong_on_model(replace(case, golden=partial(names[name], E5M2)))
