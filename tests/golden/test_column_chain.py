"""Column chains in float32 against their definition through doubles, bit for bit, and against literal edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from makalu.sim_models.golden import column_chain
from makalu.sim_models.golden.arithmetic import matmul_column_chain, matmul_column_chain_definition
from makalu.sim_models.golden.column_chain import exact_steps, step_extremes, tiny_steps
from makalu.sim_models.golden.formats import narrow, widen
from makalu.spec.formats import BF16

NAN, INFINITY, ONE = 0x7FC00000, 0x7F800000, 0x3F80
SIGN = np.uint16(0x8000)
MODES = ("keep", "flush")
SHAPES = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 2, 1), (5, 1, 7), (6, 7, 1), (4, 3, 3), (9, 5, 11)]
SPECIALS = [0x0000, 0x0001, 0x007F, 0x0080, 0x1A00, 0x3F80, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0, 0x7FFF]

# exponents of a product's smallest significand: 16-bit products are exact from 2^-134, multiples of 2^-126 from 2^-111
ENDS = {
    "overflow": (124, 125, 126, 127, 128),
    "underflow": (-152, -150, -138, -137, -136, -135, -134, -133),
    "smallest normal": (-134, -128, -127, -126, -125, -124),
    "tiny": (-140, -126, -114, -113, -112, -111),
}


def uniform(rng, k, m, n):
    """Any bits: every exponent alike."""
    return rng.integers(0, 1 << 16, (k, m), np.uint16), rng.integers(0, 1 << 16, (k, n), np.uint16)


def specials(rng, k, m, n):
    return tuple(
        rng.choice(np.array(SPECIALS, np.uint16), (k, size)) ^ SIGN * rng.integers(0, 2, (k, size), np.uint16)
        for size in (m, n)
    )


def aimed(rng, k, m, n, exponents, fractions=range(128)):
    """Steps whose products have one of the `exponents`, or one more: with fractions from 64 on all have one more."""
    total = rng.choice(np.array(exponents), (k, 1)) + 254
    first = rng.integers(np.maximum(1, total - 254), np.minimum(254, total - 1) + 1)
    return tuple(
        (exponent << 7 | rng.choice(fractions, (k, size))).astype(np.uint16)
        ^ SIGN * rng.integers(0, 2, (k, size), np.uint16)
        for exponent, size in ((first, m), (total - first, n))
    )


def subnormal(rng, k, m, n):
    """Most weights subnormal, columns up to the largest."""
    weights, columns = aimed(rng, k, m, n, range(0, 127))
    return weights & rng.choice(np.array([0x807F, 0x807F, 0xFFFF], np.uint16), (k, m)), columns


def echoed(rng, k, m, n):
    """Every step comes back negated, some with a step between: what is left is what was rounded."""
    weights, columns = aimed(rng, k, m, n, ENDS["tiny"] + ENDS["smallest normal"])
    order = np.concatenate([np.arange(k), rng.permutation(k)])
    return weights[order], np.concatenate([columns, columns[order[k:]] ^ SIGN])


def last_place(rng, k, m, n):
    """Products of 16 bits whose last is set, at 2^-151 to 2^-148, between larger ones."""
    return aimed(rng, k, m, n, (-137, -136, -136, -135, -134, -126, -125), fractions=range(65, 128, 2))


def neighbours(rng, k, m, n, exponents=(-113, -112)):
    """Pairs of products of 16 bits that cancel to their last place: w c - (w + 1)(c - 1) = w - c + 1."""
    weights, columns = (bits & ~SIGN for bits in aimed(rng, k, m, n, exponents, fractions=range(65, 127)))
    pairs = np.stack([weights, weights + np.uint16(1)], 1), np.stack([columns, columns - np.uint16(1) ^ SIGN], 1)
    return pairs[0].reshape(2 * k, m), pairs[1].reshape(2 * k, n)


def beside_normal(rng, k, m, n):
    """Sums some places of 2^-149 above and below 2^-126, and at it."""
    pairs = neighbours(rng, k, m, n, exponents=(-135,))
    start = aimed(rng, 1, m, n, (-126,), fractions=(0,))
    return np.concatenate([start[0] & ~SIGN, pairs[0]]), np.concatenate([start[1] & ~SIGN, pairs[1]])


def mixed(rng, k, m, n):
    """Steps of all kinds, and ordinary ones."""
    kinds = [kind(rng, k, m, n) for kind in STIMULI.values() if kind is not mixed]
    kinds.append(aimed(rng, k, m, n, range(-20, 20)))
    chosen = rng.integers(0, len(kinds), k)
    return tuple(np.stack([kinds[kind][side][step] for step, kind in enumerate(chosen)]) for side in (0, 1))


STIMULI = {
    "uniform": uniform,
    "specials": specials,
    **{name: lambda *args, e=exponents: aimed(*args, e) for name, exponents in ENDS.items()},
    "subnormal": subnormal,
    "echoed": echoed,
    "last place": last_place,
    "neighbours": neighbours,
    "beside normal": beside_normal,
    "mixed": mixed,
}


def values(bits, subnormals="keep"):
    single = widen(BF16, bits).view(np.float32)
    return np.where(np.abs(single) < 2.0**-126, np.copysign(0, single), single) if subnormals == "flush" else single


def paths(weights, columns, subnormals):
    """Steps in float32 that look for tiny sums and that do not, and steps by the definition."""
    smallest, largest = step_extremes(values(weights, subnormals), values(columns, subnormals))
    exact, tiny = exact_steps(smallest, largest), tiny_steps(smallest) & (subnormals == "flush")
    return np.array([(exact & tiny).sum(), (exact & ~tiny).sum(), (~exact).sum()])


def differences(name, subnormals, *, rounds=10):
    """Sums that differ from the definition's, of all shapes; and the steps that went each path."""
    rng, wrong, steps = np.random.default_rng(list(STIMULI).index(name)), 0, np.zeros(3, int)
    for k, m, n in SHAPES * rounds:
        weights, columns = STIMULI[name](rng, k, m, n)
        got = matmul_column_chain(weights, columns, subnormals=subnormals)
        wrong += np.count_nonzero(got != matmul_column_chain_definition(weights, columns, subnormals=subnormals))
        steps += paths(weights, columns, subnormals)
    return wrong, steps


@pytest.mark.parametrize("subnormals", MODES)
@pytest.mark.parametrize("name", STIMULI)
def test_equals_the_definition(name, subnormals):
    assert differences(name, subnormals)[0] == 0


@pytest.mark.parametrize(("subnormals", "reached"), [("keep", [False, True, True]), ("flush", [True, True, True])])
def test_stimulus_reaches_every_path(subnormals, reached):
    steps = differences("mixed", subnormals)[1]
    assert (steps > 25).tolist() == reached


BITS = st.one_of(st.integers(0, 0xFFFF), st.sampled_from(SPECIALS), st.integers(0x1C00, 0x1FFF), st.just(ONE))


@given(st.data(), st.tuples(*[st.integers(1, 4)] * 3), st.sampled_from(MODES))
@settings(max_examples=150, deadline=None)
def test_any_bits_equal_the_definition(data, shape, subnormals):
    k, m, n = shape
    weights, columns = (data.draw(hnp.arrays(np.uint16, (k, size), elements=BITS)) for size in (m, n))
    got = matmul_column_chain(weights, columns, subnormals=subnormals)
    assert got.tolist() == matmul_column_chain_definition(weights, columns, subnormals=subnormals).tolist()


@pytest.mark.parametrize("subnormals", MODES)
@pytest.mark.parametrize("exponents", [ENDS["overflow"], range(-129, -121), range(-106, -98), range(-20, 20)])
def test_products_of_24_bits_equal_the_definition(exponents, subnormals):
    """Operands of 12 significant bits, which only fp32's parts have, around each end of what a step may do in fp32."""
    rng, steps = np.random.default_rng(9), 0
    for k, m, n in SHAPES * 10:
        fractions = [(rng.integers(1 << 11, 1 << 12, (k, size)) | 1) * 2.0**-11 for size in (m, n)]
        half = rng.choice(np.array(exponents), (k, 1)) / 2
        scales = np.ceil(half), np.floor(half)
        sides = [
            (rng.choice([-1, 1], f.shape) * f * 2.0**scale).astype(np.float32)
            for f, scale in zip(fractions, scales, strict=True)
        ]
        weights, columns = (side.view(np.uint32) for side in sides)
        got = matmul_column_chain(weights, columns, form=None, subnormals=subnormals)
        want = matmul_column_chain_definition(weights, columns, form=None, subnormals=subnormals)
        assert got.tolist() == want.tolist()
        steps += exact_steps(*step_extremes(*sides), product_bits=24).sum()
    assert steps > 50


@pytest.mark.parametrize("block", [1, 7, 40, 1 << 16])
def test_blocks_change_nothing(monkeypatch, block):
    monkeypatch.setattr(column_chain, "BLOCK", block)
    weights, columns = mixed(np.random.default_rng(1), 12, 5, 23)
    got = matmul_column_chain(weights, np.asfortranarray(columns))  # column by column in memory, as indexing makes them
    assert got.tolist() == matmul_column_chain_definition(weights, columns).tolist()


@pytest.mark.parametrize("subnormals", MODES)
def test_ordinary_numbers_take_the_shortest_path(subnormals):
    """At the size that is measured: one multiplication and one addition a step."""
    rng = np.random.default_rng(2)
    weights, columns = (
        narrow(BF16, rng.standard_normal(shape).astype(np.float32).view(np.uint32)) for shape in ((128, 128), (128, 40))
    )
    assert paths(weights, columns, subnormals).tolist() == [0, 128, 0]
    got = matmul_column_chain(weights, columns, subnormals=subnormals)
    assert (got == matmul_column_chain_definition(weights, columns, subnormals=subnormals)).all()


@pytest.mark.parametrize("name", STIMULI)
def test_exact_steps_are_exact(name):
    weights, columns = (values(bits) for bits in STIMULI[name](np.random.default_rng(3), 400, 3, 3))
    with np.errstate(all="ignore"):
        single = (weights[:, :, None] * columns[:, None, :]).astype(np.float64)
        double = weights[:, :, None].astype(np.float64) * columns[:, None, :].astype(np.float64)
    exact = exact_steps(*step_extremes(weights, columns))
    assert exact.any() and np.array_equal(single[exact], double[exact], equal_nan=True)


@pytest.mark.parametrize(
    ("weight", "column", "exact"),
    [
        (2.0**-67, 2.0**-67, True),
        (2.0**-67, 2.0**-68, False),
        (1.9921875 * 2.0**-67, 1.9921875 * 2.0**-69, False),  # 2^-136 times 16 bits
        (1.9921875 * 2.0**63, 1.9921875 * 2.0**63, True),
        (2.0**64, 2.0**64, False),
        (0.0, 2.0**127, True),
        (np.inf, 2.0**-126, True),
        (np.nan, 2.0**127, True),
    ],
)
def test_where_exactness_ends(weight, column, exact):
    """Zeros, infinities and NaNs beside them change nothing."""
    rows = [np.array([[0, x, np.nan, -np.inf, 0]], np.float32) for x in (weight, -column)]
    assert exact_steps(*step_extremes(*rows)).tolist() == [exact]


@pytest.mark.parametrize(
    ("steps", "keep", "flush", "why"),
    [
        ([(0xDF00, 0x5F80), (0x5F80, 0x5F80)], 0x7F000000, 0x7F000000, "2^128 is too large, -2^127 + 2^128 is not"),
        ([(0x5F80, 0x5F80), (0xDF80, 0x5F80)], INFINITY, INFINITY, "-2^128 does not outweigh infinity"),
        ([(0x7F7F, 0x3F80), (0x7380, 0x4A80)], INFINITY, INFINITY, "rounding up to 2^128"),
        ([(0x7F80, 0x0000)], NAN, NAN, "infinity times zero"),
        ([(0x7F80, 0x0001)], INFINITY, NAN, "infinity times a subnormal"),
        ([(0x7F80, 0x3F80), (0xFF80, 0x3F80)], NAN, NAN, "infinity minus infinity"),
        ([(0xFFC1, 0x3F80), (0x3F80, 0x3F80)], NAN, NAN, "NaN, made canonical"),
        ([(0x8000, 0x3F80)], 0, 0, "+0 + -0"),
        ([(0x3F80, 0x3F80), (0xBF80, 0x3F80)], 0, 0, "exact cancellation"),
        ([(0x1A00, 0x1A00)], 0, 0, "2^-150 ties to 0"),
        ([(0x9A00, 0x1A00), (0x8000, 0x3F80)], 0x80000000, 0x80000000, "-2^-150 leaves -0, -0 stays"),
        ([(0x2000, 0x2000), (0x9A00, 0x1A00)], 0x00800000, 0, "rounds up to 2^-126, but was below it"),
        ([(0x2040, 0x2000), (0xA000, 0x1F80)], 0x00800000, 0x00800000, "exactly 2^-126"),
        ([(0x2040, 0x2000), (0xA000, 0x2000)], 0x00400000, 0, "exactly 2^-127"),
        ([(0xA040, 0x2000), (0x2000, 0x2000)], 0x80400000, 0x80000000, "exactly -2^-127"),
    ],
)
def test_edges(steps, keep, flush, why):
    weights, columns = np.array(steps, np.uint16).T[:, :, None]
    for chain in (matmul_column_chain, matmul_column_chain_definition):
        got = [int(chain(weights, columns, subnormals=mode)[0, 0]) for mode in MODES]
        assert [hex(bits) for bits in got] == [hex(keep), hex(flush)], why


ONE_UP, ONE_DOWN = (np.nextafter(np.float32(2.0**-126), np.float32(to)) for to in (1, 0))


@pytest.mark.parametrize(
    ("criterion", "fault", "name", "subnormals"),
    [
        ("EXACT_FROM", 2.0**-135, "last place", "keep"),
        ("EXACT_FROM", 2.0**-135, "last place", "flush"),
        ("EXACT_BELOW", 2.0**129, "overflow", "keep"),
        ("NEVER_TINY_FROM", 2.0**-112, "neighbours", "flush"),
        ("SMALLEST_NORMAL", ONE_UP, "beside normal", "flush"),
        ("SMALLEST_NORMAL", ONE_DOWN, "beside normal", "flush"),
        ("tiny_steps", lambda smallest, _: smallest < 2.0**-111, "echoed", "flush"),  # forgets the steps before
        ("exact_steps", lambda smallest, largest, _: smallest >= 0, "mixed", "keep"),
    ],
)
def test_a_generous_criterion_is_found(monkeypatch, criterion, fault, name, subnormals):
    monkeypatch.setattr(column_chain, criterion, fault)
    assert differences(name, subnormals)[0] > 0
