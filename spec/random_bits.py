"""Random bits of stochastic rounding: where they come from, and what they do to a fraction.

A generator is Marsaglia's xorshift32 ("Xorshift RNGs", Journal of Statistical Software 8 (14), 2003), modulo 2^32:

    x ^= x << 13;  x ^= x >> 17;  x ^= x << 5

Its period is 2^32 - 1; it never becomes 0. Each lane of Vector and of Scalar has one, and where sums are rounded to
bf16 each partition of PSUM. At a start the generator g of partition p gets `first_state(seed, g, p)`, with the register
`seed`. An element that is rounded stochastically takes the upper RANDOM_BITS bits of the state, which then steps once;
nothing else steps it. So bits depend on the order of a queue's instructions and elements alone, on no cycle.

Rounding works on magnitudes. What lies below a result's last place, as a number of 2^-RANDOM_BITS of that place cut
toward zero, is added to the random bits; a carry raises the magnitude by one place. What is exact never moves. A
fraction f of a place goes up with the probability f, less 2^-RANDOM_BITS at most; exactly f where no more than
RANDOM_BITS bits are dropped, which is so of all normal results. A magnitude that is then beyond the largest finite one
becomes what its format says; a NaN is the canonical one, as with nearest even.

Does not: compute (`sim_models/golden/random_bits.py`, `hw/arith/random_bits.py`).
"""

from enum import IntEnum

from .formats import ACCUMULATOR, LANE_ELEMENTS, Format, FormatKind
from .memory_map import INDEX_BITS

__all__ = [
    "GENERATORS",
    "RANDOM_BITS",
    "SHIFTS",
    "SHORTER",
    "STATE_BITS",
    "STOCHASTIC",
    "Rounding",
    "first_state",
    "generator_key",
    "spread",
]

STOCHASTIC = "stochastic_rounding"
"""The feature of a core that has it."""
SHORTER: tuple[Format, ...] = tuple(
    form
    for form in LANE_ELEMENTS
    if form.kind is not FormatKind.INTEGER and form.fraction_bits < ACCUMULATOR.fraction_bits
)
"""What may be rounded to so: a cast to an integer is to nearest even, and to fp32 there is none."""

STATE_BITS = 32
SHIFTS = (13, -17, 5)
"""In this order, to the left where positive."""
RANDOM_BITS = 24
"""r: what is drawn for an element."""

GENERATORS = ("vector", "scalar", "psum")
"""Who has one in each partition (`CoreConfig.generators`); the place counts."""

_MASK = (1 << STATE_BITS) - 1


class Rounding(IntEnum):
    """Of a result to a float that is shorter than fp32."""

    NEAREST = 0
    """To nearest even."""
    STOCHASTIC = 1
    """Up or down as random bits say, the more often the nearer (`spec/random_bits.py`)."""


def spread(number: int) -> int:
    """32 bits in each of which all bits of `number` count: a step of the golden ratio, MurmurHash3's finaliser."""
    h = (number + 1) * 0x9E3779B9 & _MASK
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK
    return h ^ h >> 16


def generator_key(generator: str, partition: int) -> int:
    """What makes generators differ, a constant of each."""
    return spread(GENERATORS.index(generator) << INDEX_BITS | partition)


def first_state(seed: int, generator: str, partition: int) -> int:
    """seed ^ key, 1 in place of 0. Seeds that differ in few bits give first draws that do: `spread` them."""
    return (seed ^ generator_key(generator, partition)) or 1
