"""What outside libraries say of formats: every code's value, and numbers rounded to a format, integers included.

ml_dtypes (with numpy's float16), gfloat, Berkeley SoftFloat, and Python's integers; tf32, which ml_dtypes lacks, by
doubles. Each reads the format from tables of its own; of ours they are given the name alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import softfloatpy as softfloat
from gfloat import Domain, FormatInfo, RoundMode, decode_ndarray, round_ndarray
from gfloat.formats import (
    format_info_bfloat16,
    format_info_binary16,
    format_info_ocp_e2m1,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
    format_info_ocp_e8m0,
)
from numpy.typing import NDArray

from makalu.spec.formats import BF16, E2M1, E3M4, E4M3, E4M3FN, E5M2, E8M0, FP16, TF32, Format, FormatKind

__all__ = ["GFLOAT", "decoded", "integer_as_fp32", "rounded", "rounded_to_integer"]

Bits = NDArray[np.uint32]
Doubles = NDArray[np.float64]


def _like_ieee(name: str, bits: int, precision: int, bias: int) -> FormatInfo:
    """A format that gfloat has no table of: an exponent of all ones is infinity or NaN."""
    flags = {"is_signed": True, "has_nz": True, "has_subnormals": True, "is_twos_complement": False}
    nans = (1 << precision - 1) - 1
    return FormatInfo(name, bits, precision, bias=bias, domain=Domain.Extended, num_high_nans=nans, **flags)


GFLOAT: Mapping[Format, FormatInfo] = {
    BF16: format_info_bfloat16,
    FP16: format_info_binary16,
    TF32: _like_ieee("tf32", 19, 11, 127),
    E5M2: format_info_ocp_e5m2,
    E4M3: _like_ieee("e4m3", 8, 4, 7),
    E3M4: _like_ieee("e3m4", 8, 5, 3),
    E4M3FN: format_info_ocp_e4m3,
    E2M1: format_info_ocp_e2m1,
    E8M0: format_info_ocp_e8m0,
}


def _outside(form: Format) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, form.long_name, form.long_name))


def _by_doubles(values: Doubles) -> Doubles:
    """tf32: the nearest multiple of a number's last place, and what is then too large."""
    with np.errstate(invalid="ignore", over="ignore"):
        exponent = np.maximum(np.frexp(np.where(np.isfinite(values), values, 0))[1] - 1, -126)
        place = np.exp2(exponent - 10)
        near = np.rint(values / place) * place
    return np.copysign(np.where(np.abs(near) >= 2.0**128, np.inf, near), values)


def decoded(form: Format, codes: NDArray[np.int64]) -> dict[str, Doubles]:
    """Values of codes (without padding), by each library."""
    by_gfloat = decode_ndarray(GFLOAT[form], codes)
    if form == TF32:
        above = (codes << form.padding).astype(np.uint32).view(np.float32)
        with np.errstate(invalid="ignore"):
            return {"gfloat": by_gfloat, "numpy": above.astype(np.float64)}
    with np.errstate(invalid="ignore"):
        values = codes.astype(f"u{_outside(form).itemsize}").view(_outside(form)).astype(np.float64)
    return {"gfloat": by_gfloat, _owner(form): values}


def rounded(form: Format, bits: Bits) -> dict[str, Doubles]:
    """fp32 numbers rounded to the format, nearest even, by each library."""
    with np.errstate(invalid="ignore", over="ignore"):
        values = bits.view(np.float32).astype(np.float64)
        by_gfloat = round_ndarray(GFLOAT[form], values, RoundMode.TiesToEven, sat=False)
        if form == TF32:
            return {"gfloat": by_gfloat, "numpy": _by_doubles(values)}
        return {"gfloat": by_gfloat, _owner(form): bits.view(np.float32).astype(_outside(form)).astype(np.float64)}


def _owner(form: Format) -> str:
    return "numpy" if form == FP16 else "ml_dtypes"


def _each(function: Callable[[Any], Any], bits: Bits) -> Bits:
    """Of a function of fp32 to fp32."""
    softfloat.set_rounding_mode(softfloat.RoundingMode.NEAR_EVEN)
    results = (function(softfloat.Float32.from_bytes(each.to_bytes(4, "big"))).to_bytes() for each in bits.tolist())
    return np.frombuffer(b"".join(results), ">u4").astype(np.uint32)


def rounded_to_integer(form: Format, bits: Bits) -> dict[str, NDArray[np.int64]]:
    """The nearest even integer of fp32 numbers, then the limit that it passes; a NaN is 0."""
    info, numbers = np.iinfo(form.name), bits.view(np.float32)
    beyond = 2**40
    by_python = [
        0 if each != each else max(info.min, min(info.max, round(max(-beyond, min(beyond, each)))))
        for each in numbers.tolist()
    ]
    with np.errstate(invalid="ignore"):
        whole = _each(softfloat.f32_round_to_int, bits).view(np.float32).astype(np.float64)
    by_softfloat = np.clip(np.where(np.isnan(whole), 0, whole), info.min, info.max).astype(np.int64)
    return {"Python": np.array(by_python, np.int64), "SoftFloat": by_softfloat}


def integer_as_fp32(form: Format, values: NDArray[np.int64]) -> dict[str, Bits]:
    """fp32 bits of integers, nearest even."""
    if form.kind is not FormatKind.INTEGER:
        raise ValueError(f"{form.name} is no integer")
    softfloat.set_rounding_mode(softfloat.RoundingMode.NEAR_EVEN)
    signed = softfloat.Int32, softfloat.i32_to_f32
    kind, convert = signed if form.signed else (softfloat.UInt32, softfloat.ui32_to_f32)
    each = (convert(kind.from_int(value)).to_bytes() for value in values.tolist())
    by_softfloat = np.frombuffer(b"".join(each), ">u4").astype(np.uint32)
    return {"numpy": values.astype(np.float32).view(np.uint32), "SoftFloat": by_softfloat}
