"""Random MX blocks as a matmul: golden beside doubles under the derived bound, and sampled chains for the RTL."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.bounds import matmul_bound
from makalu.sim_models.golden.quads import QuadOperand, quad_column_chain, quad_operand
from makalu.spec.formats import FP32, Format
from makalu.spec.quads import QUAD_ELEMENTS, QUADS, SCALE_BIAS
from makalu.spec.scales import GROUP_PARTITIONS
from verif.conformance.case import Case
from verif.conformance.short import ELEMENT, quad_name, quad_step
from verif.tensor.elements import random_elements

__all__ = ["BLOCKS", "Blocks", "beyond_the_bound", "chain_steps", "random_blocks"]

BLOCKS = 10_000
"""Of 32 elements, a format: each is on six sides of the nine pairs of formats."""
_ROWS, _WIDTH = 128, 160
if 2 * len(QUADS) * _ROWS // GROUP_PARTITIONS * _WIDTH < BLOCKS:
    raise ValueError(f"there must be {BLOCKS} blocks a format")


@dataclass(frozen=True)
class Blocks:
    """Containers and scales of both sides, [128, 160] each: no infinities, no NaNs."""

    forms: tuple[Format, Format]
    words: tuple[NDArray[np.int64], NDArray[np.int64]]
    scales: tuple[NDArray[np.int64], NDArray[np.int64]]

    def sides(self) -> tuple[QuadOperand, QuadOperand]:
        """Golden's operands."""
        first, second = (quad_operand(*side) for side in zip(self.forms, self.words, self.scales, strict=True))
        return first, second

    def of_columns(self, m: NDArray[np.int64], n: NDArray[np.int64]) -> "Blocks":
        """Some columns of each side."""
        (w, x), (ws, xs) = self.words, self.scales
        return Blocks(self.forms, (w[:, m], x[:, n]), (ws[:, m], xs[:, n]))


def random_blocks(a: Format, b: Format, *, seed: int = 4) -> Blocks:
    """Any codes or numbers of one size; scales from 2^-8 to 2^8, one for eight containers."""
    rng = np.random.default_rng(seed)
    words, scales = [], []
    for form in (a, b):
        containers = random_elements(rng, form, (_ROWS, _WIDTH), specials=0.5).astype(np.int64)
        element, whole = ELEMENT[form], np.zeros_like(containers)
        for j in range(form.elements):
            code = containers >> form.bits * j & (1 << form.bits) - 1
            code[(code & element.magnitude_mask) > element.largest] = 0
            whole |= code << form.bits * j
        words.append(whole)
        codes = SCALE_BIAS + rng.integers(-8, 9, (_ROWS // GROUP_PARTITIONS, _WIDTH))
        scales.append(np.repeat(codes, GROUP_PARTITIONS, axis=0))
    return Blocks((a, b), (words[0], words[1]), (scales[0], scales[1]))


def beyond_the_bound(blocks: Blocks, *, of_the_bound: float = 1.0) -> tuple[int, int]:
    """(results, how many of them are farther from doubles than a part of the bound)."""
    sides = blocks.sides()
    got = quad_column_chain(*sides).view(np.float32).astype(np.float64)
    first, second = ((side.elements.value * side.scale).reshape(QUAD_ELEMENTS * _ROWS, -1) for side in sides)
    bound = matmul_bound(*blocks.forms, products=QUAD_ELEMENTS, rows=_ROWS) + QUAD_ELEMENTS * _ROWS * 2.0**-53
    beyond = np.abs(got - first.T @ second) > of_the_bound * bound * (np.abs(first).T @ np.abs(second))
    return got.size, int(np.count_nonzero(beyond))


def chain_steps(blocks: Blocks, samples: int, *, seed: int = 1) -> Case:
    """Every row of some results, onto golden's chain so far; what comes out of the last rows is the matmul's."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(0, _WIDTH, (2, samples))
    step, some = partial(quad_step, *blocks.forms), blocks.of_columns(m, n)
    columns = some.words[0], some.scales[0], some.words[1], some.scales[1]
    chain = [np.zeros(samples, np.uint32)]
    for row in zip(*columns, strict=True):
        chain.append(step(*row, chain[-1]))
    chain[-1] = np.diagonal(quad_column_chain(*some.sides()))
    operands = tuple(column.ravel() for column in (*columns, np.stack(chain[:-1])))
    return Case(quad_name(*blocks.forms), operands, {"golden": np.stack(chain[1:]).ravel()}, step, FP32)
