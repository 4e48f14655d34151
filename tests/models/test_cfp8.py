"""Moved exponent biases: both models' operands are ml_dtypes' numbers times a power of two, every code and offset."""

import ml_dtypes
import numpy as np
import pytest

from makalu.sim_models.golden.formats import tensor_operand
from makalu.sim_models.lockstep.operand import operand_values, operand_words
from makalu.spec.cfp8 import OFFSETS, OFFSETTABLE
from makalu.spec.fields import FIELDS
from makalu.spec.tensor_types import Part

CODES = np.arange(256, dtype=np.uint8)
EVERY = range(-OFFSETS, OFFSETS)
FORMS = pytest.mark.parametrize("form", OFFSETTABLE, ids=lambda form: form.name)


def numbers(form, offset=0):
    """By ml_dtypes and float64, which has all of them."""
    return CODES.view(getattr(ml_dtypes, form.long_name)).astype(np.float64) * 2.0**offset


def same(got, want):
    nan = np.isnan(want)
    return np.array_equal(got, want, equal_nan=True) and (np.signbit(got) == np.signbit(want))[~nan].all()


def golden(form, offset, **more):
    return tensor_operand(form, Part.UPPER, CODES, offset=offset, **more).view(np.float32)


@FORMS
def test_every_code_with_every_offset(form):
    for offset in EVERY:
        want = numbers(form, offset)
        assert same(golden(form, offset), want), f"golden, offset {offset}"
        for stationary in (False, True):
            words = operand_words(CODES, form=form, stationary=stationary, offset=offset)
            got = operand_values(words, stationary=stationary)
            assert same(got, want), f"lockstep, stationary {stationary}, offset {offset}"


@FORMS
def test_a_subnormal_of_the_type_is_flushed_before_it_is_moved(form):
    """What is subnormal stays decided by the type: moved up it would be no longer, moved down others would be."""
    for offset in (-OFFSETS, OFFSETS - 1):
        tiny = np.abs(numbers(form)) < 2.0**form.emin
        want = np.where(tiny, np.copysign(0.0, numbers(form)), numbers(form, offset))
        assert same(golden(form, offset, subnormals="flush"), want)
        words = operand_words(CODES, form=form, stationary=False, subnormals="flush", offset=offset)
        assert same(operand_values(words, stationary=False), want)


def test_the_field_has_these_offsets_and_no_more_bits_would_do():
    """Products of two moved numbers are exact in fp32, where its neighbour of a bit more has some that are not."""
    f = FIELDS["exponent_offset"]
    assert (f.low, f.high) == (EVERY[0], EVERY[-1])
    magnitudes = [abs(n) for form in OFFSETTABLE for n in numbers(form) if np.isfinite(n) and n]

    def exact(offsets):
        ends = (min(magnitudes) * 2.0**-offsets) ** 2, (max(magnitudes) * 2.0 ** (offsets - 1)) ** 2
        with np.errstate(over="ignore"):
            return [float(np.float32(end)) == end for end in ends]

    assert exact(OFFSETS) == [True, True] and exact(2 * OFFSETS) == [False, False]
