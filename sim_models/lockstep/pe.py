"""Cycle-stepped model of one processing element, from docs/blocks/tensor.md; numbers as in the array's model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import NEUTRAL
from makalu.spec.config import TensorConfig
from makalu.spec.formats import FP32

from .array import round_chain
from .operand import operand_values
from .short import short_products

__all__ = ["PeInputs", "PeModel", "PeOutputs"]


@dataclass(frozen=True, kw_only=True)
class PeInputs:
    """One cycle's inputs; operands as words of the contract, the chain as finalised fp32 bits."""

    x: int
    active: bool
    swap: bool
    w: int
    load: bool
    p: int
    paired: bool = False
    """x and the weight that it meets are pairs, or quads."""
    sparse: bool = False
    """x is that of the `candidates` (words) which the weight's tag says."""
    candidates: tuple[int, ...] = ()
    pick: int = 0
    """w's tag."""


@dataclass(frozen=True, kw_only=True)
class PeOutputs:
    """One cycle's outputs; None where a register was never written or depends on one."""

    x: int | None
    active: bool
    swap: bool
    paired: bool
    p: int | None
    sparse: bool = False
    candidates: tuple[int, ...] | None = None


class PeModel:
    """p_out = round(x * stationary + p_in), p_in for an inactive x; of pairs or quads the sum of their products.

    Of a sparse x, what comes out is the candidate that was chosen; candidates stay what they were until the next one.

    Parameters
    ----------
    tensor : TensorConfig
        mul_stages, add_stages, subnormals, products, candidates.
    """

    def __init__(self, *, tensor: TensorConfig) -> None:
        self._subnormals, self._short = tensor.subnormals, tensor.products
        self._x: int | None = None
        self._flags = (False, False, False)
        self._sparse = False
        self._candidates: tuple[int, ...] | None = None
        self._picks = (0, 0)
        """Of shadow and active weight; they have a reset."""
        self._shadow: int | None = None
        self._active: int | None = None
        # newest first
        self._products: list[NDArray[np.float64] | None] = [None] * tensor.mul_stages
        self._sums: list[int | None] = [None] * tensor.add_stages

    @property
    def product(self) -> float | None:
        """What this cycle's p is added to; None if it depends on a register that was never written."""
        product = self._products[-1]
        return None if product is None else float(product[0])

    def comb(self) -> PeOutputs:
        """Outputs depend on registers only."""
        active, swap, paired = self._flags
        kinds = {"active": active, "swap": swap, "paired": paired and active, "sparse": self._sparse}
        return PeOutputs(x=self._x, candidates=self._candidates, p=self._sums[-1], **kinds)

    def tick(self, inputs: PeInputs) -> None:
        """The edge at the end of the cycle."""
        self._sums = [self._sum(inputs.p), *self._sums[:-1]]
        self._products = [self._product(), *self._products[:-1]]
        shadow, active = self._picks
        active = shadow if inputs.swap else active
        self._picks = (inputs.pick if inputs.load else shadow, active)
        self._x, self._sparse = inputs.x, inputs.sparse
        if inputs.sparse:
            self._x = inputs.candidates[active % len(inputs.candidates)]
            self._candidates = inputs.candidates if inputs.active else self._candidates
        self._flags = (inputs.active, inputs.swap, inputs.paired)
        if inputs.swap:
            self._active = self._shadow
        if inputs.load:
            self._shadow = inputs.w

    def _product(self) -> NDArray[np.float64] | None:
        if not self._flags[0]:
            return np.array([-0.0])
        if self._x is None or self._active is None:
            return None
        if self._flags[2]:
            return short_products(np.array([self._x]), np.array([self._active]), self._short)
        if self._active == NEUTRAL:
            return np.array([-0.0])
        moving = operand_values(np.array([self._x]), stationary=False)
        with np.errstate(invalid="ignore"):
            return np.asarray(moving * operand_values(np.array([self._active]), stationary=True))

    def _sum(self, p: int) -> int | None:
        product = self._products[-1]
        if product is None:
            return None
        chain: NDArray[Any] = np.array([p], np.uint32).view(np.float32)
        with np.errstate(invalid="ignore"):
            total = round_chain(product, chain.astype(np.float64), subnormals=self._subnormals)
        return FP32.canonical_nan if np.isnan(total[0]) else int(total.view(np.uint32)[0])
