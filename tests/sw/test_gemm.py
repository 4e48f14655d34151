"""GEMM on the golden machine: exact against rationals, bounded against float64, the same in every legal order."""

from fractions import Fraction

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.sw.nki import language as nl

from .kernels import MINI, TINY, bf16, execute, nearest_fp32

UNIT = 2.0**-24
"""Half a unit in the last place of 1 in fp32: the largest relative error of one rounding."""


def operands(k, m, n, seed=0):
    random = np.random.default_rng(seed)
    return {"a": bf16(random.normal(size=(k, m))), "b": bf16(random.normal(size=(k, n)))}


def chain(a, b, rows):
    """One element of C by the definition: one rounding a row of a block, the blocks added in PSUM."""
    total = None
    for start in range(0, len(a), rows):
        part = Fraction(0)
        for x, y in zip(a[start : start + rows], b[start : start + rows], strict=True):
            part = nearest_fp32(part + Fraction(float(x)) * Fraction(float(y)))
        total = part if total is None else nearest_fp32(total + part)
    return float(total)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize(("k", "m", "n"), [(4, 4, 8), (9, 6, 7), (1, 1, 1), (13, 5, 70)])
def test_every_bit_against_rationals(k, m, n, resident):
    data = operands(k, m, n)
    got = execute(gemm, data, dtype=nl.bfloat16, resident=resident)["c"]
    want = [[chain(data["a"][:, i], data["b"][:, j], TINY.tensor.rows) for j in range(n)] for i in range(m)]
    assert (got == np.array(want)).all()


@pytest.mark.parametrize("resident", [False, True])
def test_error_stays_within_the_derived_bound(resident):
    """|C - exact| <= g |A|^T |B| with g = r u / (1 - r u): r = K chain roundings and one for each block added."""
    k, m, n = 512, 96, 512
    data = operands(k, m, n)
    got = execute(gemm, data, dtype=nl.bfloat16, config=MINI, resident=resident)["c"].astype(np.float64)
    a, b = data["a"].astype(np.float64), data["b"].astype(np.float64)
    roundings = k + k // MINI.tensor.rows - 1
    bound = roundings * UNIT / (1 - roundings * UNIT) * (np.abs(a).T @ np.abs(b))
    error = np.abs(got - a.T @ b)
    # float64 sums 512 exact products with errors 2^-29 times smaller than the bound
    assert (error <= bound).all()
    assert error.max() > UNIT


def test_all_legal_orders_agree():
    data = operands(20, 9, 100)
    images = {execute(gemm, data, dtype=nl.bfloat16, seed=seed)["c"].tobytes() for seed in (None, *range(5))}
    assert len(images) == 1


def test_presets_with_other_rows_differ_only_in_rounding():
    data = operands(64, 8, 16)
    small, large = (execute(gemm, data, dtype=nl.bfloat16, config=c)["c"] for c in (TINY, MINI))
    assert not (small == large).all()
    # each order is off by at most gamma(roundings) * sum|products|: k in the chain, and one more a PSUM addition
    roundings = 2 * 64 + 64 // TINY.tensor.rows + 64 // MINI.tensor.rows
    sizes = np.abs(data["a"].astype(np.float64)).T @ np.abs(data["b"].astype(np.float64))
    error = np.abs(small.astype(np.float64) - large.astype(np.float64))
    assert (error <= roundings * UNIT / (1 - roundings * UNIT) * sizes).all()
