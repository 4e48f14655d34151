"""Shared by the tests of the front end: presets, tracing of small kernels, exact rounding of rationals."""

from fractions import Fraction

import numpy as np

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.run import run_golden

__all__ = ["MINI", "TINY", "bf16", "execute", "nearest_fp32", "recorded"]

TINY = load_preset("tiny")
MINI = load_preset("trn2-mini")


def bf16(values):
    """Floats cut to bf16 (towards zero): exact inputs of a bf16 tensor."""
    bits = np.asarray(values, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32)


def specs(arrays, dtype):
    return {name: TensorSpec(array.shape, dtype) for name, array in arrays.items()}


def execute(kernel, arrays, *, dtype=nl.float32, config=TINY, seed=None, **arguments):
    """Compile and run a kernel on float arrays."""
    program = compile_kernel(kernel, config, **specs(arrays, dtype), **arguments)
    return run_golden(program, arrays, config=config, seed=seed)


def recorded(kernel, config=TINY, **shapes):
    """Trace of a kernel with float32 arguments of the given shapes."""
    return trace(kernel, config, **{name: TensorSpec(shape, nl.float32) for name, shape in shapes.items()})


def nearest_fp32(value: Fraction) -> Fraction:
    """Nearest binary32 number, ties to even, of a rational in the normal range."""
    if value == 0:
        return Fraction(0)
    exponent = 0
    magnitude = abs(value)
    while magnitude >= 2:
        magnitude, exponent = magnitude / 2, exponent + 1
    while magnitude < 1:
        magnitude, exponent = magnitude * 2, exponent - 1
    unit = Fraction(2) ** (exponent - 23)
    return round(value / unit) * unit
