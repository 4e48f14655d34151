"""Stochastic rounding: gfloat rounds as golden does with the same bits, and the generator's bits are as good as needed.

The statistics are those that are usual for it; seeds are fixed.
"""

from pathlib import Path

import numpy as np
import pytest
from gfloat import RoundMode, round_ndarray

from makalu.sim_models.golden import formats
from makalu.sim_models.golden.formats import narrow, storage, widen
from makalu.sim_models.golden.random_bits import Generators, random_bits, step
from makalu.spec.formats import BF16, FP16, FP32, INTEGERS, Format
from makalu.spec.random_bits import GENERATORS, RANDOM_BITS, first_state, generator_key, spread
from verif.conformance.case import element_bits
from verif.conformance.formats import NARROW
from verif.conformance.oracles import GFLOAT, decoded
from verif.lib.lane_programs import corner_values

VECTORS, DRAWS, LANES = 100_000, 1 << 20, 128
MOST = (1 << RANDOM_BITS) - 1


def drawn(vectors, *, seed=1):
    """Half of them one of the two ends or a neighbour."""
    rng = np.random.default_rng(seed)
    ends = rng.choice(np.array([0, 1, MOST // 2, MOST // 2 + 1, MOST - 1, MOST]), vectors)
    return np.where(rng.random(vectors) < 0.5, ends, rng.integers(0, MOST + 1, vectors)).astype(np.uint32)


def numbers(bits):
    with np.errstate(invalid="ignore"):
        return np.asarray(bits, np.uint32).view(np.float32).astype(np.float64)


def by_gfloat(form: Format, bits, random):
    """Its mode without a rounding of the fraction to the random bits."""
    info = GFLOAT[form]
    values = round_ndarray(
        info,
        numbers(bits),
        RoundMode.StochasticFastest,
        srbits=np.asarray(random, np.int64),
        srnumbits=RANDOM_BITS,
    )
    return element_bits(form, values, decoded(form, np.arange(1 << form.bits - 1))["gfloat"])


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_gfloat_rounds_likewise(form):
    bits, random = corner_values(np.random.default_rng(3), (VECTORS,)), drawn(VECTORS)
    # subnormal results, below whose last place there are bits beyond the drawn ones
    exponents = np.random.default_rng(4).integers(max(0, 100 - form.bias), 140, VECTORS // 2)
    bits[::2] = bits[::2] & np.uint32(0x807FFFFF) | (exponents << FP32.fraction_bits).astype(np.uint32)
    got = narrow(form, bits, random)
    assert np.array_equal(got, by_gfloat(form, bits, random))
    assert (got != narrow(form, bits)).any()


@pytest.mark.parametrize(
    ("form", "old", "new"),
    [
        (FP16, "+ np.asarray(random, np.int64) >> RANDOM_BITS", "+ np.asarray(random, np.int64) + 1 >> RANDOM_BITS"),
        (FP16, "_FRACTION + 1 + RANDOM_BITS)", "RANDOM_BITS)"),
        (BF16, "np.uint32(RANDOM_BITS - dropped)", "np.uint32(RANDOM_BITS - dropped - 1)"),
    ],
)
def test_a_planted_fault_is_seen(form, old, new):
    source = Path(formats.__file__).read_text()
    assert source.count(old) == 1
    names = {"__name__": formats.__name__, "__package__": formats.__package__}
    exec(compile(source.replace(old, new), formats.__file__, "exec"), names)
    bits, random = corner_values(np.random.default_rng(3), (VECTORS,)), drawn(VECTORS)
    assert (names["narrow"](form, bits, random) != by_gfloat(form, bits, random)).any()


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_what_is_exact_never_moves(form):
    """Every number of the format, infinities and NaNs too, whatever is drawn."""
    elements = (np.arange(1 << form.bits) << form.padding).astype(storage(form))
    wide = widen(form, elements)
    nearest = narrow(form, wide)
    assert np.array_equal(narrow(form, wide, np.zeros_like(wide)), nearest)
    assert np.array_equal(narrow(form, wide, np.full_like(wide, MOST)), nearest)


@pytest.mark.parametrize("form", [FP32, *INTEGERS], ids=lambda f: f.name)
def test_fp32_and_integers_are_not_rounded_so(form):
    bits = corner_values(np.random.default_rng(5), (1000,))
    assert np.array_equal(narrow(form, bits, np.full_like(bits, MOST)), narrow(form, bits))


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_the_bias_is_less_than_the_last_random_bit(form):
    """Of all 2^r draws floor(f 2^r) go up, f of a place: where they begin to is found by halving."""
    rng = np.random.default_rng(6)
    exponents = np.arange(max(1, 127 - form.bias - form.fraction_bits - 12), 127)
    bits = (exponents << 23 | rng.integers(0, 1 << 23, exponents.shape)).astype(np.uint32)
    down, up = narrow(form, bits, np.zeros_like(bits)), narrow(form, bits, np.full_like(bits, MOST))
    low, high = np.zeros_like(bits), np.full_like(bits, MOST + 1)  # first draw that goes up
    for _ in range(RANDOM_BITS + 1):
        middle = low + high >> np.uint32(1)
        goes = narrow(form, bits, np.minimum(middle, MOST)) != down
        low, high = np.where(goes | (low == high), low, middle + 1), np.where(goes, middle, high)
    ups = (MOST + 1 - high).astype(np.float64)
    below, above = numbers(widen(form, down)), numbers(widen(form, up))
    place = np.where(above > below, above - below, 2.0 ** (form.emin - form.fraction_bits))
    fraction = (numbers(bits) - below) / place
    assert np.array_equal(ups, np.floor(fraction * 2.0**RANDOM_BITS))
    assert (fraction * 2.0**RANDOM_BITS > ups).any() == (form.exponent_bits < 8), "only subnormals lose a part"


def test_it_is_marsaglias():
    """The first numbers after 2463534242, as his paper's y gives them."""
    states = [step(np.uint32(2463534242))]
    for _ in range(2):
        states.append(step(states[-1]))
    assert [int(s) for s in states] == [723471715, 2497366906, 2064144800]


def test_many_steps_are_steps():
    one, other = Generators("scalar", 3), Generators("scalar", 3)
    for n, rows in ((1, slice(0, 3)), (2, slice(1, 3)), (77, slice(0, 2)), (1000, slice(2, 3))):
        want = []
        for _ in range(n):
            want.append(random_bits(other.state[rows]))
            other.state[rows] = step(other.state[rows])
        assert np.array_equal(one.draw(rows, n), np.stack(want, axis=1))
        assert np.array_equal(one.state, other.state)


def test_seeds_and_lanes_differ_and_a_start_repeats():
    lanes = {generator_key(kind, p) for kind in GENERATORS for p in range(LANES)}
    assert len(lanes) == len(GENERATORS) * LANES and 0 not in lanes
    assert first_state(generator_key("vector", 5), "vector", 5) == 1, "0 would stay 0"
    assert len({spread(n) for n in range(10_000)}) == 10_000
    generators = Generators("vector", LANES)
    draws = []
    for seed in (spread(7), spread(8), spread(7)):
        generators.start(seed)
        draws.append(generators.draw(slice(0, LANES), 50))
    assert np.array_equal(draws[0], draws[2]) and not (draws[0] == draws[1]).all(axis=0).any()


def test_how_often_a_fraction_goes_up():
    """64 fractions of a bf16 place, 2^20 draws each: within 5 sigma of the binomial distribution."""
    generators, worst = Generators("vector", 64), 0.0
    generators.start(spread(1))
    for lane, part in enumerate(np.linspace(0, 1 << 16, 66)[1:-1].astype(int)):
        random = generators.draw(slice(lane, lane + 1), DRAWS)[0]
        value = np.uint32(0x3F800000 + part)
        ups, p = int((narrow(BF16, np.full(DRAWS, value), random) == 0x3F81).sum()), part / (1 << 16)
        worst = max(worst, abs(ups - DRAWS * p) / np.sqrt(DRAWS * p * (1 - p)))
    assert worst < 5


def test_bits_are_even():
    """Chi-square over each byte of the draws, over pairs of draws' upper bits, and over each single bit."""
    generators = Generators("scalar", 1)
    generators.start(spread(2))
    draws = generators.draw(slice(0, 1), DRAWS)[0]
    cells = [draws >> np.uint32(place) & np.uint32(0xFF) for place in range(0, RANDOM_BITS, 8)]
    cells.append(draws[:-1:2] >> np.uint32(RANDOM_BITS - 6) << np.uint32(6) | draws[1::2] >> np.uint32(RANDOM_BITS - 6))
    for values in cells:
        counts = np.bincount(values, minlength=1 << int(values.max()).bit_length())
        expected, freedom = len(values) / len(counts), len(counts) - 1
        ratio = ((counts - expected) ** 2 / expected).sum() / freedom
        # a cube root of chi-square is nearly normal (Wilson and Hilferty, 1931); 4.75 sigma is a chance of 10^-6
        assert abs(ratio ** (1 / 3) - 1 + 2 / (9 * freedom)) < 4.75 * np.sqrt(2 / (9 * freedom))
    ones = np.array([int((draws >> np.uint32(place) & np.uint32(1)).sum()) for place in range(RANDOM_BITS)])
    assert (np.abs(ones - DRAWS / 2) < 4.75 * np.sqrt(DRAWS) / 2).all()


def test_sums_are_unbiased():
    """10^6 sums in bf16 that nearest even would leave where they are: the mean error is within 4 sigma of 0."""
    steps = 8000
    generators = Generators("vector", LANES)
    generators.start(spread(3))
    random = generators.draw(slice(0, LANES), steps)
    sums = np.full(LANES, np.float32(256))
    added = np.float32(0.01)
    for n in range(steps):
        sums = widen(BF16, narrow(BF16, (sums + added).view(np.uint32), random[:, n])).view(np.float32)
    errors = sums.astype(np.float64) - (256 + steps * float(added))
    assert abs(errors.mean()) < 4 * errors.std(ddof=1) / np.sqrt(LANES)
    assert errors.std() > 0 and narrow(BF16, np.float32(256.01).view(np.uint32)) == narrow(BF16, np.uint32(0x43800000))


def test_lanes_and_draws_are_not_correlated():
    n, lanes = 1 << 16, 16
    draws = []
    for kind in GENERATORS:
        generators = Generators(kind, LANES)
        generators.start(spread(4))
        draws.append(generators.draw(slice(0, lanes), n))
    every = np.concatenate(draws).astype(np.float64)
    limit = 5 / np.sqrt(n)
    between = np.corrcoef(every) - np.eye(len(every))
    assert np.abs(between).max() < limit
    for distance in (1, 2, 3, 8):
        along = [np.corrcoef(lane[:-distance], lane[distance:])[0, 1] for lane in every]
        assert np.abs(along).max() < limit
