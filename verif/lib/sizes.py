"""Sizes that nobody waits for: a bench plays their first elements, and a reset ends the rest."""

from collections.abc import Iterator
from random import Random

from makalu.spec.isa import AP_DIMS, FIELDS

__all__ = ["long_sizes"]

_SEEN = 6
"""Bits of a size that ordinary patterns set, which are played to their end."""


def long_sizes(rng: Random, *, every: int) -> Iterator[list[int]]:
    """Of each dimension, each upper bit of its size alone, and a few elements more; another size is 2, the rest are 1.

    Where the bit is lost, the pattern ends after those few elements. With `every` above 1 as many times fewer bits.
    Strides of the short dimensions should not be 0: they show whose size has changed.
    """
    places = [(d, bit) for d in range(AP_DIMS) for bit in range(_SEEN, FIELDS[f"dst_size{d}"].bits)]
    for d, bit in places[::every]:
        twice = rng.choice([each for each in range(AP_DIMS) if each != d])
        yield [{d: (1 << bit) + rng.randint(1, 5), twice: 2}.get(each, 1) for each in range(AP_DIMS)]
