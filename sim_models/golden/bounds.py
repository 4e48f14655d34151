"""How far a matmul of the array may be from exact arithmetic, from the definition of its sums.

With S the sum of the magnitudes of all products of a result, |sum - exact| <= `matmul_bound` * S. Two things lose.

The cut of short products (`spec/pairs.py`): of a row's products, all but one of the largest exponent e, by less than
the frame's last place each, 2^(e - 20). A product of exponent e is at least 2^(e - d), d the places that the leading
bit of a factor lies down: 0 of normal numbers, up to `fraction_bits` where one factor is subnormal. Where both are, all
exponents are the same, and nothing is cut; nor is a product whose own last place is not below the frame's.

Roundings to nearest: one a row of the chain, one an addition in PSUM. With R rows a tile and T tiles, the PSUM sum of
one tile after the other, a product goes through R + T - 1 of them at the most, whatever K is: with n = R + T - 1 and
u = 2^-24 they lose at most n u / (1 - n u) of what was added.

Does not: count overflows, or what scales bring below 2^-149.
"""

from makalu.spec.formats import FP32, Format, FormatKind
from makalu.spec.pairs import PAIR_SHIFT, PAIR_SIGNIFICAND_BITS

__all__ = ["cut_bound", "matmul_bound"]

_UNIT = 2.0 ** -(FP32.fraction_bits + 1)
_LAST_PLACE = PAIR_SHIFT + 2 * (PAIR_SIGNIFICAND_BITS - 1)


def _exponents(form: Format) -> int:
    """From the smallest exponent of a number to the largest."""
    largest = form.largest >> form.fraction_bits
    return largest - form.bias - form.emin


def cut_bound(stationary: Format, moving: Format, products: int) -> float:
    """What a row's cuts lose at most, of the sum of its products' magnitudes. None where a row has one product."""
    # a product that has its exponent so far below the largest has its last place at the frame's
    room = _LAST_PLACE - stationary.fraction_bits - moving.fraction_bits
    if products == 1 or _exponents(stationary) + _exponents(moving) <= room:
        return 0.0
    sides = ((stationary, moving), (moving, stationary))
    down = max([form.fraction_bits for form, other in sides if _exponents(other) > room], default=0)
    return (products - 1) * 2.0 ** (down - _LAST_PLACE)


def matmul_bound(stationary: Format, moving: Format, *, products: int, rows: int, tiles: int = 1) -> float:
    """Of the sum of the products' magnitudes, for `tiles` of up to `rows` rows with `products` each.

    Raises `ValueError` for a format without exponents.
    """
    for form in (stationary, moving):
        if form.kind in (FormatKind.INTEGER, FormatKind.SCALE):
            raise ValueError(f"the array does not multiply {form.name}")
    cut = cut_bound(stationary, moving, products)
    roundings = (rows + tiles - 1) * _UNIT
    return cut + roundings / (1 - roundings) * (1 + cut)
