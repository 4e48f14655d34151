"""Dot products of random numbers by the array's arithmetic: operands of each type, golden's sums, and exact ones.

A case is a type in a mode. Operands are float32 numbers, rounded to the type by ml_dtypes: bf16 as they are; fp8 with
one power of two a matrix, the largest that all of them fit with; MX with a scale for each 32 along K by OCP's rule,
2^(floor(log2(largest of the group)) - exponent of the type's largest number), numbers beyond it saturate.

Does not: compute on the RTL; golden is equal to it in every bit (docs/numerics.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.arithmetic import fp32_add, matmul_column_chain
from makalu.sim_models.golden.bounds import matmul_bound
from makalu.sim_models.golden.pairs import pair_column_chain, pair_operand
from makalu.sim_models.golden.quads import quad_column_chain, quad_operand
from makalu.spec.formats import BF16, E2M1_X4, E4M3, E4M3FN_X4, E5M2, E5M2_X4, Format
from makalu.spec.quads import QUAD_ELEMENTS, SCALE_BIAS, SCALE_NAN
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.spec.tensor_modes import MODES, Mode

__all__ = ["CASES", "DISTRIBUTIONS", "ErrorCase", "Operand", "mx_quantised", "random_operands"]

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Codes = NDArray[np.int64]

OUTLIERS, OUTLIER_FACTOR = 128, 64
"""One in so many of the moving operand's elements is so many times as large."""
DISTRIBUTIONS = {"normal": "N(0, 1)", "outliers": f"N(0, 1), 1 of {OUTLIERS} moving elements times {OUTLIER_FACTOR}"}
"""Of the operands, and what they are called."""
GROUP = GROUP_PARTITIONS * QUAD_ELEMENTS
"""Elements along K that share a scale."""


def random_operands(distribution: str, k: int, m: int, n: int) -> tuple[Singles, Singles]:
    """stationary[K, M], moving[K, N]; the same ones in each call."""
    rng = np.random.default_rng(list(DISTRIBUTIONS).index(distribution))
    stationary, moving = (rng.standard_normal((k, width)).astype(np.float32) for width in (m, n))
    if distribution == "outliers":
        moving[rng.random(moving.shape) < 1 / OUTLIERS] *= np.float32(OUTLIER_FACTOR)
    return stationary, moving


@dataclass(frozen=True)
class Operand:
    """One side of a case."""

    codes: Codes
    """Of elements [K, columns]."""
    scales: Codes | None
    """Of MX, [K / 32, columns]."""
    values: Doubles
    """What they are, [K, columns], without the power of two of a whole matrix."""
    factor: float
    """That power: what was rounded is the given numbers times it."""


@dataclass(frozen=True)
class ErrorCase:
    """One type of both operands in one mode."""

    name: str
    title: str
    form: Format
    mode: Mode

    @property
    def _element(self) -> Any:
        """ml_dtypes' type of an element."""
        return getattr(ml_dtypes, self.form.long_name.removesuffix("_x4"))

    def quantised(self, values: Singles) -> Operand:
        """Operand of numbers [K, columns], K in whole groups."""
        if self.mode is Mode.MX:
            codes, scales = mx_quantised(self.form, values)
            places = np.repeat(scales - SCALE_BIAS, GROUP, axis=0).astype(np.int32)
            return Operand(codes, scales, np.ldexp(self._doubles(codes), places), 1.0)
        factor = 1.0
        if self.form.bytes == 1:
            fits = float(ml_dtypes.finfo(self._element).max) / float(np.abs(values).max())
            factor = 2.0 ** np.floor(np.log2(fits))
        rounded = (values * np.float32(factor)).astype(self._element)
        codes = rounded.view(f"u{rounded.itemsize}").astype(np.int64)
        return Operand(codes, None, self._doubles(codes), factor)

    def _doubles(self, codes: Codes) -> Doubles:
        stored = codes.astype(f"u{np.dtype(self._element).itemsize}")
        return np.asarray(stored.view(self._element), np.float64)

    def _tile(self, stationary: Operand, moving: Operand, first: int, last: int) -> NDArray[np.uint32]:
        """Sums [M, N] of the rows first .. last - 1 of K, before PSUM adds."""
        sides = (stationary, moving)
        codes = [side.codes[first:last] for side in sides]
        if self.mode is Mode.SINGLE:
            return matmul_column_chain(*codes, form=self.form)
        count = MODES[self.mode].products
        # elements of a partition, in the first dimension
        split = [each.reshape(-1, count, each.shape[1]).swapaxes(0, 1) for each in codes]
        if self.mode is Mode.DOUBLE_ROW:
            return pair_column_chain(*(pair_operand(self.form, each) for each in split))
        quads = []
        for each, side in zip(split, sides, strict=True):
            words = sum(element << self.form.bits * j for j, element in enumerate(each))
            scales = side.scales[first // GROUP : last // GROUP] if side.scales is not None else np.empty(0)
            quads.append(quad_operand(self.form, words, np.repeat(scales, GROUP_PARTITIONS, axis=0)))
        return quad_column_chain(*quads)

    def sums(self, stationary: Operand, moving: Operand, sizes: Sequence[int], rows: int) -> Iterator[Doubles]:
        """Golden's PSUM [M, N] for the first `size` rows of K each, in tiles of up to `rows` partitions of the array.

        `sizes` go up, each a divisor or a multiple of a tile's K.
        """
        whole = rows * MODES[self.mode].products
        psum: NDArray[np.uint32] | None = None
        done = 0
        for size in sizes:
            if size < whole:
                yield _doubles(self._tile(stationary, moving, 0, size))
                continue
            for first in range(done, size, whole):
                chain = self._tile(stationary, moving, first, first + whole)
                psum = chain if psum is None else fp32_add(chain, psum)
            done = size
            assert psum is not None
            yield _doubles(psum)

    def bound(self, size: int, rows: int) -> float:
        """Most that golden and a sum in doubles may differ by, of the sum of the products' magnitudes."""
        products = MODES[self.mode].products
        height = min(rows, size // products)
        golden = matmul_bound(self.form, self.form, products=products, rows=height, tiles=size // (height * products))
        return golden + size * 2.0**-53


def _doubles(bits: NDArray[np.uint32]) -> Doubles:
    return bits.view(np.float32).astype(np.float64)


def mx_quantised(form: Format, values: Singles) -> tuple[Codes, Codes]:
    """(codes of elements [K, N], of scales [K / 32, N]) of finite numbers, by OCP's rule (OCP MX v1.0, section 6.3)."""
    element = getattr(ml_dtypes, form.long_name.removesuffix("_x4"))
    top = form.largest >> form.fraction_bits
    groups = values.astype(np.float64).reshape(-1, GROUP, values.shape[1])
    largest = np.abs(groups).max(axis=1)
    exponent = np.frexp(largest)[1] - 1 - (top - form.bias)
    scales = np.where(largest > 0, np.clip(exponent + SCALE_BIAS, 0, SCALE_NAN - 1), 0).astype(np.int64)
    scaled = np.ldexp(groups, (SCALE_BIAS - scales[:, None]).astype(np.int32)).reshape(values.shape)
    most = float(ml_dtypes.finfo(element).max)
    return np.clip(scaled, -most, most).astype(element).view(np.uint8).astype(np.int64), scales


CASES: tuple[ErrorCase, ...] = (
    ErrorCase("bf16", "bf16", BF16, Mode.SINGLE),
    ErrorCase("e4m3", "fp8 e4m3, double row", E4M3, Mode.DOUBLE_ROW),
    ErrorCase("e5m2", "fp8 e5m2, double row", E5M2, Mode.DOUBLE_ROW),
    ErrorCase("mx-e4m3fn", "MXFP8 e4m3fn", E4M3FN_X4, Mode.MX),
    ErrorCase("mx-e5m2", "MXFP8 e5m2", E5M2_X4, Mode.MX),
    ErrorCase("mx-e2m1", "MXFP4 e2m1", E2M1_X4, Mode.MX),
)
