"""Cycle-stepped model of the PE array: registers as numpy arrays [rows, columns], a step a cycle.

Written from docs/blocks/tensor.md, Latency. Numbers are float64 (an operand's and a product's value is exact there),
the chain is fp32, so the pending increment of a chain word has no counterpart here: the RTL's words are compared
finalised.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig, TensorConfig
from makalu.spec.formats import FP32

from .background import BitsModel
from .operand import NEUTRAL_VALUE, operand_values
from .short import short_products

__all__ = ["ArrayModel", "round_chain"]

Bits = NDArray[np.uint32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

SMALLEST_NORMAL = 2.0**FP32.emin


def round_chain(product: Doubles, chain: Doubles, *, subnormals: str) -> NDArray[np.float32]:
    """product + chain, rounded once: the float64 sum gets a sticky last bit, so its own rounding does not count."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        total = product + chain
        part = total - product
        lost = (product - (total - part)) + (chain - part)
        bits = total.view(np.uint64)
        inexact = np.isfinite(total) & (lost != 0)
        toward_zero = np.where((lost < 0) == (total > 0), bits - np.uint64(1), bits)
        sticky = np.where(inexact, toward_zero | np.uint64(1), bits).view(np.float64)
        return np.asarray(_flushed(sticky, subnormals).astype(np.float32))


def _flushed(values: Doubles, subnormals: str) -> Doubles:
    if subnormals == "keep":
        return values
    return np.where(np.abs(values) < SMALLEST_NORMAL, np.copysign(0.0, values), values)


class ArrayModel:
    """p of every cycle from x and w of every cycle.

    Starts as after a reset of 1 + S + R*L cycles or more, which fills the chain with +0.

    Does not: skew anything; show chain words (p is finalised).

    Parameters
    ----------
    config : CoreConfig

    Inputs of `tick`, as the RTL's ports
    ---------------------------------------------------------------------------
    x : {operand: int[R], active: bool[R], swap: bool[R], paired: bool[R]}
    w : {operands: int[R, F], tag: int[R], valid: bool[R], paired: bool[R]}, the last only where there are pairs
    Where there are background transposes: x {turn: bool[R]} too; `bits` has their chain.
    Where weights have tags: x {sparse: bool[R], candidates: int[R, 4 g]}, w {picks: int[R, F]} too.
    """

    def __init__(self, config: CoreConfig) -> None:
        tensor = config.tensor
        self.tensor = tensor
        rows, groups = tensor.rows, tensor.columns // tensor.load_columns
        shape = (rows, tensor.columns)
        # moving elements, one column a cycle
        self._x: Doubles = np.zeros(shape)
        self._x_active: Flags = np.zeros(shape, np.bool_)
        self._pairs = _Pairs(tensor) if tensor.products > 1 else None
        self._choice = _Choice(tensor) if tensor.sparse else None
        self.bits = BitsModel(tensor) if tensor.background else None
        self._turn: Flags = np.zeros(shape, np.bool_)
        self._swap: Flags = np.zeros(shape, np.bool_)
        # stationary: transport registers [rows, groups, F], shadow and active registers
        self._group: Doubles = np.zeros((rows, groups, tensor.load_columns))
        self._tag: NDArray[np.int64] = np.zeros((rows, groups), np.int64)
        self._valid: Flags = np.zeros((rows, groups), np.bool_)
        self._shadow: Doubles = np.zeros(shape)
        self._active: Doubles = np.zeros(shape)
        self._shadow_known: Flags = np.zeros(shape, np.bool_)
        self._active_known: Flags = np.zeros(shape, np.bool_)
        # registers of product and adder with "no register in it was undefined", the newest first
        known = np.ones(shape, np.bool_)
        self._products: list[tuple[Doubles, Flags]] = [(np.full(shape, -0.0), known)] * tensor.mul_stages
        self._sums: list[tuple[NDArray[np.float32], Flags]] = [(np.zeros(shape, np.float32), known)] * tensor.add_stages
        self._rest_after = tensor.columns + tensor.mul_stages + rows * tensor.add_stages
        self._empty_edges = 0
        """Edges in a row that nothing entered at."""

    @property
    def known(self) -> Flags:
        """[C]: p in this cycle depends on no stationary register that was never loaded, or loaded in another mode."""
        known: Flags = self._sums[-1][1][-1].copy()
        return known

    def comb(self) -> Bits:
        """p[C] in this cycle, finalised fp32; it depends on registers only."""
        bottom = self._sums[-1][0][-1]
        return np.where(np.isnan(bottom), np.uint32(FP32.canonical_nan), bottom.view(np.uint32))

    def tick(self, x: Mapping[str, NDArray[Any]], w: Mapping[str, NDArray[Any]]) -> None:
        """The edge at the end of the cycle."""
        if self._rests(x, w):
            return
        self._add()
        self._multiply()
        self._move(x)
        self._load(w)

    def _rests(self, x: Mapping[str, NDArray[Any]], w: Mapping[str, NDArray[Any]]) -> bool:
        """This edge changes no register: nothing enters, and nothing did for so long that nothing moves any more.

        When nothing entered at n edges in a row:
        - n = C: every register of x holds 0, inactive, no swap, no candidate; every one of the transport 0, not valid,
          and its tag the number that it counted down to. With no swap and no capture, shadow and active registers keep
          their value.
        - n = C + M: the products of inactive elements, all -0 and known, are in every register of the multiplier.
        - as many more edges as the chain of bits has registers in a column, fewer than R*L: no word is on it.
        - n = C + M + R*L: row r's sum is product + sum of row r - 1, and +0 above row 0; -0 + +0 = +0. So row 0 holds
          +0, known, in all its L registers after L edges, and row r after r*L more.
        All of these are what the next edge would write again.
        """
        entering = [x["active"], x["swap"], x["operand"], w["valid"], w["operands"], w["tag"]]
        if self._choice is not None:
            entering += [x["sparse"], x["candidates"], w["picks"]]
        if self.bits is not None:
            entering += [x["turn"]]
        self._empty_edges = 0 if any(np.count_nonzero(e) for e in entering) else self._empty_edges + 1
        return self._empty_edges > self._rest_after

    def _add(self) -> None:
        product, product_known = self._products[-1]
        values, known = self._sums[-1]
        above, known_above = np.zeros_like(product), np.ones_like(product_known)
        above[1:], known_above[1:] = values[:-1], known[:-1]
        total = round_chain(product, above, subnormals=self.tensor.subnormals)
        self._sums = [(total, product_known & known_above), *self._sums[:-1]]

    def _multiply(self) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            product = (self._x if self._choice is None else self._choice.moving(self._x)) * self._active
        if self._pairs is not None:
            product = np.where(self._pairs.paired, self._pairs.products(), product)
        neutral = ~self._x_active
        product[neutral | (self._active == NEUTRAL_VALUE)] = -0.0  # changes no number, zero or NaN of the chain
        known = self._active_known if self._pairs is None else self._active_known & self._pairs.alike
        if self._choice is not None:
            known = known & self._choice.there()
        self._products = [(product, known | neutral), *self._products[:-1]]

    def _move(self, x: Mapping[str, NDArray[Any]]) -> None:
        self._x = _shifted(self._x, operand_values(x["operand"], stationary=False))
        self._x_active = _shifted(self._x_active, np.asarray(x["active"]).astype(np.bool_))
        self._swap = _shifted(self._swap, np.asarray(x["swap"]).astype(np.bool_))
        # a swap acts in the edge that takes its x, before that edge's captures
        self._active = np.where(self._swap, self._shadow, self._active)
        self._active_known = np.where(self._swap, self._shadow_known, self._active_known)
        if self._pairs is not None:
            self._pairs.move(x, self._swap)
        if self._choice is not None:
            self._choice.move(x, self._swap)
        if self.bits is not None:
            self._turn = _shifted(self._turn, np.asarray(x["turn"]).astype(np.bool_))
            self.bits.move(self._turn)

    def _load(self, w: Mapping[str, NDArray[Any]]) -> None:
        capture = self._valid & (self._tag == 0)
        columns = np.repeat(capture, self.tensor.load_columns, axis=1)
        self._shadow = np.where(columns, self._group.reshape(self._shadow.shape), self._shadow)
        self._shadow_known = self._shadow_known | columns
        if self._pairs is not None:
            self._pairs.load(w, columns)
        if self._choice is not None:
            self._choice.load(w, columns)
        if self.bits is not None:
            self.bits.load(w, columns)
        self._group = _shifted(self._group, operand_values(w["operands"], stationary=True))
        self._valid = _shifted(self._valid & ~capture, np.asarray(w["valid"]).astype(np.bool_))
        self._tag = _shifted(self._tag - 1, np.asarray(w["tag"]).astype(np.int64))


class _Pairs:
    """The same registers as words, where operands may be pairs: what a word is only its meeting with another says."""

    def __init__(self, tensor: TensorConfig) -> None:
        shape = (tensor.rows, tensor.columns)
        self.tensor = tensor
        self.paired: Flags = np.zeros(shape, np.bool_)
        self._x, self._shadow, self._active = (np.zeros(shape, np.int64) for _ in range(3))
        self._group = np.zeros((tensor.rows, tensor.columns // tensor.load_columns, tensor.load_columns), np.int64)
        # whether what was loaded are pairs
        self._shadow_paired, self._active_paired = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self._group_paired: Flags = np.zeros(self._group.shape, np.bool_)

    @property
    def alike(self) -> Flags:
        """Moving element and weight are both pairs, or neither is: else what they make is open."""
        alike: Flags = self.paired == self._active_paired
        return alike

    def products(self) -> Doubles:
        """What pairs add; of other operands the result is open."""
        return short_products(self._x, self._active, self.tensor.products)

    def move(self, x: Mapping[str, NDArray[Any]], swap: Flags) -> None:
        self._x = _shifted(self._x, np.asarray(x["operand"], np.int64))
        self.paired = _shifted(self.paired, np.asarray(x["paired"]).astype(np.bool_))
        self._active = np.where(swap, self._shadow, self._active)
        self._active_paired = np.where(swap, self._shadow_paired, self._active_paired)

    def load(self, w: Mapping[str, NDArray[Any]], captured: Flags) -> None:
        shape = self._shadow.shape
        self._shadow = np.where(captured, self._group.reshape(shape), self._shadow)
        self._shadow_paired = np.where(captured, self._group_paired.reshape(shape), self._shadow_paired)
        self._group = _shifted(self._group, np.asarray(w["operands"], np.int64))
        paired = np.asarray(w["paired"]).astype(np.bool_)
        self._group_paired = _shifted(self._group_paired, np.broadcast_to(paired[:, None], w["operands"].shape))


class _Choice:
    """Candidates and the picks that choose among them.

    PEs of a row hand candidates on: what is in a column's registers entered the row as many edges before as the
    column's number says. So what entered is kept, not what each PE has.
    """

    def __init__(self, tensor: TensorConfig) -> None:
        shape = (tensor.rows, tensor.columns)
        self.sparse: Flags = np.zeros(shape, np.bool_)
        self._entered: Doubles = np.zeros((tensor.columns, tensor.rows, tensor.candidates))
        """At the last edges, as a ring."""
        self._legal = np.zeros(self._entered.shape, np.bool_)
        """Which of them are operands: no operand is the word 0."""
        self._newest = 0
        self._picks = [np.zeros(shape, np.int64)] * 2
        """Shadow and active ones."""
        self._group = np.zeros((tensor.rows, tensor.columns // tensor.load_columns, tensor.load_columns), np.int64)
        self._rows, self._columns = np.ogrid[: tensor.rows, : tensor.columns]

    def _chosen(self, entered: NDArray[Any]) -> NDArray[Any]:
        """Of each PE."""
        count, _, candidates = entered.shape
        chosen: NDArray[Any] = entered[(self._newest - self._columns) % count, self._rows, self._picks[1] % candidates]
        return chosen

    def moving(self, operands: Doubles) -> Doubles:
        """What each weight meets, of these elements and the candidates."""
        return np.where(self.sparse, self._chosen(self._entered), operands) if self.sparse.any() else operands

    def there(self) -> Flags:
        """What a weight meets is an operand: its tag, of an earlier load perhaps, names a candidate that there is."""
        met: Flags = ~self.sparse | self._chosen(self._legal) if self.sparse.any() else ~self.sparse
        return met

    def move(self, x: Mapping[str, NDArray[Any]], swap: Flags) -> None:
        sparse = np.asarray(x["sparse"]).astype(np.bool_)
        self._newest = (self._newest + 1) % len(self._entered)
        self._entered[self._newest] = operand_values(x["candidates"], stationary=False) if sparse.any() else 0
        self._legal[self._newest] = np.asarray(x["candidates"]) != 0
        self.sparse = _shifted(self.sparse, sparse)
        self._picks[1] = np.where(swap, *self._picks)

    def load(self, w: Mapping[str, NDArray[Any]], captured: Flags) -> None:
        self._picks[0] = np.where(captured, self._group.reshape(captured.shape), self._picks[0])
        self._group = _shifted(self._group, np.asarray(w["picks"], np.int64))


def _shifted(registers: NDArray[Any], entering: NDArray[Any]) -> NDArray[Any]:
    """One place to the right along axis 1."""
    return np.concatenate([entering[:, None], registers[:, :-1]], axis=1)
