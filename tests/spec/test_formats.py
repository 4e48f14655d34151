"""Format records: what derives from a row equals what ml_dtypes says of the same format, built or not yet built."""

import ml_dtypes
import numpy as np
import pytest

from makalu.spec.formats import BF16, FORMAT_OF_CODE, FORMATS, FP32, Format, FormatKind, Overflow

NAN, SATURATE = Overflow.NAN, Overflow.SATURATE


def row(long_name, size_log2, exponent, fraction, **rest):
    """A format that has no row yet."""
    fields = {"size_log2": size_log2, "exponent_bits": exponent, "fraction_bits": fraction}
    return Format(name=long_name, long_name=long_name, code=31, **fields, **rest)


FLOATS = [
    FP32,
    BF16,
    row("float16", 1, 5, 10),
    row("float8_e4m3", 0, 4, 3),
    row("float8_e5m2", 0, 5, 2),
    row("float8_e3m4", 0, 3, 4),
    row("float8_e4m3fn", 0, 4, 3, kind=FormatKind.FINITE_NAN, overflow=NAN),
    row("float4_e2m1fn", 0, 2, 1, kind=FormatKind.FINITE, overflow=SATURATE, elements=2),
    row("float8_e8m0fnu", 0, 8, 0, kind=FormatKind.SCALE, overflow=NAN, signed=False),
]


def value(form, bits):
    """By ml_dtypes, or numpy where that has the format."""
    dtype = np.dtype(getattr(ml_dtypes, form.long_name, form.long_name))
    return np.array([bits], f"u{dtype.itemsize}").view(dtype).astype(np.float64)[0]


@pytest.mark.parametrize("form", FLOATS, ids=lambda f: f.long_name)
def test_derived_values_are_those_of_ml_dtypes(form):
    info = ml_dtypes.finfo(getattr(ml_dtypes, form.long_name, form.long_name))
    assert (form.bits, form.fraction_bits) == (info.bits, info.nmant)
    assert value(form, form.largest) == float(info.max)
    assert 2.0**form.emin == float(info.smallest_normal)
    assert not form.has_nan or np.isnan(value(form, form.canonical_nan))
    assert not form.has_infinity or np.isposinf(value(form, form.infinity))
    # the numbers end there: the next code is none, or has another sign
    after = value(form, form.largest + 1)
    assert not np.isfinite(after) or after <= 0 or form.largest + 1 == 1 << form.bits


@pytest.mark.parametrize(("name", "signed"), [("int8", True), ("uint8", False), ("int16", True), ("int32", True)])
def test_integers(name, signed):
    info = np.iinfo(name)
    size = (info.bits // 8).bit_length() - 1
    form = row(name, size, 0, info.bits - signed, kind=FormatKind.INTEGER, signed=signed, overflow=SATURATE)
    assert (form.bits, form.bytes, form.largest, form.bias) == (info.bits, info.bits // 8, info.max, 0)
    with pytest.raises(ValueError, match="has no NaN"):
        _ = form.canonical_nan


def test_packed_elements_and_padding_fit_their_container():
    assert row("float4_e2m1fn_x4", 1, 2, 1, kind=FormatKind.FINITE, overflow=SATURATE, elements=4).bytes == 2
    assert (row("tfloat32", 2, 8, 10).bits, row("tfloat32", 2, 8, 10).padding) == (19, 13)
    with pytest.raises(ValueError, match="4 elements of 4 bits do not fit into 1 bytes"):
        row("x", 0, 2, 1, kind=FormatKind.FINITE, overflow=SATURATE, elements=4)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"kind": FormatKind.INTEGER}, "has no exponent"),
        ({"kind": FormatKind.SCALE}, "neither sign nor fraction"),
        ({"kind": FormatKind.FINITE_NAN}, "no infinity to overflow to"),
        ({"kind": FormatKind.FINITE, "overflow": NAN}, "no nan to overflow to"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(rest, message):
    with pytest.raises(ValueError, match=message):
        row("x", 0, 4, 3, **rest)


def test_the_table():
    assert (FP32.canonical_nan, BF16.canonical_nan) == (0x7FC00000, 0x7FC0)
    assert (FP32.largest, BF16.largest) == (0x7F7FFFFF, 0x7F7F)
    assert [FORMAT_OF_CODE[f.code] for f in FORMATS.values()] == list(FORMATS.values())
    assert len(FORMAT_OF_CODE) == len(FORMATS)
