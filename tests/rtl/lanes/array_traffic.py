"""Random traffic for a PE array alone: operands of every class, loads, swaps, dense streams, garbage and idle gaps.

Most words change together in such streams; where single bits flip, whoever reads a word must hear of it by that word.
"""

import numpy as np
from numpy.typing import NDArray

from makalu.hw.tensor.layouts import tag_bits
from makalu.sim_models.lockstep.operand import operand_words
from makalu.spec.chain import CHAIN_BITS, CHAIN_INFINITY_EXPONENT, CHAIN_NAN_EXPONENT, OPERAND_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.formats import BF16, FP32

__all__ = ["result_classes", "traffic"]

_LENGTHS = {
    "stream": (5, 60),
    "specials": (5, 40),
    "garbage": (1, 10),
    "flips": (5, 80),
    "sparse": (10, 60),
    "idle": (1, 120),
}
"""Kinds of traffic, and how many cycles of it come at once."""


def _bf16(r: np.random.Generator, shape: tuple[int, ...], specials: float) -> NDArray[np.uint16]:
    """Numbers around 1 and, with a chance each, zeros, subnormals, infinities, NaNs, the largest, smallest and any."""
    bits = r.integers(1 << BF16.bits, size=shape)
    near = BF16.bias + r.integers(-9, 9, size=shape)
    bits = bits & ~(BF16.exponent_mask << BF16.fraction_bits) | near << BF16.fraction_bits
    fraction, sign = bits & ((1 << BF16.fraction_bits) - 1), bits & 1 << (BF16.bits - 1)
    full = BF16.exponent_mask << BF16.fraction_bits
    largest, smallest = full - 1, 1 << BF16.fraction_bits
    choices = [sign, sign | fraction, sign | full, full | fraction, sign | largest, sign | smallest]
    choices.append(r.integers(1 << BF16.bits, size=shape))
    chosen = np.choose(r.integers(len(choices), size=shape), choices)
    return np.where(r.random(shape) < specials, chosen, bits).astype(np.uint16)


def _bits(values: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """[..., width], the lowest bit first."""
    return (values[..., None] >> np.arange(width) & 1).astype(np.uint8)


def _segment(r: np.random.Generator, config: CoreConfig, kind: str, cycles: int) -> list[NDArray[np.uint8]]:
    """Bits of x and w, [cycles, rows, bits]."""
    tensor = config.tensor
    rows, group = tensor.rows, tensor.load_columns
    tags = tag_bits(tensor)
    bits_of = [OPERAND_BITS + 2, group * OPERAND_BITS + tags + 1]
    if kind == "idle":
        return [np.zeros((cycles, rows, bits), np.uint8) for bits in bits_of]
    if kind == "garbage":
        return [r.integers(2, size=(cycles, rows, bits), dtype=np.uint8) for bits in bits_of]
    specials = 0.3 if kind == "specials" else 0.02
    share = 0.15 if kind == "sparse" else 1.0
    active = r.random((cycles, rows)) < share
    swap = r.random((cycles, rows)) < 0.1 * share
    kind = {"form": BF16, "subnormals": tensor.subnormals}
    moving = operand_words(_bf16(r, (cycles, rows), specials), stationary=False, **kind)
    x = [_bits(moving * active, OPERAND_BITS), active[..., None], swap[..., None]]
    loads = r.random((cycles, rows)) < 0.5 * share
    bits = _bf16(r, (cycles, rows, group), specials)
    held = operand_words(bits, stationary=True, **kind) * loads[..., None]
    tag = r.integers(tensor.columns // group, size=(cycles, rows)) * loads
    w = [_bits(held, OPERAND_BITS).reshape(cycles, rows, -1), _bits(tag, tags), loads[..., None]]
    return [np.concatenate(fields, axis=2).astype(np.uint8) for fields in (x, w)]


def _flips(r: np.random.Generator, last: NDArray[np.uint8], cycles: int) -> NDArray[np.uint8]:
    """The last row goes on, but for one bit in every third cycle or so."""
    flips = np.zeros((cycles, last.size), np.uint8)
    flips[np.arange(cycles), r.integers(last.size, size=cycles)] = r.random(cycles) < 0.3
    return np.bitwise_xor.accumulate(flips, axis=0).reshape(cycles, *last.shape) ^ last


def traffic(config: CoreConfig, *, cycles: int, seed: int) -> NDArray[np.uint32]:
    """Rows of inputs for `PeArray`: x, then w, each in whole words."""
    r = np.random.default_rng([seed, config.tensor.rows])
    segments, left = [], cycles
    while left > 0:
        kind = str(r.choice(list(_LENGTHS)))
        length = min(left, int(r.integers(*_LENGTHS[kind], endpoint=True)))
        if kind == "flips" and segments:
            segments.append([_flips(r, port[-1], length) for port in segments[-1]])
        else:
            segments.append(_segment(r, config, kind, length))
        left -= length
    ports = [np.concatenate(parts).reshape(cycles, -1) for parts in zip(*segments, strict=True)]
    padded = [np.pad(port, ((0, 0), (0, -port.shape[1] % 32))) for port in ports]
    return np.packbits(np.hstack(padded), axis=1, bitorder="little").view(np.uint32)


def result_classes(rows: NDArray[np.uint32], columns: int) -> dict[str, int]:
    """How many of the array's results are of each class."""
    bits = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, : columns * CHAIN_BITS]
    words = bits.reshape(-1, CHAIN_BITS).astype(np.int64) @ (1 << np.arange(CHAIN_BITS))
    fraction = words & ((1 << FP32.fraction_bits) - 1)
    exponent = words >> FP32.fraction_bits & CHAIN_NAN_EXPONENT
    nan, tiny = exponent == CHAIN_NAN_EXPONENT, exponent == 0
    infinite = (exponent >= CHAIN_INFINITY_EXPONENT) & ~nan
    classes = {"nan": nan, "infinite": infinite, "zero": tiny & (fraction == 0), "subnormal": tiny & (fraction != 0)}
    classes["normal"] = ~(nan | tiny | infinite)
    return {name: int(np.count_nonzero(which)) for name, which in classes.items()}
