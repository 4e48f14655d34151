"""Elements of every format to fp32 and back: golden against ml_dtypes and gfloat, which have tables of their own."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from gfloat import Domain, FormatInfo, RoundMode, decode_ndarray, round_ndarray
from gfloat.formats import (
    format_info_bfloat16,
    format_info_binary16,
    format_info_binary32,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
)

from makalu.sim_models.golden import formats
from makalu.sim_models.golden.formats import narrow, storage, tensor_operand, widen
from makalu.spec.formats import BF16, E3M4, E4M3, E4M3FN, E5M2, FP16, FP32, INTEGERS, LANE_ELEMENTS, TF32, FormatKind
from makalu.spec.tensor_types import Part
from verif.lib.lane_programs import corner_values

SHORT = [form for form in LANE_ELEMENTS if form.kind is not FormatKind.INTEGER and form not in (FP32, TF32)]


def like_ieee(name, bits, precision, bias):
    """A format that gfloat has no table of: an exponent of all ones is infinity or NaN."""
    flags = {"is_signed": True, "has_nz": True, "has_subnormals": True, "is_twos_complement": False}
    nans = (1 << precision - 1) - 1
    return FormatInfo(name, bits, precision, bias=bias, domain=Domain.Extended, num_high_nans=nans, **flags)


GFLOAT = {
    E4M3: like_ieee("e4m3", 8, 4, 7),
    E3M4: like_ieee("e3m4", 8, 5, 3),
    TF32: like_ieee("tf32", 19, 11, 127),
    FP16: format_info_binary16,
    BF16: format_info_bfloat16,
    E5M2: format_info_ocp_e5m2,
    E4M3FN: format_info_ocp_e4m3,
    FP32: format_info_binary32,
}
VALUES = corner_values(np.random.default_rng(1), (200_000,))


def numbers(bits):
    """fp32 bits as doubles."""
    with np.errstate(invalid="ignore"):
        return bits.view(np.float32).astype(np.float64)


def same(got, want):
    """The same numbers, signs of zeros included; any NaN is one."""
    assert np.array_equal(got, want, equal_nan=True)
    finite = ~np.isnan(want)
    assert (np.signbit(got) == np.signbit(want))[finite].all()


def outside(form):
    return np.dtype(getattr(ml_dtypes, form.long_name, form.long_name))


@pytest.mark.parametrize("form", SHORT, ids=lambda f: f.name)
def test_every_code_widens_as_ml_dtypes_says(form):
    codes = np.arange(1 << form.bits).astype(storage(form))
    with np.errstate(invalid="ignore"):
        want = codes.view(outside(form)).astype(np.float64)
    same(numbers(widen(form, codes)), want)


@pytest.mark.parametrize("form", [form for form in GFLOAT if form.bits <= 16], ids=lambda f: f.name)
def test_every_code_widens_as_gfloat_says(form):
    codes = np.arange(1 << form.bits).astype(storage(form))
    same(numbers(widen(form, codes)), decode_ndarray(GFLOAT[form], codes.astype(np.int64)))


@pytest.mark.parametrize("form", SHORT, ids=lambda f: f.name)
def test_fp32_narrows_as_ml_dtypes_says(form):
    with np.errstate(over="ignore", invalid="ignore"):
        want = VALUES.view(np.float32).astype(outside(form)).astype(np.float64)
    same(numbers(widen(form, narrow(form, VALUES))), want)


@pytest.mark.parametrize("form", [form for form in GFLOAT if form != FP32], ids=lambda f: f.name)
def test_fp32_narrows_as_gfloat_says(form):
    finite = VALUES[np.isfinite(VALUES.view(np.float32))]
    want = round_ndarray(GFLOAT[form], numbers(finite), RoundMode.TiesToEven, sat=False)
    same(numbers(widen(form, narrow(form, finite))), want)


def test_tf32_is_the_upper_19_bits_rounded():
    """ml_dtypes has no tf32: the nearest multiple of its last place, by doubles."""
    finite = VALUES[np.isfinite(VALUES.view(np.float32))]
    got, value = numbers(narrow(TF32, finite)), numbers(finite)
    exponent = np.maximum(np.frexp(value)[1] - 1, TF32.emin)
    place = np.exp2(exponent - TF32.fraction_bits)
    want = np.rint(value / place) * place
    same(got, np.where(np.abs(want) >= 2.0**128, np.copysign(np.inf, want), np.copysign(want, value)))
    assert not (narrow(TF32, VALUES) & ((1 << TF32.padding) - 1)).any()
    assert widen(TF32, np.uint32(0x3F801FFF)) == 0x3F800000, "padding is not looked at"


@pytest.mark.parametrize("form", INTEGERS, ids=lambda f: f.name)
def test_integers_round_to_even_and_saturate(form):
    """By Python's own integers: the nearest even of the exact value, then the limit that it passes; a NaN is 0."""
    values = VALUES[::7]
    info, got = np.iinfo(form.name), narrow(form, values).view(form.name).tolist()
    assert (form.lowest, form.largest) == (info.min, info.max)
    for number, bits in zip(numbers(values).tolist(), got, strict=True):
        if number != number:
            want = 0
        else:
            want = max(info.min, min(info.max, round(number) if abs(number) < 2**40 else int(np.sign(number)) * 2**40))
        assert bits == want, number


@pytest.mark.parametrize("form", INTEGERS, ids=lambda f: f.name)
def test_integers_widen_as_numpy_says(form):
    rng = np.random.default_rng(4)
    integers = rng.integers(form.lowest, form.largest, 50_000, endpoint=True) >> rng.integers(0, form.bits, 50_000)
    elements = integers.astype(form.name)
    assert (widen(form, elements.view(storage(form))).view(np.float32) == elements.astype(np.float32)).all()


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
    same(np.where(np.isfinite(upper), upper + lower, upper), numbers(VALUES))
    for part in (upper[np.isfinite(upper)], lower):
        mantissa = np.abs(np.frexp(part)[0]) * 2.0**12
        assert (mantissa == np.rint(mantissa)).all(), "more than 12 significant bits"
    special = ~np.isfinite(numbers(VALUES))
    assert special.any() and not numbers(tensor_operand(FP32, Part.FINITE, VALUES))[special].any()
    assert not lower[special].any()


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("(rest > half)", "(rest >= half)", test_fp32_narrows_as_ml_dtypes_says),
        ("np.clip(1 - target, 0,", "np.clip(-target, 0,", test_fp32_narrows_as_gfloat_says),
        ("code > form.largest, form.beyond", "code > form.largest, form.largest", test_fp32_narrows_as_ml_dtypes_says),
        ("np.maximum(exponent, 1) - (form.bias", "exponent - (form.bias", test_every_code_widens_as_ml_dtypes_says),
    ],
)
def test_a_planted_fault_is_seen(monkeypatch, old, new, check):
    source = Path(formats.__file__).read_text()
    assert source.count(old) == 1
    names = {"__name__": formats.__name__, "__package__": formats.__package__}
    exec(compile(source.replace(old, new), formats.__file__, "exec"), names)
    for name in ("narrow", "widen"):
        monkeypatch.setitem(globals(), name, names[name])
    with pytest.raises(AssertionError):
        check(E5M2)
