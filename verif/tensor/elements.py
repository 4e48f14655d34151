"""Random elements of the array's formats: numbers around 1 that cancel and round, and every class of their kind."""

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.formats import storage
from makalu.spec.config import TensorConfig
from makalu.spec.formats import Format
from makalu.spec.quads import SCALE_BIAS, SCALE_NAN
from makalu.spec.tensor_types import Part
from makalu.sw.elements import packed

__all__ = ["operand_kinds", "random_elements", "random_scales", "special_elements"]


def special_elements(form: Format) -> NDArray[np.unsignedinteger]:
    """Containers of zeros, subnormals, both ends of the numbers, infinities and NaNs, as far as there are such; of
    packed elements every code in every place.
    """
    if form.elements > 1:
        codes = np.arange(1 << form.bits, dtype=np.int64)
        return packed(np.stack([np.roll(codes, -3 * j) for j in range(form.elements)]), form)
    ones, half = (1 << form.fraction_bits) - 1, 1 << (form.fraction_bits - 1)
    normal = 1 << form.fraction_bits
    bits = [0, 1, half, ones, normal, normal | 1, normal | ones, form.largest, form.largest - 1]
    bits += [form.infinity, form.infinity | 1] if form.has_infinity else []
    bits += [form.canonical_nan] if form.has_nan else []
    if form.splits:  # nothing in the lower part, and nothing but its first and last bit
        bits += [normal | 1 << n for n in range(11)]
        bits += [normal | 1 << 12, normal | 1 << 11, form.infinity | 1 << 12, (form.bias << form.fraction_bits) | ones]
    every = np.array(bits + [b | 1 << (form.bits - 1) for b in bits], np.int64)
    return (every << form.padding).astype(storage(form))


def random_elements(
    rng: np.random.Generator, form: Format, shape: tuple[int, ...], *, specials: float
) -> NDArray[np.unsignedinteger]:
    """Containers; padding is random, which nobody may see. Of packed ones a share of `specials` has any codes."""
    if form.elements > 1:
        return packed(_codes(rng, form, shape, specials), form)
    around = min(8, form.bias - 1)
    exponent = form.bias + rng.integers(-around, around, shape)
    fraction = rng.integers(0, 1 << form.fraction_bits, shape)
    bits = rng.integers(0, 2, shape) << (form.bits - 1) | exponent << form.fraction_bits | fraction
    odd = rng.choice(special_elements(form), shape).astype(np.int64) >> form.padding
    bits = np.where(rng.random(shape) < specials, odd, bits)
    return (bits << form.padding | rng.integers(0, 1 << form.padding, shape)).astype(storage(form))


def _codes(rng: np.random.Generator, form: Format, shape: tuple[int, ...], specials: float) -> NDArray[np.int64]:
    """[elements, *shape]: numbers of one size, a tenth of them zeros; of a share of containers any codes."""
    odd = rng.integers(0, 1 << form.bits, (form.elements, *shape))
    tidy = odd & ~(form.exponent_mask << form.fraction_bits) | form.bias << form.fraction_bits
    tidy = np.where(rng.random(odd.shape) < 0.1, 0, tidy)
    return np.where(rng.random(shape) < specials, odd, tidy)


def random_scales(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Codes around that of 1; a few of any size, the NaN among them."""
    near = SCALE_BIAS + rng.integers(-12, 13, shape)
    return np.where(rng.random(shape) < 0.05, rng.choice([0, SCALE_NAN - 1, SCALE_NAN, 1], shape), near).astype(
        np.uint8
    )


def operand_kinds(tensor: TensorConfig) -> list[tuple[Format, Part]]:
    """Every format whose elements the array multiplies singly, with every part that it has."""
    return [(form, part) for form in tensor.singles for part in Part if part <= tensor.parts]
