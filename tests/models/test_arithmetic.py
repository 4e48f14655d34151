"""Golden arithmetic against oracles that are not ours: Berkeley SoftFloat, ml_dtypes, exact fractions."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from makalu.sim_models.golden.arithmetic import (
    fma_chain_step,
    fp32_add,
    fp32_max,
    fp32_min,
    fp32_mul,
    fp32_sub,
    matmul_column_chain,
)
from makalu.sim_models.golden.formats import narrow, widen
from makalu.spec.formats import BF16
from verif.arith.vectors import (
    bf16_operands,
    canonical,
    fma_operands,
    fp32_operands,
    fp32_pairs,
    softfloat_add,
    softfloat_fma,
    softfloat_mul,
    softfloat_sub,
)

VECTORS = 200_000
NAN = 0x7FC00000
TINY, HUGE = Fraction(1, 2**126), Fraction(2) ** 128

EDGES = [
    # a, b (bf16), p, want, why
    (0x0000, 0x7F80, 0x3F800000, NAN, "zero times infinity"),
    (0x7F80, 0x3F80, 0xFF800000, NAN, "infinity minus infinity"),
    (0x7FC1, 0x3F80, 0x3F800000, NAN, "NaN operand"),
    (0x3F80, 0x3F80, 0xFFFFFFFF, NAN, "NaN chain, made canonical"),
    (0x3F80, 0x3F80, 0xBF800000, 0x00000000, "exact cancellation is +0"),
    (0x8000, 0x3F80, 0x80000000, 0x80000000, "-0 + -0"),
    (0x8000, 0x3F80, 0x00000000, 0x00000000, "-0 + +0"),
    (0x7F7F, 0x7F7F, 0xFF800000, 0xFF800000, "a finite product never outweighs an infinity"),
    (0x7F7F, 0x7F7F, 0x00000000, 0x7F800000, "overflow"),
    (0x3F80, 0x3380, 0x3F800001, 0x3F800002, "tie to even, up"),
    (0x3F80, 0x3380, 0x3F800000, 0x3F800000, "tie to even, down"),
    (0x0001, 0x3F80, 0x00000000, 0x00010000, "subnormal operand"),
    (0x1A00, 0x1A00, 0x00000000, 0x00000000, "half of the smallest subnormal ties to 0"),
    (0x1A00, 0x1A00, 0x00000001, 0x00000002, "tie between subnormals"),
]


def same(got, want):
    wrong = np.flatnonzero(got != want)
    assert wrong.size == 0, f"{wrong.size} differ, first at {wrong[0]}: {got[wrong[0]]:#x}, want {want[wrong[0]]:#x}"


@pytest.mark.parametrize(("a", "b", "p", "want", "why"), EDGES)
def test_fma_edges(a, b, p, want, why):
    assert int(fma_chain_step(a, b, p)) == want, why


def test_fma_equals_softfloat():
    a, b, p = fma_operands(np.random.default_rng(1), VECTORS)
    same(fma_chain_step(a, b, p), softfloat_fma(a, b, p))


@pytest.mark.parametrize(("ours", "oracle"), [(fp32_add, softfloat_add), (fp32_sub, softfloat_sub)])
def test_addition_equals_softfloat(ours, oracle):
    a, b = fp32_pairs(np.random.default_rng(2), VECTORS)
    same(ours(a, b), oracle(a, b))


def test_multiplication_equals_softfloat():
    rng = np.random.default_rng(3)
    a, b = fp32_operands(rng, VECTORS), fp32_operands(rng, VECTORS)
    # half of the pairs have a product around the smallest numbers or the largest
    target = rng.choice(np.array([-24, -12, 0, 1, 254, 255]), VECTORS)
    exponent = np.clip(target + 127 - ((a >> 23) & 0xFF).astype(np.int64), 0, 254).astype(np.uint32)
    b = np.where(rng.integers(0, 2, VECTORS) == 0, (b & 0x807FFFFF) | (exponent << 23), b).astype(np.uint32)
    same(fp32_mul(a, b), softfloat_mul(a, b))


def test_widening_is_exhaustive():
    bits = np.arange(1 << 16, dtype=np.uint16)
    same(widen(BF16, bits), bits.view(ml_dtypes.bfloat16).astype(np.float32).view(np.uint32))


def test_narrowing_equals_ml_dtypes():
    rng = np.random.default_rng(4)
    # every pattern of the kept bits, at and around each tie
    kept = np.arange(1 << 16, dtype=np.uint32) << 16
    edges = [kept | np.uint32(low) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]
    bits = np.concatenate([*edges, rng.integers(0, 1 << 32, 1_000_000, np.uint32), fp32_operands(rng, 100_000)])
    with np.errstate(all="ignore"):
        want = bits.view(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)
    nan = (bits & 0x7FFFFFFF) > 0x7F800000
    same(narrow(BF16, bits), np.where(nan, np.uint16(0x7FC0), want))


@pytest.mark.parametrize(("ours", "numpys", "zero"), [(fp32_max, np.fmax, 0), (fp32_min, np.fmin, 1 << 31)])
def test_extremes(ours, numpys, zero):
    a, b = fp32_pairs(np.random.default_rng(5), VECTORS)
    with np.errstate(all="ignore"):
        x, y = a.view(np.float32), b.view(np.float32)
        want = numpys(x, y).view(np.uint32).copy()
    want[np.isnan(x) | np.isnan(y)] = NAN
    zeros = (x == 0) & (y == 0) & (a != b)
    assert zeros.any()
    want[zeros] = zero
    same(ours(a, b), want)


def exact(bits):
    """Value of finite fp32 bits."""
    exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    value = Fraction(fraction + (1 << 23 if exponent else 0)) * Fraction(2) ** (max(exponent, 1) - 150)
    return -value if bits >> 31 else value


def test_flush_follows_its_definition():
    """On exact fractions: operands first, then the result by its exact value."""
    rng = np.random.default_rng(6)
    a, b, p = fma_operands(rng, 5_000)
    a, b = a & 0xBFFF, b & 0xBFFF  # small exponents: products around 2^-126 and below
    got, kept = fma_chain_step(a, b, p, subnormals="flush"), 0
    for x, y, z, result in zip(a.tolist(), b.tolist(), p.tolist(), got.tolist(), strict=True):
        if (z >> 23) & 0xFF == 0xFF:
            continue
        values = [exact(v) for v in (x << 16, y << 16, z)]
        first, second, third = (v if abs(v) >= TINY else Fraction(0) for v in values)
        total = first * second + third
        if abs(total) < TINY:
            assert result & 0x7FFFFFFF == 0
            if total:
                assert result >> 31 == (total < 0)
        else:
            unit = Fraction(1, 2**149)
            while abs(total) >= unit * 2**24:
                unit *= 2
            assert abs(exact(result) - total) * 2 <= unit
            kept += 1
    assert kept > 500


def test_flush_keeps_normal_results():
    a, b, p = fma_operands(np.random.default_rng(7), VECTORS)
    magnitudes = [(x.astype(np.uint32) >> 7) & 0xFF for x in (a, b)] + [(p >> 23) & 0xFF]
    keep, flush = fma_chain_step(a, b, p), fma_chain_step(a, b, p, subnormals="flush")
    # above 2^-126, so that the result was not below it before rounding either
    plain = np.all([m > 0 for m in magnitudes], axis=0) & ((keep & 0x7FFFFFFF) > 0x00800000)
    assert plain.sum() > VECTORS // 4
    same(flush[plain], keep[plain])


def test_flushed_sums_follow_the_definition():
    """Near 2^-126, where a sum is exact in doubles."""
    a, b = (bits & np.uint32(0x83FFFFFF) for bits in fp32_pairs(np.random.default_rng(10), VECTORS))
    x, y = (v.view(np.float32).astype(np.float64) * (v & 0x7F800000 > 0) for v in (a, b))
    total = x + y
    flushed = np.abs(total) < 2.0**-126
    assert (flushed & (total != 0)).sum() > VECTORS // 50
    want = np.where(flushed, np.copysign(0, total), total).astype(np.float32).view(np.uint32)
    same(fp32_add(a, b, subnormals="flush"), want)


@pytest.mark.parametrize("subnormals", ["keep", "flush"])
def test_column_chain_is_the_steps_in_order(subnormals):
    rng = np.random.default_rng(8)
    stationary, moving = bf16_operands(rng, (9 * 7)).reshape(9, 7), bf16_operands(rng, 9 * 11).reshape(9, 11)
    want = np.zeros((7, 11), np.uint32)
    for k in range(9):
        want = fma_chain_step(stationary[k][:, None], moving[k], want, subnormals=subnormals)
    same(matmul_column_chain(stationary, moving, subnormals=subnormals).ravel(), want.ravel())


def test_column_chain_starts_with_positive_zero():
    assert matmul_column_chain(np.array([[0x8000]]), np.array([[0x3F80]]))[0, 0] == 0
    assert matmul_column_chain(np.zeros((0, 2)), np.zeros((0, 3))).tolist() == [[0, 0, 0]] * 2


def test_column_chain_shapes_rejected():
    with pytest.raises(ValueError, match=r"share K, not \(2, 3\) and \(4, 5\)"):
        matmul_column_chain(np.zeros((2, 3)), np.zeros((4, 5)))


def test_subnormals_rejected():
    with pytest.raises(ValueError, match="keep or flush, not 'ftz'"):
        fp32_add(0, 0, subnormals="ftz")


def test_canonical_leaves_numbers():
    bits = fp32_operands(np.random.default_rng(9), 1000)
    number = (bits & 0x7FFFFFFF) <= 0x7F800000
    same(canonical(bits)[number], bits[number])
