"""What a PE meets in a real matmul: operands, chain words and the sums that must come out, from the golden model.

moving[K, N] and one column of stationary[K, 1] of N(0, 1), in a format; the PE is in the place of ROWS rows of the
column, one after the other, each for as many columns of the moving operand, with the running sums of the rows above it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makalu.hw.tensor.layouts import bits_word, x_operand
from makalu.sim_models.golden.arithmetic import chain_sum
from makalu.sim_models.golden.formats import narrow, widen
from makalu.sim_models.golden.pairs import pair_operand, pair_sum, short_elements
from makalu.sim_models.golden.quads import quad_operand, quad_sum
from makalu.sim_models.lockstep.operand import operand_words
from makalu.sim_models.lockstep.short import pair_words, quad_words
from makalu.spec.chain import CHAIN_EXPONENT_BITS, CHAIN_NAN_EXPONENT, OPERAND_BITS
from makalu.spec.config import TensorConfig
from makalu.spec.formats import BF16, E2M1, E2M1_X4, E4M3, E4M3FN, E4M3FN_X4, FP32, Format
from makalu.spec.quads import QUAD_ELEMENTS, SCALE_BIAS
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.spec.sparsity import RATIO_LIMIT

__all__ = ["IDLE", "KINDS", "Kind", "Play", "finalised", "play_of"]


@dataclass(frozen=True)
class Kind:
    """Operands: `element` of which a PE multiplies `products` a cycle; `container` of quads."""

    name: str
    element: Format
    products: int
    container: Format | None = None
    ratio: int = 1
    """Moving elements of a partition among which a weight chooses: one MAC stands for so many of the dense tile."""

    @property
    def macs(self) -> int:
        """A PE and cycle, of a sparse tile those of the dense one that it stands for."""
        return self.products * self.ratio


IDLE = Kind("idle", BF16, 0)
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("bf16", BF16, 1),
        Kind("sparse", BF16, 1, ratio=RATIO_LIMIT),
        Kind("fp8", E4M3, 2),
        Kind("mxfp8", E4M3FN, QUAD_ELEMENTS, E4M3FN_X4),
        Kind("mxfp4", E2M1, QUAD_ELEMENTS, E2M1_X4),
        IDLE,
    )
}
"""bf16; the same of a tile of which 4 of 16 rows are kept; fp8 in double row, e4m3, scaled to its largest number; MX,
with scales of OCP's rule; an idle array, which has just computed."""

DEPTH, ROWS, COLUMNS = 128, 16, 64
"""Rows of the column; of these the PE is in the place of so many, each for so many columns."""
_RESET, _WARM = 4, 24
_Words = NDArray[np.int64]
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Play:
    """Input words of each cycle by port; `sums`: cycle and fp32 bits of every result; `measured`: cycles to count."""

    ports: Mapping[str, list[int]]
    sums: Mapping[int, int]
    measured: range


def play_of(kind: Kind, tensor: TensorConfig, *, rows: int = ROWS, columns: int = COLUMNS, seed: int = 1) -> Play:
    """A reset, operands of every mode that the PE has, then the `kind` itself."""
    random = np.random.default_rng(seed)
    latency = 1 + tensor.mul_stages + tensor.add_stages
    start = _RESET + _WARM
    total = start + rows * columns + latency
    names = ["rst", "x_in", "w", "load", "p_in", *(["pick"] if tensor.sparse else [])]
    names += ["bits_in"] if tensor.background else []  # nothing is transposed
    ports = {name: [0] * total for name in names}
    ports["rst"][:_RESET] = [1] * _RESET
    _warm_up(ports, tensor, random, single_last=kind.products > 1)
    sums: dict[int, int] = {}
    if kind is IDLE:
        ports["w"][start:] = [ports["w"][start - 1]] * (total - start)
        # the sums of the rows above are those of an idle column too; what was under way is given time to end
        return Play(ports, sums, range(start + latency + 1, total))
    places = [DEPTH * (2 * i + 1) // (2 * rows) for i in range(rows)]
    moving, stationary = _operands(kind, tensor, random, rows * columns)
    others = _others(kind, tensor, random, rows * columns)
    for cycle, place in enumerate(places):
        block = slice(cycle * columns, (cycle + 1) * columns)
        before, after = _chain(kind, moving, stationary, place, block)
        weight = int(stationary.words[place, 0])
        first = start + block.start
        ports["w"][first - 3] = weight
        ports["load"][first - 3] = 1
        for later in range(first - 2, first + columns - 3):
            ports["w"][later] = weight
        pick = int(random.integers(tensor.candidates)) if kind.ratio > 1 else 0
        if kind.ratio > 1:
            ports["pick"][first - 3 : first + columns - 3] = [pick] * columns
        for i in range(columns):
            x = int(moving.words[place, block.start + i])
            flags = 1 | (i == 0) << 1 | (kind.products > 1) << 2
            if kind.ratio > 1:
                candidates = others[:, block.start + i].tolist()
                candidates[pick] = x
                x = _sparse_bits(tensor, candidates)
            ports["x_in"][first + i] = x | flags << tensor.operand_bits
            ports["p_in"][first + i + 1 + tensor.mul_stages] = int(before[i])
            # read at the end of the cycle before it leaves
            sums[first + i + latency] = int(after[i])
    return Play(ports, sums, range(start + latency, start + rows * columns))


def _sparse_bits(tensor: TensorConfig, candidates: list[int]) -> int:
    """Of x: that it is sparse, and its candidates above."""
    flag = x_operand(tensor)["sparse"].offset
    return 1 << flag | sum(int(each) << flag + 1 + n * OPERAND_BITS for n, each in enumerate(candidates))


def _others(kind: Kind, tensor: TensorConfig, random: np.random.Generator, count: int) -> _Words:
    """[candidates, N]: what a sparse weight chooses among."""
    if kind.ratio == 1:
        return np.zeros((0, count), np.int64)
    return _candidates(tensor, random, count)


def _candidates(tensor: TensorConfig, random: np.random.Generator, count: int) -> _Words:
    numbers = random.standard_normal((tensor.candidates, count)).astype(np.float32).view(np.uint32)
    return operand_words(narrow(BF16, numbers), form=BF16, stationary=False, subnormals=tensor.subnormals)


@dataclass(frozen=True)
class _Side:
    """words[K, N] of the array, and what golden takes: elements or quads of the same shape."""

    words: _Words
    values: object


def _operands(kind: Kind, tensor: TensorConfig, random: np.random.Generator, count: int) -> tuple[_Side, _Side]:
    sides = (
        _side(kind, tensor, random.standard_normal((max(1, kind.products), DEPTH, n)), stationary=stationary)
        for n, stationary in ((count, False), (1, True))
    )
    moving, stationary = sides
    return moving, stationary


def _side(kind: Kind, tensor: TensorConfig, numbers: _Doubles, *, stationary: bool) -> _Side:
    """Of numbers [products, K, N], element j of a word first."""
    if kind.products == 1:
        bits = narrow(BF16, numbers[0].astype(np.float32).view(np.uint32))
        words = operand_words(bits, form=BF16, stationary=stationary, subnormals=tensor.subnormals)
        return _Side(words, widen(BF16, bits).view(np.float32).astype(np.float64))
    largest = float(short_elements(kind.element, kind.element.largest).value)
    if kind.container is None:
        codes = _nearest(kind.element, numbers * (largest / np.abs(numbers).max()))
        words = pair_words(codes, form=kind.element, products=tensor.products)
        return _Side(words, pair_operand(kind.element, codes))
    # a scale for 32 elements: GROUP_PARTITIONS partitions of four
    groups = numbers.reshape(kind.products, -1, GROUP_PARTITIONS, numbers.shape[2])
    top = np.floor(np.log2(np.abs(groups).max(axis=(0, 2), keepdims=True)))
    scales = (top - np.floor(np.log2(largest))).astype(np.int64)
    codes = _nearest(kind.element, groups * np.exp2(-scales)).reshape(numbers.shape)
    shared = np.broadcast_to(scales, groups.shape)[0].reshape(numbers.shape[1:]) + SCALE_BIAS
    containers = np.bitwise_or.reduce([code << kind.element.bits * j for j, code in enumerate(codes)])
    words = quad_words(containers, shared, form=kind.container)
    return _Side(words, quad_operand(kind.container, containers, shared))


def _nearest(form: Format, numbers: _Doubles) -> _Words:
    """Codes of the nearest elements, the even one of two, saturating. Stimulus only: nothing is judged by it."""
    values = short_elements(form, np.arange(form.largest + 1)).value
    magnitude = np.minimum(np.abs(numbers), values[-1])
    above = np.clip(np.searchsorted(values, magnitude), 1, len(values) - 1)
    up, down = values[above] - magnitude, magnitude - values[above - 1]
    code = np.where((up < down) | ((up == down) & (above % 2 == 0)), above, above - 1)
    return np.asarray(code | (numbers < 0).astype(np.int64) << form.bits - 1, np.int64)


def _chain(kind: Kind, moving: _Side, stationary: _Side, place: int, block: slice) -> tuple[_Words, NDArray[np.uint32]]:
    """Chain words that come to row `place`, and the sums after it, of a block of columns."""
    sums = np.zeros(block.stop - block.start, np.uint32)
    words = np.zeros(len(sums), np.int64)
    for k in range(place):
        addend = _addend(kind, moving, stationary, k, block)
        before, sums = sums, chain_sum(addend, sums)
        words = _chain_words(addend, before, sums)
    return words, chain_sum(_addend(kind, moving, stationary, place, block), sums)


def _addend(kind: Kind, moving: _Side, stationary: _Side, k: int, block: slice) -> _Doubles:
    x, w = moving.values, stationary.values
    if kind.products == 1:
        return np.asarray(x[k, block] * w[k, 0])  # type: ignore[index]
    if kind.container is None:
        every = slice(None)
        return pair_sum(w.at(every, k, slice(0, 1)), x.at(every, k, block))  # type: ignore[attr-defined]
    return quad_sum(w.at(k, slice(0, 1)), x.at(k, block))  # type: ignore[attr-defined]


def _chain_words(addend: _Doubles, before: NDArray[np.uint32], after: NDArray[np.uint32]) -> _Words:
    """Sums as the chain has them: with an increment where rounding went away from zero."""
    p, rounded = (bits.view(np.float32).astype(np.float64) for bits in (before, after))
    total = addend + p
    rest = total - addend
    error = (addend - (total - rest)) + (p - rest)  # of that addition, exactly
    away = ((rounded - total) - error) * np.sign(rounded) > 0
    bits = after.astype(np.int64)
    magnitude, sign = bits & (1 << FP32.bits - 1) - 1, bits >> FP32.bits - 1
    number = FP32.fraction_bits + CHAIN_EXPONENT_BITS
    return np.asarray(magnitude - away | sign << number | away.astype(np.int64) << number + 1)


def finalised(word: int) -> int:
    """fp32 bits of a chain word (`spec/chain.py`)."""
    number = FP32.fraction_bits + CHAIN_EXPONENT_BITS
    magnitude = word & (1 << number) - 1
    if magnitude >> FP32.fraction_bits == CHAIN_NAN_EXPONENT:
        return FP32.canonical_nan
    magnitude = min(magnitude + (word >> number + 1), FP32.infinity)
    return magnitude | (word >> number & 1) << FP32.bits - 1


def _warm_up(
    ports: Mapping[str, list[int]], tensor: TensorConfig, random: np.random.Generator, *, single_last: bool
) -> None:
    """Random operands of every mode, the one that is not measured last: registers keep what they had of it."""
    for i in range(_WARM):
        cycle = _RESET + i
        short = tensor.products > 1 and (i < _WARM // 2) == single_last
        x, w = (_random_word(tensor, random, short=short, stationary=side) for side in (False, True))
        flags = (1 | (i > 1) << 1 | short << 2) << tensor.operand_bits
        if tensor.sparse and not short and i % 4 == 1:
            x = _sparse_bits(tensor, _candidates(tensor, random, 1)[:, 0].tolist())
        ports["x_in"][cycle] = x | flags
        ports["w"][cycle], ports["load"][cycle] = w, 1
        if tensor.background:
            ports["bits_in"][cycle] = int(random.integers(1 << bits_word(tensor)))
        ports["p_in"][cycle] = int(random.integers(1 << FP32.fraction_bits)) | FP32.bias << FP32.fraction_bits


def _random_word(tensor: TensorConfig, random: np.random.Generator, *, short: bool, stationary: bool) -> int:
    if not short:
        number = np.float32(random.standard_normal()).view(np.uint32)
        return int(operand_words(narrow(BF16, number), form=BF16, stationary=stationary))
    codes = random.integers(1, E4M3FN.largest, (tensor.products, 1))
    if tensor.products < QUAD_ELEMENTS:
        return int(pair_words(codes, form=E4M3, products=tensor.products)[0])
    container = np.bitwise_or.reduce([code << 8 * j for j, code in enumerate(codes)])
    return int(quad_words(container, np.array([SCALE_BIAS]), form=E4M3FN_X4)[0])
