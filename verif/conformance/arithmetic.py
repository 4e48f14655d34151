"""Cases of the arithmetic on fp32: fused multiply-add of every two types, PSUM's adder, the vector engines' units."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.arithmetic import chain_step, fp32_add, fp32_max, fp32_min, fp32_mul, fp32_sub
from makalu.sim_models.golden.formats import tensor_operand
from makalu.spec.formats import BF16, FP32, SINGLES, Format
from makalu.spec.tensor_types import Part
from verif.arith.vectors import (
    canonical,
    fma_operands,
    fp32_pairs,
    softfloat_add,
    softfloat_fma,
    softfloat_fma32,
    softfloat_mul,
    softfloat_sub,
    special_pairs,
    special_triples,
)
from verif.conformance.case import Case
from verif.tensor.elements import random_elements

__all__ = ["FP8", "every_product", "extremes", "fused", "near", "products", "sums"]

Bits = NDArray[np.uint32]

FP8: tuple[Format, ...] = tuple(form for form in SINGLES if form.bits == 8)
_ORACLE = "SoftFloat"


def near(rng: np.random.Generator, addend: NDArray[np.floating]) -> Bits:
    """An fp32 for each addend: it cancels it, nearly cancels it, or lies 9 places below."""
    with np.errstate(all="ignore"):
        p = (addend * rng.choice(np.array([-1, -1 - 2**-12, 2.0**-9]), addend.shape)).astype(np.float32)
    return canonical(p.view(np.uint32))


def _operation(a: Format, b: Format) -> str:
    return "fma" if a == b == BF16 else f"fma-{a.name}-{b.name}"


def _parts(a: Format, b: Format, left: Bits, right: Bits, subnormals: str) -> list[Bits]:
    """What the array multiplies, as fp32 bits: of fp32 its upper part."""
    sides = ((a, left), (b, right))
    return [tensor_operand(form, Part.UPPER, bits, subnormals=subnormals) for form, bits in sides]


def _step(a: Format, b: Format, subnormals: str, left: Bits, right: Bits, p: Bits) -> Bits:
    return chain_step(*_parts(a, b, left, right, subnormals), p, subnormals=subnormals)


def _fused(a: Format, b: Format, left: Bits, right: Bits, p: Bits) -> Case:
    """Subnormals are kept."""
    wants = {_ORACLE: softfloat_fma32(*_parts(a, b, left, right, "keep"), p)}
    return Case(_operation(a, b), (left, right, p), wants, partial(_step, a, b, "keep"), FP32)


def fused(vectors: int, *, seed: int = 1) -> Case:
    """bf16: every triple of 20 specials, then random ones around cancellation and both ends of the range."""
    parts = special_triples(), fma_operands(np.random.default_rng(seed), vectors)
    a, b, p = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    wants = {_ORACLE: softfloat_fma(a, b, p)}
    return Case("fma", (a, b, p), wants, partial(_step, BF16, BF16, "keep"), FP32)


def products(a: Format, b: Format, vectors: int, *, seed: int = 1, subnormals: str = "keep") -> Case:
    """Random elements, a third of them special, onto what cancels their product.

    With `flush` no operand is subnormal and no sum comes near 2^-126: there SoftFloat's result is right too.
    """
    rng = np.random.default_rng([seed, a.code, b.code])
    left, right = (random_elements(rng, form, (vectors,), specials=0.3) for form in (a, b))
    first, second = (part.view(np.float32) for part in _parts(a, b, left, right, subnormals))
    with np.errstate(all="ignore"):
        p = near(rng, (first * second).astype(np.float32))
    if subnormals == "keep":
        return _fused(a, b, left, right, p)
    p = np.where(p & 0x7FFFFFFF <= 0x00800000, 0x3F800000, p).astype(np.uint32)
    want = softfloat_fma32(first.view(np.uint32), second.view(np.uint32), p)
    plain = (want & 0x7FFFFFFF > 0x00800000) | (want & 0x7FFFFFFF == 0)
    with np.errstate(all="ignore"):
        exact = first.astype(np.float64) * second + p.view(np.float32)
    plain &= (exact == 0) | ~(np.abs(exact) < 2.0**-126)
    operands = left[plain], right[plain], p[plain]
    step = partial(_step, a, b, subnormals)
    return Case(_operation(a, b), operands, {_ORACLE: want[plain]}, step, FP32, subnormals)


def every_product(a: Format, b: Format) -> Case:
    """Every two codes of fp8 types: the product alone, and onto a sum that it nearly cancels."""
    left, right = (side.ravel().astype(np.uint8) for side in np.mgrid[0 : 1 << a.bits, 0 : 1 << b.bits])
    first, second = (part.view(np.float32) for part in _parts(a, b, left, right, "keep"))
    with np.errstate(all="ignore"):
        cancelling = canonical((first * second * np.float32(-1 - 2**-12)).view(np.uint32))
    p = np.concatenate([np.zeros_like(cancelling), cancelling])
    return _fused(a, b, np.tile(left, 2), np.tile(right, 2), p)


def _pairs(vectors: int, seed: int) -> tuple[Bits, Bits]:
    parts = special_pairs(), fp32_pairs(np.random.default_rng(seed), vectors)
    x, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return x, y


def sums(vectors: int, *, seed: int = 1) -> list[Case]:
    """PSUM's adder; x + y, x - y, x * y of the vector engines: every pair of 20 specials, then random ones."""
    x, y = _pairs(vectors, seed)
    units = {
        "psum": (softfloat_add, fp32_add),
        "add": (softfloat_add, fp32_add),
        "sub": (softfloat_sub, fp32_sub),
        "mul": (softfloat_mul, fp32_mul),
    }
    return [Case(name, (x, y), {_ORACLE: oracle(x, y)}, ours, FP32) for name, (oracle, ours) in units.items()]


def extremes(vectors: int, *, seed: int = 1) -> list[Case]:
    """The larger and the smaller: numpy's, and what it leaves open, that -0 lies below +0."""
    x, y = _pairs(vectors, seed)
    with np.errstate(invalid="ignore"):
        first, second = x.view(np.float32), y.view(np.float32)
        nan, zeros = np.isnan(first) | np.isnan(second), (first == 0) & (second == 0) & (x != y)
        cases = []
        for name, by_numpy, zero, ours in (("max", np.fmax, 0, fp32_max), ("min", np.fmin, 1 << 31, fp32_min)):
            want = by_numpy(first, second).view(np.uint32).copy()
            want[nan], want[zeros] = FP32.canonical_nan, zero
            cases.append(Case(name, (x, y), {"numpy": want}, ours, FP32))
    return cases
